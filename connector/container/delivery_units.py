"""The container's transactions as message endpoints use them (FLOW-8)."""

from __future__ import annotations

from contextlib import suppress
from typing import final

from connector.errors import TransactionError
from connector.spi import UnitOfWork
from connector.transactions.service import Transactions
from connector.transactions.unit import Unit


@final
class DeliveryUnits:
    """Implements `connector.endpoint.units.Units`. Safe to use from any thread.

    Args:
        transactions: The container's.
    """

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def current(self) -> Unit | None:
        """See `Units`."""
        return self._transactions.current()

    def begin(self, timeout: float | None = None) -> Unit:
        """See `Units`."""
        return self._transactions.begin(timeout)

    def commit(self, unit: UnitOfWork) -> None:
        """See `Units`."""
        self._transactions.commit(_ours(unit))

    def rollback(self, unit: UnitOfWork) -> None:
        """See `Units`; what has ended before is left alone."""
        with suppress(TransactionError):
            self._transactions.rollback(_ours(unit))

    def suspend(self) -> Unit | None:
        """See `Units`."""
        return self._transactions.suspend()

    def resume(self, suspended: Unit | None) -> None:
        """See `Units`."""
        self._transactions.resume(suspended)


def _ours(unit: UnitOfWork) -> Unit:
    assert isinstance(unit, Unit), "an endpoint ends what it has begun here"
    return unit
