"""What a pool tells about itself (POOL-6)."""

from __future__ import annotations

import dataclasses

import pytest
from support_pool import PoolBench

from connector.pool import PooledConnection, PoolStatistics
from connector.pool.measurements import Durations


def test_a_new_pool_has_nothing() -> None:
    now = PoolBench(max_size=7).pool.statistics()
    assert now.max_size == 7
    assert (now.opening, now.use) == (Durations(0, 0.0), Durations(0, 0.0))
    counts = dataclasses.replace(now, max_size=0, opening=None, use=None)
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
        bench.clock.now = 5.0
        free, lent = bench.pool.contents()
    assert free == PooledConnection("bob", "bob-alias", 3, False, None, None, None, age=5.0)
    assert dataclasses.replace(lent, obtained=()) == PooledConnection(
        "system", "system-alias", 1, True, "alice", "jdbc/log", None, age=5.0, lent_for=5.0, owner="thread MainThread"
    )
    assert "in test_contents_name_user_alias_version_and_borrower" in lent.obtained[0]


def points(statistics: PoolStatistics, name: str, *attributes: str) -> dict[tuple[str, ...], float]:
    told = statistics.to_dict("eis/fake")[name]
    return {tuple(point["attributes"][attribute] for attribute in attributes): point["value"] for point in told}


def test_the_figures_have_opentelemetrys_names_and_the_pools() -> None:
    bench = PoolBench(max_size=4)
    bench.pool.take(bench.bob).close()
    with bench.pool.take(bench.alice):
        now = bench.pool.statistics()
    state, identity = "db.client.connection.state", "connector.identity"
    assert points(now, "db.client.connection.count", state) == {("idle",): 1, ("used",): 1}
    assert points(now, "db.client.connection.max", "db.client.connection.pool.name") == {("eis/fake",): 4}
    assert points(now, "connector.pool.connections", identity, state) == {
        ("alice", "idle"): 0,
        ("alice", "used"): 1,
        ("bob", "idle"): 1,
        ("bob", "used"): 0,
    }
    assert points(now, "connector.pool.connections.opened") == {(): 2}


def test_waits_are_a_sum_and_a_count_and_what_is_not_measured_is_left_out() -> None:
    before = dataclasses.replace(PoolBench().pool.statistics(), opening=None, use=None)
    now = dataclasses.replace(before, waits=3, wait_seconds_total=1.5, timeouts=1, waiting=2)
    told = now.to_dict("eis/fake")
    (wait,) = told["db.client.connection.wait_time"]
    assert (wait["value"], wait["count"], wait["unit"]) == (1.5, 3, "s")
    assert told["db.client.connection.timeouts"][0]["value"] == 1
    assert told["db.client.connection.pending_requests"][0]["value"] == 2
    assert not {"db.client.connection.create_time", "db.client.connection.use_time"} & told.keys()


def test_how_long_opening_and_use_took_is_told_where_it_is_measured() -> None:
    now = dataclasses.replace(PoolBench().pool.statistics(), opening=Durations(2, 0.25), use=Durations(7, 3.0))
    told = now.to_dict("eis/fake")
    assert [(p["value"], p["count"]) for p in told["db.client.connection.create_time"]] == [(0.25, 2)]
    assert [(p["value"], p["count"]) for p in told["db.client.connection.use_time"]] == [(3.0, 7)]
