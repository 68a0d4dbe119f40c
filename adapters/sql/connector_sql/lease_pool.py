"""A facade in the shape of a SQLAlchemy pool over one reference's connection manager. It keeps nothing itself."""

from __future__ import annotations

from typing import NoReturn, Protocol, final

from sqlalchemy.engine import Dialect
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import Pool, PoolProxiedConnection

from connector.spi import ConnectionManager, ConnectionRequestInfo, Lease, SignOnPlan
from connector_sql.leased_connection import LeasedConnection, any_listener
from connector_sql.session_guard import watch_sessions

#: How often a `checkout` listener may send a connection away (`DisconnectionError`), as SQLAlchemy allows it.
_CHECKOUT_ATTEMPTS = 3


class Borrow(Protocol):
    """How a facade borrows: what `ConnectionManager.allocate` does, or the way to it from within a greenlet."""

    def __call__(self, request: ConnectionRequestInfo | None = None, *, plan: SignOnPlan | None = None) -> Lease:
        """As `ConnectionManager.allocate`."""
        ...


@final
class LeasePool(Pool):
    """What an Engine of ours calls its pool: each checkout signs on as the caller of that moment.

    SQLAlchemy's pool events `checkout`, `reset`, `checkin`, `invalidate`, `soft_invalidate`, `detach` and
    `close_detached` happen as usual. `connect` happens once for each Engine and session: again after a session was
    reset for another caller, since what a listener had set is gone then. `first_connect` and `close` don't happen:
    physical connections belong to the resource, not to one Engine. There is no pre-ping: validation is the resource's
    pool's. Safe to use from several threads.

    Args:
        manager: The reference's connection manager.
        dialect: The resource's dialect, for threads or for asyncio.
        borrow: How a lease is had; the manager's `allocate` by default.
    """

    def __init__(self, manager: ConnectionManager, dialect: Dialect, borrow: Borrow | None = None) -> None:
        super().__init__(_never_called, dialect=dialect, reset_on_return=None)
        self.manager = manager
        self._borrow = borrow or manager.allocate

    def connect(self) -> PoolProxiedConnection:
        """Borrow a connection for the caller of the moment; see `lease`."""
        # The way that each `engine.connect()` goes, so it is as short as it can be: what `lease` does where nobody
        # listens. Whether somebody does is asked again each time; listeners come and go.
        watch_sessions()
        dispatch = self.dispatch
        if any_listener(dispatch.connect, dispatch.checkout):
            return self.lease()
        # Should the constructor be interrupted, the lease's finaliser has the physical connection destroyed.
        return LeasedConnection(self, self._borrow(), None)

    @property
    def is_listened_to(self) -> bool:
        """Whether anybody listens to what happens when a connection is lent."""
        return bool(any_listener(self.dispatch.connect, self.dispatch.checkout))

    def lease(
        self, request: ConnectionRequestInfo | None = None, *, plan: SignOnPlan | None = None
    ) -> LeasedConnection:
        """Borrow a connection.

        Args:
            request: User and password given in the call, if any.
            plan: Borrow by this very plan, whoever the caller is.

        Blocks and raises like `ConnectionManager.allocate`.
        """
        watch_sessions()
        for attempt in range(1, _CHECKOUT_ATTEMPTS + 1):
            lease = self._borrow(request, plan=plan)
            try:
                return self._hand_out(lease, request)
            except DisconnectionError as error:
                # A listener's way to say that the connection is dead: another one, by the same plan.
                plan = lease.plan
                lease.invalidate(error)
                if attempt == _CHECKOUT_ATTEMPTS:
                    raise
            except BaseException as error:
                lease.invalidate(error)
                raise
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _hand_out(self, lease: Lease, request: ConnectionRequestInfo | None) -> LeasedConnection:
        leased = LeasedConnection(self, lease, request)
        dispatch, record = self.dispatch, leased._connection_record
        if dispatch.connect and self not in record.announced:
            dispatch.connect(leased.dbapi_connection, record)
            record.announced.add(self)
        if dispatch.checkout:
            dispatch.checkout(leased.dbapi_connection, record, leased)
        return leased

    def dispose(self) -> None:
        """Nothing: free connections belong to the resource and serve its other references as well."""

    def recreate(self) -> LeasePool:
        """Itself; called by `Engine.dispose()`."""
        return self

    def status(self) -> str:
        """One line for people."""
        return f"leases of {self.manager.reference} from the pool of {self.manager.resource}"

    def _invalidate(
        self, connection: PoolProxiedConnection, exception: BaseException | None = None, _checkin: bool = True
    ) -> None:
        # SQLAlchemy would now distrust every older connection. Whether one failure condemns the others is the purge
        # policy of the resource's pool; only the failed one is reported.
        if isinstance(connection, LeasedConnection) and _checkin:
            connection.report_failure(exception)

    def __repr__(self) -> str:
        return f"<LeasePool: {self.status()}>"


def _never_called() -> NoReturn:
    raise AssertionError("physical connections are opened by the resource's factory only")
