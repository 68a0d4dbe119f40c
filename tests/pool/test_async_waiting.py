"""Waiting tasks: who is next, waits in vain, refused logins (POOL-2, POOL-7)."""

from __future__ import annotations

import asyncio
import traceback
from typing import Any

import pytest
from support_async_pool import AsyncBench, Gate, OtherLoop, at_once, raising, run, until

from connector.errors import LoginRefused, PoolTimeout, Reason
from connector.pool.async_lease import AsyncPooledLease
from connector.pool.bell import Bell
from connector.spi import SignOnPlan

REFUSED = Reason("CF-TEST-061", "the system refused {user}", "")


async def use(bench: AsyncBench, plan: SignOnPlan, order: list[str], name: str) -> None:
    async with await bench.pool.take(plan):
        order.append(name)


def test_waiters_are_served_in_the_order_in_which_they_came() -> None:
    async def scene() -> None:
        bench = AsyncBench(max_size=1)
        order: list[str] = []
        held = await bench.pool.take(bench.alice)
        tasks = []
        for number in range(4):
            tasks.append(asyncio.create_task(use(bench, bench.alice, order, str(number))))
            await until(bench.waiting(number + 1))
        bench.clock.now += 1  # long enough not to be overtaken
        await held.close()
        await asyncio.gather(*tasks)
        assert order == ["0", "1", "2", "3"]
        assert (len(bench.factory.opened), bench.pool.statistics().waits) == (1, 4)
        assert bench.settled()

    run(scene())


def test_what_comes_back_is_handed_to_a_waiter_that_has_waited_long_and_to_nobody_else() -> None:
    async def scene() -> None:
        bench = AsyncBench(max_size=1)
        held = await bench.pool.take(bench.alice)
        waits = asyncio.create_task(bench.pool.take(bench.alice))
        await until(bench.waiting(1))
        bench.clock.now += 1
        await held.close()
        with pytest.raises(PoolTimeout):  # it is lent already, before the waiter has even woken
            await bench.pool.take(bench.alice, timeout=0)
        lease = await waits
        assert lease.physical is bench.first
        await lease.close()

    run(scene())


def test_a_waiter_of_another_user_gets_the_place_and_a_connection_of_its_own() -> None:
    async def scene() -> None:
        bench = AsyncBench(max_size=1)
        held = await bench.pool.take(bench.alice)
        waits = asyncio.create_task(bench.pool.take(bench.bob))
        await until(bench.waiting(1))
        bench.clock.now += 1
        await held.close()
        async with await waits as lease:
            assert (await lease.physical.describe()).user == "bob"
        assert bench.settled()

    run(scene())


def test_a_wait_in_vain_says_who_holds_what() -> None:
    async def holder(bench: AsyncBench, done: asyncio.Event, held: asyncio.Event) -> None:
        async with await bench.pool.take(bench.alice):
            held.set()
            await done.wait()

    async def scene() -> None:
        bench = AsyncBench(max_size=1)
        done, held = asyncio.Event(), asyncio.Event()
        task = asyncio.create_task(holder(bench, done, held))
        await held.wait()
        with pytest.raises(PoolTimeout, match=r"1 of 1 in use \(alice: 1\).*Close connections sooner"):
            await bench.pool.take(bench.bob, timeout=0)
        done.set()
        await task
        assert bench.pool.statistics().timeouts == 1
        assert bench.settled()

    run(scene())


def test_a_task_that_waits_for_itself_is_told_so() -> None:
    async def scene() -> None:
        bench = AsyncBench(max_size=1, connection_timeout=0)
        async with await bench.pool.take(bench.alice):
            with pytest.raises(PoolTimeout, match="holds all of them itself"):
                await bench.pool.take(bench.alice)

    run(scene())


def test_a_refused_credential_fails_all_who_wait_to_try_it_and_is_tried_once() -> None:
    async def scene() -> None:
        bench = AsyncBench(max_size=1)
        gate = Gate()
        tries = []

        async def refuse() -> None:
            tries.append(1)
            await gate()
            raise LoginRefused(REFUSED, user="alice")

        bench.factory.on_open = refuse
        tasks = [asyncio.create_task(bench.pool.take(bench.alice)) for _ in range(4)]
        await gate.reached.wait()
        await until(bench.waiting(3))
        gate.open()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [LoginRefused] * 4
        assert len({id(outcome) for outcome in outcomes}) == 4
        assert len(tries) == 1
        assert bench.settled()

    run(scene())


def test_a_bell_that_rang_before_the_wait_is_heard_and_heard_once() -> None:
    async def scene() -> tuple[bool, bool]:
        bell = Bell(asyncio.get_running_loop())
        bell.ring()
        bell.ring()
        return await bell.wait(20), await bell.wait(0)

    assert run(scene()) == (True, False)


def test_a_bell_can_be_rung_from_another_thread_also_when_its_loop_is_gone() -> None:
    async def make() -> Bell:
        return Bell(asyncio.get_running_loop())

    async def hear(bell: Bell) -> bool:
        return await bell.wait(20)

    other = OtherLoop()
    bell = other.run(make())
    heard = asyncio.run_coroutine_threadsafe(hear(bell), other.loop)
    bell.ring()
    assert heard.result(20)
    other.end()
    bell.ring()


def test_the_plan_of_a_refused_waiter_is_in_no_traceback_of_another() -> None:
    async def scene() -> list[Any]:
        bench = AsyncBench(max_size=1)
        gate = Gate()

        async def refuse() -> None:
            await gate()
            raise LoginRefused(REFUSED, user="alice")

        bench.factory.on_open = refuse
        tasks: list[asyncio.Task[AsyncPooledLease]] = [
            asyncio.create_task(bench.pool.take(bench.alice)) for _ in range(2)
        ]
        await until(bench.waiting(1))
        gate.open()
        return await asyncio.gather(*tasks, return_exceptions=True)

    first, second = run(scene())
    assert second.__cause__ is first
    assert "CF-TEST-061" in "".join(traceback.format_exception(second))


def test_a_task_that_gives_up_wakes_those_who_can_go_on_instead() -> None:
    async def scene() -> None:
        bench = AsyncBench(max_size=4, per_identity=2, login_backoff=1.0)
        newer = bench.factory.plan("alice", version=2)
        older = await bench.pool.take(bench.alice)
        bench.factory.on_open = raising(LoginRefused(REFUSED, user="alice"))
        rotated = asyncio.create_task(bench.pool.take(newer))  # refused; it waits for the connection that serves on
        await until(bench.waiting(1))
        bench.factory.on_open = at_once
        async with await bench.pool.take(bench.bob), await bench.pool.take(bench.bob):
            bench.clock.now += 2.0  # it may try again by now, and nothing has told it
            with pytest.raises(PoolTimeout):
                await bench.pool.take(bench.bob, timeout=0)
            await until(rotated.done)
        lease = rotated.result()
        assert lease.plan is newer
        await lease.close()
        await older.close()
        assert bench.settled()

    run(scene())
