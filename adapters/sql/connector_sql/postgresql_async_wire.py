"""The exchanges of `postgresql_wire` on a connection of psycopg's asyncio side."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final, cast, final

import psycopg
from psycopg import generators

from connector_sql.awaiting import wait_for
from connector_sql.postgresql_assertion import Results
from connector_sql.postgresql_wire import Wire

#: What the driver changes by a coroutine only.
_SET_BY_AWAITING: Final = frozenset({"autocommit", "isolation_level", "read_only", "deferrable"})


@final
class AsyncWire(Wire):
    """The exchanges on one asyncio connection; to be used from within a greenlet of its loop.

    Args:
        connection: The driver's connection.

    Everything that waits for a round trip lets the loop go on meanwhile. Cancelled there, the session is in doubt.
    """

    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        # What it asks of the connection itself both kinds have alike; what differs is overridden below.
        super().__init__(cast("psycopg.Connection[Any]", connection))

    @property
    def lock(self) -> AbstractContextManager[Any]:
        """See `Wire`; nothing to hold, since no other task comes in between."""
        return nullcontext()

    @property
    def _driver(self) -> psycopg.AsyncConnection[Any]:
        return cast("psycopg.AsyncConnection[Any]", self.connection)

    def set(self, name: str, value: Any) -> None:
        """As for threads; waits."""
        if name in _SET_BY_AWAITING:
            wait_for(getattr(self._driver, f"set_{name}")(value))
        else:
            super().set(name, value)

    def exchange(self, statements: str | bytes) -> psycopg.pq.abc.PGresult:
        """As for threads; waits."""
        text = statements if isinstance(statements, bytes) else statements.encode(self.encoding)
        return self.checked(self.several(text))[-1]

    def several(self, statements: bytes) -> Results:
        """As for threads; waits."""
        return wait_for(self._sent_and_answered(statements))

    async def _sent_and_answered(self, statements: bytes) -> Results:
        driver = self._driver
        async with driver.lock:
            driver.pgconn.send_query(statements)
            return await driver.wait(generators.execute(driver.pgconn))
