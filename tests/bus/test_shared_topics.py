"""Topic spaces on a store that several engines share: publish on one, receive on another (BUS-1, BUS-6)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support_bus import World, start_world, weather_bus
from support_bus_store import StorePlace

from connector.errors import AccessDenied, NameNotFound
from connector_bus.adapter.subscription import BusSubscription

pytestmark = pytest.mark.postgresql


def settings(place: StorePlace) -> dict[str, object]:
    return {"weather": weather_bus(**place.settings, destinations={"news": {"type": "topic-space"}, "requests": {}})}


@pytest.fixture
def worlds(tmp_path: Path, shared_place: StorePlace) -> Iterator[tuple[World, World]]:
    """Two containers with the bus weather, on one store."""
    made = [start_world(tmp_path, settings(shared_place), threaded=True, container=name) for name in ("one", "two")]
    yield made[0], made[1]
    for world in made:
        world.stop()


def bodies(subscription: BusSubscription) -> list[object]:
    received = []
    while (message := subscription.receive(0)) is not None:
        received.append(message.body)
    return received


def test_what_one_engine_publishes_subscribers_of_all_engines_get(worlds: tuple[World, World]) -> None:
    one, two = worlds
    with one.connect("alice") as sender, two.connect("bob") as receiver:
        passing = receiver.subscribe("news", "uk/#")
        durable = receiver.subscribe("news", name="d", durable=True, selector="warm = TRUE")
        sender.send("news", "fog", topic="uk/london")
        sender.send("news", "sun", topic="fr", properties={"warm": True})
        message = passing.receive(30)
        assert message is not None
        assert (message.body, message.topic, message.destination) == ("fog", "uk/london", "news")
        assert bodies(durable) == ["sun"]
        passing.close()
        sender.send("news", "more fog", topic="uk")
        assert [each.record.name for each in one.adapter._buses["weather"].engine.topics.all()] == ["d"]


def test_a_durable_subscription_is_its_makers_on_every_engine(worlds: tuple[World, World]) -> None:
    one, two = worlds
    with one.connect("alice") as sender, one.connect("bob") as here, two.connect("bob") as there:
        here.subscribe("news", name="d", durable=True).close()
        sender.send("news", "x")
        assert bodies(there.subscribe("news", name="d", durable=True)) == ["x"]
    with two.connect("alice") as other, one.connect("bob") as here, one.connect("alice") as stranger:
        here.subscribe("news", name="e", durable=True).close()
        for connection in (other, stranger):
            with pytest.raises(AccessDenied, match="CF-BUS-186"):
                connection.subscribe("news", name="e", durable=True)
            with pytest.raises(AccessDenied, match="CF-BUS-187"):
                connection.unsubscribe("e")


def test_a_subscription_that_one_engine_deletes_is_gone_on_all(worlds: tuple[World, World]) -> None:
    one, two = worlds
    with one.connect("bob") as here, two.connect("bob") as there:
        here.subscribe("news", name="d", durable=True).close()
        there.unsubscribe("d")
        with pytest.raises(NameNotFound, match="CF-BUS-191"):
            here.unsubscribe("d")


def test_several_engines_share_the_messages_of_a_shared_subscription(worlds: tuple[World, World]) -> None:
    one, two = worlds
    with one.connect("alice") as sender, one.connect("bob") as here, two.connect("bob") as there:
        terms: dict[str, Any] = {"name": "team", "durable": True, "shared": True}
        first, second = here.subscribe("news", **terms), there.subscribe("news", **terms)
        for number in range(4):
            sender.send("news", number)
        received = [first.receive(30), second.receive(30), first.receive(30), second.receive(30)]
        assert sorted(each.body for each in received if each is not None) == [0, 1, 2, 3]
        assert (first.receive(0), second.receive(0)) == (None, None)


def test_what_a_run_of_an_engine_leaves_behind_is_cleared_by_its_next(tmp_path: Path, shared_place: StorePlace) -> None:
    with_subscription = start_world(tmp_path, settings(shared_place), threaded=True, container="one")
    connection = with_subscription.connect("bob")
    connection.subscribe("news")
    connection.subscribe("news", name="d", durable=True)
    with_subscription.stop()  # without the connection's being closed, as in a crash
    connection.close()  # harmless, and too late
    again = start_world(tmp_path, settings(shared_place), threaded=True, container="one")
    assert [each.record.name for each in again.adapter._buses["weather"].engine.topics.all()] == ["d"]
    again.stop()
