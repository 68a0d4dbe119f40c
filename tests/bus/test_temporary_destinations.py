"""Temporary queues and topics: made with a prefix, their maker's alone, gone with the connection (BUS-7)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support_bus import World, running, weather_bus

from connector.errors import AccessDenied, MessagingError, NameNotFound
from connector_bus import BusConnection
from connector_bus.policy.roles import Role

PREFIXES = {
    "ORDERS": {"inherit_defaults": False, "roles": {"creator": ["user:alice"], "sender": ["user:bob"]}},
}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with running(tmp_path, {"weather": weather_bus(temporary_prefixes=PREFIXES)}) as world:
        yield world


def refused(call: Any, *given: Any) -> str:
    with pytest.raises((AccessDenied, NameNotFound, MessagingError)) as caught:
        call(*given)
    return caught.value.code


def make(connection: BusConnection, kind: str, prefix: str = "") -> str:
    return connection.create_temporary_queue(prefix) if kind == "queue" else connection.create_temporary_topic(prefix)


@pytest.mark.parametrize("kind", ["queue", "topic"])
def test_the_prefix_says_who_may_make_one_and_who_may_send(world: World, kind: str) -> None:
    with world.connect("alice") as alice, world.connect("bob") as bob, world.connect("carol") as carol:
        assert refused(make, bob, kind, "ORDERS") == "CF-BUS-122"
        name = make(alice, kind, "ORDERS.today")
        bob.send(name, "yes")
        assert refused(carol.send, name, "no") == "CF-BUS-123"
        assert refused(alice.send, name, "no") == "CF-BUS-123"
        open_to_all = make(carol, kind)
        bob.send(open_to_all, "by the defaults")


def test_only_the_connection_that_made_a_queue_receives_from_it(world: World) -> None:
    with world.connect("alice") as owner, world.connect("alice") as other:
        name = owner.create_temporary_queue()
        other.send(name, "x")
        assert refused(other.receive, name, 0) == "CF-BUS-023"
        assert refused(other.browse, name) == "CF-BUS-023"
        assert len(list(owner.browse(name))) == 1
        message = owner.receive(name, 0)
        assert message is not None
        assert (message.body, message.destination) == ("x", name)


def test_only_the_connection_that_made_a_topic_subscribes_to_it(world: World) -> None:
    with world.connect("alice") as owner, world.connect("bob") as other:
        name = owner.create_temporary_topic()
        assert refused(other.subscribe, name) == "CF-BUS-192"
        assert refused(owner.receive, name, 0) == "CF-BUS-182"
        with pytest.raises(MessagingError, match="CF-BUS-188"):
            owner.subscribe(name, name="mine", durable=True)
        all_of_it, some = owner.subscribe(name), owner.subscribe(name, "uk/*")
        other.send(name, "fog", topic="uk/london")
        other.send(name, "wine", topic="fr")
        first, second = all_of_it.receive(0), all_of_it.receive(0)
        assert [message and message.body for message in (first, second)] == ["fog", "wine"]
        found = some.receive(0)
        assert found is not None
        assert (found.body, found.topic, found.destination) == ("fog", "uk/london", name)


@pytest.mark.parametrize("kind", ["queue", "topic"])
def test_it_is_gone_with_its_connection_and_what_comes_late_is_discarded_and_counted(world: World, kind: str) -> None:
    engine = world.adapter._buses["weather"].engine
    with world.connect("bob") as sender:
        with world.connect("alice") as owner:
            name = make(owner, kind)
            if kind == "topic":
                owner.subscribe(name)
        sender.send(name, "too late")
        assert engine.discarded_replies == 1
        assert engine.topics.all() == []
        assert engine.destinations.find(name) is None
    assert world.exceptions() == []


def test_it_may_be_deleted_before_by_its_maker(world: World) -> None:
    with world.connect("alice") as owner, world.connect("bob") as other:
        name = owner.create_temporary_queue()
        assert refused(other.delete_temporary, name) == "CF-BUS-030"
        other.send(name, "lost with it")
        owner.delete_temporary(name)
        assert refused(owner.delete_temporary, name) == "CF-BUS-030"
        assert refused(owner.receive, name, 0) == "CF-BUS-030"
    assert world.adapter._buses["weather"].engine.discarded_replies == 1


def test_its_maker_holds_the_creator_role_of_its_prefix_as_long_as_it_lives(world: World) -> None:
    access = world.adapter._buses["weather"].access
    settings = {"weather": weather_bus(temporary_prefixes={"ORDERS": {"inherit_defaults": False, "roles": {}}})}
    with world.connect("alice") as alice:
        first = alice.create_temporary_queue("ORDERS")
        change = world.adapter.sections_changed({"buses": settings})
        assert change is not None
        change.apply()
        second = alice.create_temporary_queue("ORDERS")
        alice.delete_temporary(first)
        access.require_prefix(world.identity.assert_user("alice"), Role.CREATOR, "ORDERS")
        alice.delete_temporary(second)
        assert refused(alice.create_temporary_queue, "ORDERS") == "CF-BUS-122"


def test_a_request_may_name_a_temporary_queue_for_its_reply(world: World) -> None:
    world.activate(lambda message: f"re: {message.body}")
    with world.connect("alice") as connection:
        name = connection.create_temporary_queue()
        connection.send("requests", "ask", reply_to=name)
        world.works.pump()
        reply = connection.receive(name, 0)
        assert reply is not None
        assert reply.body == "re: ask"
