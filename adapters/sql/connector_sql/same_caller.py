"""One connection, one caller: who obtained it is who may begin another transaction on it."""

from __future__ import annotations

from connector.errors import IdentityMismatch, Reason
from connector.spi import ConnectionManager, ConnectionRequestInfo, SignOnPlan

CALLER_CHANGED = Reason(
    "CF-SQL-041",
    "a connection of reference {reference} was obtained as {first} and is used as {now}.",
    "Ask the connection factory for a connection of the present caller's own.",
)


def require_same_caller(manager: ConnectionManager, plan: SignOnPlan, request: ConnectionRequestInfo | None) -> None:
    """Compare the present caller with the one of the plan; blocks only where login modules have to be asked.

    Args:
        manager: The reference's connection manager.
        plan: What the connection was lent by.
        request: What the application passed when it obtained the connection.

    Raises IdentityMismatch where it is another one, or none where one is needed; what sign-on raises for a caller who
    has left.
    """
    now = manager.current_plan(request)
    if now.sharing_key != plan.sharing_key:
        raise IdentityMismatch(
            CALLER_CHANGED, reference=plan.reference, first=plan.effective_user, now=now.effective_user
        )
