"""Changed settings of a bus that runs: what is live, and what waits for a restart (CONF-8, BUS-12)."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from typing import Any

import pytest

from connector_bus.adapter.reconfiguration import LIVE_DESTINATION_KEYS, LIVE_KEYS, live_section, waiting

_BUS = tomllib.loads((files("connector_bus") / "ra.toml").read_text())["sections"]["buses"]["properties"]["*"][
    "properties"
]
_DESTINATION = _BUS["destinations"]["properties"]["*"]["properties"]

OLD: dict[str, Any] = {
    "b": {"security": True, "roles": {"connector": ["Server"]}, "destinations": {"q": {"type": "queue"}, "other": {}}}
}


def changed(**keys: Any) -> dict[str, Any]:
    """The section with other keys of the bus."""
    return {"b": {**OLD["b"], **keys}}


def test_what_is_live_is_declared() -> None:
    assert set(_BUS) >= LIVE_KEYS
    assert set(_DESTINATION) >= LIVE_DESTINATION_KEYS


@pytest.mark.parametrize("name", sorted(LIVE_KEYS))
def test_roles_are_live(name: str) -> None:
    new = changed(**{name: "other"})
    assert live_section(OLD, new) == new
    assert list(waiting(OLD, new)) == []


@pytest.mark.parametrize("name", sorted(set(_BUS) - LIVE_KEYS - {"destinations"}))
def test_everything_else_of_a_bus_waits_and_stays_as_it_was_started(name: str) -> None:
    new = changed(**{name: "other"})
    assert live_section(OLD, new) == OLD
    assert list(waiting(OLD, new)) == [f"buses.b.{name}"]


@pytest.mark.parametrize("name", sorted(_DESTINATION))
def test_a_destinations_roles_are_live_and_the_rest_of_it_waits(name: str) -> None:
    new = changed(destinations={**OLD["b"]["destinations"], "q": {"type": "queue", name: "other"}})
    live = name in LIVE_DESTINATION_KEYS
    assert live_section(OLD, new) == (new if live else OLD)
    assert list(waiting(OLD, new)) == ([] if live else [f"buses.b.destinations.q.{name}"])


def test_a_role_that_is_taken_out_is_gone() -> None:
    new = {"b": {name: value for name, value in OLD["b"].items() if name != "roles"}}
    assert live_section(OLD, new) == new


def test_what_is_new_is_live_as_a_whole() -> None:
    new = {**changed(destinations={**OLD["b"]["destinations"], "fresh.one": {"mediations": ["m:f"]}}), "c": {}}
    assert live_section(OLD, new) == new
    assert list(waiting(OLD, new)) == []


def test_what_is_gone_stays_until_the_next_start() -> None:
    new = {"b": {**OLD["b"], "destinations": {"q": {"type": "queue"}}}}
    assert live_section(OLD, new) == OLD
    assert list(waiting(OLD, new)) == ["buses.b.destinations.other"]
    assert live_section(OLD, {}) == OLD
    assert list(waiting(OLD, {})) == ["buses.b"]
