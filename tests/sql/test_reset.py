"""A session is taken back in the round trip that ends its transaction; nobody gets it before that is done (TRUST-3)."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest
from sqlalchemy import text
from support_sql import Database, MakeReference, Reference

from connector import Secret
from connector.errors import ConfigError
from connector_sql import postgresql_role
from connector_sql.managed_connection import SqlManagedConnection
from connector_sql.postgresql_reset import reset_beside_others
from connector_sql.postgresql_wire import Wire

pytestmark = pytest.mark.postgresql

WHO = text("SELECT current_user, pg_backend_pid()")


def work(reference: Reference, caller: str) -> int:
    """Work as a caller; answers in which process, with a setting left behind."""
    with reference.called_by(caller) as connections, connections.get_connection() as connection:
        user, process = connection.execute(WHO).one()
        connection.execute(text("SET statement_timeout TO '77s'"))
        connection.commit()
        assert user == caller
        return int(process)


def free_connection(reference: Reference) -> SqlManagedConnection:
    """The one physical connection that lies in the pool."""
    [entry] = reference.pool._state.entries
    physical: Any = entry.physical
    assert isinstance(physical, SqlManagedConnection)
    return physical


@pytest.fixture
def direct(ledger: Reference, make_reference: MakeReference, marker: Secret) -> Reference:
    """Leases of the login role itself, from the ledger's pool, for no caller."""
    reference = make_reference(properties={}, trusted=("ledger_pool", marker), shares=ledger, name="direct")
    reference.caller = ""
    return reference


@pytest.fixture
def exchanges(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is sent to take identities and to give them back, round trip by round trip."""
    sent: list[str] = []

    def noted(method: Any) -> Any:
        def exchange(wire: Wire, statements: str) -> Any:
            sent.append(statements)
            return method(wire, statements)

        return exchange

    for name in ("exchange", "several"):
        monkeypatch.setattr(Wire, name, noted(getattr(Wire, name)))
    return sent


def reset_by(monkeypatch: pytest.MonkeyPatch, statements: str) -> None:
    """Connections that are opened from now on are taken back by other statements; none: by DISCARD ALL."""
    monkeypatch.setattr(postgresql_role, "reset_beside_others", lambda _version: statements.encode())


@pytest.mark.parametrize("end", ["", "SELECT 1", "SELECT 1/0"], ids=["no transaction", "an open one", "a failed one"])
def test_a_caller_costs_one_round_trip_before_and_one_after(ledger: Reference, exchanges: list[str], end: str) -> None:
    process = work(ledger, "alice")
    exchanges.clear()

    with ledger.called_by("bob") as connections, closing(connections.engine.raw_connection()) as raw:
        cursor = raw.cursor()
        if end.endswith("0"):
            with pytest.raises(Exception, match="division by zero"):
                cursor.execute(end)
        elif end:
            cursor.execute(end)

    assert len(exchanges) == 2
    assert work(ledger, "alice") == process


def test_notices_are_logged_for_the_next_caller_as_for_the_first(
    ledger: Reference, caplog: pytest.LogCaptureFixture
) -> None:
    process = work(ledger, "alice")

    with (
        caplog.at_level("INFO", "sqlalchemy.dialects.postgresql"),
        ledger.called_by("bob") as connections,
        connections.get_connection() as connection,
    ):
        connection.execute(text("DO $$ BEGIN RAISE NOTICE 'bob is heard'; END $$"))
        assert tuple(connection.execute(WHO).one()) == ("bob", process)

    assert "bob is heard" in caplog.text


def test_a_server_that_is_newer_than_this_is_told_to_discard_all(
    ledger: Reference, exchanges: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    reset_by(monkeypatch, "")
    process = work(ledger, "alice")

    assert exchanges[-1] == "DISCARD ALL"
    with ledger.called_by("bob") as connections, connections.get_connection() as connection:
        assert tuple(connection.execute(WHO).one()) == ("bob", process)
        assert connection.execute(text("SHOW statement_timeout")).scalar_one() == "0"


@pytest.mark.parametrize(("version", "known"), [(100023, True), (180004, True), (189999, True), (190000, False)])
def test_which_servers_are_known(version: int, known: bool) -> None:
    assert bool(reset_beside_others(version)) is known


LEFT_BEHIND = {
    "a read-only session": "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
    "no schema to look in": "SET search_path TO ''",
    "the value of a sequence": "SELECT nextval('pg_temp.counted')",
    "a channel": "LISTEN gossip",
    "an open cursor": "DECLARE kept CURSOR WITH HOLD FOR SELECT 1",
    "another encoding": "SET client_encoding TO 'LATIN1'",
}


@pytest.mark.parametrize("newer", [False, True], ids=["known", "newer"])
@pytest.mark.parametrize("statement", LEFT_BEHIND.values(), ids=LEFT_BEHIND.keys())
def test_whatever_is_left_behind_is_taken_back(
    ledger: Reference, statement: str, newer: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = text(
        "SELECT (SELECT count(*) FROM pg_cursors) + (SELECT count(*) FROM pg_listening_channels()) + (SELECT count(*)"
        " FROM pg_prepared_statements) + (SELECT count(*) FROM pg_class WHERE relname = 'counted'),"
        " (SELECT string_agg(name || setting, ',' ORDER BY name) FROM pg_settings WHERE source = 'session'),"
        " pg_backend_pid()"
    )
    if newer:
        reset_by(monkeypatch, "")
    with ledger.called_by("bob") as connections, connections.get_connection() as connection:
        before = connection.execute(state).one()
    with ledger.connections.get_connection() as connection:
        connection.execute(text("CREATE TEMPORARY SEQUENCE counted"))
        connection.execute(text(statement))
        connection.commit()
        connection.execute(text("SELECT 1"))
    with ledger.called_by("bob") as connections, connections.get_connection() as connection:
        assert connection.execute(state).one() == before


def test_a_refused_reset_costs_the_connection_before_anybody_gets_it(
    ledger: Reference, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        reset_by(patched, "SELECT 1/0")
        process = work(ledger, "alice")

    assert ledger.physical_count == 0
    assert work(ledger, "bob") != process


def test_an_escape_is_reported_also_where_its_sql_has_the_reset_fail(
    ledger: Reference, monkeypatch: pytest.MonkeyPatch
) -> None:
    reset_by(monkeypatch, "SELECT 1/0")
    with ledger.connections.get_connection() as connection:
        connection.execute(text("SET ROLE bob"))

    assert ledger.physical_count == 0
    assert [event.reason for event in ledger.audit.events] == ["CF-SQL-032"]


def test_notifications_that_come_with_the_answer_are_not_the_next_callers(
    ledger: Reference, monkeypatch: pytest.MonkeyPatch
) -> None:
    reset_by(monkeypatch, "NOTIFY gossip, 'late'; " + reset_beside_others(180000).decode())
    with closing(ledger.connections.engine.raw_connection()) as raw:
        driver: Any = raw.driver_connection
        driver.autocommit = True
        driver.execute("LISTEN gossip")
    with ledger.called_by("bob") as connections, closing(connections.engine.raw_connection()) as raw:
        driver = raw.driver_connection
        driver.execute("SELECT 1")
        assert list(driver.notifies(timeout=0)) == []
    assert ledger.physical_count == 1


def test_a_connection_that_died_while_it_was_lent_is_replaced(ledger: Reference, database: Database) -> None:
    with ledger.connections.get_connection() as connection:
        _, process = connection.execute(WHO).one()
        database.end_all_backends()

    assert ledger.physical_count == 0
    assert work(ledger, "bob") != process


def test_a_connection_that_died_while_it_was_free_is_found_by_validation(ledger: Reference, database: Database) -> None:
    work(ledger, "alice")
    assert free_connection(ledger).validate()
    database.end_all_backends()

    assert free_connection(ledger).validate() is False


def test_a_clean_up_that_comes_twice_does_no_harm(ledger: Reference) -> None:
    process = work(ledger, "alice")
    free_connection(ledger).cleanup()

    assert work(ledger, "bob") == process


def test_a_free_connection_is_the_login_roles(ledger: Reference) -> None:
    work(ledger, "alice")

    assert free_connection(ledger).describe().user == "ledger_pool"


def test_a_lease_without_a_caller_has_nothing_of_the_one_before(ledger: Reference, direct: Reference) -> None:
    process = work(ledger, "alice")

    with direct.connections.get_connection() as connection:
        assert tuple(connection.execute(WHO).one()) == ("ledger_pool", process)
        assert connection.execute(text("SHOW statement_timeout")).scalar_one() == "0"
    work(ledger, "alice")
    with closing(direct.connections.engine.raw_connection()) as raw:
        raw.driver_connection.autocommit = True  # type: ignore[union-attr]  # psycopg's; refused on a busy connection


def test_an_interrupted_switch_costs_the_connection(ledger: Reference, monkeypatch: pytest.MonkeyPatch) -> None:
    process = work(ledger, "alice")

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(postgresql_role.RoleSession, "become", interrupted)
        with pytest.raises(KeyboardInterrupt):
            work(ledger, "bob")
    assert ledger.physical_count == 0
    assert work(ledger, "bob") != process


def test_closing_with_an_open_transaction_rolls_it_back_and_looks_at_the_role(ledger: Reference) -> None:
    with ledger.connections.get_connection() as connection:
        connection.execute(text("INSERT INTO ledger (what) VALUES ('gone')"))
    with ledger.connections.get_connection() as connection:
        assert connection.execute(text("SELECT count(*) FROM ledger")).scalar_one() == 0
        connection.execute(text("SET ROLE bob"))  # undone by the rollback that closing does

    assert ledger.physical_count == 0
    assert [event.reason for event in ledger.audit.events] == ["CF-SQL-032"]


def test_a_login_role_that_leads_out_of_its_trust_domain_is_refused(
    database: Database, make_reference: MakeReference, marker: Secret
) -> None:
    properties = {"url": database.url, "trust_domain": ["alice", "b*"]}
    reference = make_reference(properties=properties, trusted=("ledger_pool", marker))
    with pytest.raises(ConfigError) as refused:
        reference.connections.get_connection()
    assert refused.value.code == "CF-SQL-023"
    assert 'outside the trust_domain: O"Hara' in str(refused.value)

    within = {"url": database.url, "trust_domain": ["alice", "b*", "O*"]}
    assert work(make_reference(properties=within, trusted=("ledger_pool", marker)), "bob")
