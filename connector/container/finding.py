"""One thing that `connector check` has to say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from connector.errors import Reason

#: A finding that is not made yet: severity, reason, place and inserts.
Told = tuple[str, Reason, str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a deployer should know.

    Attributes:
        severity: `error`, `warning` or `note`.
        code: A stable code.
        place: Where: a key path, a file, a plugin.
        text: What was found.
        action: What to do.
    """

    severity: str
    code: str
    place: str
    text: str
    action: str


def finding(severity: str, reason: Reason, place: str, **details: object) -> Finding:
    """The finding that a reason makes with these inserts."""
    return Finding(severity, reason.code, place, reason.text.format(**details), reason.action.format(**details))


def made(told: Iterable[Told]) -> list[Finding]:
    """The findings of what was told."""
    return [finding(severity, reason, place, **inserts) for severity, reason, place, inserts in told]
