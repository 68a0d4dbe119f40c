"""`Container.pool`: figures, contents and purge of a resource's pool, with an audit event (POOL-6)."""

from __future__ import annotations

import json

import pytest
from support_container import ProfileFolder

from connector.container.pool_operations import PurgeReport
from connector.errors import NameNotFound


def audited(profile: ProfileFolder, action: str) -> list[dict[str, object]]:
    lines = (profile.folder / "state" / "audit.log").read_text().splitlines()
    return [event for event in map(json.loads, lines) if event["action"] == action]


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
    assert shown["statistics"]["in_use"] == 1
    assert shown["connections"][0]["reference"] == "jdbc/orders"
    states = {
        point["attributes"]["db.client.connection.state"]: point["value"]
        for point in shown["measurements"]["db.client.connection.count"]
    }
    assert states == {"idle": 0, "used": 1}
    assert json.loads(json.dumps(shown)) == shown


def test_a_purge_closes_free_connections_now_and_lent_ones_when_they_come_back(profile: ProfileFolder) -> None:
    with profile.open() as container:
        pool = container.pool("jdbc/orders")
        orders = container.lookup("jdbc/orders")
        with orders.get_connection():
            with orders.get_connection():
                pass
            assert pool.purge(dry_run=True) == PurgeReport("jdbc/orders", dry_run=True, closed=1, on_return=1)
            assert pool.statistics().size == 2
            assert pool.purge() == PurgeReport("jdbc/orders", dry_run=False, closed=1, on_return=1)
            assert pool.statistics().size == 1
        assert (pool.statistics().size, pool.statistics().destroyed) == (0, 2)


def test_a_purge_is_audited_with_who_did_it_and_a_dry_run_is_not(profile: ProfileFolder) -> None:
    with profile.open() as container:
        container.pool("jdbc/orders").purge(dry_run=True)
        with container.login("admin", profile.password):
            container.pool("jdbc/orders").purge()
        container.pool("jdbc/orders").purge()
    events = audited(profile, "pool.purge")
    assert [(event["who"], event["resource"]) for event in events] == [
        ("admin@shop", "jdbc/orders"),
        ("server", "jdbc/orders"),
    ]
    assert events[0]["details"] == {"closed": 0, "on_return": 0}
