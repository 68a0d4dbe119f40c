"""Which unit of work a delivery runs in: the decision, and what it needs of the transactions' room (FLOW-8).

|                          | the source's own unit is in force      | there is none                      |
|--------------------------|----------------------------------------|------------------------------------|
| the handler is transacted| JOIN: it runs in it; the participant   | BEGIN: a new one, which the        |
|                          | is ignored                             | participant is enlisted in         |
| it is not                | SUSPEND: it is not in force meanwhile; | NOTHING: the participant is ignored|
|                          | the participant is ignored             |                                    |
"""

from __future__ import annotations

from enum import Enum
from typing import Any, Protocol

from connector.spi import UnitOfWork


class Units(Protocol):
    """What an endpoint needs of the container's transactions. Safe to use from any thread.

    A unit is in force for the thread or task that began it, and for what that awaits.
    """

    def current(self) -> UnitOfWork | None:
        """The unit in force here; None where there is none. Does not block."""
        ...

    def begin(self, timeout: float | None = None) -> UnitOfWork:
        """Begin a unit and put it in force here.

        Args:
            timeout: Seconds until it can only be rolled back; None for the container's default.

        Does not block. Raises TransactionError where there can't be one now.
        """
        ...

    def commit(self, unit: UnitOfWork) -> None:
        """End a unit by committing it; afterwards it is in force no more. Blocks for its participants.

        Raises TransactionError where it was rolled back instead: rollback-only, over time, a participant's no.
        Returning means that it is committed, or decided to be and left to recovery.
        """
        ...

    def rollback(self, unit: UnitOfWork) -> None:
        """End a unit by rolling it back; afterwards it is in force no more. Blocks; harmless when it has ended."""
        ...

    def suspend(self) -> Any:
        """Have no unit in force here until `resume`; answers what that needs. Does not block."""
        ...

    def resume(self, suspended: Any) -> None:
        """Put back in force what `suspend` took away. Does not block."""
        ...


class UnitPlan(Enum):
    """What a delivery does about units of work."""

    JOIN = "join"
    BEGIN = "begin"
    SUSPEND = "suspend"
    NOTHING = "nothing"


def plan_unit(*, transacted: bool, source: bool) -> UnitPlan:
    """The table above. Pure.

    Args:
        transacted: Whether the handler wants a unit of work.
        source: Whether the adapter's work already runs in one.
    """
    if transacted:
        return UnitPlan.JOIN if source else UnitPlan.BEGIN
    return UnitPlan.SUSPEND if source else UnitPlan.NOTHING
