"""What `connector check` says of who gets onto a bus and over which chains (CONF-4, CHAIN-2)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support_bus import FakeIdentity, running, weather_bus

from connector_bus.adapter.configuration import policy_definition, read_buses
from connector_bus.adapter.duties import duties
from connector_bus.adapter.posture_chains import chain_findings
from connector_bus.chains.settings import ChainSettings
from connector_bus.policy.compiled import CompiledPolicy

CODES = {f"CF-BUS-{number}" for number in range(135, 143)}


def found(tmp_path: Path, table: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    """The findings of a bus whose policy is that of the table."""
    with running(tmp_path) as world:
        identity = FakeIdentity()
        settings = read_buses({"weather": table}, identity)["weather"]
        world.adapter._buses["weather"].access.replace(CompiledPolicy(policy_definition(settings, identity)))
        return [
            (each.severity, each.reason.code, each.place, each.reason.text.format(**each.details))
            for each in world.adapter.findings()
            if each.reason.code in CODES
        ]


@pytest.mark.parametrize(("holder", "who"), [("Everyone", "no name"), ("AllAuthenticated", "each user")])
def test_a_connector_role_that_lets_all_in_is_reported(tmp_path: Path, holder: str, who: str) -> None:
    ((severity, code, place, text),) = found(tmp_path, weather_bus(roles={"connector": [holder]}))
    assert (severity, code, place) == ("warning", "CF-BUS-135", "buses.weather.roles.connector")
    assert who in text


def test_a_role_of_everyone_is_reported_where_it_is_held(tmp_path: Path) -> None:
    table = weather_bus(
        default_roles={"sender": ["Everyone"]},
        destinations={
            "n": {"type": "topic-space", "topics": {"sport/a": {"roles": {"receiver": ["Everyone"]}}}},
        },
    )
    places = [place for _, code, place, _ in found(tmp_path, table) if code == "CF-BUS-136"]
    assert places == ["buses.weather.default_roles", 'buses.weather.destinations.n.topics."sport/a"']


def test_grants_to_somebody_who_may_not_connect_are_a_note(tmp_path: Path) -> None:
    table = weather_bus(
        roles={"connector": ["group:clients"]},
        destinations={"q": {"roles": {"sender": ["user:bob", "user:alice", "group:forecasters", "group:clients"]}}},
    )
    told = [text for severity, code, _, text in found(tmp_path, table) if (severity, code) == ("note", "CF-BUS-137")]
    # alice is one of the clients
    assert [text.split(" holds")[0] for text in told] == ["group:forecasters", "user:bob"]
    assert "(sender on q)" in told[0]


def test_checks_that_are_off_are_a_note(tmp_path: Path) -> None:
    table = weather_bus(
        roles={"connector": ["group:clients"]},
        destinations={
            "q": {},
            "a": {"type": "alias", "target": "q", "check": "alias"},
            "n": {"type": "topic-space", "topic_checks": False},
        },
    )
    assert [(severity, code, place) for severity, code, place, _ in found(tmp_path, table)] == [
        ("note", "CF-BUS-139", "buses.weather.destinations.a.check"),
        ("note", "CF-BUS-138", "buses.weather.destinations.n.topic_checks"),
    ]


def test_whom_a_bus_trusts_with_what_is_told(tmp_path: Path) -> None:
    table = weather_bus(identity_assertion=["user:bob"], mediation_user="alice")
    with running(tmp_path, {"weather": table}) as world:
        told = [(duty.user, duty.place) for duty in world.adapter.duties()]
        assert told == [("bob", "buses.weather.identity_assertion"), ("alice", "buses.weather.mediation_user")]
        assert list(duties([])) == []


@pytest.mark.parametrize(
    ("chain", "permitted", "expected"),
    [
        (ChainSettings("plain", host="0.0.0.0"), "all", [("warning", "CF-BUS-140", "chains.plain")]),
        (ChainSettings("plain", host="127.0.0.1"), "all", [("note", "CF-BUS-140", "chains.plain")]),
        (ChainSettings("plain", host="localhost"), ["plain"], [("note", "CF-BUS-140", "chains.plain")]),
        (ChainSettings("plain", host="example.com"), ["plain"], [("warning", "CF-BUS-140", "chains.plain")]),
        (ChainSettings("plain"), "tls-only", [("warning", "CF-BUS-142", "chains.plain")]),
        (ChainSettings("plain", enabled=False), "all", []),
        (ChainSettings("safe", host="0.0.0.0", tls="node"), "tls-only", []),
        (
            ChainSettings("safe", tls="node"),
            ["other"],
            [("warning", "CF-BUS-141", "buses.weather.permitted_chains"), ("warning", "CF-BUS-142", "chains.safe")],
        ),
    ],
)
def test_chains_that_take_passwords_in_plain_text_or_nobody_are_reported(
    tmp_path: Path, chain: ChainSettings, permitted: Any, expected: list[tuple[str, str, str]]
) -> None:
    with running(tmp_path, {"weather": weather_bus(permitted_chains=permitted)}) as world:
        told = chain_findings([chain], world.adapter._buses.values())
        assert [(each.severity, each.reason.code, each.place) for each in told] == expected


def test_an_open_bus_asks_for_no_password_that_could_be_read(tmp_path: Path) -> None:
    with running(tmp_path, {"weather": weather_bus(security=False)}) as world:
        assert list(chain_findings([ChainSettings("plain", host="0.0.0.0")], world.adapter._buses.values())) == []
