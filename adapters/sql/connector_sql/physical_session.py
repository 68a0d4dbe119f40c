"""The session on one physical connection: the driver's object, SQLAlchemy's record of it, and whether it may be used.

Whoever ends a session and begins another one on the connection says so here (`began_anew`): who is asserted on it, or
signs it on. The managed connection, and through it the leases, read what is in use now, each time anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import final

from sqlalchemy.engine import Dialect
from sqlalchemy.engine.interfaces import DBAPIConnection

from connector.errors import ConnectionFailed, Reason
from connector_sql.physical_record import PhysicalRecord

FOR_NOBODY = Reason(
    "CF-SQL-061",
    "a connection of resource {resource} was to work for another user, which failed: it was closed.",
    "Destroy it and open another one.",
)


@final
class PhysicalSession:
    """What is in use on one physical connection. For whoever has the connection, one at a time.

    Args:
        dbapi_connection: The driver's connection as SQLAlchemy's dialect sees it, just connected.
        dialect: SQLAlchemy's dialect.

    Attributes:
        dbapi_connection: That connection; another object where a session was taken back with it. Read it here each
            time, and keep it nowhere.
        record: This session, for SQLAlchemy's event listeners.
        dialect: See above.
        is_for_nobody: Whether signing on anew failed, or asserting a caller late: whose session it is, nobody knows.
        is_broken: Whether an exchange below the cursors has shown that the server is gone, which the pool is to know.
    """

    __slots__ = ("dbapi_connection", "record", "dialect", "is_for_nobody", "is_broken", "_is_closed")

    def __init__(self, dbapi_connection: DBAPIConnection, dialect: Dialect) -> None:
        self.dialect = dialect
        # The mutable state; the first two are changed by `began_anew`, `is_broken` by whoever notices.
        self.dbapi_connection = dbapi_connection
        self.record = PhysicalRecord(dbapi_connection, dialect)
        self.is_broken = False
        self.is_for_nobody = False
        self._is_closed = False

    def began_anew(self, dbapi_connection: DBAPIConnection) -> None:
        """The session is another one: for SQLAlchemy's listeners, and perhaps another object for everybody.

        Args:
            dbapi_connection: The driver's connection of the new session; may be the same as before.

        Does not block.
        """
        self.dbapi_connection = dbapi_connection
        self.record = PhysicalRecord(dbapi_connection, self.dialect)

    @contextmanager
    def for_nobody_if_it_fails(self) -> Iterator[None]:
        """Ends the connection at once on any error within: its session may be anybody's then."""
        try:
            yield
        except BaseException:
            self.is_for_nobody = True
            self.close()
            raise

    def refusal(self, resource: str) -> ConnectionFailed:
        """The error to raise for a use after `is_for_nobody`. Pure."""
        return ConnectionFailed(FOR_NOBODY, resource=resource)

    def close(self) -> None:
        """Close the physical connection; may block. Harmless when called twice. Raises what the driver raises."""
        if self._is_closed:
            return
        self._is_closed = True
        self.record.dbapi_connection = None
        if self.dialect.is_async:
            # Not SQLAlchemy's terminate(): it closes by a task of its own, which nobody waits for where this one is
            # cancelled, and which the end of the loop then leaves hanging. What is cancelled the pool aborts.
            self.dialect.do_close(self.dbapi_connection)
        else:
            self.dialect.do_terminate(self.dbapi_connection)
