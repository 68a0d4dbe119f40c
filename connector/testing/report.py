"""The report: what was certified, by which versions, with which outcome. Pure; plain values for JSON."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from connector import __version__
from connector.spi import SPI_VERSION
from connector.testing import KIT_VERSION
from connector.testing.recording import Outcome, Result

#: What the ids begin with, and the profile that they belong to. A profile is what an author claims conformance with.
PROFILES = {
    "OUT-CORE": "outbound-core",
    "OUT-SEC": "outbound-security",
    "OUT-TRUST": "outbound-security",
    "OUT-POOL": "outbound-pool",
    "OUT-ASYNC": "outbound-async",
    "MAP": "mapper",
    "STORE": "secret-store",
    "REG": "user-registry",
    "IN-CORE": "inbound-core",
    "IN-SEC": "inbound-security",
    "IN-DLV": "delivery",
    "IN-RDL": "redelivery",
    "IN-TX": "inbound-transactions",
    "KIT": "kit",
}


def profile_of(id: str) -> str:  # noqa: A002 - as in `Requirement.id`
    """The profile that a requirement belongs to."""
    return PROFILES[id.rpartition("-")[0]]


def report_of(results: Sequence[Result]) -> dict[str, Any]:
    """The whole report.

    Args:
        results: One a requirement, subject and test.
    """
    subjects: dict[tuple[str, ...], list[Result]] = {}
    for result in results:
        who = result.subject
        key = tuple(str(who.get(part, "unknown")) for part in ("name", "version", "backend"))
        subjects.setdefault(key, []).append(result)
    return {
        "kit": KIT_VERSION,
        "spi": SPI_VERSION,
        "framework": __version__,
        "python": platform.python_version(),
        "subjects": [_subject(key, of) for key, of in sorted(subjects.items())],
    }


def badge_lines(report: dict[str, Any]) -> Iterator[str]:
    """One line a subject, for people."""
    for subject in report["subjects"]:
        profiles = []
        for name, profile in subject["profiles"].items():
            count = profile["deviation"]
            admitted = f" ({count} deviation{'s' if count > 1 else ''})" if count else ""
            profiles.append(f"{name} {profile['verdict']}{admitted}")
        who = f"{subject['name']} {subject['version']} ({subject['backend']})"
        yield f"connector kit {report['kit']}, SPI {report['spi']}: {who}: {', '.join(profiles)}"


def _subject(key: tuple[str, ...], results: list[Result]) -> dict[str, Any]:
    name, version, backend = key
    who = results[0].subject
    return {
        "name": name,
        "version": version,
        "backend": backend,
        "claims": {claim: _standing(claim, who, results) for claim in who.get("claims", ())},
        "profiles": dict(_profiles(results)),
        "deviations": [_line(result) for result in results if result.outcome is Outcome.DEVIATION],
        "requirements": [_line(result) for result in results],
    }


def _standing(claim: str, who: dict[str, Any], results: Iterable[Result]) -> str:
    """How a claim was treated: lacked by the backend, not the resource's, unknown to the kit, or tested so often."""
    lacks = who.get("lacks", {})
    if claim in lacks:
        return f"lacking: {lacks[claim]}"
    if claim in who.get("narrowed", ()):
        return "narrowed by the resource"
    asked = [result for result in results if claim in result.requirement["needs"]]
    if not asked:
        return "not covered by what was run"
    ran = sum(result.outcome in {Outcome.PASSED, Outcome.FAILED, Outcome.DEVIATION} for result in asked)
    return f"tested by {ran} of {len(asked)}"


def _profiles(results: Iterable[Result]) -> Iterator[tuple[str, dict[str, Any]]]:
    counted: dict[str, Counter[str]] = {}
    for result in results:
        counted.setdefault(profile_of(result.requirement["id"]), Counter())[result.outcome.value] += 1
    for profile, counts in sorted(counted.items()):
        yield profile, {"verdict": _verdict(counts), **{outcome.value: counts[outcome.value] for outcome in Outcome}}


def _verdict(counts: Counter[str]) -> str:
    """A deviation is admitted, and shown beside the verdict; what was skipped was not shown to conform."""
    if counts[Outcome.FAILED.value]:
        return "FAIL"
    if counts[Outcome.SKIPPED.value]:
        return "INCOMPLETE"
    return "PASS" if counts[Outcome.PASSED.value] else "NOT APPLICABLE"


def _line(result: Result) -> dict[str, Any]:
    return {
        **result.requirement,
        "profile": profile_of(result.requirement["id"]),
        "outcome": result.outcome.value,
        "reason": result.reason,
        "test": result.test,
    }
