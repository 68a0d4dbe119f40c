"""The page of the conformance kit's requirements, from the contracts themselves."""

from __future__ import annotations

from connector.testing import KIT_VERSION
from connector.testing.report import profile_of
from connector.testing.requirement import requirements


def kit_page() -> str:
    """One table a profile; all contracts must have been imported."""
    lines = [
        "# Conformance kit: the requirements",
        "",
        f"Generated from the code by `docs/generate.py`; kit {KIT_VERSION}. How to run it: [for authors](authors.md).",
        "A requirement applies where the adapter claims the capability and its external system has the facet it needs.",
        "",
    ]
    by_profile: dict[str, list[str]] = {}
    for each in requirements():
        needs = ", ".join(need.value for need in each.needs)
        by_profile.setdefault(profile_of(each.id), []).append(f"| `{each.id}` | {each.sentence} | {needs} |")
    for profile, rows in sorted(by_profile.items()):
        lines += [f"## {profile}", "", "| id | what is required | needs |", "|---|---|---|", *rows, ""]
    return "\n".join(lines)
