"""What `connector check` says of routes: hops that aren't there, loops, and stages that nobody passes (BUS-15)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support_bus import World, running, start_world
from support_links import ALIASES, britain, france, hop, two_containers

Found = dict[str, dict[str, Any]]


def findings(world: World) -> Found:
    """By code, what is about routes."""
    found = {each.reason.code: dict(each.details) for each in world.adapter.findings()}
    return {code: details for code, details in found.items() if code == "CF-BUS-254" or code.startswith("CF-BUS-4")}


def checked(tmp_path: Path, here: dict[str, Any], **others: Any) -> Found:
    tmp_path.mkdir(exist_ok=True)
    with running(tmp_path, {"britain": here, "france": france(), **others}, aliases=ALIASES) as world:
        return findings(world)


def destination(target: str, *senders: str, bus: str = "france") -> dict[str, Any]:
    return {"type": "foreign-destination", "bus": bus, "target": target, "roles": {"sender": list(senders)}}


def alias(target: str, *senders: str, bus: str = "france", **more: Any) -> dict[str, Any]:
    return {"type": "alias", "bus": bus, "target": target, "roles": {"sender": list(senders)}, **more}


def test_routes_that_arrive_are_not_mentioned(tmp_path: Path) -> None:
    here = britain(destinations={"x": destination("forecasts", "user:alice"), "y": alias("forecasts", "user:alice")})
    assert checked(tmp_path, here) == {}


def test_an_alias_to_a_bus_without_link_leads_nowhere(tmp_path: Path) -> None:
    here = britain(destinations={"x": alias("sun", bus="spain")}, foreign_buses={"spain": {}})
    assert checked(tmp_path, here) == {"CF-BUS-402": {"destination": "x", "bus": "britain", "foreign_bus": "spain"}}


@pytest.mark.parametrize("make", [destination, alias])
def test_what_stands_for_nothing_is_told(tmp_path: Path, make: Any) -> None:
    here = britain(destinations={"x": make("nothing")})
    assert list(checked(tmp_path, here)) == ["CF-BUS-254"]


def test_a_bus_on_the_way_that_knows_no_way_on_is_told(tmp_path: Path) -> None:
    here = britain(
        destinations={"x": destination("sun", "user:alice", bus="spain")},
        foreign_buses={"france": hop("france"), "spain": {"via": "france"}},
    )
    (found,) = checked(tmp_path, here).items()
    assert found[0] == "CF-BUS-403"
    assert (found[1]["foreign_bus"], found[1]["place"], found[1]["code"]) == ("france", "sun@spain", "CF-BUS-030")


def test_a_loop_over_two_buses_is_told_by_both(tmp_path: Path) -> None:
    here = britain(destinations={"x": destination("y", "user:alice")})
    there = france(destinations={"y": destination("x", "user:alice", bus="britain")})
    with running(tmp_path, {"britain": here, "france": there}, aliases=ALIASES) as world:
        loops = [each.details["bus"] for each in world.adapter.findings() if each.reason.code == "CF-BUS-400"]
    assert loops == ["britain", "france"]


def test_a_second_stage_that_nobody_of_the_first_passes_is_told(tmp_path: Path) -> None:
    here = britain(destinations={"x": destination("secrets", "user:alice", "group:clients")})
    found = checked(tmp_path, here)["CF-BUS-401"]
    assert (found["foreign_bus"], found["place"], found["code"]) == ("france", "secrets", "CF-BUS-020")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (["user:alice"], ["user:alice"]),
        (["group:clients"], ["user:alice"]),  # she is a client
        (["group:clients"], ["group:forecasters"]),  # somebody may be both
        (["AllAuthenticated"], ["group:forecasters"]),
        (["user:alice", "user:bob"], ["user:bob"]),
        (["Everyone"], ["Everyone"]),
    ],
)
def test_a_second_stage_that_somebody_may_pass_is_not(tmp_path: Path, first: list[str], second: list[str]) -> None:
    here = britain(destinations={"x": destination("secrets", *first)})
    there = france(destinations={"secrets": {"inherit_defaults": False, "roles": {"sender": second}}})
    assert checked(tmp_path, here, france=there) == {}


@pytest.mark.parametrize(
    ("link", "refused"),
    [({"outbound_user": "bob"}, False), ({"outbound_user": "carol"}, True), ({}, True)],
)
def test_whom_a_link_makes_of_senders_is_what_counts(tmp_path: Path, link: dict[str, str], *, refused: bool) -> None:
    here = britain(
        destinations={"x": destination("secrets", "user:alice")}, foreign_buses={"france": hop("france", **link)}
    )
    there = france(destinations={"secrets": {"inherit_defaults": False, "roles": {"sender": ["user:bob"]}}})
    assert ("CF-BUS-401" in checked(tmp_path, here, france=there)) is refused


def test_an_alias_that_only_some_may_use_is_looked_at_with_those(tmp_path: Path) -> None:
    there = france(destinations={"secrets": {"inherit_defaults": False, "roles": {"sender": ["user:bob"]}}})
    here = britain(foreign_buses={"france": hop("france")})  # alice and bob
    here["destinations"] = {"x": alias("secrets", "user:alice")}
    assert "CF-BUS-401" in checked(tmp_path, here, france=there)
    here["destinations"] = {"x": alias("secrets", "user:alice", "user:bob")}
    assert checked(tmp_path / "other", here, france=there) == {}


@pytest.mark.parametrize(("senders", "certain"), [(["user:alice"], True), (["group:clients"], False)])
def test_of_a_bus_elsewhere_only_what_is_certain_is_told(tmp_path: Path, senders: list[str], *, certain: bool) -> None:
    """Who is a client is not known here; whether one of them is let in there is not told."""
    with two_containers(tmp_path, here={"destinations": {"x": destination("secrets", *senders)}}) as (here, _):
        assert ("CF-BUS-401" in findings(here.world)) is certain


def test_a_bus_that_cannot_be_asked_is_told_once_and_nothing_guessed(tmp_path: Path) -> None:
    names = {"x": destination("secrets", "user:alice"), "y": alias("nothing", "user:alice")}
    with two_containers(tmp_path, start_there=False, here={"destinations": names}) as (here, _):
        assert findings(here.world) == {"CF-BUS-404": {"bus": "britain", "foreign_bus": "france", "code": "CF-BUS-201"}}


def test_publications_for_a_topic_space_that_is_not_there_are_told(tmp_path: Path) -> None:
    here = britain(
        destinations={"news": {"type": "topic-space"}},
        foreign_buses={"france": hop("france", topic_spaces={"news": "nouvelles"})},
    )
    found = checked(tmp_path, here)["CF-BUS-405"]
    assert (found["destination"], found["target"], found["foreign_bus"]) == ("news", "nouvelles", "france")
    there = france(destinations={"nouvelles": {"type": "topic-space"}})
    assert checked(tmp_path / "other", here, france=there) == {}


def test_where_no_role_is_checked_a_message_is_nobodys_on_the_other_bus(tmp_path: Path) -> None:
    here = britain(security=False, destinations={"x": destination("forecasts")})
    there = france(destinations={"forecasts": {"inherit_defaults": False, "roles": {"sender": ["user:alice"]}}})
    assert "CF-BUS-401" in checked(tmp_path, here, france=there)


def test_whoever_has_vanished_is_asked_about_no_more(tmp_path: Path) -> None:
    here = britain(destinations={"x": destination("secrets", "user:alice", "user:bob")})
    there = france(destinations={"secrets": {"inherit_defaults": False, "roles": {"sender": ["user:bob"]}}})
    world = start_world(tmp_path, {"britain": here, "france": there}, aliases=ALIASES)
    try:
        assert findings(world) == {}
        del world.identity.users["bob"]
        assert "CF-BUS-401" in findings(world)
    finally:
        world.stop()
