"""A free connection that is validated may be doomed meanwhile: it is closed then, however good it is (POOL-2)."""

from __future__ import annotations

import asyncio

import pytest
from support_async_pool import AsyncBench, FakeAsyncConnection, Gate, run, until
from support_pool import FakeConnection, PoolBench

from connector.pool.flushing import FlushMode
from connector.spi import Capability


def test_a_good_connection_that_was_purged_while_it_was_validated_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = PoolBench(max_size=1, capabilities=frozenset({Capability.VALIDATION}))
    bench.pool.take(bench.alice).close()
    monkeypatch.setattr(FakeConnection, "validate", lambda _: bench.pool.purge() == 0)
    assert bench.pool.flush(FlushMode.INVALID).closed == 0
    assert bench.factory.living == 0
    assert bench.settled()
    bench.pool.take(bench.alice, timeout=0).close()  # its place is free again
    assert bench.pool.statistics().destroyed_for == {"purged": 1}


def test_a_good_connection_that_was_purged_while_a_loop_validated_it_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        bench, gate = AsyncBench(max_size=1, capabilities=frozenset({Capability.VALIDATION})), Gate()
        lease = await bench.pool.take(bench.alice)
        await lease.close()

        async def validate(_: FakeAsyncConnection) -> bool:
            await gate()
            return True

        monkeypatch.setattr(FakeAsyncConnection, "validate", validate)
        bench.pool.flush(FlushMode.INVALID)
        await until(gate.reached.is_set)
        bench.pool.purge()
        gate.open()
        await until(lambda: not bench.factory.living)
        await asyncio.sleep(0)
        assert bench.settled()
        lease = await bench.pool.take(bench.alice, timeout=0)  # its place is free again
        await lease.close()

    run(scene())
