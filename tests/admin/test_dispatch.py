"""Requests to a running container: login, role, operation, audit."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from support_admin import MARKER, AdminWorld, FakeStore, ReadOnlyRegistry

from connector.admin.dispatch import Dispatcher
from connector.spi import Outcome


@pytest.fixture
def world(tmp_path: Path) -> AdminWorld:
    return AdminWorld(tmp_path)


def ask(world: AdminWorld, operation: Any, login: tuple[str, str] | None = None, **arguments: Any) -> dict[str, Any]:
    plain = None if login is None else {"user": login[0], "password": login[1]}
    request = {"version": 1, "operation": operation, "arguments": arguments, "login": plain}
    return Dispatcher(world.target, world.container.audit).answer(request, uid=0, abandoned=lambda: False)


def code(answer: dict[str, Any]) -> str:
    return str(answer["error"]["code"])


def test_a_monitor_may_explain_and_the_audit_log_says_who_it_was(world: AdminWorld) -> None:
    answer = ask(world, "explain", ("monty", "look"), reference="orders:jdbc/ledger", caller="alice")
    assert answer["result"]["answer"] == "ledger"
    (event,) = world.container.audit.events
    assert (event.action, event.who, event.outcome) == ("admin.explain", "monty@test", Outcome.SUCCESS)
    told = {"reference": "orders:jdbc/ledger", "caller": "alice", "roles": ["monitor"]}
    assert event.details == {"uid": 0, **told}


def test_a_request_without_login_is_refused_and_audited(world: AdminWorld) -> None:
    assert code(ask(world, "explain", reference="r")) == "CF-ADM-020"
    assert world.container.audit.events[0].outcome is Outcome.DENIED
    assert world.container.audit.events[0].reason == "CF-ADM-020"


def test_a_wrong_password_is_refused_and_nobody_is_named_as_proven(world: AdminWorld) -> None:
    assert code(ask(world, "explain", ("boss", "guess"), reference="r")) == "CF-TEST-ADM-001"
    (event,) = world.container.audit.events
    assert event.who == "boss (unproven)"
    assert "guess" not in repr(event)


def test_a_monitor_may_not_change_a_user(world: AdminWorld) -> None:
    assert code(ask(world, "users.add", ("monty", "look"), user="eve", password="x")) == "CF-ADM-021"
    assert not world.registry.user_exists("eve")


def test_an_administrator_adds_a_user_and_no_password_leaves_a_trace(
    world: AdminWorld, caplog: pytest.LogCaptureFixture
) -> None:
    answer = ask(world, "users.add", ("boss", MARKER), user="eve", password=MARKER, groups=["staff"])
    assert answer == {"result": {"user": "eve", "groups": ["staff"]}}
    assert world.registry.passwords["eve"].reveal() == MARKER
    assert MARKER not in repr((answer, world.container.audit.events, caplog.text))


def test_a_changed_alias_is_in_force_at_once(world: AdminWorld) -> None:
    answer = ask(world, "auth-data.set", ("boss", MARKER), alias="ledger", user="batch", password="p")
    assert answer["result"] == {
        "alias": "ledger", "user": "batch", "version": 1, "running": True, "changed": ["ledger"]
    }  # fmt: skip
    assert world.container.refreshes == 1


def test_listed_aliases_carry_no_password(world: AdminWorld) -> None:
    ask(world, "auth-data.set", ("boss", MARKER), alias="ledger", user="batch", password=MARKER, description="d")
    answer = ask(world, "auth-data.list", ("monty", "look"))
    assert answer["result"] == [{"alias": "ledger", "user": "batch", "description": "d", "version": 1}]


@pytest.mark.parametrize(("operation", "key"), [("users.remove", "user"), ("auth-data.remove", "alias")])
def test_removing_what_is_not_there_is_an_error(world: AdminWorld, operation: str, key: str) -> None:
    assert code(ask(world, operation, ("boss", MARKER), **{key: "nobody"})) in {"CF-ADM-042", "CF-ADM-043"}


def test_a_registry_that_lives_elsewhere_is_not_changed_from_here(world: AdminWorld) -> None:
    world.registry = ReadOnlyRegistry()
    assert code(ask(world, "users.remove", ("boss", MARKER), user="alice")) == "CF-ADM-040"
    assert ask(world, "users.list", ("boss", MARKER))["result"] == [{"user": "alice", "groups": []}]


def test_a_read_only_store_is_not_changed(world: AdminWorld) -> None:
    world.store = FakeStore(read_only=True)
    assert code(ask(world, "auth-data.rotate-key", ("boss", MARKER))) == "CF-ADM-041"


def test_on_the_bus_the_caller_is_the_one_who_logs_in_and_the_bus_checks_it(world: AdminWorld) -> None:
    ask(world, "bus.send", ("alice", "wonder"), bus="weather", destination="q", body={"a": 1})
    assert world.container.bus.users == ["alice"]
    assert code(ask(world, "bus.send", ("alice", "guess"), bus="weather", destination="q")) == "CF-TEST-ADM-001"
    assert len(world.container.bus.queues["q"]) == 1


def test_an_unknown_operation_is_refused_with_a_suggestion(world: AdminWorld) -> None:
    answer = ask(world, "explian", ("boss", MARKER))
    assert code(answer) == "CF-ADM-031"
    assert "'explain'" in answer["error"]["text"]


def test_another_protocol_version_is_refused(world: AdminWorld) -> None:
    dispatcher = Dispatcher(world.target, world.container.audit)
    answer = dispatcher.answer({"version": 2, "operation": "status"}, uid=0, abandoned=lambda: False)
    assert code(answer) == "CF-ADM-032"


@pytest.mark.parametrize(
    ("arguments", "found"),
    [({}, "missing"), ({"reference": 5}, "int"), ({"reference": ["x"]}, "list")],
)
def test_wrong_arguments_are_named_by_type_and_never_by_value(
    world: AdminWorld, arguments: dict[str, Any], found: str
) -> None:
    answer = ask(world, "explain", ("boss", MARKER), **arguments)
    assert code(answer) == "CF-ADM-030"
    assert found in answer["error"]["text"]


def test_an_empty_argument_is_called_that(world: AdminWorld) -> None:
    answer = ask(world, "explain", ("boss", MARKER), reference="")
    assert code(answer) == "CF-ADM-580"
    assert answer["error"]["text"] == "reference is empty."


@pytest.mark.parametrize("login", ["text", 5, ["boss", MARKER]])
def test_a_login_of_a_wrong_shape_is_no_login(world: AdminWorld, login: Any) -> None:
    dispatcher = Dispatcher(world.target, world.container.audit)
    request = {"version": 1, "operation": "status", "arguments": {}, "login": login}
    assert code(dispatcher.answer(request, uid=0, abandoned=lambda: False)) == "CF-ADM-020"


def test_a_defect_tells_its_type_and_not_its_text(world: AdminWorld, caplog: pytest.LogCaptureFixture) -> None:
    world.container.defect = ValueError(f"cannot parse {MARKER}")
    with caplog.at_level(logging.DEBUG):
        answer = ask(world, "explain", ("boss", MARKER), reference="r")
    assert code(answer) == "CF-ADM-001"
    assert "ValueError" in answer["error"]["text"]
    assert MARKER not in repr(answer) + caplog.text + repr(world.container.audit.events)
    assert world.container.audit.events[0].outcome is Outcome.FAILURE


def test_an_open_container_needs_no_login(tmp_path: Path) -> None:
    world = AdminWorld(tmp_path, security=False)
    assert ask(world, "status")["result"]["name"] == "weather"
    assert ask(world, "users.passwd", user="alice", password="new")["result"] == {"user": "alice"}


def test_a_receive_that_nobody_waits_for_takes_no_message(world: AdminWorld) -> None:
    ask(world, "bus.send", bus="weather", destination="q", body="kept")
    request = {"version": 1, "operation": "bus.receive", "login": None}
    arguments = {"bus": "weather", "destination": "q", "timeout": 60}
    dispatcher = Dispatcher(world.target, world.container.audit)
    answer = dispatcher.answer({**request, "arguments": arguments}, uid=0, abandoned=lambda: True)
    assert answer == {"result": None}
    assert len(world.container.bus.queues["q"]) == 1


def test_a_receive_ends_after_its_timeout(world: AdminWorld) -> None:
    assert ask(world, "bus.receive", bus="weather", destination="q", timeout=2) == {"result": None}


def test_a_body_of_bytes_arrives_as_base64(world: AdminWorld) -> None:
    ask(world, "bus.send", bus="weather", destination="q", body="x")
    world.container.bus.queues["q"][0] = world.container.bus.queues["q"][0].replace(body=b"\x00\xff")
    assert ask(world, "bus.browse", bus="weather", destination="q")["result"][0]["body"] == {"base64": "AP8="}


@pytest.mark.parametrize("timeout", [-1, 1e9, float("nan"), "5", True, None])
def test_a_timeout_that_is_no_sensible_number_is_refused(world: AdminWorld, timeout: Any) -> None:
    assert code(ask(world, "bus.receive", bus="w", destination="q", timeout=timeout)) == "CF-ADM-030"
