"""The listener of one connection: knows which entry it is, so that the pool needs no index."""

from __future__ import annotations

from typing import Protocol, final

from connector.pool.entry import Entry
from connector.spi import AsyncManagedConnection, ManagedConnection


class TakesReports(Protocol):
    """A pool, as a listener sees it."""

    def connection_error(self, entry: Entry, cause: BaseException | None) -> None:
        """An entry's connection is broken."""
        ...


@final
class ErrorReport:
    """Tells the pool that its connection is broken. Safe to call from any thread, at any time."""

    __slots__ = ("_pool", "_entry")

    def __init__(self, pool: TakesReports, entry: Entry) -> None:
        self._pool = pool
        self._entry = entry

    def connection_error_occurred(
        self, connection: ManagedConnection | AsyncManagedConnection, cause: BaseException | None
    ) -> None:
        """As the contract says: does not raise; blocks for closing free connections at most."""
        self._pool.connection_error(self._entry, cause)
