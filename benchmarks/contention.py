"""32 threads on 4 connections, which never do anything else: what a use costs, and how long the unlucky wait.

Without any hold time the figure is time by the wall over all operations, against SQLAlchemy's QueuePool. With a
millisecond of it, it is the 99th percentile of the time from asking to having, against psycopg_pool, which is fair as
well: of a pool that starves threads the percentile says nothing, since whoever gets nothing is not in it.

Throughput needs two cores without other work. On one, or on two that others keep busy, threads don't fight for the
interpreter lock and QueuePool costs 8 µs instead of 50 (ours 3 instead of 5): hence the load average in the note.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable
from typing import Any

from benchmarks.crowd import CONNECTIONS, SECONDS, Crowd, crowd
from benchmarks.fake_psycopg import FakeConnection
from benchmarks.harness import Result, against_limit, compare, percentile
from benchmarks.lease import NoOpConnection, signed_on_manager
from connector.pool import PoolSettings

#: Seconds that nobody waits in vain: what is measured is waiting, not giving up.
TIMEOUT = 300.0


def run(*, quick: bool) -> list[Result]:
    """Measure."""
    # Many rounds: the peers' figures spread over a factor of five, by how the interpreter lock happens to pass on.
    seconds, rounds = (0.3, 1) if quick else (SECONDS, 11)
    settings = PoolSettings(max_size=CONNECTIONS, connection_timeout=TIMEOUT)
    return [_throughput(settings, seconds, rounds), *_waits(settings, seconds, rounds)]


def _throughput(settings: PoolSettings, seconds: float, rounds: int) -> Result:
    from sqlalchemy.pool import QueuePool

    creator: Any = NoOpConnection
    pool = QueuePool(creator, pool_size=CONNECTIONS, max_overflow=0, timeout=TIMEOUT)
    ours, theirs = _Side(signed_on_manager(settings).allocate, seconds), _Side(pool.connect, seconds)
    before = os.getloadavg()[0]
    result = compare(
        "contention",
        "sqlalchemy-queuepool",
        lambda: ours.run(hold=False).microseconds_each,
        lambda: theirs.run(hold=False).microseconds_each,
        goal=0.15,
        unit="us",
        rounds=rounds,
    )
    note = (
        "32 threads on 4 connections, no hold time, ours with container-managed sign-on;"
        f" least over most operations of a thread: ours {ours.share:.2f}, QueuePool {theirs.share:.2f};"
        f" load average before and after {before:.1f}, {os.getloadavg()[0]:.1f}"
    )
    return result.noting(note)


def _waits(settings: PoolSettings, seconds: float, rounds: int) -> list[Result]:
    from psycopg_pool import ConnectionPool

    kind: Any = FakeConnection
    size = CONNECTIONS
    pool: Any = ConnectionPool(
        connection_class=kind, min_size=size, max_size=size, timeout=TIMEOUT, num_workers=1, open=False
    )
    pool.open(wait=True)
    try:
        ours, theirs = _Side(signed_on_manager(settings).allocate, seconds), _Side(pool.getconn, seconds)
        waits = compare(
            "p99_wait",
            "psycopg-pool",
            lambda: percentile(ours.run(hold=True).waits, 0.99) * 1e3,
            lambda: percentile(theirs.run(hold=True).waits, 0.99) * 1e3,
            goal=1.15,
            unit="ms",
            rounds=rounds,
        )
    finally:
        pool.close()
    note = (
        "from asking to having, 32 threads on 4 connections, each held for 1 ms;"
        f" longest wait: ours {ours.longest_ms:.1f} ms, psycopg_pool {theirs.longest_ms:.1f} ms"
    )
    fair = against_limit(
        "contention_fairness",
        ours.shares,
        1.0,
        unit="min/max share",
        goal=0.95,
        better="higher",
        note=f"of the runs of p99_wait; psycopg_pool in the same: {theirs.share:.2f}",
    )
    return [waits.noting(note), fair]


class _Side:
    """Lets the crowd at one pool, again and again, and remembers what is shown beside the figure."""

    def __init__(self, borrow: Callable[[], Any], seconds: float) -> None:
        self._borrow = borrow
        self._seconds = seconds
        self.shares: list[float] = []
        self.longest_ms = 0.0

    def run(self, *, hold: bool) -> Crowd:
        """One run."""
        outcome = crowd(self._borrow, self._seconds, hold=hold)
        self.shares.append(outcome.share)
        self.longest_ms = max(self.longest_ms, max(outcome.waits, default=0.0) * 1e3)
        return outcome

    @property
    def share(self) -> float:
        """The median of the shares."""
        return statistics.median(self.shares)
