"""Fixtures for the command line: a world behind the commands, and a way to run them in process."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from support_admin import AdminWorld, Commands
from support_container import ProfileFolder
from support_shop_commands import Shop

from connector.admin import route
from connector.admin.dispatch import Dispatcher
from connector.admin.endpoint import AdminEndpoint
from connector.security.audit import MemoryAuditLog


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Commands:
    """The command line on a profile where no container runs."""
    world, opened, audit = AdminWorld(tmp_path), [], MemoryAuditLog()

    def open_container(path: Path, *, handlers: bool, overrides: Any) -> Any:
        opened.append(path)
        return world.container

    for variable in (
        "CONNECTOR_CONFIG",
        "CONNECTOR_LOGIN",
        "CONNECTOR_LOGIN_PASSWORD_FILE",
        "CONNECTOR_PASSPHRASE_FILE",
        "CONNECTOR_DEBUG",
    ):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(route, "load_profile", lambda _path, _overrides, **_options: world.profile)
    monkeypatch.setattr(route, "open_container", open_container)
    monkeypatch.setattr(route, "open_audit", lambda _folder: audit)
    return Commands(world, opened, audit)


@pytest.fixture
def running(commands: Commands, tmp_path: Path) -> Iterator[AdminEndpoint]:
    """A running container on the profile of `commands`."""
    dispatcher = Dispatcher(commands.world.target, commands.world.container.audit)
    with closing(AdminEndpoint(tmp_path, dispatcher)) as endpoint:
        yield endpoint


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """A real profile with the command line on it."""
    for variable in [name for name in os.environ if name.startswith("CONNECTOR_")]:
        monkeypatch.delenv(variable)
    before = list(sys.path)
    profile = ProfileFolder(tmp_path)
    yield Shop(profile)
    sys.path[:] = before
    sys.modules.pop(profile.module, None)
