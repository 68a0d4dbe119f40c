"""A session is taken back without anybody waiting for it; nobody gets it before that is known to be done (TRUST-3)."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest
from sqlalchemy import text
from support_sql import Database, MakeReference, Reference

from connector import Secret
from connector.errors import ConfigError, ConnectionFailed
from connector_sql import postgresql_role
from connector_sql.managed_connection import SqlManagedConnection

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


def break_the_reset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgresql_role, "RESET", "SELECT 1/0")


def test_nobody_waits_for_the_reset(ledger: Reference) -> None:
    process = work(ledger, "alice")

    physical = free_connection(ledger)
    assert physical.is_resetting
    assert work(ledger, "bob") == process
    physical.finish_reset()
    assert not physical.is_resetting


def test_a_refused_reset_costs_the_connection_before_anybody_gets_it(
    ledger: Reference, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        break_the_reset(patched)
        process = work(ledger, "alice")

    assert work(ledger, "bob") != process  # replaced, without bob noticing
    assert ledger.physical_count == 1


def test_notifications_that_come_with_the_answer_are_not_the_next_callers(
    ledger: Reference, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched, closing(ledger.connections.engine.raw_connection()) as raw:
        patched.setattr(postgresql_role, "RESET", "NOTIFY gossip, 'late'")
        driver: Any = raw.driver_connection
        driver.autocommit = True
        driver.execute("LISTEN gossip")
        raw.close()
    with ledger.called_by("bob") as connections, closing(connections.engine.raw_connection()) as raw:
        driver = raw.driver_connection
        driver.execute("SELECT 1")
        assert list(driver.notifies(timeout=0)) == []


def test_a_connection_that_died_while_it_was_taken_back_is_replaced(ledger: Reference, database: Database) -> None:
    process = work(ledger, "alice")
    database.end_all_backends()

    assert work(ledger, "bob") != process
    assert ledger.physical_count == 1


def test_a_server_that_is_gone_is_said_to_be(ledger: Reference) -> None:
    work(ledger, "alice")
    physical = free_connection(ledger)
    physical.record.driver_connection.pgconn.finish()

    with pytest.raises(ConnectionFailed) as failed:
        physical.finish_reset()
    assert failed.value.code == "CF-SQL-024"


def test_validation_finishes_the_reset_first(ledger: Reference) -> None:
    work(ledger, "alice")

    physical = free_connection(ledger)
    assert physical.validate()
    assert not physical.is_resetting


def test_validation_finds_a_refused_reset(ledger: Reference, monkeypatch: pytest.MonkeyPatch) -> None:
    break_the_reset(monkeypatch)
    work(ledger, "alice")

    assert free_connection(ledger).validate() is False


def test_validation_finds_a_connection_that_died(ledger: Reference, database: Database) -> None:
    work(ledger, "alice")
    database.end_all_backends()

    assert free_connection(ledger).validate() is False


def test_a_connection_can_be_destroyed_in_the_middle_of_it(ledger: Reference, database: Database) -> None:
    process = work(ledger, "alice")
    ledger.pool.purge()

    assert ledger.physical_count == 0
    assert work(ledger, "bob") != process


def test_a_clean_up_that_comes_twice_does_no_harm(ledger: Reference) -> None:
    process = work(ledger, "alice")
    free_connection(ledger).cleanup()

    assert work(ledger, "bob") == process


def test_the_system_is_asked_who_it_is_only_after_the_reset(ledger: Reference) -> None:
    work(ledger, "alice")

    assert free_connection(ledger).describe().user == "ledger_pool"


def test_a_lease_without_a_caller_begins_after_the_reset(ledger: Reference, direct: Reference) -> None:
    process = work(ledger, "alice")

    with direct.connections.get_connection() as connection:
        assert tuple(connection.execute(WHO).one()) == ("ledger_pool", process)
        assert connection.execute(text("SHOW statement_timeout")).scalar_one() == "0"
    work(ledger, "alice")
    with closing(direct.connections.engine.raw_connection()) as raw:
        raw.driver_connection.autocommit = True  # type: ignore[union-attr]  # psycopg's; refused on a busy connection


def test_a_lease_without_a_caller_is_refused_where_the_reset_was(
    ledger: Reference, direct: Reference, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        break_the_reset(patched)
        work(ledger, "alice")

    with pytest.raises(ConnectionFailed) as refused:
        direct.connections.get_connection()
    assert refused.value.code == "CF-SQL-024"
    assert ledger.physical_count == 0


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
