"""`connector stop`, as far as no process is needed for it."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support_admin import AdminWorld

from connector.admin.commands.run import stop_signals
from connector.admin.commands.stop import wait_until_free
from connector.admin.dispatch import Dispatcher
from connector.container.state import StateFolder, is_in_use
from connector.errors import StateInUse


def ask_to_stop(world: AdminWorld, asked: threading.Event | None, user: str, password: str) -> dict[str, Any]:
    target = replace(world.target, stop=None if asked is None else asked.set)
    login = {"user": user, "password": password}
    request = {"version": 1, "operation": "stop", "arguments": {}, "login": login}
    return Dispatcher(target, world.container.audit).answer(request, uid=0, abandoned=lambda: False)


def test_an_operator_may_and_a_monitor_may_not(tmp_path: Path) -> None:
    world, asked = AdminWorld(tmp_path), threading.Event()
    assert ask_to_stop(world, asked, "monty", "look")["error"]["code"] == "CF-ADM-021"
    assert not asked.is_set()
    assert ask_to_stop(world, asked, "ops", "test") == {"result": {"stopping": world.container.name}}
    assert asked.is_set()
    assert [event.action for event in world.container.audit.events] == ["admin.stop", "admin.stop"]


def test_a_container_within_another_program_is_for_that_program_to_stop(tmp_path: Path) -> None:
    assert ask_to_stop(AdminWorld(tmp_path), None, "ops", "test")["error"]["code"] == "CF-ADM-550"


def test_whoever_asks_ends_the_wait_as_a_signal_does() -> None:
    asked = threading.Event()
    with stop_signals(asked) as wait_for_stop:
        threading.Thread(target=asked.set).start()
        wait_for_stop()


def test_a_folder_is_in_use_as_long_as_a_container_has_it(tmp_path: Path) -> None:
    assert not is_in_use(tmp_path)
    folder = StateFolder(tmp_path)
    folder.acquire()
    assert is_in_use(tmp_path)
    with pytest.raises(StateInUse, match="CF-ADM-551"):
        wait_until_free(tmp_path, "weather", patience=0)
    folder.release()
    wait_until_free(tmp_path, "weather", patience=0)
    folder.acquire()  # to look takes nothing away
    folder.release()
