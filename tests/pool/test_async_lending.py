"""Borrowing and returning on an event loop: the same rules as for threads (POOL-1, POOL-3, TRUST-3)."""

from __future__ import annotations

import asyncio
import copy
import gc
import logging

import pytest
from support_async_pool import AsyncBench, OtherLoop, raising, run, until

from connector.errors import ConnectionFailed, HandleClosed, IdentityMismatch


def test_what_came_back_is_lent_again_without_asking_the_adapter() -> None:
    async def scene() -> None:
        bench = AsyncBench()
        for _ in range(3):
            async with await bench.pool.take(bench.alice) as lease:
                assert (await lease.physical.describe()).user == "alice"
        assert (len(bench.factory.opened), bench.first.cleaned) == (1, 3)
        assert bench.settled()

    run(scene())


def test_a_connection_never_serves_another_user_and_gives_way_when_the_pool_is_full() -> None:
    async def scene() -> None:
        bench = AsyncBench(max_size=1)
        await (await bench.pool.take(bench.alice)).close()
        async with await bench.pool.take(bench.bob) as lease:
            assert (await lease.physical.describe()).user == "bob"
        assert bench.first.destroyed == 1
        assert bench.settled()

    run(scene())


def test_a_caller_is_asserted_on_a_trusted_connection_and_taken_back() -> None:
    async def scene() -> None:
        bench = AsyncBench()
        for caller in ("carol", "dave"):
            async with await bench.pool.take(bench.factory.plan("system", asserted=caller)) as lease:
                assert (await lease.physical.describe()).user == caller
        assert (len(bench.factory.opened), bench.first.acting) == (1, "system")

    run(scene())


def test_a_dead_pooled_connection_is_replaced_before_the_caller_notices() -> None:
    async def scene() -> None:
        bench = AsyncBench(max_size=1)
        plan = bench.factory.plan("system", asserted="carol")
        await (await bench.pool.take(plan)).close()

        async def dies() -> None:
            bench.first.connection_error_occurred()
            raise ConnectionError

        bench.first.on_switch = dies
        async with await bench.pool.take(plan) as lease:
            assert lease.physical is bench.factory.opened[1]
        assert bench.settled()

    run(scene())


def test_a_connection_on_which_the_caller_cannot_be_asserted_is_destroyed() -> None:
    async def scene() -> None:
        bench = AsyncBench(max_size=1)
        bench.factory.on_opened = lambda made: setattr(made, "on_switch", raising(PermissionError("no")))
        with pytest.raises(PermissionError):
            await bench.pool.take(bench.factory.plan("system", asserted="carol"))
        await until(bench.settled)
        assert bench.pool.statistics().size == 0

    run(scene())


def test_a_failed_clean_up_destroys_the_connection_and_the_borrower_is_not_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scene() -> None:
        bench = AsyncBench()
        lease = await bench.pool.take(bench.alice)
        bench.first.on_cleanup = raising(ValueError("whatever"))
        await lease.close()
        assert bench.first.destroyed == 1
        assert bench.settled()

    with caplog.at_level(logging.WARNING, "connector.pool"):
        run(scene())
    assert "clean-up of a connection to eis/fake failed after use by alice" in caplog.text


def test_an_opening_that_fails_gives_its_place_back() -> None:
    async def scene() -> None:
        bench = AsyncBench(max_size=1)
        bench.factory.on_open = raising(OSError("unreachable"))
        with pytest.raises(OSError, match="unreachable"):
            await bench.pool.take(bench.alice)
        assert bench.settled()

    run(scene())


def test_a_handle_is_dead_after_close_and_closes_once() -> None:
    async def scene() -> None:
        bench = AsyncBench()
        lease = await bench.pool.take(bench.alice)
        await lease.close()
        await lease.close()
        await lease.invalidate()
        assert (lease.closed, bench.first.cleaned, bench.first.destroyed) == (True, 1, 0)
        with pytest.raises(HandleClosed, match="CF-POOL-001"):
            _ = lease.physical

    run(scene())


def test_an_invalidated_connection_is_destroyed_once() -> None:
    async def scene() -> None:
        bench = AsyncBench()
        lease = await bench.pool.take(bench.alice)
        await lease.invalidate(ConnectionFailed.__new__(ConnectionFailed))
        await lease.close()
        assert bench.first.destroyed == 1
        assert bench.settled()

    run(scene())


def test_a_lease_is_given_back_on_its_own_loop_only() -> None:
    async def borrow() -> tuple[AsyncBench, object]:
        bench = AsyncBench()
        return bench, await bench.pool.take(bench.alice)

    async def give_back(lease: object) -> None:
        await lease.close()  # type: ignore[attr-defined]

    other = OtherLoop()
    bench, lease = other.run(borrow())
    with pytest.raises(IdentityMismatch, match="CF-POOL-060"):
        asyncio.run(give_back(lease))
    other.run(give_back(lease))
    assert bench.pool.statistics().free == 1
    other.end()


def test_a_lease_that_nobody_closed_is_destroyed_by_its_loop_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    async def scene() -> None:
        bench = AsyncBench(max_size=1)
        await bench.pool.take(bench.alice)
        gc.collect()
        await until(lambda: bench.pool.statistics().abandoned == 1)
        await (await bench.pool.take(bench.alice)).close()
        assert (bench.first.destroyed, len(bench.factory.opened)) == (1, 2)
        assert bench.settled()

    with caplog.at_level(logging.WARNING, "connector.pool"):
        run(scene())
    assert "of alice (reference ref) was never given back" in caplog.text


def test_a_lease_is_neither_copied_nor_shows_a_secret() -> None:
    async def scene() -> None:
        bench = AsyncBench()
        async with await bench.pool.take(bench.alice) as lease:
            assert repr(lease) == "<AsyncPooledLease of ref as alice, open>"
            assert repr(bench.pool) == "<AsyncManagedConnectionPool eis/fake, 1 of 2>"
            with pytest.raises(TypeError, match="can't be pickled or copied"):
                copy.copy(lease)

    run(scene())
