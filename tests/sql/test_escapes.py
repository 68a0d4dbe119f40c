"""SQL that changes the role is noticed on return, and nobody gets that connection again (TRUST-3, TRUST-4)."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from sqlalchemy import text
from support_sql import Database, MakeReference, Reference

from connector import Secret
from connector.spi import Outcome

pytestmark = pytest.mark.postgresql

ATTACKS = {
    "RESET ROLE": "RESET ROLE",
    "SET ROLE NONE": "SET ROLE NONE",
    "SET ROLE of another caller": "SET ROLE bob",
    "set_config inside a SELECT": "SELECT set_config('role', 'bob', false)",
    "in a DO block": "DO $$ BEGIN EXECUTE 'SET ROLE bob'; END $$",
    "RESET SESSION AUTHORIZATION": "RESET SESSION AUTHORIZATION",
}


@pytest.mark.parametrize("end", ["commit", "rollback", "close"])
@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
def test_an_escape_destroys_the_connection_and_is_audited(
    ledger: Reference, attack: str, end: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING), ledger.connections.get_connection() as connection:
        process = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
        connection.execute(text(attack))
        if end != "close":
            getattr(connection, end)()

    assert ledger.physical_count == 0
    [event] = ledger.audit.events
    assert (event.who, event.resource, event.outcome, event.reason) == (
        "alice",
        "jdbc/ledger",
        Outcome.DENIED,
        "CF-SQL-032",
    )
    assert "CF-SQL-032" in caplog.text
    with ledger.called_by("bob") as connections, connections.get_connection() as connection:
        assert tuple(
            connection.execute(text("SELECT current_user, pg_backend_pid() <> :pid"), {"pid": process}).one()
        ) == (
            "bob",
            True,
        )


def test_discard_all_by_the_application_is_an_escape_too(ledger: Reference) -> None:
    with ledger.connections.get_connection() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("DISCARD ALL"))

    assert ledger.physical_count == 0
    assert [event.reason for event in ledger.audit.events] == ["CF-SQL-032"]


def test_an_escape_leads_to_a_login_role_that_sees_nothing(ledger: Reference) -> None:
    with ledger.connections.get_connection() as connection:
        connection.execute(text("RESET ROLE"))
        allowed = connection.execute(text("SELECT has_table_privilege('ledger', 'SELECT')")).scalar_one()

    assert allowed is False


def test_honest_use_is_not_taken_for_an_escape(ledger: Reference) -> None:
    with ledger.connections.get_connection() as connection:
        connection.execute(text("SET LOCAL ROLE alice"))
        connection.commit()
        connection.execute(text("SELECT 1"))

    assert ledger.physical_count == 1
    assert ledger.audit.events == []


def test_a_transaction_that_another_thread_left_busy_destroys_the_connection(ledger: Reference) -> None:
    raw = ledger.connections.engine.raw_connection()
    driver: Any = raw.driver_connection
    driver.pgconn.send_query(b"SELECT pg_sleep(0.01)")  # as if a thread were in the middle of it
    raw.close()

    assert ledger.physical_count == 0
    assert [event.reason for event in ledger.audit.events] == ["CF-SQL-033"]


def test_another_session_user_behind_the_same_role_is_an_escape_where_a_superuser_was_let_assert(
    database: Database, make_reference: MakeReference, marker: Secret
) -> None:
    database.run_sql(
        f"CREATE ROLE root_pool SUPERUSER LOGIN PASSWORD '{marker.reveal()}'; CREATE ROLE deputy; GRANT alice TO deputy"
    )
    try:
        properties = {"url": database.url, "verify_login_role": False}
        unwise = make_reference(properties=properties, trusted=("root_pool", marker))
        with unwise.connections.get_connection() as connection:
            connection.execute(text("SET SESSION AUTHORIZATION deputy"))
            connection.execute(text("SET ROLE alice"))
            assert connection.execute(text("SELECT current_user, session_user")).one() == ("alice", "deputy")
            connection.commit()

        assert unwise.physical_count == 0
        assert [event.reason for event in unwise.audit.events] == ["CF-SQL-032"]
    finally:
        database.run_sql("DROP ROLE deputy, root_pool")
