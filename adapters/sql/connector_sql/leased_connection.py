"""What SQLAlchemy holds while a connection is lent: a lease in the shape of SQLAlchemy's pooled connection.

It carries the lease back to our pool, which is the only one, and lets SQLAlchemy's pool events happen on the way. When
it is garbage-collected unclosed, so is the lease, whose own finaliser gives the physical connection to the pool to
destroy.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, final

from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor
from sqlalchemy.pool import PoolProxiedConnection, PoolResetState

from connector.errors import HandleClosed, Reason
from connector.spi import ConnectionRequestInfo, Lease, SignOnPlan
from connector_sql.physical_record import PhysicalRecord
from connector_sql.same_caller import require_same_caller

if TYPE_CHECKING:
    from connector_sql.lease_pool import LeasePool
    from connector_sql.managed_connection import SqlManagedConnection

USED_AFTER_CLOSE = Reason(
    "CF-SQL-040",
    "the raw connection of reference {reference}, lent to {user}, was used after it had been given back.",
    "Ask the connection factory for a new connection; keep none beyond its `with` block.",
)


def any_listener(one: Any, other: Any) -> Any:
    """Whether anybody listens to one of two events of a dispatcher: what their truth says, in less time."""
    return one.listeners or one.parent_listeners or other.listeners or other.parent_listeners


@final
class LeasedConnection(PoolProxiedConnection):
    """One lease, as `Engine.raw_connection()` answers it. Use it from one thread at a time.

    It stays the caller's who obtained it: another one gets no cursor once a transaction has been ended on it, so that a
    pool that somebody puts over it can't hand one caller's connection to the next.
    Cursors made here die when it is closed. The driver's own connection (`driver_connection`, or a cursor's
    `connection`) is beyond our reach: whoever keeps that one keeps the session.

    Args:
        pool: The facade that it was borrowed through.
        lease: The lease of an SqlManagedConnection.
        request: What the application passed in the call.

    Attributes:
        plan: The sign-on plan, which the handle above is pinned to.
        request: See above.
    """

    __slots__ = ("plan", "request", "_pool", "_lease", "_physical", "_record", "_detached", "_ended", "_closing")

    def __init__(self, pool: LeasePool, lease: Lease, request: ConnectionRequestInfo | None) -> None:
        physical: SqlManagedConnection = lease.physical  # type: ignore[assignment]  # our factory opened it
        try:
            record = physical.begin_use()  # lent as the login role itself after a caller: then nobody else has looked
        except BaseException as error:
            lease.invalidate(error)
            raise
        self.plan: SignOnPlan = lease.plan
        self.request = request
        self._pool = pool
        # The mutable state. The lease is let go of once, so that of two closings one has effect; but others may end it
        # as well (a request that is over), which only the lease itself knows: see `_is_open`.
        self._lease: Lease | None = lease
        self._physical = physical
        self._record: PhysicalRecord = record
        self._detached = False
        self._ended = False  # whether a transaction was, since the caller was last compared; set by commit and rollback
        self._closing = False  # whether the clean-up, which is next, rolls back as well
        record.lent = True

    # --- what SQLAlchemy asks -------------------------------------------------------------------------------------

    @property
    def is_valid(self) -> bool:
        """Whether it is still open."""
        lease = self._lease
        return lease is not None and not lease.closed

    @property
    def is_for_nobody(self) -> bool:
        """Whether the session is at its end, since a user could not get it; it is to be destroyed then."""
        return self._physical.is_for_nobody

    @property
    def is_detached(self) -> bool:
        """Whether the physical connection will be closed instead of pooled."""
        return self._detached

    @property
    def dbapi_connection(self) -> DBAPIConnection | None:  # type: ignore[override]  # nobody sets it
        """The driver's connection as the dialect sees it; None after the end of the lease."""
        return self._physical.dbapi_connection if self._is_open() else None

    @property
    def driver_connection(self) -> Any:  # type: ignore[override]  # as SQLAlchemy's own classes do it
        """The driver's own connection; None after the end of the lease."""
        return self._record.driver_connection if self._is_open() else None

    @property
    def info(self) -> dict[Any, Any]:
        """A dictionary that lives as long as the session's state; another caller never sees it."""
        return self._record.info

    @property
    def record_info(self) -> dict[Any, Any]:
        """As `info`."""
        return self._record.record_info

    @property
    def _connection_record(self) -> PhysicalRecord:
        # SQLAlchemy's dialects put their callbacks there.
        return self._record

    def cursor(self, *args: Any, **kwargs: Any) -> DBAPICursor:
        """A driver's cursor that dies with the lease.

        Raises HandleClosed after the end of the lease; after a commit or rollback IdentityMismatch where the caller has
        changed, and what sign-on raises for a caller who has left.
        """
        lease = self._lease
        if lease is None or lease.closed:  # as `_check_open`: here for each statement
            raise self._used_after_close()
        if self._ended:
            require_same_caller(self._pool.manager, self.plan, self.request)
            self._ended = False
        physical = self._physical
        if physical.branch is not None:
            physical.branch.require_transaction()
        return physical.cursor(*args, **kwargs)

    def commit(self) -> None:
        """Commit. Blocks for a round trip. Raises HandleClosed after the end of the lease.

        Within a unit of work nothing is sent: the unit commits.
        """
        self._check_open()
        self._ended = True
        if self._physical.branch is None:
            self._physical.dbapi_connection.commit()

    def rollback(self) -> None:
        """Roll back. Blocks for a round trip. Raises HandleClosed after the end of the lease.

        Within a unit of work that can only be rolled back from then on.
        """
        self._check_open()
        self._ended = True
        if self._closing:
            return
        branch = self._physical.branch
        if branch is not None:
            branch.undone()
        self._physical.rollback()

    @property
    def is_within_unit(self) -> bool:
        """Whether it takes part in a unit of work, with which it stays."""
        return self._physical.branch is not None and self._is_open()

    @contextmanager
    def closing(self) -> Iterator[None]:
        """For the `with` block a rollback means closing a handle: what was done stays with the unit of work."""
        before, self._closing = self._closing, True
        try:
            yield
        finally:
            self._closing = before

    def __getattr__(self, name: str) -> Any:
        # Private names are never the driver's to answer; without this a half-made object would recurse.
        if name.startswith("_"):
            raise AttributeError(name)
        self._check_open()
        return getattr(self._physical.dbapi_connection, name)

    def leave_rollback_to_clean_up(self) -> None:
        """The connection is being closed: a rollback now would be the clean-up's first step, which looks at the role
        as well. With a caller asserted that spares a round trip. Not where listeners expect an ended transaction.
        """
        if not self._physical.is_asserting or self._detached:
            self._closing = False
            return
        dispatch = self._pool.dispatch
        self._closing = not any_listener(dispatch.reset, dispatch.checkin)

    # --- the ends that a lease can come to -------------------------------------------------------------------------

    def close(self, transaction_reset: bool = False) -> None:
        """Give the connection back: events, rollback, clean-up. Harmless when called twice, and where others have ended
        the lease already. Blocks for round trips.

        Args:
            transaction_reset: Whether the caller has ended its transaction already; for listeners of `reset`.
        """
        lease = self._lease
        if lease is None:
            return
        dispatch = self._pool.dispatch
        # Within a unit of work it is not given back, so that nobody hears of that.
        listened = any_listener(dispatch.reset, dispatch.checkin) and self._physical.branch is None
        if self._detached or listened:
            self._give_back(lease, transaction_reset)
        else:
            self._lease = None
            lease.close()

    #: What SQLAlchemy's Connection calls where it has ended its transaction.
    _close_special = close

    def invalidate(self, e: BaseException | None = None, soft: bool = False) -> None:
        """Destroy the physical connection, at once or, `soft`, when it comes back. Blocks for closing it."""
        lease = self._lease
        if lease is None or lease.closed:
            return
        dispatch, raw = self._pool.dispatch, self._physical.dbapi_connection
        if soft:
            dispatch.soft_invalidate(raw, self._record, e)
            self._physical.connection_error_occurred(e)
            return
        try:
            dispatch.invalidate(raw, self._record, e)
        finally:
            self._lease = None
            lease.invalidate(e)

    def report_failure(self, cause: BaseException | None) -> None:
        """The physical connection is broken: the pool won't keep it, however it comes back. Does not block."""
        if self._is_open():
            self._physical.connection_error_occurred(cause)

    def detach(self) -> None:
        """Have the physical connection closed instead of pooled when it comes back. It counts in the pool till then.

        Raises TransactionError within a unit of work (CF-SQL-173).
        """
        self._check_open()
        if self._physical.branch is not None:
            self._physical.branch.refuse_to_detach()
        if not self._detached:
            self._detached = True
            self._pool.dispatch.detach(self._physical.dbapi_connection, self._record)

    def _give_back(self, lease: Lease, transaction_was_reset: bool) -> None:
        try:
            if not lease.closed:
                self._say_goodbye(transaction_was_reset)
        except BaseException as error:
            # Whatever a listener raised: what state the session is in, nobody knows.
            self._lease = None
            lease.invalidate(error)
            if not isinstance(error, Exception):
                raise
            self._pool.logger.error("a connection could not be reset and is destroyed: %s", type(error).__name__)
            return
        self._lease = None
        if self._detached:
            lease.invalidate()
        else:
            lease.close()

    def _say_goodbye(self, transaction_was_reset: bool) -> None:
        dispatch, raw, record = self._pool.dispatch, self._physical.dbapi_connection, self._record
        if dispatch.reset:
            state = PoolResetState(
                transaction_was_reset=transaction_was_reset, terminate_only=self._detached, asyncio_safe=True
            )
            dispatch.reset(raw, record, state)
        if self._detached:
            dispatch.close_detached(raw)
        elif dispatch.checkin:
            dispatch.checkin(raw, record)

    def _is_open(self) -> bool:
        lease = self._lease
        return lease is not None and not lease.closed

    def _check_open(self) -> None:
        lease = self._lease
        if lease is None or lease.closed:
            raise self._used_after_close()

    def _used_after_close(self) -> HandleClosed:
        user = self.plan.effective_user or "the default user"
        return HandleClosed(USED_AFTER_CLOSE, reference=self.plan.reference, user=user)

    def __repr__(self) -> str:
        condition = "open" if self._is_open() else "closed"
        return f"<LeasedConnection of {self.plan.reference} as {self.plan.effective_user}, {condition}>"
