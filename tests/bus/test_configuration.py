"""The `[buses]` section: every mistake named by its key path, nothing half started (CONF-1, BUS-2, BUS-3)."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from support_bus import FakeIdentity, running, start_world, weather_bus

import connector_bus
from connector.errors import ConfigError, NameNotFound
from connector_bus.adapter.configuration import read_buses
from connector_bus.policy.roles import Role


def problems_of(bus: dict[str, Any], *, admin_security: bool = True) -> list[tuple[str, str]]:
    with pytest.raises(ConfigError) as caught:
        read_buses({"weather": bus}, FakeIdentity(security_enabled=admin_security))
    return [(problem.code, problem.key_path) for problem in caught.value.problems]


def test_all_mistakes_are_reported_at_once_with_their_key_paths() -> None:
    bus = weather_bus(
        roles={"connector": ["alice"], "sender": ["user:alice"]},
        identity_assertion=["group:clients"],
        destinations={
            "a": {"type": "tank", "roles": {"creator": ["user:alice"]}},
            "b.c": {"mediations": ["nothing", {"properties": {}}]},
            "_TEMP.reply.x": {},
        },
    )
    assert problems_of(bus) == [
        ("CF-BUS-003", "buses.weather.roles.connector[0]"),
        ("CF-BUS-002", "buses.weather.roles.sender"),
        ("CF-BUS-001", "buses.weather.destinations.a.type"),
        ("CF-BUS-002", "buses.weather.destinations.a.roles.creator"),
        ("CF-BUS-008", 'buses.weather.destinations."b.c".mediations[0]'),
        ("CF-BUS-008", 'buses.weather.destinations."b.c".mediations[1]'),
        ("CF-BUS-009", 'buses.weather.destinations."_TEMP.reply.x"'),
        ("CF-BUS-005", "buses.weather.identity_assertion[0]"),
    ]


def test_an_impossible_role_is_refused_with_what_is_possible() -> None:
    with pytest.raises(ConfigError, match="browser, receiver, sender"):
        read_buses({"w": weather_bus(destinations={"q": {"roles": {"creator": []}}})}, FakeIdentity())


def test_a_grant_to_an_unknown_user_or_group_is_refused() -> None:
    bus = weather_bus(roles={"connector": ["user:nobody", "group:nothing", "user:alice", "group:clients"]})
    assert problems_of(bus) == [
        ("CF-BUS-004", "buses.weather.roles.connector[0]"),
        ("CF-BUS-004", "buses.weather.roles.connector[1]"),
    ]


@pytest.mark.parametrize(("security", "admin_security"), [(False, True), (True, False)])
def test_without_security_in_force_the_registry_is_not_asked(security: bool, admin_security: bool) -> None:
    bus = weather_bus(security=security, roles={"connector": ["user:nobody"]})
    assert "weather" in read_buses({"weather": bus}, FakeIdentity(security_enabled=admin_security))


def test_a_default_role_that_is_not_given_stays_with_all_authenticated() -> None:
    bus = weather_bus(default_roles={"sender": ["group:clients"], "receiver": None})
    defaults = read_buses({"weather": bus}, FakeIdentity())["weather"].defaults
    assert {role: [str(holder) for holder in holders] for role, holders in defaults.items()} == {
        Role.SENDER: ["group:clients"],
        Role.RECEIVER: ["AllAuthenticated"],
        Role.BROWSER: ["AllAuthenticated"],
        Role.CREATOR: ["AllAuthenticated"],
    }


@pytest.mark.parametrize(
    ("handler", "code"),
    [
        ("no_such_module:f", "CF-BUS-006"),
        ("json:no_such_function", "CF-BUS-006"),
        ("json:__name__", "CF-BUS-007"),
    ],
)
def test_a_mediation_that_can_t_be_used_stops_the_start(tmp_path: Path, handler: str, code: str) -> None:
    with pytest.raises(ConfigError) as caught:
        start_world(tmp_path, {"weather": weather_bus(destinations={"q": {"mediations": [handler]}})})
    assert caught.value.code == code
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_bus_is_named_with_the_known_ones(tmp_path: Path) -> None:
    with running(tmp_path) as world, pytest.raises(NameNotFound, match=r"CF-BUS-016.*there are: weather"):
        world.factory("whether")


@pytest.mark.parametrize(
    ("security", "admin_security", "words"),
    [(False, True, "is not secured"), (True, False, "has no effect"), (True, True, None)],
)
def test_every_start_of_an_open_bus_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, security: bool, admin_security: bool, words: str | None
) -> None:
    with running(tmp_path, {"weather": weather_bus(security=security)}, admin_security=admin_security):
        pass
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert (not warnings) if words is None else (words in warnings[0])


def test_the_descriptor_declares_what_the_adapter_reads() -> None:
    descriptor = tomllib.loads((Path(connector_bus.__file__).parent / "ra.toml").read_text())
    bus = descriptor["sections"]["buses"]["properties"]["*"]["properties"]
    assert set(bus) == {
        "security",
        "exception_destination",
        "mediation_user",
        "identity_assertion",
        "store",
        "store_url",
        "store_user",
        "store_password",
        "store_lease",
        "permitted_chains",
        "engine",
        "inter_engine_alias",
        "bootstrap",
        "nominated",
        "members",
        "roles",
        "default_roles",
        "destinations",
        "kept_roles",
        "foreign_buses",
        "link_socket",
        "temporary_prefixes",
        "unique_names",
    }
    assert set(bus["destinations"]["properties"]["*"]["properties"]) == {
        "type",
        "inherit_defaults",
        "roles",
        "mediations",
        "max_redeliveries",
        "exception_destination",
        "reliability",
        "max_depth",
        "send_timeout",
        "max_message_size",
        "target",
        "bus",
        "check",
        "topic_checks",
        "port",
        "topics",
    }
    assert set(descriptor["commands"]) == {
        "show",
        "messages",
        "explain",
        "diff",
        "exceptions",
        "exception",
        "replay",
        "discard",
        "subscriptions",
        "subscription",
        "delete_subscription",
        "links",
        "link",
        "link_start",
        "link_stop",
        "route",
    }
