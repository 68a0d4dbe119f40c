"""The share of each identity (POOL-2): one greedy caller can't have the whole pool."""

from __future__ import annotations

from typing import Any

import pytest
from support_either_pool import Make
from support_pool import InThread, PoolBench, until

from connector.errors import PoolTimeout


def test_a_user_has_no_more_connections_than_its_share(either: Make) -> None:
    bench = either(max_size=4, per_identity=2)
    held = [bench.take(bench.alice), bench.take(bench.alice)]
    with pytest.raises(PoolTimeout):
        bench.take(bench.alice)
    bench.use(bench.bob, bench.bob)
    held[0].close()
    bench.use(bench.alice)
    held[1].close()
    assert bench.settled()


def test_an_asserted_caller_has_no_more_leases_than_its_share(either: Make) -> None:
    bench = either(max_size=4, per_identity=1)
    carol, dave = (bench.factory.plan("door", asserted=caller) for caller in ("carol", "dave"))
    held = bench.take(carol)
    with pytest.raises(PoolTimeout):
        bench.take(carol)
    bench.use(dave)
    held.close()
    bench.use(carol)
    with bench.take(dave) as again:
        again.invalidate()
    bench.use(dave)
    assert bench.settled()


def test_the_time_out_says_that_it_is_the_share(either: Make) -> None:
    bench = either(max_size=4, per_identity=1)
    held = bench.take(bench.alice)
    other = bench.factory.plan("alice", asserted="carol")
    lent = bench.take(other)
    with pytest.raises(PoolTimeout) as refusal:
        bench.take(other)
    assert "at most 1 of one identity" in str(refusal.value)
    assert "share" in refusal.value.action or "holds all of them" in refusal.value.action
    lent.close()
    held.close()


def test_who_waits_for_its_share_does_not_keep_others_waiting() -> None:
    bench = PoolBench(max_size=2, per_identity=1)
    held, bobs = bench.pool.take(bench.alice), bench.pool.take(bench.bob)
    greedy = InThread(lambda: bench.pool.take(bench.alice))
    until(lambda: bench.pool.statistics().waiting == 1)
    modest = InThread(lambda: bench.pool.take(bench.carol))
    until(lambda: bench.pool.statistics().waiting == 2)
    bench.clock.now += 1.0
    bobs.close()  # of no use to the one at the head
    lease: Any = modest.result()
    lease.close()
    held.close()
    last: Any = greedy.result()
    last.close()
    assert bench.settled()


def test_an_own_superseded_one_gives_way_although_the_share_is_used_up(either: Make) -> None:
    bench = either(max_size=4, per_identity=1)
    bench.use(bench.alice)
    with bench.take(bench.factory.plan("alice", version=2)) as loan:
        assert loan.physical is bench.made[1]
    assert bench.made[0].destroyed == 1
    assert bench.settled()


def test_a_share_that_is_lifted_or_set_at_run_time_counts_from_then_on(either: Make) -> None:
    bench = either(max_size=4)
    carol = bench.factory.plan("door", asserted="carol")
    before = bench.take(carol)
    bench.go(lambda: bench.pool.resize(per_identity=1))
    counted = bench.take(carol)
    with pytest.raises(PoolTimeout):
        bench.take(carol)
    bench.go(lambda: bench.pool.resize(per_identity=None))
    bench.use(carol)
    for loan in (before, counted):
        loan.close()
    assert not bench.pool._state.shares._at_work
    assert bench.settled()
