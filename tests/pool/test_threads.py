"""Real threads: no foreign identity, no lost place, nobody forgotten (POOL-1, POOL-7)."""

from __future__ import annotations

import random
import signal
import sys
from functools import partial

import pytest
from support_pool import InThread, PoolBench

THREADS, CONNECTIONS, OPERATIONS = 8, 3, 300


def test_under_contention_every_borrower_acts_as_itself_and_nothing_is_lost() -> None:
    bench = PoolBench(max_size=CONNECTIONS)
    pinned = {user: bench.factory.plan(user) for user in ("alice", "bob")}
    asserted = {caller: bench.factory.plan("system", asserted=caller) for caller in ("carol", "dave")}
    plans = {**pinned, **asserted}

    def borrow(seed: int) -> int:
        chance = random.Random(seed)
        done = 0
        for _ in range(OPERATIONS):
            caller = chance.choice(sorted(plans))
            lease = bench.pool.take(plans[caller], timeout=20)
            physical = lease.physical
            assert physical.describe().user == caller
            fate = chance.random()
            if fate < 0.02:
                physical.connection_error_occurred()
            assert physical.describe().user == caller
            if fate > 0.98:
                lease.invalidate()
            lease.close()
            done += 1
        return done

    threads = [InThread(partial(borrow, seed)) for seed in range(THREADS)]
    assert [thread.result() for thread in threads] == [OPERATIONS] * THREADS
    now = bench.pool.statistics()
    assert (now.in_use, now.waiting) == (0, 0)
    assert bench.settled()
    bench.pool.close()
    assert bench.factory.living == 0


def test_interrupts_at_any_instant_leave_the_lock_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "unraisablehook", lambda _: None)  # one may hit a finaliser, which can't raise it
    bench = PoolBench(max_size=1000)

    class Interrupted(BaseException):
        pass

    def interrupt(*_: object) -> None:
        raise Interrupted

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        for number in range(300):
            try:
                signal.setitimer(signal.ITIMER_REAL, 0.00002 + number % 50 * 0.000001, 0.01)
                while True:
                    bench.pool.take(bench.alice).close()
            except Interrupted:
                signal.setitimer(signal.ITIMER_REAL, 0)
                assert bench.pool._lock.acquire(timeout=20), "an interrupt has left the lock taken"
                bench.pool._lock.release()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
