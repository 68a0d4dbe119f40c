"""Following a route over the links without sending, and what `check` says of links and ports (BUS-14, BUS-15)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support_bus import REALM, running, weather_bus
from support_links import ALIASES, Country, britain, france, hop, two_containers

from connector.errors import ConfigError, NameNotFound
from connector.spi import UNAUTHENTICATED, UserPrincipal

ALICE, BOB, CAROL = (str(UserPrincipal(name, REALM)) for name in ("alice", "bob", "carol"))


def stages(found: dict[str, Any]) -> list[tuple[Any, ...]]:
    return [(each["bus"], each["stage"], each["identity"], each["exists"], each["allowed"]) for each in found["stages"]]


def test_a_route_tells_both_stages_and_the_identity_at_each(tmp_path: Path) -> None:
    link = {"outbound_user": "carol"}
    with two_containers(tmp_path, here=link) as (here, there):
        found = here.command("route", destination="forecasts@france", user="alice")
        assert stages(found) == [
            ("britain", "sending", ALICE, True, True),
            ("france", "arriving", CAROL, True, True),
        ]
        assert found["arrives"] is True
        assert "allowed" in found["stages"][0]["rule"]
        assert found["stages"][1]["rule"] == ""  # why, is that bus's own affair
        assert (there.peek("forecasts"), here.world.audit.events) == ([], [])


def test_a_route_tells_where_a_message_would_be_stopped(tmp_path: Path) -> None:
    with two_containers(tmp_path) as (here, _):
        refused_here = here.command("route", destination="forecasts@france", user="bob")
        refused_there = here.command("route", destination="secrets@france", user="alice")
        missing = here.command("route", destination="nowhere@france", user="alice")
    assert [each["code"] for each in refused_here["stages"]] == ["CF-BUS-124", ""]
    assert [each["code"] for each in refused_there["stages"]] == ["", "CF-BUS-020"]
    assert (missing["stages"][1]["exists"], missing["stages"][1]["code"]) == (False, "CF-BUS-030")
    assert not any(each["arrives"] for each in (refused_here, refused_there, missing))


@pytest.mark.parametrize("user", ["alice", "bob"])
def test_a_route_says_what_becomes_of_the_message(tmp_path: Path, user: str) -> None:
    """What it says and what happens are the same, over two links."""
    buses = {
        "britain": britain(foreign_buses={"france": hop("france"), "spain": {"via": "france", **hop("x")}}),
        "france": france(
            foreign_buses={
                "britain": hop("britain"),
                "spain": hop("spain", senders=["user:alice"], outbound_user="carol"),
            }
        ),
        "spain": {**france(foreign_buses={"france": hop("france")}), "destinations": {"sun": {}}},
    }
    del buses["britain"]["foreign_buses"]["spain"]["link"]
    with running(tmp_path, buses, aliases=ALIASES) as world:
        here = Country(world, "britain")
        found = here.command("route", destination="sun@spain", user=user)
        here.send(user, "sun@spain", "x")
        arrived = Country(world, "spain").peek("sun")
    assert [each["bus"] for each in found["stages"]] == ["britain", "france", "spain"]
    assert [each["stage"] for each in found["stages"]] == ["sending", "passing on", "arriving"]
    assert found["arrives"] is bool(arrived) is (user == "alice")
    assert [str(each.identity) for each in arrived] == [CAROL] * len(arrived)
    assert found["stages"][-1]["identity"] == CAROL


def test_a_bus_that_is_away_is_told_as_such(tmp_path: Path) -> None:
    with two_containers(tmp_path, start_there=False) as (here, _):
        found = here.command("route", destination="forecasts@france", user="alice")
    assert [(each["stage"], each["code"]) for each in found["stages"]] == [
        ("sending", ""),
        ("unreachable", "CF-BUS-201"),
    ]
    assert found["arrives"] is False


def test_a_secured_bus_tells_nothing_to_an_engine_that_is_not_authenticated(tmp_path: Path) -> None:
    with two_containers(tmp_path, here={"alias": None}, there={"alias": None}) as (here, _):
        found = here.command("route", destination="forecasts@france", user="alice")
    assert [(each["stage"], each["exists"]) for each in found["stages"]] == [("sending", True), ("unreachable", None)]


def test_asking_leaves_the_links_own_session_alone(tmp_path: Path) -> None:
    with two_containers(tmp_path) as (here, there):
        here.send("alice", "forecasts@france", 1)
        here.command("route", destination="forecasts@france")
        here.send("alice", "forecasts@france", 2)
        assert [each.body for each in there.peek("forecasts")] == [1, 2]
        assert here.link("france")["state"] == "connected"


def test_nobody_in_particular_is_unauthenticated_on_a_route(tmp_path: Path) -> None:
    with two_containers(tmp_path) as (here, _):
        found = here.command("route", destination="replies")
    assert stages(found) == [("britain", "sending", str(UNAUTHENTICATED), True, False)]


def test_a_link_that_is_not_there_has_no_state(tmp_path: Path) -> None:
    with two_containers(tmp_path) as (here, _), pytest.raises(NameNotFound) as caught:
        here.link("spain")
    assert caught.value.code == "CF-BUS-215"


@pytest.mark.parametrize(
    ("bus", "codes"),
    [
        (britain(), set()),
        (britain(foreign_buses={"spain": {"roles": {}}}), {"CF-BUS-250"}),
        (britain(foreign_buses={"france": hop("france", alias=None)}), {"CF-BUS-251"}),
        (
            britain(security=False, foreign_buses={"france": hop("france", outbound_user="bob")}),
            {"CF-BUS-131", "CF-BUS-252"},
        ),
        (britain(destinations={"x": {"type": "foreign-destination", "bus": "france", "target": "no"}}), {"CF-BUS-254"}),
        (
            britain(destinations={"x": {"type": "foreign-destination", "bus": "france", "target": "forecasts"}}),
            set(),
        ),
    ],
)
def test_check_tells_of_links_that_lead_nowhere_or_that_nobody_guards(
    tmp_path: Path, bus: dict[str, Any], codes: set[str]
) -> None:
    with running(tmp_path, {"britain": bus, "france": france()}, aliases=ALIASES) as world:
        found = {each.reason.code for each in world.adapter.findings()}
        assert found - {"CF-BUS-135"} == codes  # that everybody may connect is another matter


@pytest.mark.parametrize(
    ("url", "found"),
    [("http://partner.example/", True), ("https://partner.example/", False), ("http://127.0.0.1:8080/", False)],
)
def test_check_tells_of_a_password_that_can_be_read_on_the_way(tmp_path: Path, url: str, *, found: bool) -> None:
    port = {"type": "port", "port": {"url": url, "alias": "service"}}
    with running(tmp_path, {"weather": weather_bus(destinations={"http": port})}) as world:
        assert ("CF-BUS-253" in {each.reason.code for each in world.adapter.findings()}) is found


@pytest.mark.parametrize(
    ("link", "code"),
    [
        ({"transport": "pigeon"}, "CF-BUS-216"),
        ({"transport": "local"}, "CF-BUS-217"),
        ({"exception_destination": "nowhere"}, "CF-BUS-219"),
        ({"topic_spaces": {"news": "nouvelles"}}, "CF-BUS-220"),
        ({"inbound_user": "mallory"}, "CF-BUS-004"),
    ],
)
def test_a_link_that_cannot_be_is_refused(tmp_path: Path, link: dict[str, Any], code: str) -> None:
    with pytest.raises(ConfigError) as caught, running(tmp_path, {"b": britain(foreign_buses={"f": hop("f", **link)})}):
        pass
    assert [each.code for each in caught.value.problems] == [code]


@pytest.mark.parametrize("via", ["nowhere", "spain", "portugal"])
def test_a_way_by_a_bus_without_link_is_refused(tmp_path: Path, via: str) -> None:
    ways = {"spain": {"via": via}, "portugal": {}}
    with pytest.raises(ConfigError) as caught, running(tmp_path, {"b": britain(foreign_buses=ways)}):
        pass
    assert [each.code for each in caught.value.problems] == ["CF-BUS-218"]
