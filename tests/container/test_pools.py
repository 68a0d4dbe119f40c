"""`Container.pool`: settings, figures and contents of a resource's pools (POOL-6)."""

from __future__ import annotations

import asyncio
import json

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session
from support_container import ProfileFolder

from connector.container.pool_kinds import PoolKind
from connector.errors import NameNotFound


def test_a_pool_is_found_by_resource_and_by_reference(profile: ProfileFolder) -> None:
    with profile.open() as container:
        assert [pool.resource for pool in container.pools()] == ["jdbc/orders", "jms/shop"]
        assert container.pool("shop:jdbc/orders").resource == container.pool("jdbc/orders").resource == "jdbc/orders"
        assert container.pool("jdbc/orders").adapter == "sql"


def test_an_unknown_pool_is_refused_with_the_nearest_name(profile: ProfileFolder) -> None:
    with profile.open() as container, pytest.raises(NameNotFound, match=r"Did you mean 'jdbc/orders'"):
        container.pool("jdbc/order")


def test_statistics_and_contents_are_of_one_pool_and_hold_no_secret(profile: ProfileFolder) -> None:
    with profile.open() as container:
        pool = container.pool("jdbc/orders")
        with container.lookup("jdbc/orders").get_connection():
            shown = pool.to_dict()
            assert (pool.statistics().in_use, len(pool.contents())) == (1, 1)
    (figures,) = shown["statistics"]
    assert (figures["kind"], figures["in_use"]) == ("threads", 1)
    assert shown["connections"][0]["reference"] == "jdbc/orders"
    states = {
        point["attributes"]["db.client.connection.state"]: point["value"]
        for point in shown["measurements"]["db.client.connection.count"]
    }
    assert states == {"idle": 0, "used": 1}
    assert json.loads(json.dumps(shown)) == shown


def test_the_settings_shown_are_those_in_force(profile: ProfileFolder) -> None:
    profile.edit("max_size = 2", 'max_size = 2, aged_timeout = "1h", validation = ["background", "on-return"]')
    with profile.open() as container:
        pool = container.pool("jdbc/orders")
        pool.resize(max_size=4)
        settings = pool.to_dict()["settings"]
    assert (settings["max_size"], settings["connection_timeout"], settings["aged_timeout"]) == (4, 5.0, 3600.0)
    assert settings["validation"] == ["background", "on-return"]
    assert (settings["leak_timeout"], settings["retire_policy"]) == (None, "retire-on-return")


def test_who_has_how_much_of_the_pool_is_shown_by_identity(profile: ProfileFolder) -> None:
    with profile.open() as container:
        jms = container.application("shop").lookup("jms/shop")
        with container.login("alice", profile.password), jms.get_connection():
            (share,) = container.pool("jms/shop").to_dict()["identities"]
    alone = {"connections": 1, "in_use": 1, "share": 0.1, "limit": None}
    assert share == {"kind": "threads", "user": "alice", **alone}


def test_the_connections_of_asyncio_loops_are_shown_by_their_kind(profile: ProfileFolder) -> None:
    async def main() -> None:
        async with factory.get_async_connection():
            shown = pool.to_dict()
            assert [(one["kind"], one["in_use"]) for one in shown["statistics"]] == [("threads", 1), ("loop", 1)]
            assert [one["kind"] for one in shown["connections"]] == ["threads", "loop"]
            assert [one["kind"] for one in shown["identities"]] == ["threads", "loop"]
            assert (pool.statistics().in_use, pool.statistics().max_size) == (2, 4)  # each loop may have as many
            assert (pool.statistics(PoolKind.LOOP).in_use, pool.statistics(PoolKind.LOOP).max_size) == (1, 2)
            assert [str(one.owner).split()[0] for one in pool.contents()] == ["thread", "task"]
            assert len(pool.contents(PoolKind.THREADS)) == 1

    with profile.open() as container:
        pool, factory = container.pool("jdbc/orders"), container.lookup("jdbc/orders")
        with factory.get_connection():
            asyncio.run(main())


def test_what_is_lent_the_longest_comes_first_with_where_it_was_obtained(profile: ProfileFolder) -> None:
    profile.edit("max_size = 2", 'max_size = 3, leak_trace = "always"')
    with profile.open() as container:
        pool, factory = container.pool("jdbc/orders"), container.lookup("jdbc/orders")
        with factory.get_connection() as first, factory.get_connection(), factory.get_connection() as third:
            third.close()
            first.close()
            with factory.get_connection():
                leaks = pool.leaks()
                told = pool.to_dict(leaks=True)["connections"]
    older, newer = (one.lent_for for one in leaks)
    assert older is not None
    assert newer is not None
    assert older >= newer
    assert [one["lent_for"] is not None and one["in_use"] for one in told] == [True, True]
    assert any("in test_what_is_lent_the_longest_comes_first" in call for call in leaks[0].obtained)


def test_the_code_behind_an_orm_session_is_seen_as_well(profile: ProfileFolder) -> None:
    profile.edit("max_size = 2", 'max_size = 2, leak_trace = "always"')
    with profile.open() as container, Session(container.lookup("jdbc/orders").engine) as session:
        session.execute(text("SELECT 1"))
        (lent,) = container.pool("jdbc/orders").leaks()
    assert any(call.endswith("in test_the_code_behind_an_orm_session_is_seen_as_well") for call in lent.obtained)
