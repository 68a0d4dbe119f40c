"""Units of work of a container (issue C): for application code, and for the operator who decides those in doubt."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from connector.container.transaction_operations import OperatedTransactions

if TYPE_CHECKING:
    from connector.container.parts import Parts
    from connector.transactions.unit import Unit


class UnitsOfWork:
    """Units of work: begun, suspended, looked at."""

    _parts: Parts

    def transaction(self, timeout: float | None = None) -> AbstractContextManager[Unit]:
        """A unit of work for a `with` block: what is done in it on several resources is there as a whole or not at all.

        Committed at the end of the block, rolled back where the block raises. In force on this thread or task; it
        follows `await` and `asyncio.to_thread`, and not a plain thread.

        Args:
            timeout: Seconds after which it can only be rolled back; None for no limit.

        Its end blocks for the round trips of all that take part and for the disk. Beginning raises TransactionError
        within another one (CF-TX-020); its end raises TransactionError where it was rolled back though the block did
        not raise (CF-TX-003), OutcomeUnknown where nobody knows (CF-TX-005).
        """
        return self._parts.transactions.unit(timeout)

    def no_transaction(self) -> AbstractContextManager[None]:
        """For the `with` block no unit of work is in force: what is done there stands, whatever becomes of the unit."""
        return self._parts.transactions.suspended()

    @property
    def transactions(self) -> OperatedTransactions:
        """The transactions that are not finished, to look at and to decide where they are in doubt."""
        return OperatedTransactions(self._parts.transactions, self._parts.audit)

    def current_transaction(self) -> Unit | None:
        """The unit of work in force here; None where there is none. Does not block.

        Raises TransactionError where another container's is in force (CF-TX-025).
        """
        return self._parts.transactions.current()
