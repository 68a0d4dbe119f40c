"""The user registry `sql` conforms to the kit's profile user-registry on real databases (OPS-4)."""

from __future__ import annotations

import pytest
from support_registries import PostgreSQLRegistryBackend, SqliteRegistryBackend

from connector.testing import RegistryBackend, RegistryContract


class TestSqlRegistryOnSQLite(RegistryContract):
    @pytest.fixture
    def connector_registry(self, sqlite_backend: SqliteRegistryBackend) -> RegistryBackend:
        return sqlite_backend


class TestSqlRegistryWithVerifiersOnSQLite(RegistryContract):
    @pytest.fixture
    def connector_registry(self, sqlite_backend: SqliteRegistryBackend) -> RegistryBackend:
        sqlite_backend.prove()
        return sqlite_backend


@pytest.mark.postgresql
class TestSqlRegistryWithVerifiersOnPostgreSQL(RegistryContract):
    @pytest.fixture
    def connector_registry(self, postgresql_backend: PostgreSQLRegistryBackend) -> RegistryBackend:
        postgresql_backend.prove()
        return postgresql_backend


@pytest.mark.postgresql
class TestSqlRegistryOnPostgreSQL(RegistryContract):
    @pytest.fixture
    def connector_registry(self, postgresql_backend: PostgreSQLRegistryBackend) -> RegistryBackend:
        return postgresql_backend
