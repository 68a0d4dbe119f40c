"""Reliability: what is kept, what is lost, and what is dropped (BUS-1, BUS-11)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support_bus import World, running, weather_bus
from support_bus_store import StorePlace, message

from connector.errors import MessagingError
from connector.spi import Message
from connector_bus.reliability import Reliability
from connector_bus.store.unit import StoreUnit


def fail(message: Message) -> None:
    raise ValueError


def bus(**settings: Any) -> dict[str, Any]:
    return {"weather": weather_bus(destinations={"requests": settings, "uk": {}, "replies": {}})}


def dropped(world: World) -> int:
    count = world.adapter.run_command("show", {})["buses"][0]["dropped"]
    assert isinstance(count, int)
    return count


@pytest.mark.parametrize(
    ("reliability", "survives"),
    [("best-effort", False), ("express", False), ("reliable", True), ("assured", True), (None, True)],
)
def test_an_orderly_restart_keeps_what_is_to_survive(tmp_path: Path, reliability: str, survives: bool) -> None:
    with running(tmp_path) as world:
        connection = world.connect("alice")
        connection.send("requests", "x", reliability=reliability)
        message = connection.receive("requests", timeout=30)
        assert message is not None
        assert message.persistent is survives
        connection.send("requests", "y", reliability=reliability)
    with running(tmp_path) as world:
        assert [message.body for message in world.peek("requests")] == (["y"] if survives else [])
        assert all(message.persistent for message in world.peek("requests"))


def test_a_message_that_is_not_persistent_is_express(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        connection = world.connect("alice")
        connection.send("requests", "x", persistent=False)
        connection.send("requests", Message("y", persistent=False))
        assert [message.persistent for message in world.peek("requests")] == [False, False]
    with running(tmp_path) as world:
        assert world.peek("requests") == []


def test_nothing_is_written_for_an_express_message(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        store: Any = world.adapter._buses["weather"].engine.store
        before = store.transactions
        connection = world.connect("alice")
        connection.send("requests", "x", reliability="express")
        assert connection.receive("requests", timeout=0) is not None
        assert store.transactions == before


def test_nothing_is_written_when_it_fails_either(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        store: Any = world.adapter._buses["weather"].engine.store
        before = store.transactions
        world.activate(fail, max_redeliveries=5, redelivery_delay=60.0)
        world.connect("alice").send("requests", "x", reliability="express")
        for _ in range(3):
            world.works.pump()
            world.advance(60.0)
        assert store.transactions == before


@pytest.mark.parametrize("reliability", list(Reliability))
def test_a_store_keeps_what_is_done_for_a_message(place: StorePlace, reliability: Reliability) -> None:
    stored = message(1)
    header = stored.header.replace(persistent=reliability.is_persistent)
    stored = replace(stored, header=header, reliability=reliability)
    store = place.open()
    store.commit(StoreUnit(insert=(stored,)))
    assert store.read(1) == stored
    assert store.headers("q") == [(1, header)]


@pytest.mark.postgresql
def test_on_a_shared_store_an_express_message_is_there_for_every_engine(
    tmp_path: Path, shared_place: StorePlace
) -> None:
    buses = {"weather": weather_bus(**shared_place.settings)}
    with running(tmp_path / "a", buses) as one, running(tmp_path / "b", buses, container="other") as two:
        one.connect("alice").send("requests", "x", reliability="express")
        received = two.connect("alice").receive("requests", timeout=30)
        assert received is not None
        assert (received.body, received.persistent) == ("x", False)


def test_a_destination_says_what_is_done_for_messages_whose_senders_don_t(tmp_path: Path) -> None:
    with running(tmp_path, bus(reliability="express")) as world:
        connection = world.connect("alice")
        connection.send("requests", "as the destination says")
        connection.send("requests", "as the sender says", reliability="assured")
    with running(tmp_path, bus(reliability="express")) as world:
        assert [message.body for message in world.peek("requests")] == ["as the sender says"]


def test_an_express_message_is_delivered_again_and_ends_in_the_exception_destination_for_good(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        world.activate(fail, max_redeliveries=1)
        world.connect("alice").send("requests", "x", reliability="express")
        world.works.pump()
    with running(tmp_path) as world:
        (message,) = world.exceptions()
        assert (message.body, message.properties["exception_attempts"]) == ("x", 2)


def test_a_best_effort_message_that_fails_is_dropped_and_its_sender_told(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        world.activate(fail, max_redeliveries=1)
        world.connect("alice").send("requests", "x", reliability="best-effort", reply_to="replies")
        world.works.pump()
        assert (world.exceptions(), world.peek("requests"), dropped(world)) == ([], [], 1)
        assert world.peek("replies")[0].properties["connector_fault"] == "CF-BUS-045"


def test_a_selector_tells_persistent_messages_from_others(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        connection = world.connect("alice")
        connection.send("requests", "kept")
        connection.send("requests", "express", persistent=False)
        found = connection.browse("requests", selector="JMSDeliveryMode = 'NON_PERSISTENT'")
        assert [message.body for message in found] == ["express"]


def test_a_selector_that_comes_later_knows_what_is_in_memory_only(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        connection = world.connect("alice")
        connection.send("requests", "express", persistent=False, properties={"n": 1})
        message = connection.receive("requests", timeout=0, selector="n = 1")
        assert message is not None


def test_an_unknown_reliability_is_refused(tmp_path: Path) -> None:
    with running(tmp_path) as world, pytest.raises(MessagingError, match=r"CF-BUS-175.*best-effort, express"):
        world.connect("alice").send("requests", "x", reliability="certain")


def test_a_transacted_delivery_sends_express_messages_with_its_commit_or_never(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        fails = [True, False]

        def handler(message: Message) -> None:
            world.connect("server").send("uk", "x", reliability="express")
            if fails.pop(0):
                raise ValueError

        world.activate(handler, transacted=True, max_redeliveries=1)
        world.connect("alice").send("requests", "go")
        world.works.pump()
        assert len(world.peek("uk")) == 1
