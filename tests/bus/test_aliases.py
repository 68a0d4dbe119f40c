"""Aliases: another name for a destination, through any number of them, checked by their mode (BUS-1, BUS-13)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from support_bus import World, running, weather_bus

from connector.errors import AccessDenied, ConfigError, MessagingError, NameNotFound
from connector.spi import Message
from connector_bus.engine.route import Hop, Route, resolve
from connector_bus.policy.definition import AliasCheck, AliasTarget, ForeignAddress
from connector_bus.policy.roles import ResourceType
from connector_bus.settings import DestinationSettings

EXCEPTIONS = "_SYSTEM.Exception.Destination.weather"


def alias(target: str, bus: str | None = None, check: AliasCheck = AliasCheck.BOTH) -> DestinationSettings:
    return DestinationSettings("a", kind=ResourceType.ALIAS, alias=AliasTarget(target, bus, check))


def route(name: str, **destinations: DestinationSettings) -> Route | None:
    return resolve("weather", destinations, name)


QUEUE = DestinationSettings("q")
FAR = DestinationSettings("far", kind=ResourceType.FOREIGN_DESTINATION, foreign=ForeignAddress("france", "paris"))


def test_a_destination_is_its_own_route() -> None:
    assert route("q", q=QUEUE) == Route((Hop("q", checked=True),), ResourceType.QUEUE, "q")


@pytest.mark.parametrize(
    ("first", "second", "checked"),
    [
        (AliasCheck.BOTH, AliasCheck.BOTH, (True, True, True)),
        (AliasCheck.TARGET, AliasCheck.BOTH, (False, True, True)),
        (AliasCheck.TARGET, AliasCheck.TARGET, (False, False, True)),
        (AliasCheck.ALIAS, AliasCheck.BOTH, (True, False, False)),
        (AliasCheck.BOTH, AliasCheck.ALIAS, (True, True, False)),
        (AliasCheck.TARGET, AliasCheck.ALIAS, (False, True, False)),
    ],
)
def test_the_modes_of_the_aliases_on_the_way_say_where_the_role_is_needed(
    first: AliasCheck, second: AliasCheck, checked: tuple[bool, ...]
) -> None:
    found = route("a", a=alias("b", check=first), b=alias("q", check=second), q=QUEUE)
    assert found is not None
    assert [hop.name for hop in found.hops] == ["a", "b", "q"]
    assert tuple(hop.checked for hop in found.hops) == checked
    assert (found.asked, found.name, found.bus) == ("a", "q", None)


def test_a_route_may_end_on_another_bus() -> None:
    direct = route("a", a=alias("paris", "france"))
    assert direct == Route((Hop("a", checked=True),), ResourceType.FOREIGN_DESTINATION, "paris", "france")
    named = route("a", a=alias("far"), far=FAR)
    assert named is not None
    assert [hop.name for hop in named.hops] == ["a", "far"]
    assert (named.name, named.bus) == ("paris", "france")


def test_a_temporary_name_leads_to_itself_whether_it_lives_or_not() -> None:
    found = route("_TEMP.reply.x.1")
    assert found is not None
    assert found.kind is ResourceType.TEMPORARY


def test_a_loop_and_a_missing_target_are_refused_at_run_time_as_well() -> None:
    assert route("x", q=QUEUE) is None
    for destinations in ({"a": alias("b"), "b": alias("a")}, {"a": alias("gone")}):
        with pytest.raises(MessagingError) as caught:
            route("a", **destinations)
        assert caught.value.code == "CF-BUS-180"


def bus(**changes: Any) -> Mapping[str, Any]:
    destinations = {
        "requests": {"max_message_size": 10, "inherit_defaults": False, "roles": {"receiver": ["user:bob"]}},
        "uk": {},
        "british": {"type": "alias", "target": "uk"},
        "nearby": {"type": "alias", "target": "british"},
        "open": {
            "type": "alias",
            "target": "requests",
            "check": "alias",
            "inherit_defaults": False,
            "roles": {"sender": ["user:alice"], "receiver": ["user:alice"], "browser": ["user:alice"]},
        },
        "strict": {"type": "alias", "target": "requests"},
    }
    return {"weather": weather_bus(destinations={**destinations, **changes})}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with running(tmp_path, bus()) as world:
        yield world


def test_what_is_sent_to_an_alias_is_on_its_target_and_is_received_through_any_name(world: World) -> None:
    with world.connect("alice") as connection:
        connection.send("nearby", "fog")
        connection.send("uk", "rain")
        assert [message.body for message in connection.browse("british")] == ["fog", "rain"]
        received = connection.receive("british", 0)
        assert received is not None
        assert (received.body, received.destination) == ("fog", "uk")
        other = connection.receive("nearby", 0)
        assert other is not None
        assert other.body == "rain"


def test_an_alias_that_is_checked_itself_gives_access_to_a_closed_target(world: World) -> None:
    with world.connect("alice") as connection:
        connection.send("open", "x")
        for refused in ("requests", "strict"):
            with pytest.raises(AccessDenied) as caught:
                connection.send(refused, "y")
            assert caught.value.code == "CF-BUS-020"
        assert len(list(connection.browse("open"))) == 1
        assert connection.receive("open", 0) is not None
        with pytest.raises(AccessDenied) as caught:
            connection.receive("strict", 0)
        assert caught.value.code == "CF-BUS-021"
    assert world.peek("requests") == []


def test_what_the_target_says_of_quality_counts(world: World) -> None:
    with world.connect("alice") as connection:
        with pytest.raises(MessagingError) as caught:
            connection.send("open", "more than ten bytes")
        assert caught.value.code == "CF-BUS-174"


def test_a_handler_may_be_activated_on_an_alias(world: World) -> None:
    seen: list[Message] = []
    world.activate(seen.append, "nearby", user="bob")
    with world.connect("alice") as connection:
        connection.send("uk", "fog")
    world.works.pump()
    assert [message.body for message in seen] == ["fog"]


def test_a_reply_may_go_to_an_alias(world: World) -> None:
    world.activate(lambda _message: "done", "uk", user="bob")
    with world.connect("alice") as connection:
        connection.send("uk", "do", reply_to="open")
        world.works.pump()
    assert [message.body for message in world.peek("requests")] == ["done"]


def test_an_exception_destination_may_be_an_alias_of_a_queue(tmp_path: Path) -> None:
    changes = {
        "uk": {"exception_destination": "failed"},
        "failed": {"type": "alias", "target": "requests"},
        "requests": {},
    }

    def fail(_message: Message) -> None:
        raise ValueError("no")

    with running(tmp_path, bus(**changes)) as world:
        world.activate(fail, "uk", user="bob")
        with world.connect("alice") as connection:
            connection.send("british", "fog")
        world.works.pump()
        world.alarms[0].advance(3600)
        world.works.pump()
        assert [message.body for message in world.peek("requests")] == ["fog"]


def test_an_alias_of_the_destination_itself_is_no_exception_destination(tmp_path: Path) -> None:
    changes = {"uk": {"exception_destination": "british"}}
    with pytest.raises(ConfigError) as caught, running(tmp_path, bus(**changes)):
        pass
    assert [problem.code for problem in caught.value.problems] == ["CF-BUS-177"]


def to_alias(message: Message, _context: object) -> Message:
    return message.replace(destination="strict")


def test_a_mediation_that_forwards_to_an_alias_is_checked_on_each_hop(tmp_path: Path) -> None:
    changes = {"uk": {"mediations": [f"{__name__}:to_alias"], "max_redeliveries": 0}}
    with running(tmp_path, bus(**changes)) as world:
        with world.connect("alice") as connection:
            connection.send("british", "fog")
        world.works.pump()
        (failed,) = world.exceptions()
        assert failed.properties["exception_reason"] == "CF-BUS-020"
        assert failed.properties["exception_destination"] == "uk"


def test_an_unknown_name_is_refused_with_a_suggestion_that_may_be_an_alias(world: World) -> None:
    with world.connect("alice") as connection:
        with pytest.raises(NameNotFound) as caught:
            connection.send("briitish", "x")
        assert "british" in str(caught.value)
