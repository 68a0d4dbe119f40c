"""Operating a resource's pools, for threads and for asyncio loops: flush, resize, suspend; audited (POOL-6)."""

from __future__ import annotations

import asyncio
import json
import threading
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text
from support_container import ProfileFolder

from connector.container.pool_kinds import PoolKind
from connector.container.pool_operations import OperatedPool
from connector.container.pool_reports import FlushOutcome
from connector.errors import ConfigError, HandleClosed, PoolTimeout


def audited(profile: ProfileFolder, action: str) -> list[dict[str, Any]]:
    lines = (profile.folder / "state" / "audit.log").read_text().splitlines()
    return [event for event in map(json.loads, lines) if event["action"] == action]


# --- flush ----------------------------------------------------------------------------------------------------------


def test_a_purge_closes_free_connections_now_and_lent_ones_when_they_come_back(profile: ProfileFolder) -> None:
    with profile.open() as container:
        pool, orders = container.pool("jdbc/orders"), container.lookup("jdbc/orders")
        with orders.get_connection():
            with orders.get_connection():
                pass
            assert pool.purge(dry_run=True) == FlushOutcome("jdbc/orders", "gracefully", True, closed=1, on_return=1)
            assert pool.statistics().size == 2
            assert pool.purge() == FlushOutcome("jdbc/orders", "gracefully", False, closed=1, on_return=1)
            assert pool.statistics().size == 1
        assert (pool.statistics().size, pool.statistics().destroyed) == (0, 2)


def test_idle_leaves_what_is_lent_alone(profile: ProfileFolder) -> None:
    with profile.open() as container:
        pool, orders = container.pool("jdbc/orders"), container.lookup("jdbc/orders")
        with orders.get_connection():
            with orders.get_connection():
                pass
            outcome = pool.flush("idle")
            assert (outcome.closed, outcome.kept) == (1, 1)
        assert pool.statistics().free == 1


def test_all_takes_lent_ones_from_their_borrowers(profile: ProfileFolder) -> None:
    with profile.open() as container:
        pool = container.pool("jdbc/orders")
        with container.lookup("jdbc/orders").get_connection() as connection:
            outcome = pool.flush("all")
            assert (outcome.closed, outcome.ended, pool.statistics().size) == (0, 1, 0)
            with pytest.raises(HandleClosed):
                connection.execute(text("SELECT 1"))


def test_invalid_closes_what_fails_validation_only(profile: ProfileFolder) -> None:
    with profile.open() as container:
        pool = container.pool("jdbc/orders")
        with container.lookup("jdbc/orders").get_connection():
            pass
        outcome = pool.flush("invalid")
        assert (outcome.closed, outcome.kept, outcome.asked) == (0, 1, 0)
        assert pool.statistics().validated == 1


def test_only_some_connections_can_be_meant(profile: ProfileFolder) -> None:
    with profile.open() as container:
        pool = container.pool("jms/shop")
        jms = container.application("shop").lookup("jms/shop")
        with container.login("alice", profile.password), jms.get_connection():
            assert pool.flush("gracefully", user="bob").on_return == 0
            assert pool.flush("gracefully", alias="shop-service").on_return == 0
            assert pool.flush("gracefully", alias="shop-applications", below_version=1).on_return == 0
            assert pool.flush("gracefully", alias="shop-applications", below_version=2).on_return == 1
            assert pool.contents()[0].doomed == "purged"


def test_the_pools_of_asyncio_loops_are_flushed_as_well(profile: ProfileFolder) -> None:
    async def main() -> None:
        async with factory.get_async_connection():
            async with factory.get_async_connection():
                pass
            outcome = await asyncio.to_thread(pool.purge)
            assert (outcome.closed, outcome.on_return) == (1, 1)
        assert pool.statistics(PoolKind.LOOP).size == 0

    with profile.open() as container:
        pool, factory = container.pool("jdbc/orders"), container.lookup("jdbc/orders")
        asyncio.run(main())


def test_all_takes_the_connections_of_loops_from_their_borrowers_as_well(profile: ProfileFolder) -> None:
    async def main() -> None:
        async with factory.get_async_connection() as connection:
            outcome = await asyncio.to_thread(pool.flush, "all")
            assert (outcome.ended, pool.statistics(PoolKind.LOOP).size) == (1, 0)
            with pytest.raises(HandleClosed):
                await connection.execute(text("SELECT 1"))
        async with factory.get_async_connection() as another:
            await another.execute(text("SELECT 1"))

    with profile.open() as container:
        pool, factory = container.pool("jdbc/orders"), container.lookup("jdbc/orders")
        asyncio.run(main())


def test_what_only_a_loop_can_validate_is_told_apart(profile: ProfileFolder) -> None:
    async def main() -> None:
        async with factory.get_async_connection():
            async with factory.get_async_connection():
                pass
            outcome = await asyncio.to_thread(pool.flush, "invalid")
            assert (outcome.closed, outcome.kept, outcome.asked) == (0, 1, 1)
            async with asyncio.timeout(20):
                while pool.statistics().validated != 1:  # the loop does it soon, and the driver on a thread of its own
                    await asyncio.sleep(0)

    with profile.open() as container:
        pool, factory = container.pool("jdbc/orders"), container.lookup("jdbc/orders")
        asyncio.run(main())


def test_where_nothing_can_be_validated_that_is_refused(profile: ProfileFolder) -> None:
    with profile.open() as container:
        pool = container.pool("jdbc/orders")
        pool.suspend()
        with pytest.raises(ConfigError, match="CF-CTR-037"):
            pool.flush("invalid")
        with pytest.raises(ConfigError, match="CF-CTR-037"):
            pool.flush("invalid", dry_run=True)
    (event,) = audited(profile, "pool.purge")
    assert (event["outcome"], event["reason"], event["details"]) == ("failure", "CF-CTR-037", {"mode": "invalid"})


def test_an_adapter_that_can_not_tell_is_not_asked(profile: ProfileFolder) -> None:
    with profile.open() as container:
        resource = container._parts.resources["jdbc/orders"]
        blind = replace(resource, target=replace(resource.target, capabilities=frozenset()))
        with pytest.raises(ConfigError, match="CF-CTR-036"):
            OperatedPool(blind, container.audit).flush("invalid")


# --- resize ---------------------------------------------------------------------------------------------------------


def test_a_smaller_pool_closes_free_ones_now_and_lent_ones_later(profile: ProfileFolder) -> None:
    with profile.open() as container:
        pool, orders = container.pool("jdbc/orders"), container.lookup("jdbc/orders")
        with orders.get_connection():
            with orders.get_connection():
                pass
            outcome = pool.resize(max_size=1)
            assert (outcome.max_size, outcome.closed, outcome.on_return) == (1, 1, 0)
        with orders.get_connection():
            assert (pool.statistics().size, pool.statistics().max_size) == (1, 1)


def test_loops_get_the_same_sizes_those_that_begin_later_as_well(profile: ProfileFolder) -> None:
    async def main() -> tuple[int, int | None]:
        async with factory.get_async_connection():
            if not seen:
                await asyncio.to_thread(pool.resize, 7, 0, 3)
            figures = pool.statistics(PoolKind.LOOP)
            return figures.max_size, figures.per_identity

    seen: list[tuple[int, int | None]] = []
    with profile.open() as container:
        pool, factory = container.pool("jdbc/orders"), container.lookup("jdbc/orders")
        seen.append(asyncio.run(main()))
        seen.append(asyncio.run(main()))
        assert seen == [(7, 3), (7, 3)]
        assert pool.resize(per_identity=None).per_identity is None


def test_a_larger_minimum_is_opened_where_the_resource_signs_on_by_itself(profile: ProfileFolder) -> None:
    section = 'adapter = "sql"\nproperties'
    profile.edit(section, 'adapter = "sql"\ncomponent_alias = "shop-service"\nproperties')
    with profile.open() as container:
        pool = container.pool("jdbc/orders")
        pool.resize(min_size=2)
        container._parts.resources["jdbc/orders"].pool.upkeep()  # as the housekeeper does by now, or will in a moment
        figures = pool.statistics()
        assert (figures.min_size, figures.size + figures.changing) == (2, 2)


def test_sizes_that_do_not_fit_change_nothing_and_are_recorded(profile: ProfileFolder) -> None:
    with profile.open() as container:
        pool = container.pool("jdbc/orders")
        with pytest.raises(ConfigError, match="CF-CTR-041") as refused:
            pool.resize(max_size=1, min_size=2)
        assert "min_size is from 0 to max_size (1), not 2" in str(refused.value)
        assert pool.statistics().max_size == 2
    (event,) = audited(profile, "pool.resize")
    assert (event["outcome"], event["reason"]) == ("failure", "CF-CTR-041")
    assert event["details"] == {"max_size": 1, "min_size": 2}


# --- suspend and resume ---------------------------------------------------------------------------------------------


def test_while_suspended_who_asks_waits_and_resume_serves_whoever_waits(profile: ProfileFolder) -> None:
    with profile.open() as container:
        pool, orders = container.pool("jdbc/orders"), container.lookup("jdbc/orders")
        assert (pool.suspend().changed, pool.suspend().changed) == (True, False)
        served = threading.Event()

        def borrow() -> None:
            with orders.get_connection():
                served.set()

        borrower = threading.Thread(target=borrow)
        borrower.start()
        while not pool.statistics().waiting:
            served.wait(0.001)
        assert not served.is_set()
        outcome = pool.resume()
        borrower.join(10)
        assert (served.is_set(), outcome.waiting, outcome.changed) == (True, 1, True)


def test_a_task_that_waits_is_served_when_an_operator_resumes_from_another_thread(profile: ProfileFolder) -> None:
    async def borrow() -> None:
        async with factory.get_async_connection() as connection:
            await connection.execute(text("SELECT 1"))

    async def main() -> None:
        await borrow()  # so that the loop has a pool
        await asyncio.to_thread(pool.suspend)
        waiting = asyncio.create_task(borrow())
        while not pool.statistics(PoolKind.LOOP).waiting:
            await asyncio.sleep(0)
        outcome = await asyncio.to_thread(pool.resume)
        await asyncio.wait_for(waiting, 10)
        assert (outcome.waiting, pool.statistics().timeouts) == (1, 0)

    with profile.open() as container:
        pool, factory = container.pool("jdbc/orders"), container.lookup("jdbc/orders")
        asyncio.run(main())


def test_a_smaller_size_reaches_the_loops(profile: ProfileFolder) -> None:
    async def main() -> None:
        async with factory.get_async_connection():
            async with factory.get_async_connection():
                pass
            outcome = await asyncio.to_thread(pool.resize, 1)
            assert (outcome.closed, outcome.on_return) == (1, 0)
            assert pool.statistics(PoolKind.LOOP).size == 1

    with profile.open() as container:
        pool, factory = container.pool("jdbc/orders"), container.lookup("jdbc/orders")
        asyncio.run(main())


def test_a_loop_that_begins_while_suspended_lends_nothing_either(profile: ProfileFolder) -> None:
    profile.edit('connection_timeout = "5s"', "connection_timeout = 0")

    async def borrow() -> None:
        async with factory.get_async_connection():
            pass

    with profile.open() as container:
        pool, factory = container.pool("jdbc/orders"), container.lookup("jdbc/orders")
        pool.suspend()
        with pytest.raises(PoolTimeout, match="connector pool resume"):
            asyncio.run(borrow())
        pool.resume()
        asyncio.run(borrow())


def test_check_reminds_of_a_suspended_pool(profile: ProfileFolder) -> None:
    with profile.open() as container:
        container.pool("jdbc/orders").suspend()
        (finding,) = [one for one in container.findings() if one.code == "CF-CTR-040"]
        assert (finding.severity, finding.place) == ("warning", 'resources."jdbc/orders".pool')
        assert "connector pool resume jdbc/orders" in finding.action
        container.pool("jdbc/orders").resume()
        assert not [one for one in container.findings() if one.code == "CF-CTR-040"]


# --- audit ----------------------------------------------------------------------------------------------------------


def test_a_change_is_recorded_with_who_what_outcome_and_reason_and_a_dry_run_is_not(profile: ProfileFolder) -> None:
    with profile.open() as container:
        pool = container.pool("jdbc/orders")
        pool.purge(dry_run=True)
        with container.login("admin", profile.password):
            pool.flush("idle", user="alice")
            pool.resize(max_size=3, per_identity=None)
            pool.suspend()
        pool.resume()
    (purge,) = audited(profile, "pool.purge")
    (resize,) = audited(profile, "pool.resize")
    (suspend,) = audited(profile, "pool.suspend")
    (resume,) = audited(profile, "pool.resume")
    told = [(one["who"], one["resource"], one["outcome"], one["reason"]) for one in (purge, resize, suspend, resume)]
    assert told[:3] == [("admin@shop", "jdbc/orders", "success", "asked for")] * 3
    assert told[3] == ("server", "jdbc/orders", "success", "asked for")
    counts = {"closed": 0, "on_return": 0, "ended": 0, "kept": 0, "asked": 0}
    assert purge["details"] == {"mode": "idle", "user": "alice", **counts}
    assert resize["details"] == {"max_size": 3, "per_identity": None, "closed": 0, "on_return": 0}
    assert suspend["details"] == {"changed": True, "in_use": 0, "waiting": 0}
