"""Mediations: change, route, split, drop, fail (BUS-8, BUS-10)."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support_bus import World, running, weather_bus

from connector.errors import ConfigError, MessagingError
from connector.spi import Message, ServerPrincipal, UserPrincipal
from connector_bus import MediationContext

#: How the handlers that send something themselves do it.
SENDERS: list[Callable[[str, Any], object]] = []


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


def report(message: Message, context: MediationContext) -> list[Message]:
    return [message, context.route(Message("report"), "uk")]


def report_here(message: Message, context: MediationContext) -> list[Message]:
    return [message, Message("report")]


def reset(message: Message, context: MediationContext) -> Message:
    return context.reset_identity(message)


def borrow(message: Message, context: MediationContext) -> Message:
    return context.route(message.replace(identity=UserPrincipal("carol", "weather")), "uk")


def tell_and_fail(message: Message, context: MediationContext) -> Message:
    SENDERS[-1]("uk", "told")
    raise KeyError("day")


def tell(message: Message, context: MediationContext) -> Message:
    SENDERS[-1]("uk", "told")
    return message


def circle(message: Message, context: MediationContext) -> Message:
    return context.route(message, "uk" if context.destination == "requests" else "requests")


def mediated(*handlers: Callable[..., Any], uk: dict[str, Any] | None = None, **properties: str) -> dict[str, Any]:
    mediations = [{"handler": f"{__name__}:{each.__name__}", "properties": properties} for each in handlers]
    destinations = {"requests": {"mediations": mediations}, "uk": uk or {}, "fr": {}, "replies": {}}
    return {"weather": weather_bus(destinations=destinations)}


def mediated_as(
    handler: Callable[..., Any],
    *,
    bus: dict[str, Any] | None = None,
    uk: dict[str, Any] | None = None,
    requests: dict[str, Any] | None = None,
    **settings: Any,
) -> dict[str, Any]:
    """One mediation with settings of its own."""
    mediation = {"handler": f"{__name__}:{handler.__name__}", **settings}
    destinations = {
        "requests": {"mediations": [mediation], **(requests or {})},
        "uk": uk or {},
        "fr": {},
        "replies": {},
    }
    return {"weather": weather_bus(destinations=destinations, **(bus or {}))}


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """With importlib mode this file is no importable module: the configuration names it like any other."""
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


OPEN = {"roles": {"sender": ["Everyone"]}}


@pytest.mark.parametrize(
    ("run_as", "bus", "identity"),
    [
        ("server", {}, "server@weather"),
        ("server", {"mediation_user": "carol"}, "server@weather"),
        (None, {"mediation_user": "carol"}, "carol@weather"),
        (None, {}, "unauthenticated"),
        ("server", {"security": False}, "unauthenticated"),
    ],
)
def test_what_a_mediation_creates_is_from_whom_it_runs_as_and_the_original_stays_the_sender_s(
    tmp_path: Path, run_as: str | None, bus: dict[str, Any], identity: str
) -> None:
    with running(tmp_path, mediated_as(report, uk=OPEN, bus=bus, run_as=run_as)) as world:
        message_id = send(world)
        (created,) = world.peek("uk")
        assert str(created.identity) == identity
        (original,) = world.peek("requests")
        assert original.message_id == message_id != created.message_id
        assert str(original.identity) == ("alice@weather" if bus.get("security", True) else "unauthenticated")


@pytest.mark.parametrize("handler", [report, report_here])
def test_what_a_mediation_creates_needs_the_sender_role_of_the_mediation(
    tmp_path: Path, handler: Callable[..., Any]
) -> None:
    with running(tmp_path, mediated_as(handler)) as world:  # unauthenticated, and only who has authenticated may send
        send(world)
        assert (world.peek("uk"), world.peek("requests")) == ([], [])
        assert world.exceptions()[0].properties["exception_reason"] == "CF-BUS-020"


def test_a_reset_identity_is_the_one_that_is_seen_and_checked_from_there_on(tmp_path: Path) -> None:
    closed = {"inherit_defaults": False, "roles": {"sender": ["user:server"]}}
    settings = mediated_as(reset, uk=closed, run_as="server")
    settings["weather"]["destinations"]["requests"]["mediations"] += [
        {"handler": f"{__name__}:by_location", "properties": {"UK": "uk"}}
    ]
    with running(tmp_path, settings) as world:
        message_id = send(world)
        (message,) = world.peek("uk")
        assert (message.message_id, str(message.identity)) == (message_id, "server@weather")


def test_a_mediation_without_an_identity_resets_to_nobody(tmp_path: Path) -> None:
    with running(tmp_path, mediated(reset)) as world:
        send(world)
        assert str(world.peek("requests")[0].identity) == "unauthenticated"


def test_a_mediation_can_t_put_in_an_identity_that_is_not_its_own(tmp_path: Path) -> None:
    with running(tmp_path, mediated_as(borrow, run_as="server")) as world:
        send(world)
        assert str(world.peek("uk")[0].identity) == "alice@weather"


def test_what_does_not_match_the_selector_is_not_mediated_and_keeps_its_identity(tmp_path: Path) -> None:
    with running(tmp_path, mediated_as(reset, run_as="server", selector="vip = TRUE")) as world:
        send(world, properties={"vip": False})
        send(world, properties={"vip": True})
        send(world)
        identities = [str(message.identity) for message in world.peek("requests")]
        assert identities == ["alice@weather", "server@weather", "alice@weather"]


def test_a_later_mediation_s_selector_sees_what_an_earlier_one_has_made_of_it(tmp_path: Path) -> None:
    settings = mediated(stamp)
    settings["weather"]["destinations"]["requests"]["mediations"] += [
        {"handler": f"{__name__}:drop", "selector": "seen_by = 'requests'"}
    ]
    with running(tmp_path, settings) as world:
        send(world)
        assert (world.peek("requests"), world.exceptions()) == ([], [])


@pytest.mark.parametrize(("handler", "told"), [(tell, 1), (tell_and_fail, 0)])
def test_what_a_handler_sends_itself_is_one_unit_with_its_message(
    tmp_path: Path, handler: Callable[..., Any], told: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(tmp_path, mediated(handler)) as world:
        monkeypatch.setattr(f"{__name__}.SENDERS", SENDERS)
        SENDERS.append(world.connect("server").send)
        send(world)
        assert len(world.peek("uk")) == told
        assert len(world.exceptions()) == 1 - told
        SENDERS.pop()


def test_a_message_waits_for_a_full_destination_with_those_behind_it_and_counts_no_attempt(tmp_path: Path) -> None:
    settings = mediated(by_location, uk={"max_depth": 1}, UK="uk", FR="fr")
    with running(tmp_path, settings) as world:
        send(world)
        send(world)
        send(world, {"location": "FR"})
        assert (len(world.peek("uk")), world.exceptions()) == (1, [])
        for _ in range(5):
            world.advance(1.0)
            world.works.pump()
        assert (len(world.peek("uk")), world.peek("fr"), world.exceptions()) == (1, [], [])
        assert world.connect("alice").receive("uk", timeout=0) is not None
        world.advance(1.0)
        world.works.pump()
        assert (len(world.peek("uk")), len(world.peek("fr")), world.exceptions()) == (1, 1, [])


def test_a_message_that_stays_needs_no_second_place(tmp_path: Path) -> None:
    with running(tmp_path, mediated_as(stamp, requests={"max_depth": 1})) as world:
        send(world)
        assert len(world.peek("requests")) == 1


def test_a_failing_mediation_sends_to_the_exception_destination_of_its_destination(tmp_path: Path) -> None:
    with running(tmp_path, mediated_as(fail, requests={"exception_destination": "fr"})) as world:
        send(world)
        (message,) = world.peek("fr")
        assert message.properties["exception_reason"] == "CF-BUS-041"
        assert message.properties["exception_attempts"] == 3
        assert world.exceptions() == []


def test_without_an_exception_destination_it_stays_and_nothing_overtakes_it(tmp_path: Path) -> None:
    calls: list[str] = []

    def mend(message: Message, context: MediationContext) -> Message:
        calls.append(message.body["location"])
        if message.body["location"] == "Atlantis" and len(calls) < 6:
            raise KeyError("day")
        return message

    sys.modules[__name__].mend = mend  # type: ignore[attr-defined]
    with running(tmp_path, mediated_as(mend, requests={"exception_destination": "none"})) as world:
        send(world, {"location": "Atlantis"})
        send(world)
        assert calls == ["Atlantis"] * 3  # the first and two more; then a pause, not a busy loop
        world.advance(29.9)
        assert world.works.pump() == 0
        for _ in range(3):
            world.advance(30.0)
            world.works.pump()
        assert calls == ["Atlantis"] * 6 + ["UK"]
        assert world.exceptions() == []
        assert [message.body["location"] for message in world.peek("requests")] == ["Atlantis", "UK"]


def test_a_mediation_keeps_what_is_done_for_its_message(tmp_path: Path) -> None:
    with running(tmp_path, mediated(by_location, UK="uk")) as world:
        send(world, reliability="express")
        assert not world.peek("uk")[0].persistent
    with running(tmp_path, mediated(by_location, UK="uk")) as world:
        assert world.peek("uk") == []


def test_a_delayed_message_is_mediated_when_it_is_due(tmp_path: Path) -> None:
    with running(tmp_path, mediated(by_location, UK="uk")) as world:
        send(world, delay=60.0)
        assert world.peek("uk") == []
        world.advance(60.0)
        world.works.pump()
        assert len(world.peek("uk")) == 1


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        (mediated_as(drop, selector="location ="), "CF-BUS-178"),
        (mediated_as(drop, run_as="mallory"), "CF-BUS-004"),
        (mediated_as(drop, bus={"mediation_user": "mallory"}), "CF-BUS-004"),
        (mediated_as(drop, requests={"exception_destination": "nowhere"}), "CF-BUS-177"),
        (mediated_as(drop, requests={"exception_destination": "requests"}), "CF-BUS-177"),
        (mediated_as(drop, requests={"reliability": "certain"}), "CF-BUS-176"),
    ],
)
def test_settings_that_can_t_work_are_told_before_anything_starts(
    tmp_path: Path, settings: dict[str, Any], code: str
) -> None:
    with pytest.raises(ConfigError) as caught, running(tmp_path, settings):
        pass
    assert [problem.code for problem in caught.value.problems] == [code]
