"""What a pool tells about itself (POOL-6)."""

from __future__ import annotations

import dataclasses

import pytest
from support_pool import PoolBench

from connector.pool import PooledConnection, PoolStatistics


def test_a_new_pool_has_nothing() -> None:
    now = PoolBench(max_size=7).pool.statistics()
    assert now.max_size == 7
    counts = dataclasses.replace(now, max_size=0)
    assert not any(getattr(counts, field.name) for field in dataclasses.fields(PoolStatistics))


def test_figures_of_one_instant_belong_together() -> None:
    bench = PoolBench(max_size=4)
    bench.pool.take(bench.bob).close()
    with bench.pool.take(bench.alice), bench.pool.take(bench.alice):
        now = bench.pool.statistics()
    assert (now.size, now.free, now.in_use, now.changing) == (3, 1, 2, 0)
    assert (now.created, now.destroyed) == (3, 0)
    assert now.by_identity == {"alice": 2, "bob": 1}


def test_a_snapshot_does_not_change() -> None:
    bench = PoolBench()
    before = bench.pool.statistics()
    bench.pool.take(bench.alice).close()
    assert before.size == 0
    with pytest.raises(TypeError):
        before.by_identity["mallory"] = 1  # type: ignore[index]  # that it is read-only is what is tested


def test_contents_name_user_alias_version_and_borrower() -> None:
    bench = PoolBench()
    with bench.pool.take(bench.factory.plan("system", asserted="alice", reference="jdbc/log")):
        bench.pool.take(bench.factory.plan("bob", version=3)).close()
        assert bench.pool.contents() == (
            PooledConnection("bob", "bob-alias", 3, False, None, None, None),
            PooledConnection("system", "system-alias", 1, True, "alice", "jdbc/log", None),
        )
