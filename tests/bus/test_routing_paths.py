"""A message that passes several destinations, and a reply that does so on its way back (BUS-8)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support_bus import REALM, World, running, weather_bus
from support_links import ALIASES, Country, britain, france

from connector.errors import AccessDenied, MessagingError, NameNotFound
from connector.spi import Message, UserPrincipal

CLOSED = {"inherit_defaults": False, "roles": {"sender": ["user:bob"]}}


def stamp(message: Message, context: Any) -> Message:
    """A mediation."""
    return message.replace(properties={**message.properties, "seen": context.destination})


def vouch(message: Message, context: Any) -> Message:
    """A mediation that takes the message for its own."""
    reset: Message = context.reset_identity(message)
    return reset


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    destinations = {
        "a": {},
        "b": {},
        "c": {},
        "closed": CLOSED,
        "gate": {"mediations": [f"{__name__}:stamp"]},
        "desk": {"mediations": [{"handler": f"{__name__}:vouch", "run_as": "bob"}]},
        "other-name": {"type": "alias", "target": "b"},
        "replies": {},
    }
    with running(tmp_path, {"weather": weather_bus(destinations=destinations)}) as started:
        yield started


def send(world: World, *names: str, user: str = "alice", **options: Any) -> None:
    first, *rest = names
    with world.connect(user) as connection:
        connection.send(first, "x", forward_path=rest, **options)
    world.works.pump()


def places(world: World) -> dict[str, int]:
    """Where there are messages."""
    depths = {name: len(world.peek(name)) for name in world.adapter._buses["weather"].engine.destinations.durable}
    return {name: depth for name, depth in depths.items() if depth}


def test_a_message_rests_at_the_end_of_its_path_only(world: World) -> None:
    send(world, "a", "b", "c")
    assert places(world) == {"c": 1}
    (message,) = world.peek("c")
    assert (message.destination, message.forward_path) == ("c", ())


def test_an_alias_on_the_path_is_passed_like_what_it_stands_for(world: World) -> None:
    send(world, "a", "other-name", "c")
    assert places(world) == {"c": 1}


@pytest.mark.parametrize("path", [("closed", "a"), ("a", "closed"), ("a", "b", "closed"), ("a", "closed", "b")])
def test_each_destination_on_the_way_is_asked_and_a_refusal_leaves_nothing(world: World, path: tuple[str, ...]) -> None:
    with pytest.raises(AccessDenied) as caught:
        send(world, *path)
    assert (caught.value.code, caught.value.details["destination"]) == ("CF-BUS-020", "closed")
    assert places(world) == {}
    send(world, *path, user="bob")
    assert sum(places(world).values()) == 1


def test_a_destination_that_is_not_there_is_told_in_the_call(world: World) -> None:
    with pytest.raises(NameNotFound):
        send(world, "a", "nowhere")
    assert places(world) == {}


def test_a_mediated_destination_is_where_the_call_ends_and_the_path_goes_on_from_there(world: World) -> None:
    send(world, "a", "gate", "b", "c")
    (message,) = world.peek("c")
    assert message.properties["seen"] == "gate"
    assert message.identity == UserPrincipal("alice", REALM)


def test_a_refusal_behind_a_mediated_destination_is_an_exception_of_that_destination(world: World) -> None:
    send(world, "gate", "a", "closed")
    (failed,) = world.exceptions()
    assert failed.properties["exception_reason"] == "CF-BUS-020"
    assert failed.properties["exception_destination"] == "gate"
    assert places(world) == {"_SYSTEM.Exception.Destination.weather": 1}


def test_the_identity_that_a_mediation_puts_in_is_the_one_that_is_asked_from_there_on(world: World) -> None:
    send(world, "desk", "a", "closed")
    (message,) = world.peek("closed")
    assert message.identity == UserPrincipal("bob", REALM)


def test_a_reply_goes_back_along_the_reverse_path(world: World) -> None:
    send(world, "a", reverse_path=["b", "gate"], reply_to="replies")
    with world.connect("carol") as connection:
        request = connection.receive("a", timeout=0)
        assert request is not None
        connection.reply(request, "answer")
    world.works.pump()
    (reply,) = world.peek("replies")
    assert (reply.body, reply.correlation_id) == ("answer", request.message_id)
    assert reply.properties["seen"] == "gate"


def test_the_reply_of_a_handler_does_so_as_well(world: World) -> None:
    world.activate(lambda message: f"re: {message.body}", "a", acting=world.identity.assert_user("carol"))
    send(world, "a", reverse_path=["gate"], reply_to="replies")
    (reply,) = world.peek("replies")
    assert (reply.body, reply.properties["seen"]) == ("re: x", "gate")


def test_a_reply_is_asked_at_each_destination_on_its_way_back(world: World) -> None:
    send(world, "a", user="bob", reverse_path=["closed"], reply_to="replies")
    with world.connect("carol") as connection:
        request = connection.receive("a", timeout=0)
        assert request is not None
        with pytest.raises(AccessDenied):
            connection.reply(request, "answer")


def test_who_wants_no_reply_gets_none(world: World) -> None:
    send(world, "a")
    with world.connect("carol") as connection:
        request = connection.receive("a", timeout=0)
        assert request is not None
        assert connection.reply(request, "answer") is None


@pytest.mark.parametrize("path", [["a"] * 32, [""], [7]])
def test_a_path_that_is_none_is_refused(world: World, path: list[Any]) -> None:
    with pytest.raises(MessagingError) as caught, world.connect("alice") as connection:
        connection.send("a", "x", forward_path=path)
    assert caught.value.code == "CF-BUS-222"


def test_a_path_may_come_round_to_where_it_was(world: World) -> None:
    send(world, "gate", *["a", "gate"] * 5)
    assert [each.properties["seen"] for each in world.peek("gate")] == ["gate"]


def test_a_path_leads_over_a_link_and_back(tmp_path: Path) -> None:
    destinations = {"forecasts": {}, "gate": {"mediations": [f"{__name__}:stamp"]}}
    buses = {"britain": britain(), "france": france(destinations=destinations)}
    with running(tmp_path, buses, aliases=ALIASES) as world:
        here, there = Country(world, "britain"), Country(world, "france")
        here.send("alice", "gate@france", "x", forward_path=["forecasts"], reverse_path=["replies"], reply_to="replies")
        (request,) = there.peek("forecasts")
        assert (request.properties["seen"], request.forward_path) == ("gate", ())
        assert (request.reply_to, request.reverse_path) == ("replies@britain", ("replies@britain",))
        with there.connect("bob") as connection:
            connection.reply(request, "answer")
        there.pump()
        assert [each.body for each in here.peek("replies")] == ["answer"]


def test_a_refusal_on_a_path_behind_a_link_is_an_exception_over_there(tmp_path: Path) -> None:
    with running(tmp_path, {"britain": britain(), "france": france()}, aliases=ALIASES) as world:
        here, there = Country(world, "britain"), Country(world, "france")
        here.send("alice", "forecasts@france", "x", forward_path=["secrets"])
        (failed,) = there.exceptions()
        assert failed.properties["exception_reason"] == "CF-BUS-020"
        assert there.peek("forecasts") == []
