"""32 threads on 4 connections, each held for a millisecond and asked for again at once: does everybody get a share?

The figure is the smallest number of leases of a thread over the largest. Throughput says nothing here: pools that serve
four threads and starve twenty-eight have the same.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from benchmarks.harness import Result, against_limit
from benchmarks.lease import NoOpConnection, as_alice, signed_on_manager
from connector.pool import PoolSettings

THREADS, CONNECTIONS, HOLD = 32, 4, 0.001


def run(*, quick: bool) -> list[Result]:
    """Measure."""
    # Runs of less than two seconds say little: they can fit into a few slices of the interpreter lock.
    rounds = 1 if quick else 5
    manager = signed_on_manager(PoolSettings(max_size=CONNECTIONS))
    ours, theirs = [], []
    for _ in range(rounds):
        ours.append(_share(manager.allocate, 2.0))
        theirs.append(_share(_queue_pool(), 2.0))
    note = f"1.0 is equal shares; SQLAlchemy QueuePool in the same run: {sorted(theirs)[len(theirs) // 2]:.2f}"
    return [against_limit("fairness", ours, 1.0, unit="min/max share", goal=0.95, better="higher", note=note)]


def _share(borrow: Callable[[], Any], seconds: float) -> float:
    counts = [0] * THREADS
    start, stop = threading.Barrier(THREADS + 1), threading.Event()

    def work(number: int) -> None:
        with as_alice():
            start.wait()
            while not stop.is_set():
                held = borrow()
                time.sleep(HOLD)
                held.close()
                counts[number] += 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    start.wait()
    time.sleep(seconds)
    stop.set()
    for thread in threads:
        thread.join()
    return min(counts) / max(counts)


def _queue_pool() -> Callable[[], Any]:
    from sqlalchemy.pool import QueuePool

    creator: Any = NoOpConnection
    return QueuePool(creator, pool_size=CONNECTIONS, max_overflow=0).connect
