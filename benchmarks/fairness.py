"""32 threads on 4 connections, each held for a millisecond and asked for again at once: does everybody get a share?

The figure is the smallest number of leases of a thread over the largest. Throughput says nothing here: pools that serve
four threads and starve twenty-eight have the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.crowd import CONNECTIONS, crowd
from benchmarks.harness import Result, against_limit
from benchmarks.lease import NoOpConnection, signed_on_manager
from connector.pool import PoolSettings


def run(*, quick: bool) -> list[Result]:
    """Measure."""
    rounds = 1 if quick else 5
    manager = signed_on_manager(PoolSettings(max_size=CONNECTIONS))
    ours, theirs = [], []
    for _ in range(rounds):
        ours.append(crowd(manager.allocate, hold=True).share)
        theirs.append(crowd(_queue_pool(), hold=True).share)
    note = f"1.0 is equal shares; SQLAlchemy QueuePool in the same run: {sorted(theirs)[len(theirs) // 2]:.2f}"
    return [against_limit("fairness", ours, 1.0, unit="min/max share", goal=0.95, better="higher", note=note)]


def _queue_pool() -> Callable[[], Any]:
    from sqlalchemy.pool import QueuePool

    creator: Any = NoOpConnection
    return QueuePool(creator, pool_size=CONNECTIONS, max_overflow=0).connect
