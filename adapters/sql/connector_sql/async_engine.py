"""AsyncEngine and AsyncConnection of one reference: SQLAlchemy's own, over the same pinned Engine as for threads.

What SQLAlchemy runs below them runs in a greenlet and thinks that it blocks. So pinning to a plan, refusing another
caller and closing kept cursors are the very classes that threads use; only the lease is had by awaiting.
"""

from __future__ import annotations

from types import TracebackType
from typing import cast, final

from sqlalchemy.engine import Connection
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.util import greenlet_spawn

from connector.spi import AsyncLease, ConnectionManager, ConnectionRequestInfo, Lease, SignOnPlan
from connector_sql.async_managed_connection import AsyncSqlManagedConnection
from connector_sql.awaiting import wait_for
from connector_sql.engine import PinnedConnection, ReferenceEngine
from connector_sql.lease_pool import LeasePool
from connector_sql.leased_connection import LeasedConnection
from connector_sql.managed_connection import SqlManagedConnection
from connector_sql.session_guard import watch_sessions
from connector_sql.settings import SqlSettings


def async_engine(manager: ConnectionManager, settings: SqlSettings) -> AsyncEngine:
    """The AsyncEngine of one reference: each checkout signs on as the running task's caller. Does not connect.

    Args:
        manager: The reference's connection manager.
        settings: The resource, with its driver for asyncio.
    """

    def borrow(request: ConnectionRequestInfo | None = None, *, plan: SignOnPlan | None = None) -> Lease:
        return _AwaitedLease(wait_for(manager.allocate_async(request, plan=plan)))

    pool = LeasePool(manager, settings.dialect, borrow)
    return _ReferenceAsyncEngine(ReferenceEngine(pool, settings.dialect, settings.url))


@final
class CallersConnection(AsyncConnection):
    """An AsyncConnection that signs on when it is started: by `async with`, or by `await`.

    Args:
        engine: The reference's.
        request: User and password given in the call, if any.
    """

    __slots__ = ("_request",)

    def __init__(self, engine: AsyncEngine, request: ConnectionRequestInfo | None = None) -> None:
        super().__init__(engine)
        self._request = request

    async def start(self, is_ctxmanager: bool = False) -> AsyncConnection:
        """Borrow the connection; SQLAlchemy calls it. Raises what `SqlConnectionFactory.get_async_connection` says."""
        if self.sync_connection:
            raise InvalidRequestError("connection is already started")
        engine = self.sync_engine
        pool = cast("LeasePool", engine.pool)
        if engine._has_events or PinnedConnection._has_events or pool.is_listened_to:
            # Listeners may use the connection as code for threads does, which takes a greenlet.
            made = await greenlet_spawn(self._obtained)
        else:
            watch_sessions()
            made = self._pinned(_AwaitedLease(await pool.manager.allocate_async(self._request)))
        self.sync_connection = self._assign_proxied(made)
        return self

    def _pinned(self, lease: Lease) -> Connection:
        pool = cast("LeasePool", self.sync_engine.pool)
        return PinnedConnection(self.sync_engine, LeasedConnection(pool, lease, self._request))

    def _obtained(self) -> Connection:
        pool = cast("LeasePool", self.sync_engine.pool)
        return PinnedConnection(self.sync_engine, pool.lease(self._request))


@final
class _ReferenceAsyncEngine(AsyncEngine):
    """An AsyncEngine whose `connect()` needs no greenlet where nobody listens."""

    _connection_cls = CallersConnection


@final
class _AwaitedLease:
    """A lease of asyncio as code within a greenlet sees it. Implements `connector.spi.Lease` as far as that asks."""

    __slots__ = ("_lease",)

    def __init__(self, lease: AsyncLease) -> None:
        self._lease = lease

    @property
    def physical(self) -> SqlManagedConnection:
        return cast("AsyncSqlManagedConnection", self._lease.physical).within

    @property
    def plan(self) -> SignOnPlan:
        return self._lease.plan

    @property
    def closed(self) -> bool:
        return self._lease.closed

    def close(self) -> None:
        wait_for(self._lease.close())

    def invalidate(self, cause: BaseException | None = None) -> None:
        wait_for(self._lease.invalidate(cause))

    def __enter__(self) -> _AwaitedLease:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
