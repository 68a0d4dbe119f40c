"""What the audit log keeps of an operator's change: who, what, on what, how it ended, why (OPS-2)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from connector.errors import ConnectorError
from connector.security.scope import CURRENT_SCOPE
from connector.spi import AuditEvent, AuditLog, Outcome

#: Who operates where nobody has logged in: code of the container's own process, or a command that the endpoint let in.
SERVER: Final = "server"


@contextmanager
def recorded(audit: AuditLog, action: str, resource: str, details: Mapping[str, Any]) -> Iterator[None]:
    """Record one event when the block ends, however it does: a refusal with its code.

    Args:
        audit: Where.
        action: What is done.
        resource: On what.
        details: What was asked; the block may add to it what it finds out.
    """
    outcome, reason = Outcome.FAILURE, "interrupted"
    try:
        yield
        outcome, reason = Outcome.SUCCESS, "asked for"
    except Exception as error:
        reason = error.code if isinstance(error, ConnectorError) else type(error).__name__
        raise
    finally:
        audit.record(AuditEvent(action, _caller(), resource, outcome, reason, details))


def _caller() -> str:
    scope = CURRENT_SCOPE.get()
    return SERVER if scope is None or scope.subject.caller is None else str(scope.subject.caller)
