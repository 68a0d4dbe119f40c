"""The asyncio lease with container-managed sign-on, against connect and close of SQLAlchemy's AsyncEngine.

Both on one no-op connection that never waits, so that what is measured is the pools' own work. Ours reads who the
caller is, finds the sign-on plan and lends a connection of that identity only; the peer hands out what is free.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable
from typing import Any

from benchmarks.harness import Measure, Result, compare
from benchmarks.lease import ALIAS, NoOpFactory, OneAlias, as_alice
from connector.outbound.manager import ReferenceConnectionManager
from connector.pool import ManagedConnectionPool
from connector.pool.loop_pools import LoopPools
from connector.security.audit import MemoryAuditLog
from connector.security.login_configuration import ChainEntry, LoginConfiguration
from connector.signon.reference import DEFAULT_PRINCIPAL_MAPPING, ResAuth, ResourceReference, SignOnTarget
from connector.signon.resolver import SignOnResolver
from connector.spi import (
    AsyncManagedConnection,
    ConnectionDescription,
    ConnectionRequestInfo,
    ControlFlag,
    Subject,
)


class NoOpAsyncConnection(AsyncManagedConnection):
    """The physical connection of ours: does nothing and never waits."""

    async def cleanup(self) -> None:
        """Nothing to take back."""

    async def destroy(self) -> None:
        """Nothing to close."""

    def abort(self) -> None:
        """Nothing to let go of."""

    async def describe(self) -> ConnectionDescription:
        """Says who it is."""
        return ConnectionDescription("no-op", "1", None)


class NoOpAsyncFactory(NoOpFactory):
    """Opens no-op connections for asyncio."""

    async def create_managed_connection_async(
        self, subject: Subject | None, request: ConnectionRequestInfo | None
    ) -> NoOpAsyncConnection:
        """Open one, whoever it is for."""
        return NoOpAsyncConnection()


class NoOpDriverConnection:
    """The physical connection of the peer: a DB-API one, adapted already, that does nothing and never waits."""

    def rollback(self) -> None:
        """Does nothing."""

    def close(self) -> None:
        """Does nothing."""

    def create_function(self, *_arguments: object, **_options: object) -> None:
        """SQLite's dialect gives each connection a function; does nothing."""

    terminate = commit = close


def _manager() -> ReferenceConnectionManager:
    # By name, as the container finds it: the benchmark knows no more of the mapper than that.
    from connector_default import DefaultPrincipalMappingModule

    data, factory = OneAlias(), NoOpAsyncFactory()
    entry = ChainEntry("default", DefaultPrincipalMappingModule, ControlFlag.REQUIRED)
    configurations = {DEFAULT_PRINCIPAL_MAPPING: LoginConfiguration(DEFAULT_PRINCIPAL_MAPPING, (entry,))}
    return ReferenceConnectionManager(
        ResourceReference("jdbc/ledger", "jdbc/ledger", ResAuth.CONTAINER, alias=ALIAS),
        SignOnTarget("jdbc/ledger", factory),
        SignOnResolver(data, configurations, MemoryAuditLog()),
        ManagedConnectionPool("jdbc/ledger", factory),
        data,
        async_pool=LoopPools("jdbc/ledger", factory),
    )


def _peer() -> Any:
    from sqlalchemy.ext.asyncio import create_async_engine
    from sqlalchemy.pool import AsyncAdaptedQueuePool

    # `_initialize`: the dialect asks a no-op connection nothing about its server.
    options: dict[str, Any] = {"creator": NoOpDriverConnection, "_initialize": False}
    return create_async_engine("sqlite+aiosqlite://", poolclass=AsyncAdaptedQueuePool, **options)


def run(*, quick: bool) -> list[Result]:
    """Measure."""
    count, rounds = (500, 5) if quick else (4_000, 31)
    manager, engine = _manager(), _peer()

    async def lease() -> None:
        await (await manager.allocate_async()).close()

    async def connect() -> None:
        connection = await engine.connect()
        await connection.close()

    note = "ours with container-managed sign-on and partition by identity; both on a connection that never waits"
    with asyncio.Runner() as runner, as_alice():

        def side(operation: Callable[[], Awaitable[None]], times: int) -> Measure:
            return lambda: runner.run(_microseconds_each(operation, times))

        ours, theirs = side(lease, count), side(connect, count // 2)
        peer = "sqlalchemy-asyncengine"
        return [compare("async_lease", peer, ours, theirs, goal=0.5, unit="us", rounds=rounds, note=note)]


async def _microseconds_each(operation: Callable[[], Awaitable[None]], count: int) -> float:
    gc.collect()
    gc.disable()
    try:
        began = time.perf_counter()
        for _ in range(count):
            await operation()
        return (time.perf_counter() - began) / count * 1e6
    finally:
        gc.enable()
