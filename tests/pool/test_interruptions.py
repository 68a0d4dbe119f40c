"""A thread that is interrupted within a call to the adapter loses no connection (POOL-2)."""

from __future__ import annotations

import pytest
from support_pool import FakeConnection, PoolBench

from connector.pool.flushing import FlushMode
from connector.spi import Capability


def interrupted(*_: object) -> bool:
    raise KeyboardInterrupt


def test_interrupted_while_superseded_ones_are_closed_nobody_gets_the_new_one_and_no_place_is_lost() -> None:
    bench = PoolBench(max_size=2)
    bench.pool.take(bench.alice).close()
    bench.factory.made[0].on_destroy = interrupted
    bench.pool.retire("alice-alias", 2)
    with pytest.raises(KeyboardInterrupt):
        bench.pool.take(bench.factory.plan("alice", version=2))
    assert bench.pool.statistics().in_use == 0
    assert bench.factory.living == 0
    assert bench.settled()


def test_interrupted_while_a_free_connection_is_validated_it_is_destroyed_and_no_place_is_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = PoolBench(max_size=2, capabilities=frozenset({Capability.VALIDATION}))
    bench.pool.take(bench.alice).close()
    monkeypatch.setattr(FakeConnection, "validate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        bench.pool.flush(FlushMode.INVALID)
    assert bench.pool.statistics().in_use == 0
    assert bench.factory.living == 0
    assert bench.settled()
