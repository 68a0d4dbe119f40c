"""What the audit log keeps of an administrative request: who, which operation, on what, how it ended (OPS-2). Pure."""

from __future__ import annotations

from typing import Any

from connector.admin.access import Access
from connector.admin.arguments import Arguments
from connector.admin.operations.request import Login
from connector.admin.operations.table import Operation
from connector.errors import SecurityError
from connector.spi import AuditEvent, Outcome

#: How much of one text from outside is kept.
LONGEST_TEXT = 200


def claimed_caller(operation: Operation, login: Login | None, uid: int | None) -> str:
    """Who a request says that it comes from, before anybody has checked it; for bus operations the bus will. Pure."""
    if login is None:
        return f"uid {uid}"
    checked = "checked by the bus" if operation.access is Access.BUS else "unproven"
    return f"{login.user} ({checked})"


def admin_event(
    operation: Operation | None,
    arguments: Arguments,
    *,
    who: str,
    uid: int | None,
    container: str,
    error: BaseException | None,
    reason: str,
) -> AuditEvent:
    """The audit event of one request.

    Args:
        operation: What was asked; None where that could not be told.
        arguments: Its arguments, of which those that the operation names as its resource are kept. Passwords have
            been taken out of them, and no operation names one.
        who: The caller.
        uid: The user id of the process that asked.
        container: The container's name.
        error: What the operation raised, or None.
        reason: The stable code of the error, else why it was allowed.
    """
    if error is None:
        outcome = Outcome.SUCCESS
    else:
        outcome = Outcome.DENIED if isinstance(error, SecurityError) else Outcome.FAILURE
    details: dict[str, Any] = {"uid": uid}
    for name in operation.resource if operation is not None else ():
        value = arguments.anything(name)
        details[name] = None if value is None else str(value)[:LONGEST_TEXT]
    return AuditEvent(
        action=f"admin.{'unknown' if operation is None else operation.name}",
        who=who[:LONGEST_TEXT],
        resource=container,
        outcome=outcome,
        reason=reason,
        details=details,
    )
