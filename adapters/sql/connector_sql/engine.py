"""Engine and Connection of one reference: SQLAlchemy's own, pinned to the plan that they were lent by.

SQLAlchemy's Connection reconnects by itself when its backend has died: with an ordinary pool as whoever is the caller
*then*. Ours reconnects by the plan that it began with, or not at all.
"""

from __future__ import annotations

from inspect import getattr_static
from typing import TYPE_CHECKING, Any, NoReturn, cast, final

from sqlalchemy.engine import Connection, Engine, RootTransaction
from sqlalchemy.engine.base import OptionEngineMixin
from sqlalchemy.exc import PendingRollbackError, ResourceClosedError
from sqlalchemy.pool import PoolProxiedConnection

from connector.errors import ConnectorError
from connector_sql.lease_pool import LeasePool
from connector_sql.leased_connection import LeasedConnection
from connector_sql.same_caller import require_same_caller

#: SQLAlchemy's own way to the listeners of a Connection.
_DISPATCH: Any = getattr_static(Connection, "dispatch")


@final
class _JoinedWhenUsed:
    """The listeners of a Connection with those of its Engine, joined when an event first happens or is listened to.

    SQLAlchemy joins them for each Connection, which costs half as much as its lease. What this answers is what
    SQLAlchemy's constructor would have kept, and it is kept in the same place.
    """

    def __get__(self, connection: Connection | None, kind: type[Connection]) -> Any:
        own: Any = _DISPATCH.__get__(connection, kind)
        if connection is None:
            return own
        joined = own._join(connection.engine.dispatch)
        connection.__dict__["dispatch"] = joined
        return joined


@final
class JoinedTransaction(RootTransaction):
    """A transaction within a unit of work. Committing it means that its part is done, which the unit commits; rolling
    it back dooms the unit; closing it, which an ordinary one takes for a rollback, leaves what was done to the unit.
    """

    __slots__ = ("_leased",)

    def __init__(self, connection: Connection, leased: LeasedConnection) -> None:
        self._leased = leased
        super().__init__(connection)

    def _do_close(self) -> None:
        with self._leased.closing():
            super()._do_close()


class PinnedConnection(Connection):
    """A SQLAlchemy Connection that stays with the caller who obtained it.

    Its first transaction is that caller's by construction. Before each further one, and before a reconnect, the present
    caller is compared: another one, or none where one is needed, is refused. Within a transaction nothing is checked:
    statements go on as the caller whose transaction it is. Not safe for several threads.
    """

    # Mutable state: the leased connection that has died and is to be replaced, set by `invalidate`; whether a
    # transaction has begun, set by `begin`. Defaults on the class: listeners use it before its constructor is through.
    _lost: LeasedConnection | None = None
    _has_begun = False

    if not TYPE_CHECKING:
        dispatch = _JoinedWhenUsed()

    def __init__(self, engine: Engine, connection: PoolProxiedConnection | None = None) -> None:
        # Said outright, whether the class is listened to: which means that nothing is joined yet.
        super().__init__(engine, connection, _has_events=self._has_events)
        if not self._has_events:  # else a listener of `engine_connect` has begun to listen to this very one
            del self._has_events  # so that the class's counts again

    def begin(self) -> RootTransaction:
        """Begin a transaction; SQLAlchemy calls it by itself before a statement.

        Raises IdentityMismatch where the caller has changed since the connection was obtained, and what sign-on raises
        for a caller who has left.
        """
        if self._has_begun and not self.in_transaction():
            self._require_same_caller()
        self._has_begun = True
        leased = self._dbapi_connection
        if self._transaction is None and isinstance(leased, LeasedConnection) and leased.is_within_unit:
            return JoinedTransaction(self, leased)
        return super().begin()

    def close(self) -> None:
        """Give the connection back, as SQLAlchemy's; an open transaction is rolled back on the way. Blocks for that."""
        leased = self._dbapi_connection
        if isinstance(leased, LeasedConnection):
            leased.leave_rollback_to_clean_up()
        super().close()

    def invalidate(self, exception: BaseException | None = None) -> None:
        """As SQLAlchemy's, which calls it by itself where the backend has died; remembers what it was lent by."""
        self._lost = self._leased()
        super().invalidate(exception)

    def _revalidate_connection(self) -> PoolProxiedConnection:
        """SQLAlchemy's hook to replace a connection that has died."""
        if self.closed:
            raise ResourceClosedError("This Connection is closed")
        if self.get_transaction() is not None:
            raise PendingRollbackError("Can't reconnect until the lost transaction is rolled back.")
        self._require_same_caller()
        lost = self._leased()
        request, plan = (lost.request, lost.plan) if lost is not None else (None, None)
        self._dbapi_connection = _facade(self.engine).lease(request, plan=plan)
        self._lost = None
        return self._dbapi_connection

    def _handle_dbapi_exception(self, e: BaseException, *context: Any, **options: Any) -> NoReturn:
        """SQLAlchemy's hook to wrap errors; ours, for example a refused reconnect, are seen as they are.

        Where a caller could not be asserted the session is at its end, as if the backend had died: so there is nothing
        to roll back, and a rollback must not hide why.
        """
        if isinstance(e, ConnectorError):
            leased = self._dbapi_connection
            if isinstance(leased, LeasedConnection) and leased.is_for_nobody:
                self._end(leased, e, *context)
            raise e
        super()._handle_dbapi_exception(e, *context, **options)

    def _end(
        self, leased: LeasedConnection, error: ConnectorError, _statement: Any, _parameters: Any, cursor: Any, *_: Any
    ) -> None:
        if error.explanation is None:
            error.explanation = leased.plan.explanation  # as one has that is refused at the checkout
        if cursor is not None:
            self._safe_close_cursor(cursor)
        self.invalidate(error)

    def _require_same_caller(self) -> None:
        leased = self._leased()
        if leased is not None:
            require_same_caller(_facade(self.engine).manager, leased.plan, leased.request)

    def _leased(self) -> LeasedConnection | None:
        """What it is, or was, lent by; None over somebody else's pool."""
        leased = self._dbapi_connection
        return leased if isinstance(leased, LeasedConnection) else self._lost


class ReferenceEngine(Engine):
    """The Engine of one reference: an ordinary one whose connections are pinned. Safe to use from several threads."""

    _connection_cls = PinnedConnection


@final
class ReferenceOptionEngine(OptionEngineMixin, ReferenceEngine):
    """What `execution_options()` of a reference's Engine answers: the same pool and the same kind of connections."""

    def update_execution_options(self, **opt: Any) -> None:
        """As SQLAlchemy's."""
        Engine.update_execution_options(self, **opt)


ReferenceEngine._option_cls = cast("Any", ReferenceOptionEngine)


def _facade(engine: Engine) -> LeasePool:
    return cast("LeasePool", engine.pool)
