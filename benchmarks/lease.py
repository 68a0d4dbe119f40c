"""A lease with container-managed sign-on, against the connect and close of bare pools, on one no-op connection.

Ours does more than its peers: it reads who the caller is, finds the sign-on plan of DefaultPrincipalMapping, and
lends a connection of that identity only. The peers hand out anything that is free.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from benchmarks.harness import Result, compare, seconds_each
from connector.outbound.manager import ReferenceConnectionManager
from connector.pool import ManagedConnectionPool, PoolSettings
from connector.security.audit import MemoryAuditLog
from connector.security.login_configuration import ChainEntry, LoginConfiguration
from connector.security.scope import open_scope
from connector.signon.reference import DEFAULT_PRINCIPAL_MAPPING, ResAuth, ResourceReference, SignOnTarget
from connector.signon.resolver import SignOnResolver
from connector.spi import (
    AuthenticationData,
    ConnectionDescription,
    ConnectionManager,
    ConnectionRequestInfo,
    ControlFlag,
    ManagedConnection,
    ManagedConnectionFactory,
    Secret,
    Subject,
)

ALIAS = "ledger"


class NoOpConnection(ManagedConnection):
    """The physical connection of both sides: does nothing, as a managed connection and as a DB-API one."""

    def cleanup(self) -> None:
        """Nothing to take back."""

    def destroy(self) -> None:
        """Nothing to close."""

    def describe(self) -> ConnectionDescription:
        """Says who it is."""
        return ConnectionDescription("no-op", "1", None)

    def rollback(self) -> None:
        """DB-API: does nothing."""

    def commit(self) -> None:
        """DB-API: does nothing."""

    def close(self) -> None:
        """DB-API: does nothing."""

    def cursor(self) -> NoOpConnection:
        """DB-API: itself, which can be closed."""
        return self


class NoOpFactory(ManagedConnectionFactory):
    """Opens no-op connections."""

    def create_connection_factory(self, manager: ConnectionManager) -> ConnectionManager:
        """The manager itself is what the benchmark uses."""
        return manager

    def create_managed_connection(
        self, subject: Subject | None, request: ConnectionRequestInfo | None
    ) -> NoOpConnection:
        """Open one, whoever it is for."""
        return NoOpConnection()


class OneAlias:
    """Authentication data with one entry."""

    generation = 1

    def __init__(self) -> None:
        self._entries: Mapping[str, AuthenticationData] = {ALIAS: AuthenticationData(ALIAS, "db_app", Secret("x"))}

    def get(self, alias: str) -> AuthenticationData | None:
        """The entry of an alias."""
        return self._entries.get(alias)


def signed_on_manager(
    settings: PoolSettings | None = None, factory: ManagedConnectionFactory | None = None, **more: Any
) -> ReferenceConnectionManager:
    """A reference with `res_auth = Container` and DefaultPrincipalMapping.

    Args:
        settings: The pool's limits.
        factory: What opens the pool's connections; no-op ones by default.
        more: Further arguments of the connection manager.
    """
    # By name, as the container finds it: the benchmark knows no more of the mapper than that.
    from connector_default import DefaultPrincipalMappingModule

    data, factory = OneAlias(), factory or NoOpFactory()
    entry = ChainEntry("default", DefaultPrincipalMappingModule, ControlFlag.REQUIRED)
    configurations = {DEFAULT_PRINCIPAL_MAPPING: LoginConfiguration(DEFAULT_PRINCIPAL_MAPPING, (entry,))}
    return ReferenceConnectionManager(
        ResourceReference("jdbc/ledger", "jdbc/ledger", ResAuth.CONTAINER, alias=ALIAS),
        SignOnTarget("jdbc/ledger", factory),
        SignOnResolver(data, configurations, MemoryAuditLog()),
        ManagedConnectionPool("jdbc/ledger", factory, settings),
        data,
        **more,
    )


@contextmanager
def as_alice() -> Iterator[None]:
    """Run as a caller, so that there is an identity to sign on for."""
    with open_scope(Subject.of_user("alice", "bench"), realm="bench", container="bench", origin="the benchmark"):
        yield


def run(*, quick: bool) -> list[Result]:
    """Measure."""
    count, rounds = (2_000, 9) if quick else (8_000, 61)
    manager = signed_on_manager()

    def lease() -> None:
        manager.allocate().close()

    def ours() -> float:
        return seconds_each(lease, count) * 1e6

    def against(peer: str, borrow: Any, goal: float) -> Result:
        def theirs() -> float:
            return seconds_each(lambda: borrow().close(), count // 2) * 1e6

        note = "ours with container-managed sign-on and partition by identity"
        return compare("lease", peer, ours, theirs, goal=goal, unit="us", rounds=rounds, note=note)

    with as_alice():
        return [
            against("sqlalchemy-queuepool", _queue_pool(), 0.25),
            against("dbutils-pooleddb", _pooled_db(), 0.70),
        ]


def _queue_pool() -> Any:
    from sqlalchemy.pool import QueuePool

    creator: Any = NoOpConnection
    return QueuePool(creator, pool_size=10).connect


def _pooled_db() -> Any:
    from dbutils.pooled_db import PooledDB

    class Module:
        """As much of a DB-API module as PooledDB asks for."""

        threadsafety = 2
        Error = OperationalError = InterfaceError = InternalError = DatabaseError = ConnectionError

        @staticmethod
        def connect() -> NoOpConnection:
            return NoOpConnection()

    pool = PooledDB(Module, mincached=1, maxcached=10, maxconnections=10, blocking=True, maxshared=0)
    return pool.connection
