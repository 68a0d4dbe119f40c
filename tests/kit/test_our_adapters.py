"""Our own adapters and mappers conform (OPS-4): the kit, by subclassing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support_kit import (
    SQL_ROLES,
    BusBackend,
    DefaultMappingBackend,
    PostgreSQLBackend,
    SqliteBackend,
    TrustedMappingBackend,
)

from connector.testing import MapperContract, OutboundContract
from connector_echo.conformance import EchoBackend
from weather_postgresql import PostgreSQLServer


class TestSqlOnSQLite(OutboundContract):
    @pytest.fixture
    def connector_backend(self, tmp_path: Path) -> SqliteBackend:
        return SqliteBackend(f"sqlite:///{tmp_path / 'ledger.db'}")


@pytest.fixture(scope="session")
def prepared_postgresql(kit_postgresql: PostgreSQLServer) -> PostgreSQLServer:
    kit_postgresql.run_sql(SQL_ROLES)
    return kit_postgresql


@pytest.mark.postgresql
class TestSqlOnPostgreSQL(OutboundContract):
    @pytest.fixture
    def connector_backend(self, prepared_postgresql: PostgreSQLServer) -> PostgreSQLBackend:
        return PostgreSQLBackend(prepared_postgresql)


class TestBus(OutboundContract):
    @pytest.fixture
    def connector_backend(self) -> BusBackend:
        return BusBackend()


class TestEcho(OutboundContract):
    @pytest.fixture
    def connector_backend(self) -> Iterator[EchoBackend]:
        with EchoBackend() as backend:
            yield backend


class TestDefaultPrincipalMapping(MapperContract):
    @pytest.fixture
    def connector_mapper(self) -> DefaultMappingBackend:
        return DefaultMappingBackend()


class TestTrustedConnectionMapping(MapperContract):
    @pytest.fixture
    def connector_mapper(self) -> TrustedMappingBackend:
        return TrustedMappingBackend()
