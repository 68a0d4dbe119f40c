"""Failed messages are not read by everybody: how it is by default, and what `check` says where it isn't (BUS-11)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support_bus import running, weather_bus
from support_links import ALIASES, britain, france, hop

from connector.errors import AccessDenied
from connector_bus.policy.roles import Role

OWN = "_SYSTEM.Exception.Destination.weather"


def found(tmp_path: Path, **bus: Any) -> list[tuple[str, str, str]]:
    with running(tmp_path, {"weather": weather_bus(**bus)}) as world:
        findings = [each for each in world.adapter.findings() if each.reason.code == "CF-BUS-406"]
    return [(each.details["destination"], each.details["holders"], each.details["roles"]) for each in findings]


def test_by_default_nobody_reads_what_failed(tmp_path: Path) -> None:
    with running(tmp_path, {"weather": weather_bus()}) as world:
        access = world.adapter._buses["weather"].access
        for user in world.identity.users:
            for role in (Role.RECEIVER, Role.BROWSER, Role.SENDER):
                assert not access.allows(world.identity.assert_user(user), role, OWN)
        with pytest.raises(AccessDenied):
            world.connect("alice").receive(OWN, timeout=0)
    assert found(tmp_path) == []


def test_a_queue_that_inherits_is_told_when_failed_messages_go_there(tmp_path: Path) -> None:
    table: dict[str, dict[str, Any]] = {"failed": {}, "uk": {"exception_destination": "failed"}}
    assert found(tmp_path, destinations=table) == [("failed", "AllAuthenticated", "receive and browse")]
    table["failed"] = {"inherit_defaults": False}
    assert found(tmp_path, destinations=table) == []


@pytest.mark.parametrize(
    ("holder", "told"),
    [("Everyone", True), ("AllAuthenticated", True), ("user:carol", False), ("group:clients", False)],
)
def test_it_is_told_of_roles_for_all_and_not_of_those_for_somebody(tmp_path: Path, holder: str, *, told: bool) -> None:
    failed = {"inherit_defaults": False, "roles": {"browser": [holder]}}
    expected = [("failed", holder, "browse")] if told else []
    assert found(tmp_path, exception_destination="failed", destinations={"failed": failed, "uk": {}}) == expected


def test_the_default_roles_decide_who_inherits(tmp_path: Path) -> None:
    some = {"receiver": ["user:carol"], "browser": []}
    table: dict[str, Any] = {"failed": {}}
    expected = [("failed", "user:carol", "receive")]
    assert found(tmp_path, exception_destination="failed", destinations=table, default_roles=some) == expected


def test_those_that_aliases_and_links_name_are_looked_at(tmp_path: Path) -> None:
    here = britain(
        destinations={"failed": {}, "by-alias": {"type": "alias", "target": "failed"}},
        foreign_buses={"france": hop("france", exception_destination="failed")},
    )
    with running(tmp_path, {"britain": here, "france": france()}, aliases=ALIASES) as world:
        places = [each.place for each in world.adapter.findings() if each.reason.code == "CF-BUS-406"]
    assert places == ["buses.britain.destinations.failed"]


def test_a_bus_that_checks_no_role_has_its_own_finding(tmp_path: Path) -> None:
    table = {"failed": {}, "uk": {"exception_destination": "failed"}}
    assert found(tmp_path, security=False, destinations=table) == []
