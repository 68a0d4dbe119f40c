"""Profile `outbound-async`, fourth part: what becomes of connections when tasks, connections and loops end (POOL-7)."""

from __future__ import annotations

import asyncio
import gc
import threading
import warnings

import pytest

from connector.spi import AsyncManagedConnection, Capability
from connector.testing.async_bench import PATIENCE, AsyncBench
from connector.testing.cancelling import cancelled_in_each_wait
from connector.testing.contracts.async_adapter import AsyncAdapterContract
from connector.testing.requirement import Facet, requirement

_ASYNC = Capability.ASYNC


class AsyncTasksContract(AsyncAdapterContract):
    """Cancellation costs nothing, what is broken is reported, each loop has its own, and nothing is left behind."""

    @requirement(
        "OUT-ASYNC-025",
        "A task that is cancelled, whatever it waits for, ends by that, and leaves no place in the pool taken.",
        needs=_ASYNC,
    )
    def test_a_cancelled_task_takes_no_place(self, loops: AsyncBench) -> None:
        async def scene() -> None:
            factory = loops.bench.factory()
            pools = loops.pools(factory, max_size=1, wait=PATIENCE)
            _, connections = loops.reference(factory, pools)

            async def work() -> None:
                async with loops.backend.borrowed_async(connections) as whoami:
                    await whoami()

            await cancelled_in_each_wait(work, then=work)
            (figures,) = pools.statistics()
            assert (figures.in_use, figures.changing) == (0, 0)
            assert figures.size == figures.created - figures.destroyed <= 1

        loops.run(scene)

    @requirement(
        "OUT-ASYNC-026",
        "What a task that is cancelled left in the session does not reach the next: it is taken back, or destroyed.",
        needs=(_ASYNC, Facet.STATE),
    )
    def test_a_cancelled_task_leaves_nothing_in_the_session(self, loops: AsyncBench) -> None:
        async def scene() -> None:
            factory = loops.bench.factory()
            manager, connections = loops.reference(factory, loops.pools(factory, max_size=1, wait=PATIENCE))

            async def work() -> None:
                async with loops.backend.borrowed_async(connections) as whoami:
                    await whoami()
                    await loops.backend.soil_async(manager.physical)

            async def look() -> None:
                async with loops.backend.borrowed_async(connections) as whoami:
                    await whoami()
                    assert not await loops.backend.is_soiled_async(manager.physical)

            await cancelled_in_each_wait(work, then=look)

        loops.run(scene)

    @requirement(
        "OUT-ASYNC-027",
        "A connection that breaks in use makes the call raise, is reported to the pool, and never lent again.",
        needs=(_ASYNC, Facet.KILL),
    )
    def test_a_connection_of_the_loop_that_breaks_is_reported(self, loops: AsyncBench) -> None:
        async def scene() -> None:
            factory = loops.bench.factory()
            pools = loops.pools(factory, max_size=1)
            manager, connections = loops.reference(factory, pools)
            killed: list[AsyncManagedConnection] = []
            with pytest.raises(Exception):
                async with loops.backend.borrowed_async(connections) as whoami:
                    await whoami()
                    await loops.backend.kill_async(manager.physical)
                    killed.append(manager.physical)
                    await whoami()
            assert killed, "the connection could not be broken at all"
            async with loops.backend.borrowed_async(connections) as whoami:
                await whoami()
                assert manager.physical is not killed[0]
            assert pools.statistics()[0].destroyed >= 1

        loops.run(scene)

    @requirement(
        "OUT-ASYNC-028",
        "Another event loop gets a connection of its own from the same factory, at the same time and later.",
        needs=_ASYNC,
    )
    def test_each_loop_has_its_own(self, loops: AsyncBench) -> None:
        factory = loops.bench.factory()
        pools = loops.pools(factory)
        manager, connections = loops.reference(factory, pools)

        async def borrow() -> AsyncManagedConnection:
            async with loops.backend.borrowed_async(connections) as whoami:
                await whoami()
                return manager.physical

        async def scene() -> None:
            async with loops.backend.borrowed_async(connections) as whoami:
                await whoami()
                mine = manager.physical
                theirs = await asyncio.to_thread(loops.run, borrow)
                assert theirs is not mine
                await whoami()

        loops.run(scene)
        loops.run(borrow)

    @requirement(
        "OUT-ASYNC-029",
        "When its event loop has ended nothing is left behind: no task, no thread, no warning.",
        needs=_ASYNC,
    )
    def test_nothing_is_left_behind(self, loops: AsyncBench) -> None:
        factory = loops.bench.factory()

        async def scene() -> None:
            pools = loops.pools(factory)
            _, connections = loops.reference(factory, pools)
            for _ in range(2):
                async with loops.backend.borrowed_async(connections) as whoami:
                    await whoami()
            await asyncio.to_thread(pools.close, PATIENCE)  # which has this loop close its connections
            left = asyncio.all_tasks() - {asyncio.current_task()}
            assert not left

        loops.run(scene)  # what the adapter begins once, for all loops, is there now
        before = set(threading.enumerate())
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            gc.collect()
            heard.clear()
            loops.run(scene)
            gc.collect()
        assert not [f"{warning.category.__name__}: {warning.message}" for warning in heard]
        for thread in set(threading.enumerate()) - before:
            thread.join(self.patience)
            assert not thread.is_alive(), f"the thread {thread.name} goes on"
