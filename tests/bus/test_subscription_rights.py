"""What is open when a right is taken away ends at once, with the refusal, and gives back what it holds (BUS-12)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
from support_bus import World, running, weather_bus

from connector.errors import AccessDenied, ConnectorError, Reason, RegistryUnavailable
from connector.spi import Message
from connector_bus.engine.rights import Right
from connector_bus.policy.roles import Role

REGISTRY_DOWN = Reason("CF-TESTBUS-042", "the registry does not answer", "")
ALL = {"receiver": ["group:clients"], "sender": ["AllAuthenticated"]}


def settings(*, roles: Any = None, topics: Any = None, uk: Any = None, kind: str = "topic-space") -> dict[str, Any]:
    closed = {"inherit_defaults": False}
    destinations: dict[str, Any] = {
        "news": {"type": kind, **closed, "roles": ALL if roles is None else roles, "topics": topics or {}},
        "uk": {**closed, "roles": ALL if uk is None else uk},
    }
    return {"weather": weather_bus(destinations=destinations)}


def change(world: World, **changes: Any) -> None:
    made = world.adapter.sections_changed({"buses": settings(**changes)})
    assert made is not None
    made.apply()


NOBODY = {"sender": ["AllAuthenticated"], "receiver": []}
SECRET = {"secret": {"inherit_receiver": False}}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with running(tmp_path, settings()) as world:
        yield world


def waiting(call: Any) -> tuple[threading.Thread, SimpleQueue[object]]:
    """Call on a thread of its own; what it answers or raises comes through the queue."""
    told: SimpleQueue[object] = SimpleQueue()

    def run() -> None:
        try:
            told.put(call())
        except ConnectorError as error:
            told.put(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, told


def until_it_waits(world: World, queue: Any) -> None:
    while not queue._state.waiting:
        threading.Event().wait(0.001)


def test_a_receive_that_waits_ends_with_the_refusal(world: World) -> None:
    engine = world.adapter._buses["weather"].engine
    with world.connect("alice") as connection:
        thread, told = waiting(lambda: connection.receive("uk", 30))
        until_it_waits(world, engine.destinations.get("uk").queue)
        change(world, uk=NOBODY)
        error = told.get(timeout=10)
        thread.join()
    assert isinstance(error, AccessDenied)
    assert error.code == "CF-BUS-021"
    change(world)
    with world.connect("alice") as connection:
        connection.send("uk", "x")
        assert connection.receive("uk", 0) is not None


def test_a_receive_that_waits_goes_on_where_somebody_else_loses_a_right(world: World) -> None:
    engine = world.adapter._buses["weather"].engine
    with world.connect("alice") as connection:
        thread, told = waiting(lambda: connection.receive("uk", 30))
        until_it_waits(world, engine.destinations.get("uk").queue)
        change(world, roles=NOBODY)
        connection.send("uk", "x")
        message = told.get(timeout=10)
        thread.join()
    assert isinstance(message, Message)


@pytest.mark.parametrize(
    ("topic", "changes", "code"),
    [
        ("#", {"roles": NOBODY}, "CF-BUS-021"),
        ("secret", {"topics": SECRET}, "CF-BUS-121"),
        ("secret", {"roles": NOBODY}, "CF-BUS-021"),
    ],
)
def test_an_open_subscription_is_lost_with_its_right(
    world: World, topic: str, changes: dict[str, Any], code: str
) -> None:
    with world.connect("alice") as connection:
        subscription = connection.subscribe("news", topic)
        connection.send("news", "before", topic="secret")
        thread, told = waiting(lambda: [subscription.receive(0), subscription.receive(30)])
        until_it_waits(world, subscription._opened.queue)
        change(world, **changes)
        error = told.get(timeout=10)
        thread.join()
        assert isinstance(error, AccessDenied)
        assert error.code == code
        with pytest.raises(AccessDenied):
            subscription.receive(0)
    lost = [event for event in world.context.audit.events if event.reason == code]
    assert [event.who for event in lost] == ["alice@weather"]


def test_a_pattern_goes_on_and_leaves_out_what_its_subscriber_may_not_have_any_more(world: World) -> None:
    with world.connect("alice") as connection:
        subscription = connection.subscribe("news")
        connection.send("news", "before", topic="secret")
        change(world, topics=SECRET)
        connection.send("news", "after", topic="secret")
        connection.send("news", "other", topic="open")
        change(world)
        connection.send("news", "again", topic="secret")
        received = [subscription.receive(0) for _ in range(4)]
    assert [None if each is None else each.body for each in received] == ["before", "other", "again", None]


def test_a_user_who_leaves_a_group_loses_what_is_open_once_the_registry_has_told(world: World) -> None:
    with world.connect("alice") as connection:
        subscription = connection.subscribe("news")
        world.identity.users["alice"] = ("alice-pw", ())
        world.adapter._buses["weather"].access.recheck()
        with pytest.raises(AccessDenied) as caught:
            subscription.receive(0)
        assert caught.value.code == "CF-BUS-021"


def test_nobody_loses_anything_while_the_registry_does_not_answer(world: World) -> None:
    def down(user: str) -> Any:
        raise RegistryUnavailable(REGISTRY_DOWN)

    with world.connect("alice") as connection:
        subscription = connection.subscribe("news")
        connection.send("news", "x")
        assert_user = world.identity.assert_user
        world.identity.assert_user = down  # type: ignore[method-assign]
        world.adapter._buses["weather"].access.recheck()
        assert subscription.receive(0) is not None
        world.identity.assert_user = assert_user  # type: ignore[method-assign]
        connection.send("news", "y")
        assert subscription.receive(0) is not None


def test_a_user_who_has_vanished_loses_what_is_open(world: World) -> None:
    with world.connect("alice") as connection:
        subscription = connection.subscribe("news")
        del world.identity.users["alice"]
        world.adapter._buses["weather"].access.recheck()
        with pytest.raises(ConnectorError):
            subscription.receive(0)


@pytest.mark.parametrize("destination", ["uk", "news"])
def test_a_handler_is_lost_with_its_right_and_what_it_was_given_goes_back(world: World, destination: str) -> None:
    seen: list[Message] = []
    told: list[ConnectorError] = []
    given = {} if destination == "uk" else {"subscription": "handler", "durable": True}
    stop = world.activate(seen.append, destination, user="carol", properties=given, on_lost=told.append)
    with world.connect("alice") as connection:
        connection.send(destination, "x")  # taken, and not yet delivered: no work has run
        change(world, uk=NOBODY, roles=NOBODY)
        assert [error.code for error in told] == ["CF-BUS-021"]
        world.works.pump()
        stop()
        assert seen == []
        change(world)
        world.activate(seen.append, destination, user="carol", properties=given)
        world.works.pump()
    assert [(message.body, message.delivery_count) for message in seen] == [("x", 0)]


def test_a_change_looks_each_user_up_once_however_much_is_open(world: World) -> None:
    asked: list[str] = []
    assert_user = world.identity.assert_user
    with world.connect("alice") as one, world.connect("carol") as other:
        for connection in (one, other, one, other):
            connection.subscribe("news")

        def counting(user: str) -> Any:
            asked.append(user)
            return assert_user(user)

        world.identity.assert_user = counting  # type: ignore[method-assign]
        change(world, topics=SECRET)
        world.identity.assert_user = assert_user  # type: ignore[method-assign]
    assert sorted(asked) == ["alice", "carol"]


def test_a_change_between_the_check_and_the_watching_is_not_missed(world: World) -> None:
    bus = world.adapter._buses["weather"]
    subject = world.identity.assert_user("alice")
    bus.access.require(subject, Role.RECEIVER, "uk")
    change(world, uk=NOBODY)
    told: list[ConnectorError] = []
    bus.engine.rights.watch(Right(subject, Role.RECEIVER, "uk"), told.append)
    assert [error.code for error in told] == ["CF-BUS-021"]
    assert bus.engine.rights._open == {}


def test_nothing_is_watched_that_is_not_open(world: World) -> None:
    rights = world.adapter._buses["weather"].engine.rights
    stop = world.activate(lambda _message: None, "uk", user="carol")
    with world.connect("alice") as connection:
        connection.subscribe("news").close()
        connection.subscribe("news")
        connection.receive("uk", 0)
        assert len(rights._open) == 2
    stop()
    assert rights._open == {}
