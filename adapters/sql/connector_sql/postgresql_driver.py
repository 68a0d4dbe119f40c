"""What psycopg keeps on its own side of a connection, and how the next caller gets none of it (TRUST-3).

DISCARD ALL empties the server's session. The driver's object has a state as well: settings, type adapters, handlers of
notices and notifications, notifications that nobody fetched. And whoever kept the object would have the next caller's
session in hand. So a session that is taken back gets a new driver object, and the old one is left without a connection.
"""

from __future__ import annotations

from typing import Any, Final, final

import psycopg
from psycopg import pq
from psycopg.adapt import AdaptersMap

from connector_sql.postgresql_assertion import AssertsFirst, asserting

#: Settings that an application may have changed, and a new object is given as they were.
SETTINGS: Final = (
    "autocommit",
    "isolation_level",
    "read_only",
    "deferrable",
    "prepare_threshold",
    "row_factory",
    "cursor_factory",
    "server_cursor_factory",
)

#: A connection of libpq that was never one: without a port it doesn't even try. One for all who kept theirs.
_DEAD: Final = pq.PGconn.connect_start(b"port=0")
_DEAD.finish()


def without_connection(connection: psycopg.BaseConnection[Any]) -> None:
    """Leave a driver's object with no session: whoever uses it gets psycopg.OperationalError. Does not block."""
    connection.pgconn = _DEAD


@final
class DriverState:
    """How a driver's connection was when its session had just begun. For one thread at a time.

    Args:
        connection: psycopg's connection, for threads or for asyncio.
    """

    def __init__(self, connection: psycopg.BaseConnection[Any]) -> None:
        # What a new object has otherwise; found out once, by the first new object.
        self._settings = {name: getattr(connection, name) for name in SETTINGS}
        self._unset: dict[str, Any] | None = None
        self._kind = asserting(connection)
        # Maps are copied when they are written to: these stay as they are.
        self._adapters = AdaptersMap(connection.adapters)
        self._notice_handlers = tuple(connection._notice_handlers)

    def renewed(self, connection: psycopg.BaseConnection[Any]) -> tuple[Any, dict[str, Any]]:
        """A new driver object in this state, and the settings that are still to be made; the old one is dead.

        Does not block. Whoever uses the old one, or a cursor of it, gets psycopg.OperationalError before anything is
        sent.
        """
        pgconn = connection.pgconn
        fresh = self._kind(pgconn)
        connection.pgconn = _DEAD  # `without_connection`, for each request
        if isinstance(connection, AssertsFirst):
            connection.assertion = None  # of a caller who has sent nothing: it would be made on nobody's session
        fresh._adapters = AdaptersMap(self._adapters)
        fresh._notice_handlers.extend(self._notice_handlers)
        if self._unset is None:
            self._unset = {name: value for name, value in self._settings.items() if getattr(fresh, name) != value}
        return fresh, self._unset
