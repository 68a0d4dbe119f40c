"""Profile `outbound-async`, second part: how a connection of an event loop comes clean, and how it ends (POOL-7)."""

from __future__ import annotations

import asyncio

import pytest

from connector.spi import AsyncManagedConnection, Capability
from connector.testing.async_bench import AsyncBench
from connector.testing.contracts.async_adapter import AsyncAdapterContract
from connector.testing.plans import subject_of
from connector.testing.requirement import Facet, requirement

_ASYNC = Capability.ASYNC


class AsyncEndsContract(AsyncAdapterContract):
    """Clean up, destroy, abort, validate."""

    @requirement(
        "OUT-ASYNC-009",
        "`cleanup` keeps the physical connection and who is signed on, also when it is called twice.",
        needs=_ASYNC,
    )
    def test_cleanup_keeps_the_loop_s_connection(self, loops: AsyncBench) -> None:
        async def scene() -> None:
            connection = await loops.connect(loops.bench.factory(), loops.bench.login)
            before = await loops.backend.user_of_async(connection)
            await connection.cleanup()
            await connection.cleanup()
            assert await loops.backend.user_of_async(connection) == before

        loops.run(scene)

    @requirement("OUT-ASYNC-010", "`cleanup` takes back what its user did to the session.", needs=(_ASYNC, Facet.STATE))
    def test_cleanup_takes_back_the_loop_s_session(self, loops: AsyncBench) -> None:
        async def scene() -> None:
            connection = await loops.connect(loops.bench.factory(), loops.bench.login)
            await loops.backend.soil_async(connection)
            assert await loops.backend.is_soiled_async(connection), "the backend's `soil_async` leaves nothing"
            await connection.cleanup()
            assert not await loops.backend.is_soiled_async(connection)

        loops.run(scene)

    @requirement(
        "OUT-ASYNC-011", "`destroy` ends the connection and is harmless when it is called twice.", needs=_ASYNC
    )
    def test_destroy_ends_the_loop_s_connection_and_may_come_twice(self, loops: AsyncBench) -> None:
        async def scene() -> None:
            connection = await loops.connect(loops.bench.factory(), loops.bench.login)
            await connection.destroy()
            await connection.destroy()
            with pytest.raises(Exception):
                await loops.backend.user_of_async(connection)
            connection.abort()

        loops.run(scene)

    @requirement("OUT-ASYNC-012", "`abort` ends the connection from any thread, and may come twice.", needs=_ASYNC)
    def test_abort_ends_it_from_any_thread(self, loops: AsyncBench) -> None:
        async def scene() -> None:
            connection = await loops.connect(loops.bench.factory(), loops.bench.login)
            loops.forget(connection)
            await asyncio.to_thread(connection.abort)
            connection.abort()
            with pytest.raises(Exception):
                await loops.backend.user_of_async(connection)

        loops.run(scene)

    @requirement(
        "OUT-ASYNC-013", "`abort` needs no loop: it is harmless when the connection's has ended.", needs=_ASYNC
    )
    def test_abort_comes_after_the_loop_s_end(self, loops: AsyncBench) -> None:
        factory, login = loops.bench.factory(), loops.bench.login
        subject = subject_of(login, factory) if login is not None else None

        async def scene() -> AsyncManagedConnection:  # not by the bench, which would destroy it
            return await factory.create_managed_connection_async(subject, None)

        connection = loops.run(scene)
        connection.abort()
        connection.abort()

    @requirement("OUT-ASYNC-014", "`validate` says yes of a good connection.", needs=(_ASYNC, Capability.VALIDATION))
    def test_a_good_connection_of_the_loop_is_valid(self, loops: AsyncBench) -> None:
        async def scene() -> None:
            connection = await loops.connect(loops.bench.factory(), loops.bench.login)
            assert await connection.validate() is True
            await loops.backend.user_of_async(connection)

        loops.run(scene)

    @requirement(
        "OUT-ASYNC-015",
        "`validate` says no of a connection that was broken from outside, and does not raise.",
        needs=(_ASYNC, Capability.VALIDATION, Facet.KILL),
    )
    def test_a_broken_connection_of_the_loop_is_not_valid(self, loops: AsyncBench) -> None:
        async def scene() -> None:
            connection = await loops.connect(loops.bench.factory(), loops.bench.login)
            await loops.backend.kill_async(connection)
            assert await connection.validate() is False

        loops.run(scene)
