"""Real threads: no foreign identity, no lost place, nobody forgotten (POOL-1, POOL-7)."""

from __future__ import annotations

import random
import subprocess
import sys
from functools import partial
from pathlib import Path

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


def test_interrupts_at_any_instant_leave_the_lock_free() -> None:
    # In a process of its own: they hit whatever runs, the test runner's and the coverage tracer's own locks included.
    storm = Path(__file__).parents[1] / "interrupt_a_pool.py"
    done = subprocess.run([sys.executable, str(storm)], capture_output=True, text=True, check=False, timeout=120)
    assert done.stdout == "the lock was free after each of 300 interrupts\n", done.stderr
