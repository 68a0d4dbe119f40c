"""Engine and Connection of one reference: SQLAlchemy's own, pinned to the plan that they were lent by.

SQLAlchemy's Connection reconnects by itself when its backend has died: with an ordinary pool as whoever is the caller
*then*. Ours reconnects by the plan that it began with, or not at all.
"""

from __future__ import annotations

from typing import Any, NoReturn, cast, final

from sqlalchemy.engine import Connection, Engine, RootTransaction
from sqlalchemy.engine.base import OptionEngineMixin
from sqlalchemy.exc import PendingRollbackError, ResourceClosedError
from sqlalchemy.pool import PoolProxiedConnection

from connector.errors import ConnectorError
from connector.spi import ConnectionRequestInfo, SignOnPlan
from connector_sql.lease_pool import LeasePool
from connector_sql.leased_connection import LeasedConnection
from connector_sql.same_caller import require_same_caller


class PinnedConnection(Connection):
    """A SQLAlchemy Connection that stays with the caller who obtained it.

    Its first transaction is that caller's by construction. Before each further one, and before a reconnect, the present
    caller is compared: another one, or none where one is needed, is refused. Within a transaction nothing is checked:
    statements go on as the caller whose transaction it is. Not safe for several threads.
    """

    # Mutable state: plan and request that it was lent by, set once; whether a transaction has begun, set by `begin`.
    # Defaults on the class, since listeners of `engine_connect` use a Connection before its constructor is through.
    _plan: SignOnPlan | None = None
    _request: ConnectionRequestInfo | None = None
    _has_begun = False

    def __init__(self, engine: Engine, connection: PoolProxiedConnection | None = None, **options: Any) -> None:
        super().__init__(engine, connection, **options)
        leased = self.connection
        if isinstance(leased, LeasedConnection):
            self._plan, self._request = leased.plan, leased.request

    def begin(self) -> RootTransaction:
        """Begin a transaction; SQLAlchemy calls it by itself before a statement.

        Raises IdentityMismatch where the caller has changed since the connection was obtained, and what sign-on raises
        for a caller who has left.
        """
        if self._has_begun and not self.in_transaction():
            self._require_same_caller()
        self._has_begun = True
        return super().begin()

    def _revalidate_connection(self) -> PoolProxiedConnection:
        """SQLAlchemy's hook to replace a connection that has died."""
        if self.closed:
            raise ResourceClosedError("This Connection is closed")
        if self.get_transaction() is not None:
            raise PendingRollbackError("Can't reconnect until the lost transaction is rolled back.")
        self._require_same_caller()
        self._dbapi_connection = _facade(self.engine).lease(self._request, plan=self._plan)
        return self._dbapi_connection

    def _handle_dbapi_exception(self, e: BaseException, *context: Any, **options: Any) -> NoReturn:
        """SQLAlchemy's hook to wrap errors; ours, for example a refused reconnect, are seen as they are."""
        if isinstance(e, ConnectorError):
            raise e
        super()._handle_dbapi_exception(e, *context, **options)

    def _require_same_caller(self) -> None:
        if self._plan is not None:
            require_same_caller(_facade(self.engine).manager, self._plan, self._request)


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
