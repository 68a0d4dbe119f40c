"""SQLAlchemy's view of one physical connection: what its event listeners get as the connection record."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, final

from sqlalchemy.engine import Dialect
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry


@final
class PhysicalRecord(ConnectionPoolEntry):
    """One session on a physical connection, for as long as its state lasts.

    After the session was reset for another caller there is a new record: nothing that one caller's code has kept in
    `info` reaches the next. Not safe for several threads.

    Args:
        dbapi_connection: The driver's connection.
        dialect: SQLAlchemy's dialect.

    Attributes:
        finalize_callback: What SQLAlchemy wants done when the connection goes back, for example to take back an
            isolation level.
        announced: The facades whose `connect` listeners have seen this session.
        lent: Whether it is lent.
    """

    __slots__ = ("dbapi_connection", "finalize_callback", "announced", "lent", "_dialect", "_info", "_record_info")

    def __init__(self, dbapi_connection: DBAPIConnection, dialect: Dialect) -> None:
        self.dbapi_connection: DBAPIConnection | None = dbapi_connection
        self.finalize_callback: deque[Callable[[DBAPIConnection], None]] = deque()
        self.announced: set[object] = set()
        self.lent = False
        self._dialect = dialect
        self._info: dict[Any, Any] = {}
        self._record_info: dict[Any, Any] = {}

    @property
    def in_use(self) -> bool:
        """Whether it is lent, in SQLAlchemy's words."""
        return self.lent

    @property
    def driver_connection(self) -> Any:  # type: ignore[override]  # as SQLAlchemy's own classes do it
        """The driver's own connection."""
        if self.dbapi_connection is None:
            return None
        return self._dialect.get_driver_connection(self.dbapi_connection)

    @property
    def info(self) -> dict[Any, Any]:
        """For listeners to keep something in."""
        return self._info

    @property
    def record_info(self) -> dict[Any, Any]:
        """As `info`."""
        return self._record_info

    def finalize(self, dbapi_connection: DBAPIConnection) -> None:
        """Do what SQLAlchemy wants done when the connection goes back. Blocks and raises as that does."""
        while self.finalize_callback:
            self.finalize_callback.pop()(dbapi_connection)

    def invalidate(self, e: BaseException | None = None, soft: bool = False) -> None:
        """Not by the record: only who holds the lease may end it. Does nothing."""

    def close(self) -> None:
        """Not by the record: the pool alone closes physical connections. Does nothing."""
