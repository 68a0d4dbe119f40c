"""MariaDB: everybody signs on as himself, by password; each refusal has its code."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session
from support_mariadb import MariaDBServer
from support_secrets import MARKER, shows_marker
from support_security import variables_showing
from support_sql import MakeReference, MariaDatabase

from connector import Secret
from connector.errors import ConfigError, ConnectionFailed, LoginRefused, SignOnError
from connector.spi import Capability, ConnectionDescription, Subject
from connector_sql.factory import SqlManagedConnectionFactory
from connector_sql.settings import read_settings

pytestmark = pytest.mark.mariadb

WHO = text("SELECT current_user()")


@pytest.mark.parametrize("scheme", ["mariadb+mysqldb", "mysql+mysqldb"])
def test_each_caller_signs_on_as_himself_whatever_the_url_calls_the_server(
    maria: MariaDatabase, make_reference: MakeReference, scheme: str
) -> None:
    url = maria.url.replace("mariadb+mysqldb", scheme)
    reference = make_reference(properties={"url": url}, passwords=maria.passwords("alice", "bob"))

    for caller in ("alice", "bob"):
        with reference.called_by(caller) as connections, connections.get_connection() as connection:
            assert connection.execute(WHO).scalar_one() == f"{caller}@127.0.0.1"
        lease = reference.allocate(plan=reference.current_plan())
        version = maria.run_sql("SELECT version()")[0][0].partition("-")[0]
        assert lease.physical.describe() == ConnectionDescription("MariaDB", version, "alice")
        lease.close()


@pytest.mark.parametrize(
    ("user", "password"),
    [("alice", "wrong"), ("alice", ""), ("root", "wrong"), ("nobody_such", "wrong"), ("locked", f"{MARKER}-locked")],
)
def test_a_refused_credential_is_told_with_its_code_and_without_the_password(
    maria: MariaDatabase, make_reference: MakeReference, user: str, password: str
) -> None:
    reference = make_reference(properties={"url": maria.url})

    with pytest.raises(LoginRefused) as refused:
        reference.connections.get_connection(user, Secret(password))

    assert refused.value.code == "CF-SQL-011"
    assert user in str(refused.value)
    assert shows_marker(refused.value) == []
    assert variables_showing(MARKER, refused.value) == []
    assert not refused.value.retryable


@pytest.mark.parametrize(
    ("user", "database", "said"),
    [("stranger", "ledger", "to database 'ledger'"), ("bob", "archive", "to database 'archive'")],
)
def test_a_database_that_is_not_the_user_s_is_no_refusal_of_the_credential(
    maria: MariaDatabase, make_reference: MakeReference, user: str, database: str, said: str
) -> None:
    url = maria.url.replace("/ledger", f"/{database}")
    reference = make_reference(properties={"url": url}, passwords=maria.passwords(user))

    with reference.called_by(user) as connections, pytest.raises(ConnectionFailed, match=said) as failed:
        connections.get_connection()

    assert failed.value.code == "CF-SQL-012"
    assert not isinstance(failed.value, LoginRefused)
    assert shows_marker(failed.value) == []


def test_a_server_that_nobody_answers_for_is_told_without_the_password(
    maria: MariaDatabase, make_reference: MakeReference
) -> None:
    url = "mariadb+mysqldb://127.0.0.1:1/ledger"
    reference = make_reference(properties={"url": url}, passwords=maria.passwords("alice"))

    with pytest.raises(ConnectionFailed) as failed:
        reference.connections.get_connection()

    assert (failed.value.code, failed.value.retryable) == ("CF-SQL-012", True)
    assert shows_marker(failed.value) == []
    assert variables_showing(MARKER, failed.value) == []


@pytest.mark.parametrize("subject", [None, Subject()])
def test_the_server_is_never_asked_without_a_user(
    maria: MariaDatabase, make_reference: MakeReference, subject: Subject | None
) -> None:
    reference = make_reference(properties={"url": maria.url})

    with pytest.raises(SignOnError) as refused:
        reference.factory.create_managed_connection(subject, None)

    assert refused.value.code == "CF-SQL-010"


def test_engine_and_session_work_as_ever(maria: MariaDatabase, make_reference: MakeReference) -> None:
    reference = make_reference(properties={"url": maria.url}, passwords=maria.passwords("alice"))
    insert = text("INSERT INTO entries (what) VALUES (:what)")

    with Session(reference.connections.engine) as session:
        session.execute(insert, {"what": "kept"})
        session.commit()
        session.execute(insert, {"what": "rolled back"})
    with reference.connections.engine.begin() as connection:
        connection.execute(insert, {"what": "kept too"})

    assert maria.run_sql("SELECT what FROM ledger.entries ORDER BY id") == [("kept",), ("kept too",)]
    assert reference.physical_count == 1


def test_a_schema_change_by_one_user_is_seen_by_the_next(maria: MariaDatabase, make_reference: MakeReference) -> None:
    reference = make_reference(properties={"url": maria.url}, passwords=maria.passwords("alice", "bob"), max_size=1)

    with reference.connections.engine.begin() as connection:
        connection.execute(text("CREATE TABLE notes (what VARCHAR(20))"))
    try:
        with reference.called_by("bob") as connections, connections.engine.begin() as connection:
            connection.execute(text("ALTER TABLE notes ADD COLUMN who VARCHAR(20) DEFAULT 'somebody'"))
            connection.execute(text("INSERT INTO notes (what) VALUES ('new')"))
        with reference.connections.get_connection() as connection:
            assert connection.execute(text("SELECT what, who FROM notes")).all() == [("new", "somebody")]
    finally:
        maria.run_sql("DROP TABLE ledger.notes")


def test_a_connection_that_the_server_killed_in_use_is_noticed(
    maria: MariaDatabase, make_reference: MakeReference
) -> None:
    reference = make_reference(properties={"url": maria.url}, passwords=maria.passwords("alice"), max_size=1)

    with reference.connections.get_connection() as connection:
        maria.server.kill_connection(connection.execute(text("SELECT connection_id()")).scalar_one())
        with pytest.raises(OperationalError) as broken:
            connection.execute(WHO)
        assert broken.value.connection_invalidated

    with reference.connections.get_connection() as connection:
        assert connection.execute(WHO).scalar_one() == "alice@127.0.0.1"
    assert reference.physical_count == 1


def test_a_killed_connection_is_not_valid(maria: MariaDatabase, make_reference: MakeReference) -> None:
    reference = make_reference(properties={"url": maria.url}, passwords=maria.passwords("alice"))
    physical = reference.factory.create_managed_connection(reference.current_plan().subject, None)
    assert physical.validate()

    maria.server.kill_connection(physical.record.driver_connection.thread_id())

    assert not physical.validate()
    physical.destroy()


@pytest.mark.parametrize("scheme", ["mariadb+mysqldb", "mysql+mysqldb"])
def test_its_resources_can_sign_on_anew_and_neither_assert_callers_nor_serve_asyncio(
    maria: MariaDatabase, scheme: str
) -> None:
    settings = read_settings("jdbc/ledger", {"url": maria.url.replace("mariadb+mysqldb", scheme)})

    able = SqlManagedConnectionFactory(settings).effective_capabilities(frozenset(Capability))

    assert Capability.REAUTHENTICATION in able
    assert not able & {Capability.IDENTITY_SWITCH, Capability.ASYNC}


def test_asyncio_is_refused_with_what_to_do(maria: MariaDatabase, make_reference: MakeReference) -> None:
    reference = make_reference(properties={"url": maria.url}, passwords=maria.passwords("alice"))

    with pytest.raises(ConfigError, match=r"asyncio\.to_thread") as refused:
        reference.connections.get_async_connection()

    assert refused.value.code == "CF-SQL-050"


def test_nobody_gets_into_the_server_of_the_tests_without_a_password(mariadb: MariaDBServer) -> None:
    assert mariadb.run_sql("SELECT User FROM mysql.global_priv WHERE User = 'root'") == []
    assert mariadb.admin_password not in repr(mariadb)
    assert not any(mariadb._folder.rglob("first.sql")) if mariadb._folder is not None else False


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has privileges to give up")
def test_root_runs_the_server_as_somebody_else(mariadb: MariaDBServer) -> None:
    assert mariadb._process is not None
    status = Path(f"/proc/{mariadb._process.pid}/status").read_text()
    [users] = [line.split()[1:] for line in status.splitlines() if line.startswith("Uid:")]
    assert "0" not in users
