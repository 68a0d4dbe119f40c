"""Leases that last too long, outlive their login, or are never closed (POOL-3)."""

from __future__ import annotations

import asyncio
import gc
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support_async_pool import AsyncBench, Gate, run
from support_async_pool import until as on_the_loop
from support_either_pool import ALL, Make
from support_pool import InThread, PoolBench, until

from connector.errors import ScopeError
from connector.pool.settings import LeakTrace, Validation
from connector.pool.trace import Trace
from connector.security.scope import capture, open_scope
from connector.spi import Principal, Subject


def login(caller: str = "carol") -> open_scope:
    subject = Subject(principals=[Principal(caller, "realm")])
    return open_scope(subject, realm="realm", container="box", origin=f"login of {caller}")


# --- overdue ------------------------------------------------------------------------------------------------------


def test_a_lease_that_lasts_too_long_is_reported_once_with_where_and_how_long(
    either: Make, caplog: pytest.LogCaptureFixture
) -> None:
    bench = either(leak_timeout=10.0)
    loan = bench.take(bench.alice)
    bench.upkeep()
    assert bench.now.leaks == 0
    bench.clock.now += 12.0
    bench.upkeep()
    bench.upkeep()
    assert bench.now.leaks == 1
    assert "of alice (reference ref) was lent for long, 12 s or longer; obtained by" in caplog.text
    assert f"{Path(__file__).name}" in caplog.text
    assert not loan.lease.closed
    loan.close()
    assert bench.settled()


def test_the_next_lease_of_the_same_connection_is_reported_for_itself(either: Make) -> None:
    bench = either(leak_timeout=10.0)
    for leaks in (1, 2):
        with bench.take(bench.alice):
            bench.upkeep()
            bench.clock.now += 10.0
            bench.upkeep()
        assert bench.now.leaks == leaks


def test_one_on_its_way_to_its_borrower_is_not_taken_for_the_lease_before(either: Make) -> None:
    bench = either(leak_timeout=10.0, validation=frozenset({Validation.ON_CHECKOUT}))
    bench.use(bench.alice)  # traced, being its first
    with bench.take(bench.alice):
        bench.upkeep()
    bench.clock.now += 1000.0
    looked: list[Any] = []

    def look() -> bool:
        bench.pool._look()
        looked.extend(line.lent_for for line in bench.pool.contents())
        return True

    bench.made[0].on_validate = look
    with bench.take(bench.alice):
        assert bench.now.leaks == 0
    assert looked == [None]


@pytest.mark.parametrize(("which", "traced"), [("off", 0), ("sampled", 1), ("always", 5)])
def test_where_leases_are_obtained_is_recorded_as_the_setting_says(either: Make, which: str, traced: int) -> None:
    bench = either(leak_trace=LeakTrace(which))
    recorded = 0
    for _ in range(5):
        with bench.take(bench.alice):
            recorded += bool(bench.pool.contents()[0].obtained)
    assert recorded == traced


def test_once_a_leak_had_no_trace_all_leases_are_traced(either: Make) -> None:
    bench = either(leak_timeout=10.0)
    bench.use(bench.alice)
    with bench.take(bench.alice):
        bench.upkeep()
        bench.clock.now += 10.0
        bench.upkeep()
    with bench.take(bench.alice):
        assert bench.pool.contents()[0].obtained


def test_a_package_whose_name_begins_like_the_frameworks_is_not_the_frameworks() -> None:
    import connector

    beside = str(Path(connector.__file__).parent) + "_of_mine/shop.py"
    scope: dict[str, Any] = {"Trace": Trace}
    exec(compile("def buy():\n    return Trace.here(0.0)\n", beside, "exec"), scope)
    assert scope["buy"]().lines()[0] == f"{beside}:2 in buy"


# --- outlived -----------------------------------------------------------------------------------------------------


def test_a_lease_that_outlives_its_login_is_closed_and_reported(caplog: pytest.LogCaptureFixture) -> None:
    bench = PoolBench()
    with login():
        lease = bench.pool.take(bench.alice)
    assert lease.closed
    assert "was open at the end of its login or work" in caplog.text
    assert "in the login of carol" in caplog.text
    assert "It is closed now" in caplog.text
    assert (bench.pool.statistics().overstayed, bench.pool.statistics().free) == (1, 1)
    assert bench.settled()


def test_it_stays_open_where_that_is_wanted(caplog: pytest.LogCaptureFixture) -> None:
    bench = PoolBench(auto_close=False)
    with login():
        lease = bench.pool.take(bench.alice)
    assert not lease.closed
    assert "It stays open" in caplog.text
    lease.close()
    assert bench.settled()


def test_what_another_thread_uses_is_left_to_it_and_destroyed_afterwards(caplog: pytest.LogCaptureFixture) -> None:
    bench = PoolBench()
    with login():
        carried = capture()
        lease: Any = InThread(lambda: carried.run(lambda: bench.pool.take(bench.alice))).result()
    assert not lease.closed
    assert "destroyed when it comes back" in caplog.text
    assert bench.factory.made[0].destroyed == 0
    lease.close()
    assert bench.factory.made[0].destroyed == 1
    assert bench.settled()


def test_a_lease_that_ends_in_time_is_none_of_the_logins_business() -> None:
    bench = PoolBench()
    with login():
        bench.pool.take(bench.alice).close()
        later = bench.pool.take(bench.alice)
        later.close()
    assert bench.pool.statistics().overstayed == 0


def test_what_was_given_back_while_the_login_ended_is_not_doomed_for_its_next_borrower() -> None:
    bench = PoolBench(max_size=1)
    with login():
        carried = capture()
        first: Any = InThread(lambda: carried.run(lambda: bench.pool.take(bench.alice))).result()
        original = bench.pool._outlived

        def given_back_meanwhile(*arguments: Any) -> Any:
            found = original(*arguments)
            first.close()
            return found

        bench.pool._outlived = given_back_meanwhile  # type: ignore[method-assign,assignment]  # the other thread is that fast
    with bench.pool.take(bench.alice):
        assert bench.pool.contents()[0].doomed is None
    assert bench.settled()


def test_one_interrupted_clean_up_does_not_keep_the_others_from_coming_back() -> None:
    bench = PoolBench(max_size=3)
    scope = login()
    scope.__enter__()
    leases = [bench.pool.take(bench.alice) for _ in range(3)]
    bench.factory.made[1].on_cleanup = lambda: (_ for _ in ()).throw(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        scope.__exit__(None, None, None)
    assert all(lease.closed for lease in leases)
    assert bench.pool.statistics().in_use == 0
    assert bench.settled()


def test_who_still_waits_when_the_login_ends_gets_nothing_in_its_name() -> None:
    bench = PoolBench(max_size=1)
    held = bench.pool.take(bench.alice)
    with login():
        carried = capture()
        waiter = InThread(lambda: carried.run(lambda: bench.pool.take(bench.alice)))
        until(lambda: bench.pool.statistics().waiting == 1)
    held.close()
    with pytest.raises(ScopeError, match="CF-SEC-001"):
        waiter.result()
    assert bench.pool.statistics().in_use == 0
    assert bench.settled()


def test_a_task_that_still_waits_when_the_login_ends_gets_nothing_in_its_name() -> None:
    async def scene() -> None:
        bench = AsyncBench(max_size=1)
        held = await bench.pool.take(bench.alice)
        with login():
            waiter = asyncio.create_task(bench.pool.take(bench.alice))
            await on_the_loop(bench.waiting(1))
        await held.close()
        with pytest.raises(ScopeError, match="CF-SEC-001"):
            await waiter
        await on_the_loop(bench.settled)
        assert bench.pool.statistics().in_use == 0

    run(scene())


def test_the_loop_gives_back_what_its_task_left_open_and_leaves_other_tasks_theirs() -> None:
    async def scene() -> None:
        bench = AsyncBench()
        gate = Gate()

        async def uses() -> None:
            async with await bench.pool.take(bench.alice) as lease:
                await gate()
                assert not lease.closed

        with login():
            mine = await bench.pool.take(bench.alice)
            other = asyncio.create_task(uses())
            await gate.reached.wait()
        await on_the_loop(lambda: bench.pool.statistics().free == 1)
        assert mine.closed
        gate.open()
        await other
        await on_the_loop(bench.settled)
        assert bench.factory.living == 1

    run(scene())


def test_of_two_pools_that_join_a_login_on_two_threads_none_is_forgotten() -> None:
    benches = [PoolBench() for _ in range(2)]
    with login() as scope:
        carried = capture()
        borrowing = [partial(bench.pool.take, bench.alice) for bench in benches]
        threads = [InThread(partial(carried.run, borrow)) for borrow in borrowing]
        leases: list[Any] = [thread.result() for thread in threads]
        assert set(scope.lenders) == {bench.pool for bench in benches}
    for bench, lease in zip(benches, leases, strict=True):
        assert bench.pool.statistics().overstayed == 1
        lease.close()


# --- abandoned ----------------------------------------------------------------------------------------------------


def test_a_waiter_gets_the_place_of_a_lease_that_was_dropped_while_another_thread_held_the_lock() -> None:
    bench = PoolBench(max_size=1)
    held = [bench.pool.take(bench.alice)]
    waiter = InThread(lambda: bench.pool.take(bench.bob).close())
    until(lambda: bench.pool.statistics().waiting == 1)
    with bench.pool._lock:
        held.clear()
        gc.collect()
    waiter.result()  # nobody has told it
    assert bench.pool.statistics().abandoned == 1
    assert bench.settled()


def test_an_abandoned_asyncio_lease_is_destroyed_by_its_loop(caplog: pytest.LogCaptureFixture) -> None:
    async def scene() -> None:
        bench = AsyncBench(max_size=1, capabilities=ALL)
        await bench.pool.take(bench.alice)
        gc.collect()
        await on_the_loop(lambda: bench.first.destroyed == 1)
        await (await bench.pool.take(bench.alice)).close()
        assert bench.settled()

    run(scene())
    assert "was never given back" in caplog.text
