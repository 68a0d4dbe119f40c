"""What an operator can do while a pool runs: flush, resize, suspend (POOL-6)."""

from __future__ import annotations

from typing import Any

import pytest
from support_async_pool import AsyncBench, run
from support_async_pool import until as on_the_loop
from support_either_pool import Make
from support_pool import InThread, PoolBench, until

from connector.errors import HandleClosed, PoolTimeout
from connector.pool.flushing import FlushChoice, FlushMode, FlushReport


def test_idle_flushes_free_ones_only(either: Make) -> None:
    bench = either()
    lent = bench.take(bench.alice)
    bench.use(bench.bob)
    assert bench.flush(FlushMode.IDLE) == FlushReport(closed=1, kept=1)
    lent.close()
    assert bench.lives == ["alice"]
    assert bench.settled()


def test_gracefully_flushes_lent_ones_when_they_come_back(either: Make) -> None:
    bench = either()
    lent = bench.take(bench.alice)
    bench.use(bench.bob)
    assert bench.flush() == FlushReport(closed=1, on_return=1)
    assert bench.lives == ["alice"]
    lent.close()
    assert bench.lives == []
    assert bench.settled()


def test_all_takes_lent_ones_from_their_borrowers(either: Make) -> None:
    bench = either()
    lent = bench.take(bench.alice)
    bench.use(bench.bob)
    assert bench.flush(FlushMode.ALL) == FlushReport(closed=1, ended=1)
    assert bench.lives == []
    with pytest.raises(HandleClosed):
        _ = lent.physical
    lent.close()
    lent.invalidate()
    assert [made.destroyed for made in bench.made] == [1, 1]
    assert bench.settled()


def test_all_leaves_one_that_is_on_its_way_back_to_the_one_who_returns_it() -> None:
    bench = PoolBench()
    lease = bench.pool.take(bench.alice)
    bench.factory.made[0].on_cleanup = lambda: bench.pool.flush(FlushMode.ALL)
    lease.close()
    assert bench.factory.made[0].destroyed == 1
    assert bench.settled()


def test_ended_from_another_thread_an_asyncio_lease_is_closed_by_its_loop() -> None:
    async def scene() -> None:
        bench = AsyncBench()
        lease = await bench.pool.take(bench.alice)
        report = InThread(lambda: bench.pool.flush(FlushMode.ALL)).result()
        assert report == FlushReport(ended=1)
        await on_the_loop(lambda: bench.first.destroyed == 1)
        assert lease.closed
        await lease.close()
        await on_the_loop(bench.settled)

    run(scene())


@pytest.mark.parametrize(
    ("chosen", "left"),
    [
        (FlushChoice(user="alice"), ["bob"]),
        (FlushChoice(alias="bob-alias"), ["alice", "alice"]),
        (FlushChoice(alias="alice-alias", below_version=2), ["alice", "bob"]),
        (FlushChoice(below_version=1), ["alice", "alice", "bob"]),
        (FlushChoice(), []),
    ],
)
def test_a_flush_takes_whom_it_is_meant_for(either: Make, chosen: FlushChoice, left: list[str]) -> None:
    bench = either(max_size=3)
    bench.use(bench.alice, bench.factory.plan("alice", version=2), bench.bob)
    foreseen = bench.flush(FlushMode.GRACEFULLY, chosen, dry_run=True)
    assert len(bench.lives) == 3
    assert bench.flush(FlushMode.GRACEFULLY, chosen) == foreseen == FlushReport(closed=3 - len(left))
    assert sorted(map(str, bench.lives)) == left
    assert bench.settled()


def test_whoever_works_as_a_user_is_meant_by_it_as_well(either: Make) -> None:
    bench = either()
    lent = bench.take(bench.factory.plan("door", asserted="carol"))
    assert bench.flush(FlushMode.GRACEFULLY, FlushChoice(user="carol")) == FlushReport(on_return=1)
    lent.close()
    assert bench.lives == []


# --- resize -------------------------------------------------------------------------------------------------------


def test_made_larger_it_serves_who_waits() -> None:
    bench = PoolBench(max_size=1)
    held = bench.pool.take(bench.alice)
    waiter = InThread(lambda: bench.pool.take(bench.bob))
    until(lambda: bench.pool.statistics().waiting == 1)
    assert bench.pool.resize(max_size=2) == (0, 0)
    lease: Any = waiter.result()
    lease.close()
    held.close()
    assert bench.settled()


def test_made_smaller_it_closes_free_ones_now_and_lent_ones_when_they_come_back(either: Make) -> None:
    bench = either(max_size=4)
    lent = [bench.take(bench.alice) for _ in range(3)]
    bench.use(bench.bob)
    assert bench.go(lambda: bench.pool.resize(max_size=2)) == (1, 1)
    for loan in lent:
        loan.close()
    assert (bench.now.size, bench.now.free) == (2, 2)
    bench.use(bench.alice, bench.alice)
    with bench.take(bench.alice), bench.take(bench.alice), pytest.raises(PoolTimeout):
        bench.take(bench.alice)


def test_what_is_opened_while_it_is_made_smaller_goes_when_it_comes_back(either: Make) -> None:
    bench = either(max_size=2)
    lent = bench.take(bench.alice)
    bench.on_made(lambda made: bench.pool.resize(max_size=1))
    second = bench.take(bench.alice)
    second.close()
    lent.close()
    assert bench.now.size <= 1
    assert bench.now.changing == 0


@pytest.mark.parametrize("sizes", [(0, 0, None), (1, 2, None), (1, 0, 0)])
def test_sizes_that_do_not_fit_change_nothing(either: Make, sizes: tuple[int, int, int | None]) -> None:
    bench = either(max_size=3)
    with pytest.raises(ValueError, match=r"size|per_identity"):
        bench.go(lambda: bench.pool.resize(*sizes))
    assert (bench.now.max_size, bench.now.per_identity) == (3, None)


# --- suspend ------------------------------------------------------------------------------------------------------


def test_suspended_it_lends_nothing_and_says_so(either: Make) -> None:
    bench = either()
    bench.use(bench.alice)
    bench.go(bench.pool.suspend)
    with pytest.raises(PoolTimeout) as refusal:
        bench.take(bench.alice)
    assert "suspended" in refusal.value.action
    bench.go(bench.pool.resume)
    bench.use(bench.alice)
    assert bench.settled()


def test_what_comes_back_while_it_is_suspended_serves_after_it() -> None:
    bench = PoolBench(max_size=1)
    held = bench.pool.take(bench.alice)
    waiter = InThread(lambda: bench.pool.take(bench.alice))
    until(lambda: bench.pool.statistics().waiting == 1)
    bench.pool.suspend()
    bench.clock.now += 1.0
    held.close()
    assert (bench.pool.statistics().waiting, bench.pool.statistics().free) == (1, 1)
    bench.pool.resume()
    lease: Any = waiter.result()
    assert lease.physical is bench.factory.made[0]
    lease.close()
    assert bench.settled()


def test_what_was_granted_before_it_was_suspended_is_lent() -> None:
    bench = PoolBench(max_size=1)
    held = bench.pool.take(bench.alice)
    waiter = InThread(lambda: bench.pool.take(bench.alice))
    until(lambda: bench.pool.statistics().waiting == 1)
    bench.clock.now += 1.0
    original = bench.pool._wake

    def suspend_first(waiters: Any) -> None:
        bench.pool.suspend()
        original(waiters)

    bench.pool._wake = suspend_first  # type: ignore[method-assign]  # between the grant and the waking
    held.close()
    lease: Any = waiter.result()
    lease.close()
    assert bench.pool.statistics().free == 1


def test_closing_ends_the_waits_of_a_suspended_pool() -> None:
    bench = PoolBench()
    bench.pool.suspend()
    waiter = InThread(lambda: bench.pool.take(bench.alice))
    until(lambda: bench.pool.statistics().waiting == 1)
    bench.pool.close()
    with pytest.raises(Exception, match="CF-POOL-002"):
        waiter.result()
