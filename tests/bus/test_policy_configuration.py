"""Roles of all types in `[buses]`: read into the policy, each mistake with its key path (BUS-2..7, BUS-9, BUS-13)."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from support_bus import FakeIdentity, running

from connector.errors import ConfigError
from connector.spi import Subject
from connector_bus.adapter.configuration import policy_definition, read_buses
from connector_bus.policy.compiled import CompiledPolicy
from connector_bus.policy.roles import Role

ALICE = Subject.of_user("alice", "weather", ["clients"])
BOB = Subject.of_user("bob", "weather")

WHOLE = """
[roles]
connector = ["group:clients"]
[default_roles]
creator = ["group:clients"]
[destinations.orders]
roles = { sender = ["user:bob"] }
[destinations.front]
type = "alias"
target = "orders"
check = "alias"
inherit_defaults = false
roles = { sender = ["user:alice"] }
[destinations.news]
type = "topic-space"
[destinations.news.topics."/"]
inherit_sender = false
roles = { sender = ["user:bob"] }
[destinations.news.topics."sports/football"]
roles = { sender = ["group:clients"] }
[destinations.rumours]
type = "topic-space"
topic_checks = false
[destinations.paris]
type = "foreign-destination"
bus = "france"
target = "forecasts"
roles = { sender = ["user:alice"] }
[destinations.abroad]
type = "alias"
target = "nice"
bus = "france"
check = "target"
[destinations.web]
type = "port"
port = { url = "https://weather.example/" }
inherit_defaults = false
[foreign_buses.france]
roles = { sender = ["user:bob"] }
[temporary_prefixes.ORDERS]
inherit_defaults = false
roles = { creator = ["user:alice"], sender = ["user:bob"] }
[kept_roles.later]
inherit_defaults = false
roles = { receiver = ["user:alice"] }
[kept_roles.orders]
roles = { browser = ["group:clients"] }
"""


def compiled(text: str) -> CompiledPolicy:
    identity = FakeIdentity()
    buses = read_buses({"weather": tomllib.loads(text)}, identity)
    return CompiledPolicy(policy_definition(buses["weather"], identity))


def problems(text: str) -> list[tuple[str, str]]:
    with pytest.raises(ConfigError) as caught:
        read_buses({"weather": tomllib.loads(text)}, FakeIdentity())
    return [(problem.code, problem.key_path.removeprefix("buses.weather.")) for problem in caught.value.problems]


def test_all_types_are_read_into_the_policy() -> None:
    policy = compiled(WHOLE)
    assert [policy.decide(who, Role.CONNECTOR) for who in (ALICE, BOB)] == [True, False]
    assert [policy.decide(who, Role.SENDER, "front") for who in (ALICE, BOB)] == [True, False]
    assert [policy.decide(who, Role.SENDER, "web") for who in (ALICE, BOB)] == [False, False]
    assert [policy.decide(who, Role.SENDER, "news", "sports") for who in (ALICE, BOB)] == [False, True]
    assert policy.decide(ALICE, Role.SENDER, "news", "sports/football/uk")
    assert policy.decide(BOB, Role.RECEIVER, "news", "sports")
    assert policy.decide(ALICE, Role.SENDER, "rumours", "any")
    assert [policy.decide_foreign(who, "france", "forecasts") for who in (ALICE, BOB)] == [True, False]
    assert [policy.decide(who, Role.SENDER, "abroad") for who in (ALICE, BOB)] == [False, True]
    assert [policy.decide_prefix(who, Role.CREATOR, "ORDERS") for who in (ALICE, BOB)] == [True, False]
    assert [policy.decide_prefix(who, Role.CREATOR, "OTHER") for who in (ALICE, BOB)] == [True, False]


def test_roles_that_are_kept_wait_for_their_destination_and_are_added_to_its_own() -> None:
    before = compiled(WHOLE)
    assert [before.decide(who, Role.RECEIVER, "later") for who in (ALICE, BOB)] == [True, False]
    after = compiled(WHOLE + '[destinations.later]\nroles = { receiver = ["user:bob"] }\n')
    assert [after.decide(who, Role.RECEIVER, "later") for who in (ALICE, BOB)] == [True, True]
    assert not after.decide(ALICE, Role.SENDER, "later"), "it is closed from its first day"
    opened = compiled(WHOLE + "[destinations.later]\ninherit_defaults = true\n")
    assert opened.decide(ALICE, Role.SENDER, "later")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[destinations.a]\ntype = "tank"', [("CF-BUS-001", "destinations.a.type")]),
        (
            '[destinations.a]\ntype = "topic-space"\nroles = { browser = [] }',
            [("CF-BUS-002", "destinations.a.roles.browser")],
        ),
        (
            '[destinations.a]\nbus = "f"\ntype = "foreign-destination"\nroles = { receiver = [] }\n[foreign_buses.f]',
            [("CF-BUS-100", "destinations.a.roles.receiver")],
        ),
        (
            "[foreign_buses.f]\nroles = { receiver = [], creator = [] }",
            [("CF-BUS-100", "foreign_buses.f.roles.receiver"), ("CF-BUS-002", "foreign_buses.f.roles.creator")],
        ),
        ('[destinations.a]\ntype = "alias"', [("CF-BUS-101", "destinations.a")]),
        (
            '[destinations.a]\ntype = "foreign-destination"',
            [("CF-BUS-101", "destinations.a")],
        ),
        ('[destinations.a]\ntype = "alias"\ntarget = "b"', [("CF-BUS-102", "destinations.a.target")]),
        (
            '[destinations.a]\ntype = "alias"\ntarget = "b"\n[destinations.b]\ntype = "alias"\ntarget = "a"',
            [("CF-BUS-102", "destinations.a.target"), ("CF-BUS-102", "destinations.b.target")],
        ),
        ('[destinations.a]\ntype = "alias"\ntarget = "b"\nbus = "mars"', [("CF-BUS-103", "destinations.a.bus")]),
        (
            '[destinations.a]\ntarget = "b"\ntopics = {}\ncheck = "both"',
            [("CF-BUS-104", f"destinations.a.{key}") for key in ("target", "check", "topics")],
        ),
        (
            '[destinations.a]\ntype = "topic-space"\n[destinations.a.topics."a//b"]\n[destinations.a.topics."a/*"]',
            [("CF-BUS-105", 'destinations.a.topics."a//b"'), ("CF-BUS-105", 'destinations.a.topics."a/*"')],
        ),
        (
            '[destinations.a]\ntype = "topic-space"\n[destinations.a.topics.x.roles]\nbrowser = []',
            [("CF-BUS-002", "destinations.a.topics.x.roles.browser")],
        ),
        (
            '[destinations.a]\nbus = "f"\ntype = "foreign-destination"\ninherit_defaults = true\n[foreign_buses.f]',
            [("CF-BUS-106", "destinations.a.inherit_defaults")],
        ),
        (
            '[destinations.a]\nbus = "f"\ntarget = "b"\ntype = "foreign-destination"\n'
            '[destinations.b]\nbus = "f"\ntype = "foreign-destination"\n[foreign_buses.f]',
            [("CF-BUS-107", "destinations.b")],
        ),
        (
            '[destinations.q]\n[destinations.a]\ntype = "alias"\ntarget = "q"\ncheck = "neither"',
            [("CF-BUS-108", "destinations.a.check")],
        ),
        ("[foreign_buses.weather]", [("CF-BUS-110", "foreign_buses.weather")]),
        ('[temporary_prefixes.""]', [("CF-BUS-111", 'temporary_prefixes.""')]),
        ("[temporary_prefixes._TEMP]", [("CF-BUS-111", "temporary_prefixes._TEMP")]),
        ("[temporary_prefixes.x.roles]\nreceiver = []", [("CF-BUS-002", "temporary_prefixes.x.roles.receiver")]),
        ('[destinations.a]\n[kept_roles.a]\ntype = "port"', [("CF-BUS-112", "kept_roles.a.type")]),
        ("[default_roles]\nconnector = []", [("CF-BUS-002", "default_roles.connector")]),
        ('[foreign_buses.f.roles]\nsender = ["user:zoe"]', [("CF-BUS-004", "foreign_buses.f.roles.sender[0]")]),
        (
            '[roles]\nconnector = [{ user = "zoe", unique_name = "1" }, { user = "alice" }]',
            [("CF-BUS-004", "roles.connector[0]"), ("CF-BUS-003", "roles.connector[1]")],
        ),
    ],
)
def test_every_mistake_has_its_code_and_key_path(text: str, expected: list[tuple[str, str]]) -> None:
    assert problems(text) == expected


def test_a_running_bus_has_its_prefixes_and_other_buses_in_the_policy(tmp_path: Path) -> None:
    bus = {"temporary_prefixes": {"X": {"inherit_defaults": False}}, "foreign_buses": {"f": {"roles": None}}}
    with running(tmp_path, {"weather": bus}) as world:
        policy = world.adapter._buses["weather"].access.policy
        assert not policy.decide_prefix(ALICE, Role.CREATOR, "X")
        assert not policy.decide_foreign(ALICE, "f", "x")
