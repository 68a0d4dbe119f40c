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
from benchmarks.lease import NoOpFactory, as_alice, signed_on_manager
from connector.outbound.manager import ReferenceConnectionManager
from connector.pool.loop_pools import LoopPools
from connector.spi import AsyncManagedConnection, ConnectionDescription, ConnectionRequestInfo, Subject


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

    #: The driver's own connection, as SQLAlchemy's adapter for aiosqlite has it.
    _connection: object = None

    def rollback(self) -> None:
        """Does nothing."""

    def close(self) -> None:
        """Does nothing."""

    def create_function(self, *_arguments: object, **_options: object) -> None:
        """SQLite's dialect gives each connection a function; does nothing."""

    terminate = commit = close


def _manager() -> ReferenceConnectionManager:
    factory = NoOpAsyncFactory()
    return signed_on_manager(factory=factory, async_pool=LoopPools("jdbc/ledger", factory))


def plain_async_engine() -> Any:
    """The peer."""
    from sqlalchemy.ext.asyncio import create_async_engine
    from sqlalchemy.pool import AsyncAdaptedQueuePool

    # `_initialize`: the dialect asks a no-op connection nothing about its server.
    options: dict[str, Any] = {"creator": NoOpDriverConnection, "_initialize": False}
    return create_async_engine("sqlite+aiosqlite://", poolclass=AsyncAdaptedQueuePool, **options)


def run(*, quick: bool) -> list[Result]:
    """Measure."""
    count, rounds = (500, 5) if quick else (4_000, 31)
    manager, engine = _manager(), plain_async_engine()

    async def lease() -> None:
        await (await manager.allocate_async()).close()

    async def connect() -> None:
        connection = await engine.connect()
        await connection.close()

    note = "ours with container-managed sign-on and partition by identity; both on a connection that never waits"
    with asyncio.Runner() as runner, as_alice():

        def side(operation: Callable[[], Awaitable[None]], times: int) -> Measure:
            return lambda: runner.run(microseconds_each(operation, times))

        ours, theirs = side(lease, count), side(connect, count // 2)
        peer = "sqlalchemy-asyncengine"
        return [compare("async_lease", peer, ours, theirs, goal=0.5, unit="us", rounds=rounds, note=note)]


async def microseconds_each(operation: Callable[[], Awaitable[None]], count: int) -> float:
    """Microseconds per operation, one after the other, without the garbage collector in between."""
    gc.collect()
    gc.disable()
    try:
        began = time.perf_counter()
        for _ in range(count):
            await operation()
        return (time.perf_counter() - began) / count * 1e6
    finally:
        gc.enable()
