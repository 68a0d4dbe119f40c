"""The lease as a handle (POOL-3)."""

from __future__ import annotations

import copy
import gc
import logging
import pickle
import threading

import pytest
from support_pool import InThread, PoolBench, until
from support_secrets import MARKER

from connector.errors import HandleClosed
from connector.spi import Lease


def test_a_lease_knows_its_plan_and_its_connection() -> None:
    bench = PoolBench()
    lease: Lease = bench.pool.take(bench.alice)
    assert lease.plan is bench.alice
    assert lease.physical is bench.factory.made[0]
    assert not lease.closed
    lease.close()
    assert lease.closed
    assert lease.plan is bench.alice


def test_use_after_close_is_refused_with_its_code() -> None:
    bench = PoolBench()
    with bench.pool.take(bench.alice) as lease:
        pass
    with pytest.raises(HandleClosed) as refusal:
        _ = lease.physical
    assert refusal.value.code == "CF-POOL-001"
    assert "reference ref, lent to alice" in str(refusal.value)


def test_closing_twice_gives_back_once() -> None:
    bench = PoolBench()
    lease = bench.pool.take(bench.alice)
    lease.close()
    again = bench.pool.take(bench.alice)
    lease.close()  # must not take the connection away from its next borrower
    lease.invalidate()
    assert again.physical.describe().user == "alice"
    assert bench.factory.made[0].cleaned == 1
    assert bench.pool.statistics().in_use == 1
    again.close()
    assert bench.settled()


def test_of_two_threads_that_close_one_gives_back() -> None:
    bench = PoolBench()
    lease = bench.pool.take(bench.alice)
    inside, go_on = threading.Event(), threading.Event()

    def slow_clean_up() -> None:
        inside.set()
        assert go_on.wait(20)

    bench.factory.made[0].on_cleanup = slow_clean_up
    first = InThread(lease.close)
    assert inside.wait(20)
    lease.close()
    lease.invalidate()
    assert bench.factory.made[0].destroyed == 0
    go_on.set()
    first.result()
    assert bench.factory.made[0].cleaned == 1
    assert bench.settled()


def test_leaving_the_block_by_an_error_gives_back_and_lets_the_error_through() -> None:
    bench = PoolBench()
    with pytest.raises(ZeroDivisionError), bench.pool.take(bench.alice):
        _ = 1 / 0
    assert bench.pool.statistics().free == 1


def test_an_invalidated_connection_is_destroyed_instead_of_pooled(caplog: pytest.LogCaptureFixture) -> None:
    bench = PoolBench()
    lease = bench.pool.take(bench.alice)
    with caplog.at_level(logging.INFO, "connector.pool"):
        lease.invalidate(OSError(MARKER))
    assert lease.closed
    assert bench.factory.made[0].destroyed == 1
    assert "OSError" in caplog.text  # its text is not logged: the secret scan of the suite would fail
    assert bench.settled()


def test_a_lease_that_is_dropped_unclosed_is_destroyed_and_reported(caplog: pytest.LogCaptureFixture) -> None:
    bench = PoolBench(max_size=1)
    with caplog.at_level(logging.WARNING, "connector.pool"):
        bench.pool.take(bench.alice)
        gc.collect()
    assert "of alice (reference ref) was never given back" in caplog.text
    assert bench.factory.made[0].destroyed == 1
    assert bench.pool.statistics().abandoned == 1
    bench.pool.take(bench.alice, timeout=0).close()
    assert bench.settled()


def test_a_lease_dropped_while_its_thread_holds_the_pools_lock_does_not_block_and_is_found_by_the_next_in_need() -> (
    None
):
    bench = PoolBench(max_size=1)
    lease = bench.pool.take(bench.alice)
    with bench.pool._lock:  # as where the garbage collector runs in the middle of a decision
        del lease
        gc.collect()
    assert bench.factory.made[0].destroyed == 0
    bench.pool.take(bench.alice, timeout=0).close()
    assert bench.factory.made[0].destroyed == 1
    assert bench.settled()


def test_a_waiter_gets_the_place_of_a_dropped_lease() -> None:
    bench = PoolBench(max_size=1)
    held = [bench.pool.take(bench.alice)]
    other = InThread(lambda: bench.pool.take(bench.bob).close())
    until(lambda: bench.pool.statistics().waiting == 1)
    held.clear()
    gc.collect()
    other.result()
    assert bench.settled()


def test_a_lease_can_be_neither_pickled_nor_copied() -> None:
    bench = PoolBench()
    with bench.pool.take(bench.alice) as lease:
        for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError, match="can't be pickled or copied"):
                attempt(lease)
