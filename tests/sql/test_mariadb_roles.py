"""anna and ben through one pool of trusted connections on a real MariaDB (TRUST-1 to TRUST-3)."""

from __future__ import annotations

from threading import Thread

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from support_sql import MakeReference, MariaDatabase, Reference

from connector import Secret
from connector.errors import AccessDenied, ConfigError, IdentityMismatch
from connector.spi import Capability, IdentityAssertion, PasswordCredential, Subject
from connector_sql.factory import SqlManagedConnectionFactory
from connector_sql.settings import read_settings

pytestmark = pytest.mark.mariadb

WHO = text("SELECT current_role(), current_user(), connection_id(), database()")


def who_works(reference: Reference, caller: str) -> tuple[str, str, int, str]:
    with reference.called_by(caller) as connections, connections.get_connection() as connection:
        role, login, number, database = connection.execute(WHO).one()
        return role, login, number, database


def test_each_caller_works_by_a_role_of_its_own_on_one_physical_connection(diary: Reference) -> None:
    anna, ben, anna_again = (who_works(diary, name) for name in ("anna", "ben", "anna"))

    assert [found[0] for found in (anna, ben, anna_again)] == ["anna", "ben", "anna"]
    assert {found[1] for found in (anna, ben)} == {"ledger_pool@127.0.0.1"}
    assert anna[2] == ben[2] == anna_again[2]
    assert diary.physical_count == 1


def test_the_url_s_database_is_selected_though_the_login_user_may_not_enter_it(diary: Reference) -> None:
    assert who_works(diary, "anna")[3] == "ledger"


def test_rights_are_the_callers_own(diary: Reference, maria: MariaDatabase) -> None:
    for caller in ("anna", "ben"):
        with diary.called_by(caller) as connections, connections.engine.begin() as connection:
            connection.execute(text("INSERT INTO diary (what) VALUES ('today')"))
    with diary.called_by("ben") as connections, connections.get_connection() as connection:
        assert connection.execute(text("SELECT what FROM ben_only")).scalar_one() == "of ben"
    with (
        diary.called_by("anna") as connections,
        connections.get_connection() as connection,
        pytest.raises(OperationalError, match="SELECT command denied"),
    ):
        connection.execute(text("SELECT what FROM ben_only"))

    assert maria.run_sql("SELECT what, who FROM ledger.diary ORDER BY id") == [("today", "anna"), ("today", "ben")]


@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_the_end_of_a_transaction_leaves_the_identity(diary: Reference, end: str) -> None:
    with diary.connections.get_connection() as connection:
        connection.execute(text("INSERT INTO diary (what) VALUES ('x')"))
        getattr(connection, end)()
        assert connection.execute(WHO).one()[0] == "anna"


@pytest.mark.parametrize(
    ("soil", "question", "clean"),
    [
        ("SET @it = 'of anna'", "SELECT @it", None),
        (
            "CREATE TEMPORARY TABLE ben_only AS SELECT 'FAKE' AS what",
            "SELECT what FROM ben_only",
            "of ben",
        ),
        ("PREPARE it FROM 'SELECT 1'", "SELECT @@prepared_stmt_count", None),
        ("SELECT GET_LOCK('mine', 0)", "SELECT IS_USED_LOCK('mine')", None),
        ("LOCK TABLES diary READ", "SELECT what FROM ben_only", "of ben"),
        ("SET time_zone = '+03:00'", "SELECT @@time_zone = @@global.time_zone", 1),
        ("SET sql_mode = 'ANSI_QUOTES'", "SELECT @@sql_mode = @@global.sql_mode", 1),
        ("INSERT INTO diary (what) VALUES ('open')", "SELECT count(*) FROM diary", 0),
        ("SET NAMES latin1", "SELECT @@character_set_client", "utf8mb4"),
    ],
)
def test_session_state_of_one_caller_never_reaches_the_next(
    diary: Reference, maria: MariaDatabase, soil: str, question: str, clean: object
) -> None:
    with diary.called_by("anna") as connections, connections.get_connection() as connection:
        connection.exec_driver_sql(soil)
        connection.info["noted by anna"] = True
        number = connection.execute(text("SELECT connection_id()")).scalar_one()

    if "prepared" in question:
        assert maria.run_sql("SHOW GLOBAL STATUS LIKE 'Prepared_stmt_count'") == [("Prepared_stmt_count", "0")]
    with diary.called_by("ben") as connections, connections.get_connection() as connection:
        assert connection.execute(text("SELECT connection_id()")).scalar_one() == number
        if "prepared" not in question:
            assert connection.execute(text(question)).scalar() == clean
        assert "noted by anna" not in connection.info


def test_a_prepared_statement_of_one_caller_is_not_the_next_one_s(diary: Reference) -> None:
    with diary.called_by("ben") as connections, connections.get_connection() as connection:
        connection.execute(text("PREPARE it FROM 'SELECT what FROM ben_only'"))
    with (
        diary.called_by("anna") as connections,
        connections.get_connection() as connection,
        pytest.raises(OperationalError, match="Unknown prepared statement"),
    ):
        connection.execute(text("EXECUTE it"))


def test_a_session_used_as_the_login_user_itself_is_ended_before_a_caller_gets_it(
    diary: Reference, make_reference: MakeReference, marker: Secret
) -> None:
    nobody = make_reference(properties={}, trusted=("ledger_pool", marker), shares=diary, name="direct", caller="")
    with nobody.connections.get_connection() as connection:
        connection.execute(text("SET @it = 'of nobody'"))
        number = connection.execute(text("SELECT connection_id()")).scalar_one()

    with diary.called_by("ben") as connections, connections.get_connection() as connection:
        assert tuple(connection.execute(text("SELECT connection_id(), @it")).one()) == (number, None)


def test_two_threads_as_two_callers_at_once_stay_apart(diary: Reference) -> None:
    found: dict[str, set[str]] = {"anna": set(), "ben": set()}

    def work(caller: str, reference: Reference) -> None:
        for _ in range(20):
            found[caller].add(who_works(reference, caller)[0])

    others = Reference({}, trusted=diary._trusted, shares=diary, name="other")
    threads = [Thread(target=work, args=("anna", diary)), Thread(target=work, args=("ben", others))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == {"anna": {"anna"}, "ben": {"ben"}}


@pytest.mark.parametrize("name", ["O`Hara", "café"])
def test_any_name_of_a_role_is_asserted(diary: Reference, name: str) -> None:
    assert who_works(diary, name)[0] == name


def test_the_wire_s_character_set_makes_no_other_name(
    maria: MariaDatabase, make_reference: MakeReference, marker: Secret
) -> None:
    """In GBK a backtick may be the second byte of a character; what the set can't write is refused."""
    properties = {"url": maria.url, "identity": "set-role", "connect_args": {"charset": "gbk"}}
    reference = make_reference(properties=properties, trusted=("ledger_pool", marker))
    assert who_works(reference, "O`Hara")[0] == "O`Hara"
    for name, kind in (("\u4e2d", AccessDenied), ("caf\u0e01", IdentityMismatch)):
        with reference.called_by(name) as connections, pytest.raises(kind):
            connections.get_connection()


@pytest.mark.parametrize("name", ["none", "NONE", "none ", "public", "a\0b"])
def test_a_name_that_is_no_role_is_refused(diary: Reference, name: str) -> None:
    with diary.called_by(name) as connections, pytest.raises(IdentityMismatch) as refused:
        connections.get_connection()

    assert refused.value.code == "CF-SQL-080"
    assert diary.physical_count == 0


def test_a_name_that_mariadb_cuts_is_refused(diary: Reference) -> None:
    with diary.called_by("anna ") as connections, pytest.raises(IdentityMismatch) as refused:
        connections.get_connection()

    assert refused.value.code == "CF-SQL-081"


@pytest.mark.parametrize("name", ["nobody_such", "stranger_role", "Anna", "alice", "anna`; SET ROLE `ben"])
def test_a_role_that_the_login_user_was_not_granted_is_refused(diary: Reference, name: str) -> None:
    with diary.called_by(name) as connections, pytest.raises(AccessDenied) as refused:
        connections.get_connection()

    assert refused.value.code == "CF-SQL-084"
    assert name in str(refused.value)
    assert who_works(diary, "anna")[0] == "anna"


def test_the_system_says_who_is_at_work(diary: Reference) -> None:
    lease = diary.allocate()
    description = lease.physical.describe()
    valid = lease.physical.validate()
    shown = repr(lease.physical)
    lease.close()

    assert (description.product, description.user, valid) == ("MariaDB", "anna", True)
    assert "working as 'anna'" in shown


def test_without_a_caller_it_is_the_login_user_who_is_at_work(diary: Reference) -> None:
    physical = diary.factory.create_managed_connection(diary.current_plan().subject, None)

    assert physical.describe().user == "ledger_pool"
    physical.destroy()


def test_another_login_user_on_the_same_connection_is_looked_at_as_well(diary: Reference, maria: MariaDatabase) -> None:
    physical = diary.factory.create_managed_connection(diary.current_plan().subject, None)
    anna = IdentityAssertion("anna", "test", factory=diary.factory)
    physical.switch_identity(anna)
    physical.cleanup()
    dave = PasswordCredential("dave", maria.passwords("dave")["dave"], diary.factory)

    physical.reauthenticate(Subject(credentials=[dave]), None)

    with pytest.raises(ConfigError, match=r"login user 'dave'.*ledger.*auditor is active by default"):
        physical.switch_identity(anna)
    physical.destroy()


def test_a_connection_that_the_server_killed_is_replaced(diary: Reference, maria: MariaDatabase) -> None:
    number = who_works(diary, "anna")[2]
    maria.server.kill_connection(number)
    assert who_works(diary, "ben")[2] != number


def test_roles_are_asserted_only_where_the_resource_says_so(maria: MariaDatabase) -> None:
    able = {
        identity: SqlManagedConnectionFactory(
            read_settings("jdbc/ledger", {"url": maria.url, "identity": identity})
        ).effective_capabilities(frozenset(Capability))
        for identity in ("automatic", "set-role", "none")
    }

    assert [Capability.IDENTITY_SWITCH in able[name] for name in able] == [False, True, False]


def test_a_switch_of_several_statements_can_t_be_switched_off(maria: MariaDatabase) -> None:
    arguments = {"multi_statements": False}
    with pytest.raises(ConfigError, match="multi_statements"):
        read_settings("jdbc/ledger", {"url": maria.url, "identity": "set-role", "connect_args": arguments})
