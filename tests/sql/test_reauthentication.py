"""One MariaDB connection, one user after the other (POOL-5): nothing of the one before is left, a refusal ends it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import event, text
from support_secrets import MARKER, shows_marker
from support_security import variables_showing
from support_sql import MakeReference, MariaDatabase

from connector import Secret
from connector.errors import ConnectionFailed, ConnectorError, IdentityMismatch, LoginRefused, SignOnError
from connector.spi import IdentityAssertion, ManagedConnection, PasswordCredential, Subject
from connector_sql.factory import SqlManagedConnectionFactory
from connector_sql.managed_connection import SqlManagedConnection
from connector_sql.settings import read_settings

pytestmark = pytest.mark.mariadb


class Bench:
    """Connections of one resource, destroyed after the test."""

    def __init__(self, url: str, **properties: Any) -> None:
        self.factory = SqlManagedConnectionFactory(read_settings("jdbc/ledger", {"url": url, **properties}))
        self.opened: list[SqlManagedConnection] = []

    def subject(self, user: str, password: str | None = None) -> Subject:
        secret = Secret(f"{MARKER}-{user}" if password is None else password)
        return Subject(credentials=[PasswordCredential(user, secret, self.factory)], read_only=True)

    def open(self, user: str) -> SqlManagedConnection:
        opened = self.factory.create_managed_connection(self.subject(user), None)
        self.opened.append(opened)
        return opened

    def close(self) -> None:
        for each in self.opened:
            each.destroy()


MakeBench = Callable[..., Bench]


@pytest.fixture
def make_bench(maria: MariaDatabase) -> Iterator[MakeBench]:
    made: list[Bench] = []

    def make(**properties: Any) -> Bench:
        made.append(Bench(properties.pop("url", maria.url), **properties))
        return made[-1]

    yield make
    for bench in made:
        bench.close()


class Broken(list[BaseException | None]):
    """Listens like the pool."""

    def connection_error_occurred(self, connection: ManagedConnection, cause: BaseException | None) -> None:
        self.append(cause)


def ask(connection: SqlManagedConnection, sql: str) -> Any:
    """One value, past everything of ours."""
    cursor = connection.dbapi_connection.cursor()
    try:
        cursor.execute(sql)
        described: Any = cursor.description
        row = cursor.fetchone() if described else None
        return row[0] if row else None
    finally:
        cursor.close()


def test_one_connection_is_alice_s_then_bob_s_then_alice_s_again(make_bench: MakeBench) -> None:
    bench = make_bench()
    connection = bench.open("alice")
    number = ask(connection, "SELECT connection_id()")

    for user in ("bob", "alice", "alice", "bob"):
        connection.reauthenticate(bench.subject(user), None)
        assert ask(connection, "SELECT current_user()") == f"{user}@127.0.0.1"
        assert connection.describe().user == user
        assert f"as '{user}'" in repr(connection)
        assert connection.validate()
        connection.cleanup()
    assert ask(connection, "SELECT connection_id()") == number


@pytest.mark.parametrize(
    ("soil", "question", "clean"),
    [
        ("SET @it = 'alice'", "SELECT @it", None),
        ("CREATE TEMPORARY TABLE entries (it INT)", "SELECT count(*) FROM entries", 0),
        ("SET time_zone = '+03:00'", "SELECT @@time_zone = @@global.time_zone", 1),
        ("SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE", "SELECT @@tx_isolation", "REPEATABLE-READ"),
        ("SET autocommit = 1", "SELECT @@autocommit", 0),
        ("SET NAMES latin1", "SELECT @@character_set_client", "utf8mb4"),
        ("SET sql_mode = 'ANSI_QUOTES'", "SELECT @@sql_mode = @@global.sql_mode", 1),
        ("USE archive", "SELECT database()", "ledger"),
        ("SET ROLE auditor", "SELECT current_role()", None),
        ("SELECT GET_LOCK('mine', 0)", "SELECT IS_USED_LOCK('mine')", None),
        ("LOCK TABLES entries READ", "SELECT count(*) FROM information_schema.tables WHERE table_name = 'gold'", 0),
        ("INSERT INTO entries (what) VALUES ('open')", "SELECT count(*) FROM entries", 0),
        ("INSERT INTO entries (what) VALUES ('open')", "SELECT last_insert_id()", 0),
        ("SET profiling = 1", "SHOW PROFILES", None),
        ("SET max_statement_time = 5", "SELECT @@max_statement_time", 0),
    ],
)
def test_nothing_of_the_session_before_is_left(make_bench: MakeBench, soil: str, question: str, clean: object) -> None:
    bench = make_bench()
    connection = bench.open("alice")
    ask(connection, soil)
    ask(connection, "SELECT 'a secret of alice'")

    connection.reauthenticate(bench.subject("bob"), None)

    assert ask(connection, question) == clean


def test_a_role_that_one_user_took_gives_the_next_no_privileges(make_bench: MakeBench) -> None:
    """MariaDB itself keeps the active role over a change of user, with all its privileges."""
    bench = make_bench()
    connection = bench.open("alice")
    ask(connection, "SET ROLE auditor")
    assert ask(connection, "SELECT grams FROM vault.gold") == 42

    connection.reauthenticate(bench.subject("bob"), None)

    with pytest.raises(bench.factory.settings.dialect.loaded_dbapi.Error, match="SELECT command denied to user 'bob'"):
        ask(connection, "SELECT grams FROM vault.gold")


def test_a_default_role_is_its_user_s_alone(make_bench: MakeBench) -> None:
    bench = make_bench()
    connection = bench.open("bob")

    connection.reauthenticate(bench.subject("dave"), None)
    assert ask(connection, "SELECT grams FROM vault.gold") == 42

    connection.reauthenticate(bench.subject("bob"), None)
    assert ask(connection, "SELECT current_role()") is None


def test_the_new_session_is_begun_as_a_new_connection_s_is(make_bench: MakeBench) -> None:
    arguments = {
        "charset": "utf8mb3",
        "collation": "utf8mb3_bin",
        "sql_mode": "ANSI",
        "init_command": "SET @from_here = 7",
        "autocommit": True,
    }
    bench = make_bench(connect_args=arguments)
    question = (
        "SELECT concat_ws(' ', @@character_set_client, @@collation_connection, @@sql_mode, @from_here, @@autocommit)"
    )
    connection = bench.open("alice")
    fresh = ask(connection, question)
    assert "REAL_AS_FLOAT" in fresh
    assert fresh.endswith(" 7 ON")
    ask(connection, "SET NAMES latin1, sql_mode = '', @from_here = 8, autocommit = 0")

    connection.reauthenticate(bench.subject("bob"), None)

    assert ask(connection, question) == fresh


def test_a_url_without_a_database_selects_none(make_bench: MakeBench, maria: MariaDatabase) -> None:
    bench = make_bench(url=maria.url.removesuffix("/ledger"))
    connection = bench.open("alice")
    ask(connection, "USE archive")

    connection.reauthenticate(bench.subject("bob"), None)

    assert ask(connection, "SELECT database()") is None


def test_what_an_application_did_to_the_driver_s_object_is_gone(make_bench: MakeBench) -> None:
    bench = make_bench()
    connection = bench.open("alice")
    driver: Any = connection.record.driver_connection
    before = dict(driver.converter)
    driver.kept = "a secret of alice"
    driver.set_character_set("latin1")
    driver.cursorclass = None
    driver.converter[253] = lambda _: "nonsense"
    driver.encoders[str] = None

    connection.reauthenticate(bench.subject("bob"), None)

    assert not hasattr(driver, "kept")
    assert driver.converter == before
    assert str not in driver.encoders or driver.encoders[str] is not None
    assert driver.user == "bob"
    assert ask(connection, "SELECT 'plain ✓'") == "plain ✓"
    assert ask(connection, "SELECT @@character_set_client") == driver.character_set_name() == "utf8mb4"


def test_a_kept_cursor_dies_and_listeners_see_a_new_session(make_bench: MakeBench) -> None:
    bench = make_bench()
    connection = bench.open("alice")
    cursor = connection.cursor()
    record = connection.record
    record.info["of"] = "alice"

    connection.reauthenticate(bench.subject("bob"), None)

    with pytest.raises(bench.factory.settings.dialect.loaded_dbapi.Error):
        cursor.execute("SELECT 1")
    assert connection.record is not record
    assert connection.record.info == {}


def refused(make_bench: MakeBench, user: str = "bob", password: str = f"{MARKER} wrong") -> tuple[Bench, Any, Any]:
    """A bench, a connection of alice's that was refused to somebody else, and the refusal."""
    bench = make_bench()
    connection = bench.open("alice")
    listener = Broken()
    connection.set_event_listener(listener)
    with pytest.raises(LoginRefused) as refusal:
        connection.reauthenticate(bench.subject(user, password), None)
    assert listener == [], "a refused login is no broken connection"
    return bench, connection, refusal.value


@pytest.mark.parametrize(
    ("user", "password"),
    [("bob", f"{MARKER} wrong"), ("bob", ""), ("nobody_such", MARKER), ("locked", f"{MARKER}-locked")],
)
def test_a_refused_user_is_told_without_the_password(make_bench: MakeBench, user: str, password: str) -> None:
    _, _, refusal = refused(make_bench, user, password)

    assert refusal.code == "CF-SQL-011"
    assert user in str(refusal)
    assert shows_marker(refusal) == []
    assert variables_showing(MARKER, refusal) == []


def test_after_a_refusal_the_connection_works_for_nobody(make_bench: MakeBench) -> None:
    bench, connection, _ = refused(make_bench)
    bob = IdentityAssertion("bob", "test", factory=bench.factory)
    uses: dict[str, Callable[[], object]] = {
        "cursor": connection.cursor,
        "rollback": connection.rollback,
        "cleanup": connection.cleanup,
        "validate": connection.validate,
        "describe": connection.describe,
        "reauthenticate": lambda: connection.reauthenticate(bench.subject("alice"), None),
        "switch_identity": lambda: connection.switch_identity(bob),
    }

    codes = {}
    for name, use in uses.items():
        with pytest.raises(ConnectionFailed) as failed:
            use()
        codes[name] = failed.value.code
    with pytest.raises(bench.factory.settings.dialect.loaded_dbapi.Error):
        ask(connection, "SELECT current_user()")  # not even past everything of ours
    connection.destroy()

    assert codes == dict.fromkeys(uses, "CF-SQL-061")


@pytest.mark.parametrize("whose", ["null", "empty", "another factory's", "nobody's"])
def test_without_a_credential_of_its_own_it_is_declined_and_ended(make_bench: MakeBench, whose: str) -> None:
    bench, other = make_bench(), make_bench()
    connection = bench.open("alice")
    foreign = PasswordCredential("bob", Secret(f"{MARKER}-bob"))
    subject = {
        "null": None,
        "empty": Subject(),
        "another factory's": other.subject("bob"),
        "nobody's": Subject(credentials=[foreign]),
    }[whose]

    with pytest.raises(SignOnError) as declined:
        connection.reauthenticate(subject, None)

    assert declined.value.code == "CF-SQL-010"
    with pytest.raises(ConnectionFailed):
        connection.cleanup()


def test_a_null_subject_means_the_url_s_user(make_bench: MakeBench, maria: MariaDatabase) -> None:
    maria.run_sql("CREATE USER open@'127.0.0.1'; GRANT ALL ON ledger.* TO open@'127.0.0.1'")
    bench = make_bench(url=maria.url.replace("//", "//open@"))
    connection = bench.open("alice")

    connection.reauthenticate(None, None)

    assert connection.describe().user == "open"
    maria.run_sql("DROP USER open@'127.0.0.1'")


@pytest.mark.parametrize("password", [f"{MARKER}\0", f"{MARKER}\udc80"])
def test_a_password_that_the_driver_can_t_send_is_not_shown(make_bench: MakeBench, password: str) -> None:
    bench = make_bench()
    connection = bench.open("alice")

    with pytest.raises(ConnectionFailed) as failed:
        connection.reauthenticate(bench.subject("bob", password), None)

    assert shows_marker(failed.value) == []
    assert variables_showing(MARKER, failed.value) == []
    with pytest.raises(ConnectionFailed):
        connection.cleanup()


def test_a_user_whom_the_server_takes_for_another_is_refused(make_bench: MakeBench, maria: MariaDatabase) -> None:
    bench = make_bench(url=maria.url.removesuffix("/ledger"))  # nobody has rights on that
    connection = bench.open("alice")

    with pytest.raises(IdentityMismatch) as refusal:
        connection.reauthenticate(bench.subject("mallory", f"{MARKER}-anonymous"), None)

    assert refusal.value.code == "CF-SQL-060"
    assert "'mallory'" in str(refusal.value)
    assert shows_marker(refusal.value) == []
    with pytest.raises(ConnectionFailed):
        connection.cursor()


def test_a_user_without_rights_on_the_database_fails_and_it_is_ended(make_bench: MakeBench) -> None:
    bench = make_bench()
    connection = bench.open("alice")

    with pytest.raises(ConnectionFailed, match="to database 'ledger'") as failed:
        connection.reauthenticate(bench.subject("stranger"), None)

    assert not isinstance(failed.value, LoginRefused)
    with pytest.raises(ConnectionFailed):
        connection.cleanup()


def test_a_killed_connection_fails_and_is_told_to_the_pool(make_bench: MakeBench, maria: MariaDatabase) -> None:
    bench = make_bench()
    connection = bench.open("alice")
    listener = Broken()
    connection.set_event_listener(listener)
    maria.server.kill_connection(ask(connection, "SELECT connection_id()"))

    with pytest.raises(ConnectionFailed) as failed:
        connection.reauthenticate(bench.subject("bob"), None)

    assert failed.value.code == "CF-SQL-012"
    assert listener == [failed.value]


def test_a_database_that_can_t_says_so_and_goes_on(make_bench: MakeBench) -> None:
    connection = make_bench(url="sqlite://").factory.create_managed_connection(None, None)

    with pytest.raises(TypeError, match="declares no 'reauthentication'"):
        connection.reauthenticate(None, None)

    assert connection.validate()
    connection.destroy()


# --- the return, on the same user ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("reset", "left"), [("rollback", "alice's"), ("discard", None)])
def test_a_return_takes_back_the_transaction_or_the_whole_session(
    maria: MariaDatabase, make_reference: MakeReference, reset: str, left: str | None
) -> None:
    properties = {"url": maria.url, "reset": reset}
    reference = make_reference(properties=properties, passwords=maria.passwords("alice"), max_size=1)
    sessions: list[object] = []
    event.listen(reference.connections.engine, "connect", lambda _, record: sessions.append(record))

    with reference.connections.get_connection() as connection:
        number = connection.execute(text("SELECT connection_id()")).scalar_one()
        connection.execute(text("SET @it = 'alice''s'"))
        connection.execute(text("INSERT INTO entries (what) VALUES ('open')"))
    with reference.connections.get_connection() as connection:
        assert connection.execute(text("SELECT connection_id()")).scalar_one() == number
        assert connection.execute(text("SELECT current_user()")).scalar_one() == "alice@127.0.0.1"
        assert connection.execute(text("SELECT @it")).scalar_one() == left
        assert connection.execute(text("SELECT count(*) FROM entries")).scalar_one() == 0

    assert len(sessions) == (2 if reset == "discard" else 1)


def test_a_return_that_can_t_sign_on_again_costs_the_connection(
    maria: MariaDatabase, make_reference: MakeReference
) -> None:
    erin = "erin@'127.0.0.1'"
    maria.run_sql(f"CREATE USER {erin} IDENTIFIED BY '{MARKER}-erin'; GRANT ALL ON ledger.* TO {erin}")
    properties = {"url": maria.url, "reset": "discard"}
    reference = make_reference(properties=properties, passwords=maria.passwords("erin"))
    try:
        with reference.called_by("erin") as connections, connections.get_connection() as connection:
            assert connection.execute(text("SELECT 1")).scalar_one() == 1
            maria.run_sql(f"ALTER USER {erin} IDENTIFIED BY 'another'")
        assert reference.physical_count == 0
    finally:
        maria.run_sql(f"DROP USER {erin}")


def test_after_another_user_signed_on_a_return_keeps_that_one(make_bench: MakeBench) -> None:
    bench = make_bench(reset="discard")
    connection = bench.open("alice")

    connection.reauthenticate(bench.subject("bob"), None)
    ask(connection, "SET ROLE NONE")
    connection.cleanup()

    assert connection.describe().user == "bob"
    assert shows_marker(connection) == []


def test_a_refused_return_is_an_error_of_ours(make_bench: MakeBench, maria: MariaDatabase) -> None:
    bench = make_bench(reset="discard")
    connection = bench.open("alice")
    maria.server.kill_connection(ask(connection, "SELECT connection_id()"))

    with pytest.raises((ConnectorError, bench.factory.settings.dialect.loaded_dbapi.Error)):
        connection.cleanup()
