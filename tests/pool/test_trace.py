"""Where a lease was obtained: whose code it was, however many calls of libraries lie between (POOL-3)."""

from __future__ import annotations

from support_pool import PoolBench

from connector.pool.lease import PooledLease
from connector.pool.trace import DEPTH

#: What SQLAlchemy's ORM puts between a statement and the pool, and some more.
BETWEEN = 16


def library(bench: PoolBench, calls: int) -> PooledLease:
    return bench.pool.take(bench.alice) if calls == 0 else library(bench, calls - 1)


def test_the_code_that_asked_is_seen_behind_the_calls_of_a_library() -> None:
    bench = PoolBench()
    with library(bench, BETWEEN):
        (lent,) = bench.pool.contents()
    assert any(
        call.endswith("in test_the_code_that_asked_is_seen_behind_the_calls_of_a_library") for call in lent.obtained
    )


def test_a_trace_has_an_end() -> None:
    bench = PoolBench()
    with library(bench, 2 * DEPTH):
        (lent,) = bench.pool.contents()
    assert len(lent.obtained) == DEPTH
