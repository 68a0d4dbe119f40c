"""SET ROLE and back on a connection of psycopg's asyncio side: the same session logic, other exchanges."""

from __future__ import annotations

from typing import Any, Final, cast, final

import psycopg
from psycopg import generators
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus

from connector_sql.awaiting import wait_for
from connector_sql.postgresql_role import RoleSession

#: What the driver changes by a coroutine only.
_SET_BY_AWAITING: Final = frozenset({"autocommit", "isolation_level", "read_only", "deferrable"})
_GOOD: Final = frozenset({ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK})


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
        self._driver = connection

    def _set(self, name: str, value: Any) -> None:
        if name in _SET_BY_AWAITING:
            wait_for(getattr(self._driver, f"set_{name}")(value))
        else:
            super()._set(name, value)

    def _first_of(self, statements: str) -> psycopg.pq.abc.PGresult:
        return wait_for(self._results(statements))[0]

    def _exchange(self, statement: str) -> psycopg.pq.abc.PGresult:
        return wait_for(self._results(statement))[-1]

    async def _results(self, statements: str) -> list[psycopg.pq.abc.PGresult]:
        """One simple query; answers the results of all its statements."""
        async with self._driver.lock:
            self._driver.pgconn.send_query(statements.encode(self._encoding))
            results: list[psycopg.pq.abc.PGresult] = await self._driver.wait(generators.execute(self._driver.pgconn))
        for result in results:
            if result.status not in _GOOD:
                raise error_from_result(result, encoding=self._encoding)
        return results
