"""Cancelled at any await: no permit, no connection and no identity is lost (POOL-7)."""

from __future__ import annotations

import asyncio

from support_async_pool import AsyncBench, FakeAsyncConnection, Gate, cancel, run, until


def test_a_cancelled_waiter_leaves_the_queue_and_the_next_is_served() -> None:
    async def scene() -> None:
        bench = AsyncBench(max_size=1)
        held = await bench.pool.take(bench.alice)
        first = asyncio.create_task(bench.pool.take(bench.alice))
        await until(bench.waiting(1))
        second = asyncio.create_task(bench.pool.take(bench.alice))
        await until(bench.waiting(2))
        await cancel(first)
        await held.close()
        await (await second).close()
        assert bench.pool.statistics().waiting == 0
        assert bench.settled()

    run(scene())


def test_a_waiter_cancelled_in_the_instant_of_its_signal_passes_it_on() -> None:
    async def scene() -> None:
        bench = AsyncBench(max_size=1)
        held = await bench.pool.take(bench.alice)
        waiters = [asyncio.create_task(bench.pool.take(bench.alice)) for _ in range(2)]
        await until(bench.waiting(2))
        await held.close()  # signals the first, which has had no turn yet
        await cancel(waiters[0])
        await (await waiters[1]).close()
        assert bench.settled()

    run(scene())


def test_a_waiter_cancelled_in_the_instant_of_its_grant_hands_the_connection_on() -> None:
    async def scene() -> None:
        bench = AsyncBench(max_size=1)
        held = await bench.pool.take(bench.alice)
        waiters = [asyncio.create_task(bench.pool.take(bench.alice)) for _ in range(2)]
        await until(bench.waiting(2))
        bench.clock.now += 1
        await held.close()  # grants the very connection to the first, which has had no turn yet
        await cancel(waiters[0])
        lease = await waiters[1]
        assert lease.physical is bench.first
        await lease.close()
        assert bench.settled()

    run(scene())


def test_a_waiter_cancelled_in_the_instant_that_it_was_granted_a_place_gives_it_back() -> None:
    async def scene() -> None:
        bench = AsyncBench(max_size=1)
        held = await bench.pool.take(bench.alice)
        waiter = asyncio.create_task(bench.pool.take(bench.bob))
        await until(bench.waiting(1))
        bench.clock.now += 1
        await held.close()  # alice's has to be closed for bob
        await cancel(waiter)
        await until(bench.settled)
        assert (bench.first.destroyed, bench.pool.statistics().size) == (1, 0)

    run(scene())


def test_a_borrower_cancelled_while_its_connection_is_opened_leaves_it_to_the_next() -> None:
    async def scene() -> None:
        bench = AsyncBench(max_size=1)
        gate = Gate()
        bench.factory.on_open = gate
        borrower = asyncio.create_task(bench.pool.take(bench.alice))
        await gate.reached.wait()
        await cancel(borrower)
        waiter = asyncio.create_task(bench.pool.take(bench.alice))
        await until(bench.waiting(1))
        gate.open()
        async with await waiter as lease:
            assert lease.physical is bench.first
        assert len(bench.factory.opened) == 1
        assert bench.settled()

    run(scene())


def test_a_borrower_cancelled_in_the_instant_that_its_connection_is_there_leaves_it_free() -> None:
    async def scene() -> None:
        bench = AsyncBench(max_size=1)
        borrower = asyncio.create_task(bench.pool.take(bench.alice))
        await until(lambda: bench.pool.statistics().size == 1)  # it is there, the borrower has had no turn yet
        await cancel(borrower)
        assert bench.pool.statistics().free == 1
        assert bench.settled()

    run(scene())


def test_an_opening_that_fails_after_its_borrower_has_left_gives_its_place_back() -> None:
    async def scene() -> None:
        bench = AsyncBench(max_size=1)
        gate = Gate()

        async def fail() -> None:
            await gate()
            raise OSError

        bench.factory.on_open = fail
        borrower = asyncio.create_task(bench.pool.take(bench.alice))
        await gate.reached.wait()
        await cancel(borrower)
        gate.open()
        await until(bench.settled)

    run(scene())


def test_a_borrower_cancelled_while_the_victim_of_its_place_is_closed_loses_neither() -> None:
    async def scene() -> None:
        bench = AsyncBench(max_size=1)
        await (await bench.pool.take(bench.alice)).close()
        gate = Gate()
        bench.first.on_destroy = gate
        borrower = asyncio.create_task(bench.pool.take(bench.bob))
        await gate.reached.wait()
        await cancel(borrower)
        gate.open()
        await until(bench.settled)
        assert bench.first.destroyed == 1
        assert [line.user for line in bench.pool.contents()] == ["bob"]

    run(scene())


def test_cancelled_while_a_caller_is_asserted_the_connection_is_destroyed() -> None:
    async def scene() -> None:
        bench = AsyncBench(max_size=1)
        gate = Gate()
        bench.factory.on_opened = lambda made: setattr(made, "on_switch", gate)
        borrower = asyncio.create_task(bench.pool.take(bench.factory.plan("system", asserted="carol")))
        await gate.reached.wait()
        await cancel(borrower)
        await until(bench.settled)
        assert (bench.first.destroyed, bench.pool.statistics().size) == (1, 0)

    run(scene())


def test_cancelled_in_its_clean_up_a_connection_is_destroyed_and_its_place_comes_free() -> None:
    async def scene() -> None:
        bench = AsyncBench(max_size=1)
        lease = await bench.pool.take(bench.alice)
        gate = Gate()
        bench.first.on_cleanup = gate
        closing = asyncio.create_task(lease.close())
        await gate.reached.wait()
        waiter = asyncio.create_task(bench.pool.take(bench.alice))
        await until(bench.waiting(1))
        await cancel(closing)
        async with await waiter as second:
            assert second.physical is not bench.first
        assert bench.first.destroyed == 1
        assert bench.settled()

    run(scene())


def test_cancelled_while_it_is_destroyed_a_connection_is_destroyed_all_the_same() -> None:
    async def scene() -> None:
        bench = AsyncBench(max_size=1)
        lease = await bench.pool.take(bench.alice)
        gate = Gate()
        bench.first.on_destroy = gate
        destroying = asyncio.create_task(lease.invalidate())
        await gate.reached.wait()
        await cancel(destroying)
        assert bench.pool.statistics().changing == 1  # its place is taken until it is really closed
        gate.open()
        await until(bench.settled)
        assert bench.first.destroyed == 1

    run(scene())


def test_what_the_end_of_the_loop_interrupts_is_aborted() -> None:
    benches: list[AsyncBench] = []

    async def scene() -> None:
        bench = AsyncBench(max_size=1)
        benches.append(bench)
        lease = await bench.pool.take(bench.alice)
        gate = Gate()
        bench.first.on_destroy = gate
        left_behind = asyncio.create_task(lease.invalidate())
        await gate.reached.wait()
        assert not left_behind.done()

    run(scene())
    assert benches[0].first.aborted >= 1
    assert benches[0].settled()


def test_a_connection_that_is_never_begun_to_be_closed_is_aborted_at_the_end_of_the_loop() -> None:
    benches: list[AsyncBench] = []

    async def scene() -> None:
        bench = AsyncBench(max_size=1)
        benches.append(bench)
        await (await bench.pool.take(bench.alice)).close()
        bench.pool.purge()
        for chore in asyncio.all_tasks() - {asyncio.current_task()}:
            chore.cancel()  # as the end of the loop does, before it has had a turn

    run(scene())
    first: FakeAsyncConnection = benches[0].first
    assert (first.destroyed, first.aborted) == (0, 1)
    assert benches[0].settled()
