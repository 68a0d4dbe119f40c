"""`connector realms`, and `connector users` in several realms and on a container that keeps answers (FLOW-3)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from support_admin import AdminWorld, Commands, FakeRegistry

from connector.admin.dispatch import Dispatcher

MAPPED = [
    {
        "realm": "weather",
        "registry": "file",
        "own": True,
        "applications": ["orders"],
        "trusted_inbound": [],
        "group_cache": 0.0,
        "credential_cache": 60.0,
        "inbound_maps": [
            {
                "from": "partners",
                "unmapped": "refuse",
                "users": {"alice": ["*", "bob"]},
                "groups": {"buyers": "clients"},
            }
        ],
    }
]


@pytest.fixture
def mapped(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> Commands:
    """A container whose realm has an inbound map."""
    monkeypatch.setattr(type(commands.world.container), "realms_status", lambda _self: MAPPED)
    return commands


def test_the_realms_are_listed_for_people_with_what_they_keep(mapped: Commands) -> None:
    shown = mapped("realms", "list").stdout
    for text in ("weather (own)", "file", "orders", "partners", "60 s"):
        assert text in shown


def test_who_maps_to_a_user_is_answered(mapped: Commands) -> None:
    assert mapped.json("realms", "maps", "--to", "alice") == [
        {"kind": "user", "from": name, "of": "partners", "to": "alice", "realm": "weather"} for name in ("*", "bob")
    ]
    assert "Nobody is translated." in mapped("realms", "maps", "--to", "mallory").stdout
    assert [line["kind"] for line in mapped.json("realms", "maps")] == ["user", "user", "group"]


def test_a_caller_is_explained_and_needs_its_realm(commands: Commands) -> None:
    assert "=> alice" in commands("realms", "explain", "bob@partners").stdout
    wrong = commands("realms", "explain", "bob")
    assert (wrong.exit_code, "CF-ADM-096" in wrong.stderr) == (2, True)


def test_what_a_command_changes_of_a_user_is_heard_by_a_running_container(commands: Commands) -> None:
    world = AdminWorld(commands.world.container.state_folder, security=False)
    dispatcher = Dispatcher(world.target, world.container.audit)
    changes: tuple[tuple[str, dict[str, Any]], ...] = (
        ("users.add", {"user": "bob", "password": "pw"}),
        ("users.passwd", {"user": "bob", "password": "new"}),
        ("users.groups", {"user": "bob", "groups": ["staff"]}),
        ("users.remove", {"user": "bob"}),
        ("users.refresh", {"user": None}),
    )
    for operation, arguments in changes:
        request = {"version": 1, "operation": operation, "arguments": arguments, "login": None}
        assert "result" in dispatcher.answer(request, uid=0, abandoned=lambda: False), operation
    assert world.container.refreshed == [("bob", "test")] * 4 + [(None, None)]


def test_users_of_another_realm_are_administered_by_its_name(commands: Commands) -> None:
    partners = FakeRegistry()
    stores = replace(commands.world.stores, registries={"partners": lambda: partners})
    commands.world.profile = replace(commands.world.profile, stores=stores)
    added = commands("users", "add", "ann", "--realm", "partners", "--password-stdin", stdin="pw\n")
    assert added.exit_code == 0, added.stderr
    assert "ann" in partners.passwords
    assert "ann" not in commands.world.registry.passwords
    unknown = commands("users", "list", "--realm", "nowhere")
    assert (unknown.exit_code, "CF-ADM-097" in unknown.stderr) == (2, True)


def test_refreshing_users_has_a_meaning_on_a_running_container_only(commands: Commands) -> None:
    assert commands("users", "refresh").exit_code != 0
    assert commands.opened == []
