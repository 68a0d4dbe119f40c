"""SQL that leaves its caller's role on MariaDB: noticed on return, of no use, or neither (TRUST-4)."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from support_secrets import shows_marker
from support_sql import MariaDatabase, Reference

from connector import Secret
from connector.errors import ConfigError, LoginRefused
from connector.spi import Outcome

pytestmark = pytest.mark.mariadb

ATTACKS = {
    "SET ROLE of another caller": "SET ROLE ben",
    "SET ROLE NONE": "SET ROLE NONE",
    "in a compound statement": "BEGIN NOT ATOMIC SET ROLE ben; END",
    "in an immediate statement": "EXECUTE IMMEDIATE 'SET ROLE ben'",
    "under a setting for one statement": "SET STATEMENT max_statement_time = 1 FOR SET ROLE ben",
}


@pytest.fixture
def restored(maria: MariaDatabase, marker: Secret) -> Iterator[None]:
    """The login user is afterwards as it was."""
    yield
    maria.run_sql("SET DEFAULT ROLE NONE FOR ledger_pool@'127.0.0.1'")
    maria.run_sql(f"ALTER USER ledger_pool@'127.0.0.1' IDENTIFIED BY '{marker.reveal()}'")


def role_of(reference: Reference, caller: str) -> str:
    with reference.called_by(caller) as connections, connections.get_connection() as connection:
        role: str = connection.execute(text("SELECT current_role()")).scalar_one()
    return role


@pytest.mark.parametrize("end", ["commit", "rollback", "close"])
@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
def test_an_escape_destroys_the_connection_and_is_audited(
    diary: Reference, attack: str, end: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING), diary.connections.get_connection() as connection:
        connection.exec_driver_sql(attack)
        if end != "close":
            getattr(connection, end)()

    assert diary.physical_count == 0
    [event] = diary.audit.events
    assert (event.who, event.resource, event.outcome, event.reason) == (
        "anna",
        "jdbc/ledger",
        Outcome.DENIED,
        "CF-SQL-082",
    )
    assert "CF-SQL-082" in caplog.text
    assert role_of(diary, "ben") == "ben"


def test_an_escape_by_a_prepared_statement_is_noticed(diary: Reference) -> None:
    with diary.connections.get_connection() as connection:
        connection.exec_driver_sql("PREPARE away FROM 'SET ROLE ben'")
        connection.exec_driver_sql("EXECUTE away")

    assert [event.reason for event in diary.audit.events] == ["CF-SQL-082"]


def test_an_escape_is_noticed_whatever_character_set_answers_come_in(diary: Reference) -> None:
    with diary.connections.get_connection() as connection:
        connection.exec_driver_sql("SET character_set_results = 'utf16'")
        connection.exec_driver_sql("SET ROLE ben")

    assert diary.physical_count == 0


def test_another_user_by_the_driver_s_own_means_is_noticed(diary: Reference, maria: MariaDatabase) -> None:
    with diary.connections.get_connection() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        driver.change_user("bob", maria.passwords("bob")["bob"].reveal(), "ledger")

    assert [event.reason for event in diary.audit.events] == ["CF-SQL-082"]
    assert diary.physical_count == 0


def test_the_login_user_is_worth_nothing_to_who_escapes(diary: Reference) -> None:
    with diary.connections.get_connection() as connection:
        connection.exec_driver_sql("SET ROLE NONE")
        with pytest.raises(OperationalError, match="SELECT command denied"):
            connection.execute(text("SELECT * FROM ledger.diary"))
        for statement in ("GRANT ben TO anna", "DROP USER CURRENT_USER()"):
            with pytest.raises(OperationalError, match="ccess denied"):
                connection.exec_driver_sql(statement)


@pytest.mark.usefixtures("restored")
def test_a_default_role_set_by_a_caller_is_noticed_and_nobody_is_asserted_until_it_is_gone(
    diary: Reference, maria: MariaDatabase
) -> None:
    with diary.connections.get_connection() as connection:
        connection.exec_driver_sql("SET DEFAULT ROLE ben")

    assert [event.reason for event in diary.audit.events] == ["CF-SQL-083"]
    assert diary.physical_count == 0
    with pytest.raises(ConfigError, match="active by default") as refused:
        role_of(diary, "ben")
    assert refused.value.code == "CF-SQL-086"

    maria.run_sql("SET DEFAULT ROLE NONE FOR ledger_pool@'127.0.0.1'")
    assert role_of(diary, "ben") == "ben"


@pytest.mark.usefixtures("restored")
def test_a_password_changed_by_a_caller_is_noticed_on_return(diary: Reference) -> None:
    """MariaDB lets everybody change the signed-on user's password: it can't be prevented."""
    with diary.connections.get_connection() as connection:
        connection.exec_driver_sql("SET PASSWORD = PASSWORD('known to anna')")

    assert [event.reason for event in diary.audit.events] == ["CF-SQL-011"]
    assert diary.physical_count == 0
    with pytest.raises(LoginRefused) as refused:
        role_of(diary, "ben")
    assert shows_marker(refused.value) == []


def test_sql_that_covers_its_tracks_is_not_noticed(diary: Reference) -> None:
    """The documented limit: whoever may send SQL of his own has the rights of all roles of the login user."""
    with diary.connections.get_connection() as connection:
        connection.exec_driver_sql("SET ROLE ben")
        assert connection.execute(text("SELECT what FROM ben_only")).scalar_one() == "of ben"
        connection.exec_driver_sql("SET ROLE anna")

    assert diary.audit.events == []


def test_callers_of_one_login_user_see_each_other_s_statements(diary: Reference) -> None:
    """The documented limit: to MariaDB they are one user, who may look at and end its own connections."""
    with diary.connections.get_connection() as one, diary.connections.get_connection() as other:
        number = one.execute(text("SELECT connection_id()")).scalar_one()
        seen = other.execute(text("SELECT id FROM information_schema.processlist")).scalars().all()

    assert number in seen


def test_honest_use_is_not_taken_for_an_escape(diary: Reference) -> None:
    with diary.connections.get_connection() as connection:
        connection.exec_driver_sql("SET ROLE anna")
        connection.exec_driver_sql("SET NAMES latin1")
        connection.execute(text("SELECT 1"))

    assert diary.physical_count == 1
    assert diary.audit.events == []


#: What stands in the documentation's table, and where the test of it is; the rest of the words is the table's own.
DOCUMENTED = {
    "honest code under a wrong identity": "test_rights_are_the_callers_own",
    "state left behind": "test_session_state_of_one_caller_never_reaches_the_next",
    "a rolled-back transaction": "test_the_end_of_a_transaction_leaves_the_identity",
    "a name with quotes or backticks": "test_any_name_of_a_role_is_asserted",
    "SQL of the caller's own that says": "test_an_escape_destroys_the_connection_and_is_audited",
    "`SET DEFAULT ROLE` by a caller": "test_a_default_role_set_by_a_caller_is_noticed",
    "`SET PASSWORD` by a caller": "test_a_password_changed_by_a_caller_is_noticed",
    "`SHOW PROCESSLIST`": "test_callers_of_one_login_user_see_each_other",
}


def test_each_row_of_the_documented_table_has_a_test() -> None:
    page = (Path(__file__).parents[2] / "docs" / "security-model.md").read_text(encoding="utf-8")
    table = page.split("## Trusted connections on MariaDB")[1].split("\n## ")[0]
    rows = [line.removeprefix("| ") for line in table.splitlines() if line.startswith("| ")][1:]
    tests = "".join((Path(__file__).parent / f"test_mariadb_{each}.py").read_text() for each in ("roles", "escapes"))

    assert len(rows) == len(DOCUMENTED)
    assert all(any(row.startswith(words) for row in rows) for words in DOCUMENTED)
    assert all(f"def {name}" in tests for name in DOCUMENTED.values())
