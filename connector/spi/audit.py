"""Audit and event records: redacted by type, fit for plugins (OPS-2, architecture rule 5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Any, Protocol


class Outcome(Enum):
    """How it ended."""

    SUCCESS = "success"
    DENIED = "denied"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One line of the security audit log: who, what, resource, outcome, reason.

    Attributes:
        action: What was attempted: `login`, `sign-on`, `deliver`, `send`, `admin.users.add`, …
        who: The principal as text.
        resource: On what.
        outcome: How it ended.
        reason: The stable code of a refusal, else why it was allowed; short.
        details: Further facts as plain values; never a secret.
        at: Seconds since 1970, set by the log.
    """

    action: str
    who: str
    resource: str
    outcome: Outcome
    reason: str = ""
    details: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    at: float = 0.0


class AuditLog(Protocol):
    """Where audit events go, from any thread. Never raises, and blocks no longer than writing a line takes."""

    def record(self, event: AuditEvent) -> None:
        """Write one event."""
        ...
