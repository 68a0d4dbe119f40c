"""Connect and close of an AsyncEngine through the SQL adapter, against a plain AsyncEngine.

Both on the connection of `async_lease`, which never waits. So what is measured is the pools and SQLAlchemy's bridge
from asyncio to its code for threads (greenlets), which both cross.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from benchmarks.async_lease import NoOpDriverConnection, microseconds_each, plain_async_engine
from benchmarks.harness import Measure, Result, compare
from benchmarks.lease import as_alice, signed_on_manager
from connector.pool.loop_pools import LoopPools

RESOURCE = "jdbc/ledger"


def run(*, quick: bool) -> list[Result]:
    """Measure."""
    count, rounds = (500, 5) if quick else (2_000, 31)
    with asyncio.Runner() as runner, as_alice():

        def side(engine: Any) -> Measure:
            operation = _connect_and_close(engine)
            return lambda: runner.run(microseconds_each(operation, count))

        note = (
            "connect and close on a connection that never waits; ours with container-managed sign-on. The 0.5 of"
            " async_lease is out of reach here: closing crosses SQLAlchemy's bridge (a greenlet) on either side"
        )
        ours, theirs = side(_adapters_engine()), side(plain_async_engine())
        peer = "sqlalchemy-asyncengine"
        return [compare("async_engine", peer, ours, theirs, goal=1.0, unit="us", rounds=rounds, note=note)]


def _connect_and_close(engine: Any) -> Callable[[], Awaitable[None]]:
    async def operation() -> None:
        connection = await engine.connect()
        await connection.close()

    return operation


def _adapters_engine() -> Any:
    from connector_sql.factory import SqlManagedConnectionFactory
    from connector_sql.settings import read_settings

    settings = read_settings(RESOURCE, {"url": "sqlite://"})
    # The driver is replaced, and nothing else: its dialect opens what the peer's creator makes, and asks it nothing.
    dialect: Any = settings.for_asyncio.dialect
    dialect.connect = lambda *_arguments, **_options: NoOpDriverConnection()
    dialect.initialize = lambda _connection: None
    factory = SqlManagedConnectionFactory(settings)
    manager = signed_on_manager(factory=factory, async_pool=LoopPools(RESOURCE, factory))
    return factory.create_connection_factory(manager).async_engine
