"""What `connector check` says of a bus's policy: security without effect, holders that vanished, idle roles (BUS-3)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support_bus import FakeIdentity, running, weather_bus

from connector.errors import Reason
from connector.spi import PostureFinding
from connector_bus.adapter.configuration import policy_definition, read_buses
from connector_bus.policy.compiled import CompiledPolicy


def told(findings: Any) -> list[tuple[str, str, str]]:
    """Those of this page; wide roles and checks that are off have one of their own."""
    codes = {f"CF-BUS-{number}" for number in range(130, 135)}
    return [(each.severity, each.reason.code, each.place) for each in findings if each.reason.code in codes]


@pytest.mark.parametrize(
    ("security", "admin_security", "expected"),
    [
        (True, True, []),
        (True, False, [("error", "CF-BUS-130", "buses.weather.security")]),
        (False, True, [("warning", "CF-BUS-131", "buses.weather.security")]),
        (False, False, [("warning", "CF-BUS-131", "buses.weather.security")]),
    ],
)
def test_a_bus_that_is_open_is_reported(
    tmp_path: Path, security: bool, admin_security: bool, expected: list[tuple[str, str, str]]
) -> None:
    with running(tmp_path, {"weather": weather_bus(security=security)}, admin_security=admin_security) as world:
        assert told(world.adapter.findings()) == expected


def test_a_holder_that_has_vanished_since_the_start_is_reported_where_it_holds_a_role(tmp_path: Path) -> None:
    bus = weather_bus(destinations={"uk": {"roles": {"sender": ["user:bob", "group:forecasters"]}}})
    with running(tmp_path, {"weather": bus}) as world:
        assert told(world.adapter.findings()) == []
        del world.identity.users["bob"]
        (finding,) = [each for each in world.adapter.findings() if each.reason.code == "CF-BUS-132"]
        assert told([finding]) == [("warning", "CF-BUS-132", "buses.weather")]
        text = finding.reason.text.format(**finding.details)
        assert text.startswith("user:bob holds sender on uk of bus weather")


def test_roles_without_effect_are_reported(tmp_path: Path) -> None:
    roles = {"sender": ["user:bob"]}
    table = weather_bus(
        destinations={
            "q": {},
            "a": {"type": "alias", "target": "q", "check": "target", "roles": roles},
            "b": {"type": "alias", "target": "q", "check": "target"},
            "c": {"type": "alias", "target": "q", "roles": roles},
            "n": {"type": "topic-space", "topic_checks": False, "topics": {"x": {"roles": roles}}},
            "m": {"type": "topic-space", "topic_checks": False},
        }
    )
    with running(tmp_path) as world:
        identity = FakeIdentity()
        settings = read_buses({"weather": table}, identity)["weather"]
        world.adapter._buses["weather"].access.replace(CompiledPolicy(policy_definition(settings, identity)))
        assert told(world.adapter.findings()) == [
            ("warning", "CF-BUS-133", "buses.weather.destinations.a.roles"),
            ("warning", "CF-BUS-134", "buses.weather.destinations.n.topics"),
        ]


def test_a_finding_needs_no_details() -> None:
    assert dict(PostureFinding("note", Reason("CF-TESTPOLICY-001", "x", ""), "here").details) == {}
