"""SET ROLE and back on a connection of psycopg's asyncio side: the same session logic, other exchanges."""

from __future__ import annotations

from typing import Any, Final, cast, final

import psycopg
from psycopg import generators

from connector_sql.awaiting import wait_for
from connector_sql.postgresql_role import Results, RoleSession

#: What the driver changes by a coroutine only.
_SET_BY_AWAITING: Final = frozenset({"autocommit", "isolation_level", "read_only", "deferrable"})


@final
class AsyncRoleSession(RoleSession):
    """The identity in force on one asyncio connection of psycopg; to be used from within a greenlet of its loop.

    Args:
        connection: The driver's connection, clean.

    Everything that waits for a round trip lets the loop go on meanwhile. Cancelled there, the role is in doubt.
    """

    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        # What it asks of the connection itself both kinds have alike; what differs is overridden below.
        super().__init__(cast("psycopg.Connection[Any]", connection))

    @property
    def _driver(self) -> psycopg.AsyncConnection[Any]:
        return cast("psycopg.AsyncConnection[Any]", self.connection)

    def _set(self, name: str, value: Any) -> None:
        if name in _SET_BY_AWAITING:
            wait_for(getattr(self._driver, f"set_{name}")(value))
        else:
            super()._set(name, value)

    def _exchange(self, statement: str) -> psycopg.pq.abc.PGresult:
        return self._checked(self._several(statement))[-1]

    def _several(self, statements: str) -> Results:
        return wait_for(self._sent_and_answered(statements))

    def _rest_of_answers(self) -> Results:
        return wait_for(self._answered())

    async def _sent_and_answered(self, statements: str) -> Results:
        async with self._driver.lock:
            self._driver.pgconn.send_query(statements.encode(self._encoding))
            return await self._answered()

    async def _answered(self) -> Results:
        return await self._driver.wait(generators.execute(self._driver.pgconn))
