"""Trying changes out: who gains, who loses what; and `explain` and `diff` as commands (BUS-12, BUS-16)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from support_bus import running, weather_bus

from connector.errors import ConfigError, ConnectorError
from connector.spi import Subject
from connector_bus.policy.change import Change, changed
from connector_bus.policy.compiled import CompiledPolicy
from connector_bus.policy.definition import PolicyDefinition, ResourceGrants, TopicTree
from connector_bus.policy.difference import Person, difference
from connector_bus.policy.holders import ALL_AUTHENTICATED, EVERYONE, Holder, HolderKind
from connector_bus.policy.place import BUS_ITSELF, DEFAULT_RESOURCE, Assignment, Place, assignments, places
from connector_bus.policy.roles import ResourceType, Role


def diff(folder: Path, bus: dict[str, Any] | None = None, **arguments: Any) -> dict[str, Any]:
    with running(folder, {"weather": bus or weather_bus()}) as world:
        answer: dict[str, Any] = world.adapter.run_command("diff", {"bus": "weather", **arguments})
        return answer


def lines(answer: dict[str, Any]) -> list[tuple[str, str, list[str], list[str]]]:
    return [(each["place"]["name"], each["role"], each["gains"], each["loses"]) for each in answer["differences"]]


def test_a_grant_shows_who_gains(tmp_path: Path) -> None:
    closed = weather_bus(destinations={"uk": {"inherit_defaults": False}})
    change = {"grant": "group:clients", "role": "sender", "destination": "uk"}
    answer = diff(tmp_path, closed, changes=[change], users=["alice", "bob"])
    assert lines(answer) == [("uk", "sender", ["group:clients", "user:alice"], [])]


def test_a_withdrawal_shows_who_loses_and_not_who_may_by_another_way(tmp_path: Path) -> None:
    bus = weather_bus(
        destinations={
            "uk": {"inherit_defaults": False, "roles": {"sender": ["user:alice", "group:clients", "user:bob"]}}
        }
    )
    changes = [{"revoke": who, "role": "sender", "destination": "uk"} for who in ("user:alice", "user:bob")]
    assert lines(diff(tmp_path, bus, changes=changes)) == [("uk", "sender", [], ["user:bob"])]


def test_a_changed_default_is_seen_on_every_destination_that_inherits_it(tmp_path: Path) -> None:
    bus = weather_bus(destinations={"uk": {}, "closed": {"inherit_defaults": False}})
    answer = diff(tmp_path, bus, changes=[{"revoke": "AllAuthenticated", "role": "sender", "default": True}])
    lost = ["AllAuthenticated", "Server"]
    assert lines(answer) == [("uk", "sender", [], lost), ("", "sender", [], lost)]
    assert answer["differences"][1]["place"]["kind"] == "temporary prefix"


def test_the_connector_role_and_a_prefix_can_be_tried_as_well(tmp_path: Path) -> None:
    changes = [
        {"grant": "Everyone", "role": "connector"},
        {"grant": "Everyone", "role": "creator", "temporary_prefix": "X"},
    ]
    assert lines(diff(tmp_path, changes=changes)) == [
        ("", "connector", ["Everyone"], []),
        ("X", "creator", ["Everyone"], []),
    ]


def test_a_whole_proposed_table_of_all_types_is_compared_and_new_aliases_are_named(tmp_path: Path) -> None:
    proposed = weather_bus(
        destinations={
            "uk": {"inherit_defaults": False},
            "front": {"type": "alias", "target": "uk", "check": "alias", "roles": {"sender": ["user:bob"]}},
            "news": {"type": "topic-space", "topics": {"a": {"inherit_sender": False}}},
        }
    )
    answer = diff(tmp_path, proposed=proposed)
    assert ("uk", "sender", [], ["AllAuthenticated", "Server", "user:bob"]) in lines(answer)
    assert any(each["place"] == {"kind": "topic", "name": "news", "topic": "a"} for each in answer["differences"])
    assert answer["administrative_authority"] == [
        {"alias": "front", "target": "uk", "bus": "weather", "check": "alias"}
    ]
    json.dumps(answer)


def test_nothing_is_changed_by_trying(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        change = {"revoke": "AllAuthenticated", "role": "sender", "default": True}
        first = world.adapter.run_command("diff", {"bus": "weather", "changes": [change]})
        assert world.adapter.run_command("diff", {"bus": "weather", "changes": [change]}) == first
        world.connect("alice").send("uk", "x")
        assert world.adapter.run_command("diff", {"bus": "weather"})["differences"] == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"grant": "alice", "role": "sender", "destination": "uk"}, "CF-BUS-061"),
        ({"grant": "user:alice", "role": "owner", "destination": "uk"}, "CF-BUS-061"),
        ({"grant": "user:alice", "role": "creator", "destination": "uk"}, "CF-BUS-114"),
        ({"grant": "user:alice", "role": "sender", "foreign_bus": "mars"}, "CF-BUS-113"),
        ({"grant": "user:alice", "role": "sender", "foreign_bus": "mars", "destination": "x"}, "CF-BUS-061"),
        ({"grant": "user:alice", "role": "sender", "destination": "uk", "topic": "a"}, "CF-BUS-113"),
        ({"grant": "user:alice", "role": "sender", "destination": "nothing"}, "CF-BUS-030"),
    ],
)
def test_a_change_that_can_t_be_is_refused(tmp_path: Path, change: dict[str, Any], code: str) -> None:
    with pytest.raises(ConnectorError) as caught:
        diff(tmp_path, changes=[change])
    assert caught.value.code == code


def test_a_proposed_table_that_is_wrong_is_refused_with_its_key_path(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        diff(tmp_path, proposed=weather_bus(destinations={"q": {"roles": {"sender": ["user:zoe"]}}}))
    assert caught.value.problems[0].key_path == "buses.weather.destinations.q.roles.sender[0]"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"role": "connector", "user": "alice"}, "may alice@weather act as connector on bus weather?"),
        ({"role": "sender", "user": "alice", "destination": "_TEMP.reply"}, "on temporary prefix _TEMP.reply"),
        ({"role": "creator", "temporary_prefix": "X", "user": "alice"}, "on temporary prefix X on bus weather"),
        ({"role": "sender", "foreign_bus": "mars", "destination": "x"}, "x of bus mars"),
        ({"role": "sender", "foreign_bus": "mars"}, "on foreign bus mars"),
        ({"role": "sender", "destination": "uk", "topic": "a"}, "on topic a of uk"),
    ],
)
def test_explain_takes_every_kind_of_place(tmp_path: Path, arguments: dict[str, Any], words: str) -> None:
    with running(tmp_path) as world:
        answer = world.adapter.run_command("explain", {"bus": "weather", **arguments})
        assert words in answer["question"]
        assert (answer["in_force"], answer["policy_version"]) == (True, 1)
        json.dumps(answer)


ALICE, CLIENTS = Holder(HolderKind.USER, "alice"), Holder(HolderKind.GROUP, "clients")
START = PolicyDefinition(
    "bus",
    "weather",
    resources={
        "q": ResourceGrants(),
        "r": ResourceGrants(inherits=False),
        "news": ResourceGrants(ResourceType.TOPIC_SPACE, topics=TopicTree({})),
    },
    foreign_buses={"france": {}},
)
PEOPLE = [
    Person("user:alice", Subject.of_user("alice", "weather", ["clients"])),
    Person("user:bob", Subject.of_user("bob", "weather")),
    Person("Everyone", Subject.unauthenticated()),
]
PLACES = [
    (BUS_ITSELF, Role.CONNECTOR),
    (DEFAULT_RESOURCE, Role.SENDER),
    (Place(ResourceType.QUEUE, "q"), Role.SENDER),
    (Place(ResourceType.QUEUE, "r"), Role.RECEIVER),
    (Place(ResourceType.TOPIC_SPACE, "news"), Role.SENDER),
    (Place(ResourceType.TOPIC, "news", "a/b"), Role.SENDER),
    (Place(ResourceType.FOREIGN_BUS, "france"), Role.SENDER),
    (Place(ResourceType.TEMPORARY, "X"), Role.CREATOR),
]
CHANGES = st.builds(
    lambda grant, at, holder: Change(grant, Assignment(at[0], at[1], holder)),
    st.booleans(),
    st.sampled_from(PLACES),
    st.sampled_from([ALICE, CLIENTS, EVERYONE, ALL_AUTHENTICATED]),
)


@settings(
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink], suppress_health_check=[HealthCheck.too_slow]
)
@given(first=st.lists(CHANGES, max_size=6), second=st.lists(CHANGES, max_size=6))
def test_a_difference_is_what_the_two_policies_decide_differently_and_nothing_else(
    first: list[Change], second: list[Change]
) -> None:
    before, after = CompiledPolicy(changed(START, first)), CompiledPolicy(changed(START, [*first, *second]))
    told = {
        (each.place, each.role, name, gains)
        for each in difference(before, after, PEOPLE)
        for gains, names in ((True, each.gains), (False, each.loses))
        for name in names
    }
    expected = set()
    for place in {*places(before.definition), *places(after.definition)}:
        for role in Role:
            for person in PEOPLE:
                was = before.decide_at(person.subject, role, place)
                will = after.decide_at(person.subject, role, place)
                if was is not will:
                    expected.add((place, role, person.name, will))
    assert told == expected


@given(changes=st.lists(CHANGES, max_size=8))
def test_what_is_granted_is_there_and_what_is_revoked_is_gone(changes: list[Change]) -> None:
    last = {change.assignment: change.grant for change in changes}
    found = set(assignments(changed(START, changes)))
    assert {each for each, grant in last.items() if grant} <= found
    assert not {each for each, grant in last.items() if not grant} & found


def test_a_change_reads_as_a_sentence() -> None:
    change = Change(grant=True, assignment=Assignment(Place(ResourceType.TOPIC, "news", "a"), Role.SENDER, CLIENTS))
    assert str(change) == "grant sender on topic a of news for group:clients"
