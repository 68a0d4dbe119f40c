"""Roles whose names are not ASCII, on a connection whose encoding is not UTF-8 (TRUST-1)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import text
from support_sql import Database, MakeReference, Reference

from connector import Secret
from connector.errors import AccessDenied, IdentityMismatch

pytestmark = pytest.mark.postgresql

WHO = text("SELECT current_user")
ROLE = "José 100%s"


@pytest.fixture
def latin(database: Database, make_reference: MakeReference, marker: Secret) -> Iterator[Reference]:
    database.run_sql(f'CREATE ROLE "{ROLE}" NOLOGIN; GRANT "{ROLE}" TO ledger_pool')
    url = f"{database.url}?client_encoding=latin1"
    yield make_reference(properties={"url": url}, trusted=("ledger_pool", marker), caller=ROLE)
    database.run_sql(f'DROP ROLE "{ROLE}"')


def test_a_caller_is_asserted_at_once_and_with_the_first_statement(latin: Reference) -> None:
    for _ in range(2):
        with latin.connections.get_connection() as connection:
            assert connection.execute(WHO).scalar() == ROLE
    assert latin.physical_count == 1
    assert latin.audit.events == []


def test_the_servers_own_words_are_read_in_its_encoding(latin: Reference, database: Database) -> None:
    with latin.connections.get_connection() as connection:
        connection.execute(WHO)
    database.run_sql(f'REVOKE "{ROLE}" FROM ledger_pool')
    with latin.connections.get_connection() as connection, pytest.raises(AccessDenied) as refused:
        connection.execute(WHO)
    assert ROLE in str(refused.value.__cause__)


@pytest.mark.parametrize("name", ["日本", "\ud800"])
def test_a_name_that_the_encoding_has_not_is_refused(latin: Reference, name: str) -> None:
    with latin.called_by(name) as connections, pytest.raises(IdentityMismatch, match="CF-SQL-030"):
        connections.get_connection()
    with latin.connections.get_connection() as connection:
        assert connection.execute(WHO).scalar() == ROLE


@pytest.mark.usefixtures("latin")
def test_an_escape_is_reported_whatever_encoding_its_sql_has_set(ledger: Reference) -> None:
    with ledger.connections.get_connection() as connection:
        connection.execute(text("SET client_encoding TO 'LATIN1'"))
        connection.connection.driver_connection.execute(f'SET ROLE "{ROLE}"')  # type: ignore[union-attr]  # psycopg's
    (event,) = ledger.audit.events
    assert (event.who, event.reason) == ("alice", "CF-SQL-032")
    assert ledger.physical_count == 0
