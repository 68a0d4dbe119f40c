"""Coming back and breaking: destroyed exactly once, exactly one place released (POOL-4, TRUST-3)."""

from __future__ import annotations

import logging
import threading

import pytest
from support_pool import InThread, PoolBench

from connector.pool.settings import RetirePolicy


def test_a_failed_clean_up_destroys_the_connection_and_is_logged_not_raised(caplog: pytest.LogCaptureFixture) -> None:
    bench = PoolBench(max_size=1)
    lease = bench.pool.take(bench.alice)

    def fail() -> None:
        raise RuntimeError("text that may hold anything")

    bench.factory.made[0].on_cleanup = fail
    with caplog.at_level(logging.WARNING, "connector.pool"):
        lease.close()
    assert bench.factory.made[0].destroyed == 1
    assert "after use by alice (reference ref), it is destroyed: RuntimeError" in caplog.text
    assert "anything" not in caplog.text
    bench.pool.take(bench.alice, timeout=0).close()
    assert bench.settled()


def test_an_interrupted_clean_up_destroys_the_connection_and_goes_on_interrupting() -> None:
    bench = PoolBench(max_size=1)
    lease = bench.pool.take(bench.alice)

    def interrupt() -> None:
        raise KeyboardInterrupt

    bench.factory.made[0].on_cleanup = interrupt
    with pytest.raises(KeyboardInterrupt):
        lease.close()
    assert bench.factory.made[0].destroyed == 1
    bench.pool.take(bench.alice, timeout=0).close()
    assert bench.settled()


def test_a_destroy_that_raises_is_logged_and_loses_no_place(caplog: pytest.LogCaptureFixture) -> None:
    bench = PoolBench(max_size=1)
    lease = bench.pool.take(bench.alice)

    def fail() -> None:
        raise OSError("already gone")

    bench.factory.made[0].on_destroy = fail
    with caplog.at_level(logging.WARNING, "connector.pool"):
        lease.invalidate(RuntimeError("cause"))
    assert "closing a connection of alice to eis/fake failed, it is dropped: OSError" in caplog.text
    bench.pool.take(bench.alice, timeout=0).close()
    assert bench.settled()


def test_a_connection_that_breaks_in_use_is_not_pooled() -> None:
    bench = PoolBench()
    lease = bench.pool.take(bench.alice)
    physical = bench.factory.made[0]
    physical.connection_error_occurred(OSError("reset"))
    assert physical.destroyed == 0  # its borrower still has it
    lease.close()
    assert physical.destroyed == 1
    assert physical.cleaned == 0
    assert bench.pool.statistics().broken == 1
    assert bench.settled()


def test_a_free_connection_that_breaks_is_destroyed_at_once_and_never_lent() -> None:
    bench = PoolBench()
    bench.pool.take(bench.alice).close()
    bench.factory.made[0].connection_error_occurred()
    assert bench.factory.made[0].destroyed == 1
    with bench.pool.take(bench.alice) as lease:
        assert lease.physical is bench.factory.made[1]
    assert bench.settled()


def test_an_error_reported_several_times_counts_once() -> None:
    bench = PoolBench()
    lease = bench.pool.take(bench.alice)
    physical = bench.factory.made[0]
    physical.connection_error_occurred()
    physical.connection_error_occurred()
    lease.close()
    physical.connection_error_occurred()
    assert physical.destroyed == 1
    assert bench.pool.statistics().broken == 1
    assert bench.settled()


def test_an_error_reported_while_the_connection_is_on_its_way_back_counts() -> None:
    bench = PoolBench()
    lease = bench.pool.take(bench.alice)
    physical = bench.factory.made[0]
    physical.on_cleanup = physical.connection_error_occurred
    lease.close()
    assert physical.destroyed == 1
    assert bench.settled()


def test_an_error_reported_from_another_thread_during_the_return_destroys_once() -> None:
    bench = PoolBench()
    lease = bench.pool.take(bench.alice)
    physical = bench.factory.made[0]
    inside, reported = threading.Event(), threading.Event()

    def slow_clean_up() -> None:
        inside.set()
        assert reported.wait(20)

    physical.on_cleanup = slow_clean_up
    closing = InThread(lease.close)
    assert inside.wait(20)
    physical.connection_error_occurred()
    reported.set()
    closing.result()
    assert physical.destroyed == 1
    assert bench.settled()


def test_an_error_reported_while_being_destroyed_changes_nothing() -> None:
    bench = PoolBench()
    lease = bench.pool.take(bench.alice)
    physical = bench.factory.made[0]
    physical.on_destroy = physical.connection_error_occurred
    lease.invalidate()
    assert physical.destroyed == 1
    assert bench.pool.statistics().broken == 0
    assert bench.settled()


def test_purge_now_takes_free_connections_with_a_superseded_credential_now_and_lent_ones_when_they_come_back() -> None:
    bench = PoolBench(max_size=4, retire_policy=RetirePolicy.PURGE_NOW)
    lent, free = bench.pool.take(bench.alice), bench.pool.take(bench.alice)
    bob = bench.pool.take(bench.bob)
    free.close()
    bob.close()
    assert bench.pool.retire("alice-alias", 2) == 1
    first, second, bobs = bench.factory.made
    assert (first.destroyed, second.destroyed, bobs.destroyed) == (0, 1, 0)
    assert [line.doomed for line in bench.pool.contents()] == ["superseded credential", None]
    lent.close()
    assert first.destroyed == 1
    assert bench.settled()


def test_connections_of_the_newest_version_are_not_retired() -> None:
    bench = PoolBench()
    bench.pool.take(bench.factory.plan("alice", version=2)).close()
    assert bench.pool.retire("alice-alias", 2) == 0
    assert bench.pool.statistics().free == 1


def test_purge_takes_everything_and_the_pool_goes_on() -> None:
    bench = PoolBench()
    lent, free = bench.pool.take(bench.alice), bench.pool.take(bench.bob)
    free.close()
    assert bench.pool.purge() == 1
    lent.close()
    assert [made.destroyed for made in bench.factory.made] == [1, 1]
    bench.pool.take(bench.alice).close()
    assert bench.settled()


def test_close_takes_free_connections_now_and_lent_ones_when_they_come_back_and_may_be_called_twice() -> None:
    bench = PoolBench()
    lent, free = bench.pool.take(bench.alice), bench.pool.take(bench.bob)
    free.close()
    bench.pool.close()
    bench.pool.close()
    assert [made.destroyed for made in bench.factory.made] == [0, 1]
    lent.close()
    assert [made.destroyed for made in bench.factory.made] == [1, 1]
    assert bench.pool.statistics().size == 0
    assert bench.settled()


def test_one_interrupted_destroy_does_not_keep_the_others_from_being_destroyed() -> None:
    bench = PoolBench(max_size=3)
    for lease in [bench.pool.take(bench.alice) for _ in range(3)]:
        lease.close()

    def interrupt() -> None:
        raise KeyboardInterrupt

    bench.factory.made[1].on_destroy = interrupt
    with pytest.raises(KeyboardInterrupt):
        bench.pool.close()
    assert [made.destroyed for made in bench.factory.made] == [1, 1, 1]
    assert bench.settled()
