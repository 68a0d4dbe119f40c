"""All stores conform to the kit's profile secret-store (AUTHD-1 to AUTHD-5)."""

from __future__ import annotations

from pathlib import Path

import pytest
from support_stores import (
    MEMORY,
    EnvironmentBackend,
    FileBackend,
    KeyringBackend,
    MemoryKeyring,
    SecretServiceBackend,
    SqlBackend,
    sqlite_url,
)

from connector.spi import Secret
from connector.testing import StoreBackend, StoreContract
from weather_postgresql import PostgreSQLServer


class TestFile(StoreContract):
    @pytest.fixture
    def connector_store(self, tmp_path: Path) -> StoreBackend:
        return FileBackend(tmp_path)


class TestEnvironment(StoreContract):
    @pytest.fixture
    def connector_store(self, tmp_path: Path) -> StoreBackend:
        return EnvironmentBackend(tmp_path)


class TestSQLite(StoreContract):
    @pytest.fixture
    def connector_store(self, tmp_path: Path) -> StoreBackend:
        return SqlBackend(tmp_path, sqlite_url(tmp_path / "list.db"))


@pytest.mark.postgresql
class TestPostgreSQL(StoreContract):
    @pytest.fixture
    def connector_store(self, tmp_path: Path, postgresql: PostgreSQLServer) -> StoreBackend:
        url = f"postgresql+psycopg://keeper@{postgresql.host}:{postgresql.port}/postgres"
        return SqlBackend(tmp_path, url, Secret("kit-Datenbank-Wort"))


class TestKeyringInMemory(StoreContract):
    @pytest.fixture
    def connector_store(self, memory_keyring: type[MemoryKeyring]) -> StoreBackend:
        return KeyringBackend(MEMORY)


class TestSecretService(StoreContract):
    @pytest.fixture
    def connector_store(self, real_keyring: Path) -> StoreBackend:
        return SecretServiceBackend(real_keyring)
