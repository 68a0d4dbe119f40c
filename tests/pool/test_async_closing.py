"""Closing, events from other threads, one pool for each event loop and what happens when a loop ends."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from support_async_pool import AsyncBench, FakeAsyncConnection, FakeAsyncFactory, Gate, OtherLoop, run, until
from support_pool import InThread

from connector.errors import PoolClosed
from connector.pool import PoolSettings
from connector.pool.loop_pools import LoopPools
from connector.spi import SignOnPlan


def test_a_closed_pool_closes_what_is_free_now_and_what_is_lent_when_it_comes_back() -> None:
    async def scene() -> None:
        bench = AsyncBench()
        lent = await bench.pool.take(bench.alice)
        await (await bench.pool.take(bench.bob)).close()
        await bench.pool.close()
        await bench.pool.close()
        assert [made.living for made in bench.factory.opened] == [True, False]
        with pytest.raises(PoolClosed, match="CF-POOL-002"):
            await bench.pool.take(bench.alice)
        await lent.close()
        assert bench.factory.living == 0
        assert bench.settled()

    run(scene())


def test_who_waits_for_a_pool_that_closes_is_told() -> None:
    async def scene() -> None:
        bench = AsyncBench(max_size=1)
        lent = await bench.pool.take(bench.alice)
        waiter = asyncio.create_task(bench.pool.take(bench.alice))
        await until(bench.waiting(1))
        await bench.pool.close()
        with pytest.raises(PoolClosed):
            await waiter
        await lent.close()
        assert bench.settled()

    run(scene())


def test_closing_waits_for_what_is_being_opened_and_nobody_gets_it() -> None:
    async def scene() -> None:
        bench = AsyncBench()
        gate = Gate()
        bench.factory.on_open = gate
        borrower = asyncio.create_task(bench.pool.take(bench.alice))
        await gate.reached.wait()
        closing = asyncio.create_task(bench.pool.close())
        await until(lambda: bench.pool._state.closed)
        assert not closing.done()
        gate.open()
        await closing
        with pytest.raises(PoolClosed):
            await borrower
        assert bench.factory.living == 0
        assert bench.settled()

    run(scene())


def test_a_superseded_credential_is_retired_from_another_thread() -> None:
    async def scene() -> None:
        bench = AsyncBench()
        await (await bench.pool.take(bench.alice)).close()
        await (await bench.pool.take(bench.bob)).close()
        assert InThread(lambda: bench.pool.retire("alice-alias", 2, final=True)).result() == 1
        await until(lambda: bench.first.destroyed == 1)
        await until(bench.settled)
        assert [line.user for line in bench.pool.contents()] == ["bob"]

    run(scene())


def test_a_free_connection_that_breaks_is_closed_whichever_thread_says_so() -> None:
    async def scene() -> None:
        bench = AsyncBench()
        await (await bench.pool.take(bench.alice)).close()
        InThread(bench.first.connection_error_occurred).result()
        InThread(bench.first.connection_error_occurred).result()
        await until(lambda: bench.first.destroyed == 1)
        await until(bench.settled)

    run(scene())


def test_a_lent_connection_that_breaks_is_closed_when_it_comes_back() -> None:
    async def scene() -> None:
        bench = AsyncBench()
        lease = await bench.pool.take(bench.alice)
        bench.first.connection_error_occurred()
        assert bench.first.living
        await lease.close()
        assert (bench.first.destroyed, bench.first.cleaned) == (1, 0)
        assert bench.settled()

    run(scene())


# --- one pool for each loop ---------------------------------------------------------------------------------------


class Loops:
    """One resource's pools with their factory."""

    def __init__(self) -> None:
        self.factory = FakeAsyncFactory()
        self.pools = LoopPools("eis/fake", self.factory, PoolSettings(max_size=1))
        self.alice: SignOnPlan = self.factory.plan("alice")

    async def use(self) -> Any:
        async with await self.pools.take(self.alice) as lease:
            return lease.physical


def test_each_loop_has_connections_of_its_own() -> None:
    loops = Loops()
    one, two = OtherLoop(), OtherLoop()
    assert one.run(loops.use()) is one.run(loops.use())
    assert two.run(loops.use()) is not one.run(loops.use())
    assert [now.size for now in loops.pools.statistics()] == [1, 1]
    assert len(loops.pools.contents()) == 2
    loops.pools.close()
    assert [made.destroyed for made in loops.factory.opened] == [1, 1]
    one.end()
    two.end()


def test_the_connections_of_an_ended_loop_are_let_go_when_the_next_one_begins() -> None:
    loops = Loops()
    first: FakeAsyncConnection = asyncio.run(loops.use())
    assert first.living
    second: FakeAsyncConnection = asyncio.run(loops.use())
    assert (first.aborted, second.living) == (1, True)
    assert len(loops.pools.statistics()) == 1
    loops.pools.close()
    assert second.aborted == 1


def test_an_ended_loop_does_not_hinder_retiring() -> None:
    loops = Loops()
    made: FakeAsyncConnection = asyncio.run(loops.use())
    assert loops.pools.retire("alice-alias", 2, final=True) == 1
    assert made.aborted == 1
    assert loops.pools.purge() == 0


def test_closed_on_the_loop_itself_the_connections_are_closed_when_the_loop_goes_on() -> None:
    loops = Loops()

    async def scene() -> None:
        made = await loops.use()
        loops.pools.close()
        await until(lambda: made.destroyed == 1)
        with pytest.raises(PoolClosed):
            await loops.use()

    run(scene())


def test_a_new_loop_gets_nothing_from_closed_pools() -> None:
    loops = Loops()
    loops.pools.close()
    with pytest.raises(PoolClosed, match="CF-POOL-002"):
        asyncio.run(loops.use())


def test_a_loop_that_does_not_answer_in_time_has_its_connections_aborted(caplog: pytest.LogCaptureFixture) -> None:
    loops, other = Loops(), OtherLoop()

    async def stuck() -> tuple[FakeAsyncConnection, Gate]:
        made, gate = await loops.use(), Gate()
        made.on_destroy = gate
        return made, gate

    made, gate = other.run(stuck())
    loops.pools.close(timeout=0)
    assert made.aborted == 1
    assert "did not close its connections to eis/fake in time" in caplog.text
    other.loop.call_soon_threadsafe(gate.open)
    other.end()


def test_without_an_event_loop_nothing_can_be_borrowed() -> None:
    loops = Loops()
    with pytest.raises(RuntimeError, match="no running event loop"):
        loops.pools.take(loops.alice)


def test_a_connection_that_can_not_be_unlistened_is_aborted_all_the_same() -> None:
    loops = Loops()
    first: FakeAsyncConnection = asyncio.run(loops.use())

    def refuse(listener: object) -> None:
        raise RuntimeError

    first.set_event_listener = refuse  # type: ignore[method-assign]  # an adapter may do anything
    loops.pools.close()
    assert first.aborted == 1
