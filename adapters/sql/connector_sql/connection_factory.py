"""What a look-up of an SQL reference returns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, final

from sqlalchemy.engine import Connection, Engine

from connector.spi import ConnectionManager, ConnectionRequestInfo, Explanation, Secret
from connector_sql.engine import PinnedConnection, ReferenceEngine
from connector_sql.lease_pool import LeasePool
from connector_sql.settings import SqlSettings

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine


@final
class SqlConnectionFactory:
    """Connections of one resource reference, signed on as the reference's configuration says for each caller.

    Safe to use from several threads; what it gives is for one thread at a time.

    Args:
        manager: The reference's way to sign-on and pool.
        settings: The resource.
    """

    def __init__(self, manager: ConnectionManager, settings: SqlSettings) -> None:
        self._manager = manager
        self._settings = settings
        # Set by `async_engine`, once it is asked for.
        self._async_engine: AsyncEngine | None = None
        self._pool = LeasePool(manager, settings.dialect)
        self._engine = ReferenceEngine(self._pool, settings.dialect, settings.template.url)

    def get_connection(self, user: str | None = None, password: str | Secret | None = None) -> Connection:
        """Borrow a connection for the caller on the running thread or task; use it in a `with` block.

        Args:
            user: Sign on as this user, where the reference is signed on by the application (SIGN-1).
            password: The user's password.

        Returns:
            A SQLAlchemy Connection. Two open at once are two physical connections. It stays the caller's who obtained
            it: used in a later transaction by another one it raises IdentityMismatch. After closing it raises
            SQLAlchemy's ResourceClosedError.

        Blocks up to the pool's connection timeout, plus connecting. Raises SignOnError, ScopeError, LoginRefused,
        ConnectionFailed, PoolTimeout, PoolClosed.
        """
        # Under the same name: from here on no frame of ours holds the plain text.
        password = Secret(password) if isinstance(password, str) else password
        return PinnedConnection(self._engine, self._pool.lease(_request_of(user, password)))

    def get_async_connection(self, user: str | None = None, password: str | Secret | None = None) -> AsyncConnection:
        """Borrow a connection of the running event loop for the running task's caller; use it in an `async with` block.

        Args:
            user: Sign on as this user, where the reference is signed on by the application (SIGN-1).
            password: The user's password.

        Returns:
            A SQLAlchemy AsyncConnection, which signs on when the block begins (or it is awaited). Like the one of
            `get_connection` it stays the caller's who obtained it.

        Does not block; beginning the block waits up to the pool's connection timeout, plus connecting. Raises
        ConfigError where SQLAlchemy has no driver for asyncio for the database, or it is not installed; beginning the
        block raises what `get_connection` raises.
        """
        password = Secret(password) if isinstance(password, str) else password
        engine = self.async_engine
        from connector_sql.async_engine import CallersConnection  # after it, which says what isn't installed

        return CallersConnection(engine, _request_of(user, password))

    @property
    def async_engine(self) -> AsyncEngine:
        """An ordinary SQLAlchemy AsyncEngine, for AsyncSession and libraries: each checkout signs on as the caller of
        the task that it happens in. One AsyncSession is for one caller, as with `engine`. Physical connections belong
        to the event loop that they were opened on; the AsyncEngine serves any. Raises ConfigError as
        `get_async_connection`.
        """
        if self._async_engine is None:
            settings = self._settings.for_asyncio
            from connector_sql.async_engine import async_engine

            # Of two threads that are first at the same time one makes a second one, which is as good.
            self._async_engine = async_engine(self._manager, settings)
        return self._async_engine

    @property
    def engine(self) -> Engine:
        """An ordinary SQLAlchemy Engine, for ORM sessions and libraries: each checkout signs on as the caller of that
        moment. One Session is for one caller: it raises IdentityMismatch when the next transaction would be another's.
        """
        return self._engine

    def explain(self, caller: Any = None) -> Explanation:
        """Where the sign-on comes from, step by step, without connecting and without any secret (SIGN-8).

        Args:
            caller: A user name, a Subject, or None for the present caller.
        """
        return self._manager.explain(None, caller=caller)

    def __repr__(self) -> str:
        return f"<SqlConnectionFactory {self._manager.reference!r} to {self._manager.resource!r}>"


def _request_of(user: str | None, password: Secret | None) -> ConnectionRequestInfo | None:
    return None if user is None and password is None else ConnectionRequestInfo(user, password)
