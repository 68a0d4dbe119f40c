"""Mediations: change, route, split, drop, fail (BUS-8, BUS-10)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support_bus import World, running, weather_bus

from connector.errors import MessagingError
from connector.spi import Message, ServerPrincipal
from connector_bus import MediationContext


def by_location(message: Message, context: MediationContext) -> Message:
    target = context.properties.get(message.body["location"])
    if target is None:
        context.no_route(f"nobody serves {message.body['location']}")
    return context.route(message, target)


def stamp(message: Message, context: MediationContext) -> Message:
    return message.replace(properties={**message.properties, "seen_by": context.destination})


def split(message: Message, context: MediationContext) -> list[Message]:
    return [context.route(message, "uk"), context.route(message.replace(body="second"), "fr"), message]


def drop(message: Message, context: MediationContext) -> None:
    return None


def forge(message: Message, context: MediationContext) -> Message:
    return context.route(message.replace(identity=ServerPrincipal("weather", "weather")), "uk")


def fail(message: Message, context: MediationContext) -> Message:
    raise KeyError("day")


def leave(message: Message, context: MediationContext) -> Message:
    raise SystemExit(0)


def wrong(message: Message, context: MediationContext) -> Any:
    return {"not": "a message"}


def astray(message: Message, context: MediationContext) -> Message:
    return context.route(message, "nowhere")


def circle(message: Message, context: MediationContext) -> Message:
    return context.route(message, "uk" if context.destination == "requests" else "requests")


def mediated(*handlers: Callable[..., Any], uk: dict[str, Any] | None = None, **properties: str) -> dict[str, Any]:
    mediations = [{"handler": f"{__name__}:{each.__name__}", "properties": properties} for each in handlers]
    destinations = {"requests": {"mediations": mediations}, "uk": uk or {}, "fr": {}, "replies": {}}
    return {"weather": weather_bus(destinations=destinations)}


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """With importlib mode this file is no importable module: the configuration names it like any other."""
    import sys
    import types

    module = types.ModuleType(__name__)
    module.__dict__.update(globals())
    monkeypatch.setitem(sys.modules, __name__, module)


def send(world: World, body: Any = None, **options: Any) -> str:
    message_id = world.connect("alice").send("requests", body or {"location": "UK"}, **options)
    world.works.pump()
    return message_id


def test_a_message_is_routed_by_its_content_and_stays_the_sender_s(tmp_path: Path) -> None:
    with running(tmp_path, mediated(by_location, UK="uk", FR="fr")) as world:
        message_id = send(world)
        (message,) = world.peek("uk")
        assert (message.message_id, str(message.identity)) == (message_id, "alice@weather")
        assert world.peek("requests") == []
        assert world.peek("fr") == []


def test_a_message_that_stays_is_offered_to_consumers_once_mediated(tmp_path: Path) -> None:
    with running(tmp_path, mediated(stamp)) as world:
        connection = world.connect("alice")
        connection.send("requests", "x")
        assert connection.receive("requests", timeout=0) is None
        world.works.pump()
        message = connection.receive("requests", timeout=0)
        assert message is not None
        assert dict(message.properties) == {"seen_by": "requests"}


def test_mediations_run_in_their_order_and_not_on_what_has_been_routed_away(tmp_path: Path) -> None:
    with running(tmp_path, mediated(stamp, by_location, drop, UK="uk")) as world:
        send(world)
        assert dict(world.peek("uk")[0].properties) == {"seen_by": "requests"}


def test_a_split_message_keeps_its_id_once_and_its_identity_everywhere(tmp_path: Path) -> None:
    with running(tmp_path, mediated(split)) as world:
        message_id = send(world)
        parts = [world.peek(name)[0] for name in ("uk", "fr", "requests")]
        assert [part.message_id == message_id for part in parts] == [True, False, False]
        assert len({part.message_id for part in parts}) == 3
        assert {str(part.identity) for part in parts} == {"alice@weather"}
        assert parts[1].body == "second"


def test_a_dropped_message_is_gone(tmp_path: Path) -> None:
    with running(tmp_path, mediated(drop)) as world:
        send(world)
        assert (world.peek("requests"), world.exceptions()) == ([], [])


def test_a_mediation_can_t_change_the_identity(tmp_path: Path) -> None:
    with running(tmp_path, mediated(forge)) as world:
        send(world)
        assert str(world.peek("uk")[0].identity) == "alice@weather"


def test_the_sender_needs_the_sender_role_where_its_message_is_routed(tmp_path: Path) -> None:
    closed = {"inherit_defaults": False, "roles": {"sender": ["user:bob"]}}
    with running(tmp_path, mediated(by_location, uk=closed, UK="uk")) as world:
        send(world, reply_to="replies")
        assert world.peek("uk") == []
        (message,) = world.exceptions()
        assert message.properties["exception_reason"] == "CF-BUS-020"
        assert message.properties["exception_attempts"] == 1
        assert world.peek("replies")[0].properties["connector_fault"] == "CF-BUS-020"


def test_an_unknown_location_has_no_route_and_the_requester_is_told(tmp_path: Path) -> None:
    with running(tmp_path, mediated(by_location, UK="uk")) as world:
        send(world, {"location": "Atlantis"}, reply_to="replies")
        (message,) = world.exceptions()
        assert message.properties["exception_reason"] == "CF-BUS-040"
        assert "no route" in str(message.properties["exception_text"])
        assert message.body == {"location": "Atlantis"}
        assert world.peek("replies")[0].body["text"].endswith("nobody serves Atlantis")


@pytest.mark.parametrize(
    ("handler", "code", "attempts"),
    [(fail, "CF-BUS-041", 3), (leave, "CF-BUS-041", 3), (wrong, "CF-BUS-042", 3), (astray, "CF-BUS-030", 1)],
)
def test_a_failing_mediation_ends_in_the_exception_destination(
    tmp_path: Path, handler: Callable[..., Any], code: str, attempts: int
) -> None:
    with running(tmp_path, mediated(stamp, handler)) as world:
        send(world)
        (message,) = world.exceptions()
        assert message.properties["exception_reason"] == code
        assert message.properties["exception_attempts"] == attempts
        assert "seen_by" not in message.properties


def test_a_split_of_which_one_part_is_refused_leaves_nothing(tmp_path: Path) -> None:
    with running(tmp_path, mediated(split)) as world:
        world.adapter._buses["weather"].engine.destinations.durable.pop("fr")
        send(world)
        assert (world.peek("uk"), world.peek("requests")) == ([], [])
        assert len(world.exceptions()) == 1


def test_messages_that_go_round_in_a_circle_are_stopped(tmp_path: Path) -> None:
    round_trip = [{"handler": f"{__name__}:circle"}]
    destinations = {"requests": {"mediations": round_trip}, "uk": {"mediations": round_trip}}
    with running(tmp_path, {"weather": weather_bus(destinations=destinations)}) as world:
        send(world)
        assert world.exceptions()[0].properties["exception_reason"] == "CF-BUS-043"


def test_a_sender_that_has_vanished_is_not_taken_for_somebody_else(tmp_path: Path) -> None:
    with running(tmp_path, mediated(by_location, UK="uk")) as world:
        world.connect("bob").send("requests", {"location": "UK"})
        del world.identity.users["bob"]
        world.works.pump()
        assert world.peek("uk") == []
        assert len(world.exceptions()) == 1


def test_a_mediation_may_say_why_it_refuses() -> None:
    context = MediationContext("weather", "requests", {})
    with pytest.raises(MessagingError, match=r"CF-BUS-040.*requests on bus weather: closed"):
        context.no_route("closed")
