"""alice and bob through one pool of trusted connections on a real PostgreSQL (TRUST-1 to TRUST-3)."""

from __future__ import annotations

from threading import Thread
from typing import Any

import pytest
from psycopg.rows import dict_row
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError
from support_sql import Database, MakeReference, Reference

from connector import Secret
from connector.errors import AccessDenied, ConfigError, IdentityMismatch

pytestmark = pytest.mark.postgresql

WHO = text("SELECT current_user, session_user, pg_backend_pid()")


def who_works(reference: Reference, caller: str) -> tuple[str, str, int]:
    with reference.called_by(caller) as connections, connections.get_connection() as connection:
        user, login, process = connection.execute(WHO).one()
        return user, login, process


def write(reference: Reference, caller: str, what: str) -> None:
    with reference.called_by(caller) as connections, connections.get_connection() as connection:
        connection.execute(text("INSERT INTO ledger (what) VALUES (:what)"), {"what": what})
        connection.commit()


def rows_of(reference: Reference, caller: str) -> list[tuple[str, str]]:
    with reference.called_by(caller) as connections, connections.get_connection() as connection:
        return [(row.what, row.who) for row in connection.execute(text("SELECT what, who FROM ledger ORDER BY id"))]


def test_each_caller_works_as_a_role_of_its_own_on_one_physical_connection(ledger: Reference) -> None:
    alice, bob, alice_again = (who_works(ledger, name) for name in ("alice", "bob", "alice"))

    assert [found[:2] for found in (alice, bob, alice_again)] == [
        ("alice", "ledger_pool"),
        ("bob", "ledger_pool"),
        ("alice", "ledger_pool"),
    ]
    assert alice[2] == bob[2] == alice_again[2]
    assert ledger.physical_count == 1


def test_rows_are_written_and_seen_by_the_callers_own_rights(ledger: Reference, database: Database) -> None:
    write(ledger, "alice", "sun")
    write(ledger, "bob", "rain")

    assert rows_of(ledger, "alice") == [("sun", "alice")]
    assert rows_of(ledger, "bob") == [("rain", "bob")]
    assert database.run_sql("SELECT what, who FROM ledger ORDER BY id") == [("sun", "alice"), ("rain", "bob")]


def test_a_rolled_back_transaction_does_not_bring_the_identity_back(ledger: Reference) -> None:
    with ledger.called_by("alice") as connections, connections.get_connection() as connection:
        connection.execute(text("INSERT INTO ledger (what) VALUES ('gone')"))
        connection.rollback()
        assert connection.execute(WHO).one()[0] == "alice"

    assert rows_of(ledger, "alice") == []
    assert who_works(ledger, "bob")[0] == "bob"


def test_a_failed_transaction_does_not_bring_the_identity_back(ledger: Reference) -> None:
    with ledger.called_by("alice") as connections, connections.get_connection() as connection:
        with pytest.raises(ProgrammingError, match="nowhere"):
            connection.execute(text("SELECT * FROM nowhere"))
        connection.rollback()
        assert connection.execute(WHO).one()[0] == "alice"
    with (
        ledger.called_by("bob") as connections,
        pytest.raises(ProgrammingError, match="nowhere"),
        connections.get_connection() as connection,
    ):
        connection.execute(text("SELECT * FROM nowhere"))

    assert who_works(ledger, "alice")[0] == "alice"
    assert ledger.physical_count == 1


def test_session_state_of_one_caller_never_reaches_the_next(ledger: Reference) -> None:
    with ledger.called_by("alice") as connections, connections.get_connection() as connection:
        connection.execute(text("CREATE TEMP TABLE ledger AS SELECT 'FAKE' AS what, 'bob' AS who, 1 AS id"))
        connection.execute(text("GRANT ALL ON pg_temp.ledger TO public"))
        connection.execute(text("SET search_path TO pg_temp, public"))
        connection.execute(text("SET statement_timeout TO '77s'"))
        connection.execute(text("SELECT pg_advisory_lock(4711)"))
        connection.commit()
        connection.info["noted by alice"] = True
        process = connection.execute(WHO).one()[2]

    with ledger.called_by("bob") as connections, connections.get_connection() as connection:
        assert connection.execute(WHO).one()[2] == process
        assert connection.execute(text("SELECT what FROM ledger")).all() == []
        assert connection.execute(text("SHOW search_path")).scalar_one() == '"$user", public'
        assert connection.execute(text("SHOW statement_timeout")).scalar_one() == "0"
        assert connection.execute(text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")).scalar_one() == 0
        assert "noted by alice" not in connection.info


def test_an_isolation_level_and_driver_settings_are_taken_back(ledger: Reference) -> None:
    with ledger.called_by("alice") as connections, connections.get_connection() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT")
        connection.execute(text("SELECT 1"))
    with ledger.called_by("alice") as connections:
        raw = connections.engine.raw_connection()
        driver: Any = raw.driver_connection
        driver.autocommit = True
        driver.row_factory = dict_row
        driver.prepare_threshold = 1
        raw.close()

    with ledger.called_by("bob") as connections, connections.get_connection() as connection:
        driver = connection.connection.driver_connection
        assert (driver.autocommit, driver.prepare_threshold) == (False, None)
        assert connection.get_isolation_level() == "READ COMMITTED"
    assert ledger.physical_count == 1


def test_a_session_used_as_the_login_role_itself_is_reset_before_a_caller_gets_it(
    ledger: Reference, make_reference: MakeReference, marker: Secret
) -> None:
    nobody = make_reference(properties={}, trusted=("ledger_pool", marker), shares=ledger, name="direct")
    with nobody.called_by("") as connections, connections.get_connection() as connection:
        connection.execute(text("SET statement_timeout TO '77s'"))
        connection.commit()
        login = connection.execute(WHO).one()

    with ledger.called_by("bob") as connections, connections.get_connection() as connection:
        assert tuple(connection.execute(WHO).one()) == ("bob", "ledger_pool", login[2])
        assert connection.execute(text("SHOW statement_timeout")).scalar_one() == "0"


def test_two_threads_as_two_callers_at_once_stay_apart(ledger: Reference) -> None:
    found: dict[str, set[str]] = {"alice": set(), "bob": set()}
    physical = ledger.connections.engine.pool

    def work(caller: str, reference: Reference) -> None:
        for _ in range(20):
            found[caller].add(who_works(reference, caller)[0])

    others = Reference({}, trusted=ledger._trusted, shares=ledger, name="other")
    threads = [Thread(target=work, args=("alice", ledger)), Thread(target=work, args=("bob", others))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == {"alice": {"alice"}, "bob": {"bob"}}
    assert physical is not others.connections.engine.pool


def test_a_role_with_a_quote_in_its_name_is_asserted(ledger: Reference) -> None:
    assert who_works(ledger, 'O"Hara')[0] == 'O"Hara'


@pytest.mark.parametrize("name", ["none", "NONE", "a\0b"])
def test_a_name_that_is_no_role_is_refused(ledger: Reference, name: str) -> None:
    with ledger.called_by(name) as connections, pytest.raises(IdentityMismatch) as refused:
        connections.get_connection()

    assert refused.value.code == "CF-SQL-030"
    assert ledger.physical_count == 0


def test_an_injected_name_is_only_a_name(ledger: Reference) -> None:
    with ledger.called_by('alice"; SET ROLE "bob') as connections, pytest.raises(AccessDenied) as refused:
        connections.get_connection()

    assert refused.value.code == "CF-SQL-021"


@pytest.mark.parametrize("name", ["nobody_such", "carol"])
def test_a_role_that_the_login_role_may_not_become_is_refused(ledger: Reference, name: str) -> None:
    with ledger.called_by(name) as connections, pytest.raises(AccessDenied) as refused:
        connections.get_connection()

    assert refused.value.code == "CF-SQL-021"
    assert name in str(refused.value)
    assert who_works(ledger, "alice")[0] == "alice"


def test_a_name_that_postgresql_would_cut_short_is_refused(ledger: Reference, database: Database) -> None:
    cut = "x" * 63
    database.run_sql(f"CREATE ROLE {cut}; GRANT {cut} TO ledger_pool")
    try:
        with ledger.called_by(cut + "yz") as connections, pytest.raises(IdentityMismatch) as refused:
            connections.get_connection()
    finally:
        database.run_sql(f"DROP ROLE {cut}")

    assert refused.value.code == "CF-SQL-031"


def test_the_system_says_who_is_at_work(ledger: Reference) -> None:
    lease = ledger.allocate()
    description = lease.physical.describe()
    valid = lease.physical.validate()
    lease.close()

    assert (description.product, description.user, valid) == ("PostgreSQL", "alice", True)
    assert int(description.version.split(".")[0]) >= 15


def test_a_reference_can_refuse_assertions(make_reference: MakeReference, database: Database, marker: Secret) -> None:
    properties = {"url": database.url, "identity": "none", "reset": "discard"}
    reference = make_reference(properties=properties, trusted=("ledger_pool", marker))

    with pytest.raises(ConfigError) as refused:
        reference.connections.get_connection()

    assert refused.value.code == "CF-SQL-020"


def test_a_plain_session_is_reset_where_the_resource_wants_it(
    make_reference: MakeReference, database: Database, marker: Secret
) -> None:
    for reset, kept in (("rollback", "77000ms"), ("discard", "0ms")):
        properties = {"url": database.url, "reset": reset}
        reference = make_reference(properties=properties, passwords={"carol": marker})
        with reference.called_by("carol") as connections:
            with connections.get_connection() as connection:
                connection.execute(text("SET statement_timeout TO '77s'"))
                connection.commit()
            with connections.get_connection() as connection:
                assert (
                    connection.execute(
                        text("SELECT setting || unit FROM pg_settings WHERE name = 'statement_timeout'")
                    ).scalar_one()
                    == kept
                )
