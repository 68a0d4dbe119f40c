"""TRUST-2 on Db2, Oracle and SQL Server: the calls that the drivers document, recorded. No server has seen them."""

from __future__ import annotations

from typing import Any

import pytest
from support_recorded_drivers import DriverError, TrustedConnection
from support_secrets import MARKER, shows_marker
from support_security import variables_showing

from connector.errors import AccessDenied, ConfigError, ConnectionFailed, IdentityMismatch
from connector.spi import Capability
from connector_sql.caller_strategy import TrustedSession
from connector_sql.mssql_impersonation import execute_as, revert
from connector_sql.physical_session import PhysicalSession
from connector_sql.settings import read_settings

TRUSTED, USER, PASSWORD = (
    "SQL_ATTR_USE_TRUSTED_CONTEXT",
    "SQL_ATTR_TRUSTED_CONTEXT_USERID",
    "SQL_ATTR_TRUSTED_CONTEXT_PASSWORD",
)
ORACLE_WHO = "SELECT SYS_CONTEXT('USERENV', 'SESSION_USER'), SYS_CONTEXT('USERENV', 'PROXY_USER') FROM DUAL"
COOKIE = b"\x01\x02\xff"


# --- Db2 ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def db2(monkeypatch: pytest.MonkeyPatch) -> TrustedConnection:
    trusted = TrustedConnection(monkeypatch, "ibm_db_dbi", "db2+ibm_db://db.example/SAMPLE", "trusted-context")
    trusted.driver.options[TRUSTED] = 1
    trusted.driver.script = lambda sql: (trusted.driver.connections[-1].options.get(USER, "door").upper(),)
    return trusted


def test_db2_is_asked_for_a_trusted_connection_and_its_user_is_switched_and_switched_back(
    db2: TrustedConnection,
) -> None:
    (connect,) = db2.calls
    assert connect[-1] == {"conn_options": {TRUSTED: 1}}

    db2.become("alice")
    assert db2.calls == [
        (1, "get_option", TRUSTED),
        (1, "rollback"),
        (1, "set_option", {USER: "alice"}),
        (1, "execute", "VALUES SESSION_USER"),
        (1, "rollback"),
    ]

    db2.connection.cleanup()
    switched_back = (1, "set_option", {USER: "door", PASSWORD: "the password"})
    assert db2.calls == [(1, "rollback"), switched_back, (1, "execute", "VALUES SESSION_USER"), (1, "rollback")]


def test_a_db2_connection_that_the_server_does_not_trust_asserts_nobody(db2: TrustedConnection) -> None:
    db2.driver.options[TRUSTED] = 0

    with pytest.raises(ConfigError, match="CF-SQL-092"):
        db2.become("alice")

    assert all(call[1] != "set_option" for call in db2.calls if len(call) > 2)


def test_a_db2_session_is_passed_on_to_nobody_else(db2: TrustedConnection) -> None:
    for user in ("alice", "alice", "bob"):
        db2.become(user)
        db2.connection.cleanup()
    assert [connection.closed for connection in db2.driver.connections] == [True, False]

    db2.connection.begin_use()  # the trusted user itself, for example by a component alias
    assert [connection.closed for connection in db2.driver.connections] == [True, True, False]


def test_each_new_db2_connection_is_seen_to_be_trusted(db2: TrustedConnection) -> None:
    db2.become("alice")
    db2.connection.cleanup()
    db2.driver.options[TRUSTED] = 0

    with pytest.raises(ConfigError, match="CF-SQL-092"):
        db2.become("bob")


def test_a_user_whom_the_trusted_context_does_not_allow_is_refused(db2: TrustedConnection) -> None:
    db2.driver.script = lambda sql: DriverError("SQL20361N The switch user request failed. SQLSTATE=42517")

    with pytest.raises(AccessDenied, match=r"CF-SQL-090.*'door' to work as 'mallory': SQL20361N") as refused:
        db2.become("mallory")

    assert "ALTER TRUSTED CONTEXT" in refused.value.action


def test_a_failed_switch_back_is_an_error_without_the_password(db2: TrustedConnection) -> None:
    db2.become("alice")
    db2.driver.script = lambda sql: DriverError("SQL30082N")

    with pytest.raises(AccessDenied) as failed:
        db2.connection.cleanup()

    assert shows_marker(failed.value) == []
    assert variables_showing(MARKER, failed.value) == []


# --- Oracle -------------------------------------------------------------------------------------------------------


@pytest.fixture
def oracle(monkeypatch: pytest.MonkeyPatch) -> TrustedConnection:
    trusted = TrustedConnection(
        monkeypatch, "oracledb", "oracle+oracledb://db.example/?service_name=ledger", "proxy-user"
    )

    def script(sql: str) -> Any:
        proxy, _, session = trusted.driver.users[-1].upper().rstrip("]").partition("[")
        return (session or proxy, proxy if session else None) if sql == ORACLE_WHO else None

    trusted.driver.script = script
    _ = trusted.calls
    return trusted


def test_an_oracle_session_is_opened_through_the_proxy_as_the_caller_and_seen_to_be(oracle: TrustedConnection) -> None:
    oracle.become("alice")

    closed, connected, who, rolled_back = oracle.calls
    assert closed == (1, "close")
    assert connected[0] == "connect"
    assert connected[-1]["user"] == "door[alice]"
    assert connected[-1]["password"] == "the password"
    assert (who, rolled_back) == ((2, "execute", ORACLE_WHO), (2, "rollback"))


def test_the_same_caller_finds_its_oracle_session_again_and_another_does_not(oracle: TrustedConnection) -> None:
    for user in ("alice", "alice", "bob"):
        oracle.become(user)
        oracle.connection.cleanup()

    connects = [call[-1]["user"] for call in oracle.calls if call[0] == "connect"]
    assert connects == ["door[alice]", "door[bob]"]


def test_an_oracle_session_of_a_caller_is_never_used_as_the_trusted_users_own(oracle: TrustedConnection) -> None:
    oracle.become("alice")
    oracle.connection.cleanup()

    oracle.connection.begin_use()

    assert oracle.driver.users[-1] == "door"
    current: object = oracle.connection.dbapi_connection
    assert current is oracle.driver.connections[-1]


@pytest.mark.parametrize("name", ["alice]", "x][sys", 'a"b', "", "o'hara", "a/b@c"])
def test_a_name_that_would_be_read_as_more_than_a_name_is_refused(oracle: TrustedConnection, name: str) -> None:
    with pytest.raises(AccessDenied, match="no plain name"):
        oracle.become(name)

    assert oracle.calls == []


def test_an_oracle_user_who_may_not_be_reached_through_the_proxy_is_refused(oracle: TrustedConnection) -> None:
    oracle.driver.script = lambda sql: DriverError("ORA-28150: proxy not authorized to connect as client")

    with pytest.raises(AccessDenied, match=r"CF-SQL-090.*ORA-28150") as refused:
        oracle.become("mallory")

    assert "GRANT CONNECT THROUGH" in refused.value.action
    assert shows_marker(refused.value) == []


def test_an_oracle_that_is_gone_refuses_nobody(oracle: TrustedConnection) -> None:
    oracle.driver.script = lambda sql: DriverError("DPY-6005: cannot connect to database")

    with pytest.raises(ConnectionFailed, match="DPY-6005"):
        oracle.become("alice")


def test_an_oracle_that_says_somebody_else_is_at_work_is_believed(oracle: TrustedConnection) -> None:
    oracle.driver.script = lambda sql: ("BOB", "DOOR") if sql == ORACLE_WHO else None

    with pytest.raises(IdentityMismatch, match="CF-SQL-091"):
        oracle.become("alice")


# --- SQL Server ---------------------------------------------------------------------------------------------------


@pytest.fixture
def sql_server(monkeypatch: pytest.MonkeyPatch) -> TrustedConnection:
    trusted = TrustedConnection(
        monkeypatch, "pyodbc", "mssql+pyodbc://db.example/ledger?driver=ODBC+Driver+18+for+SQL+Server", "execute-as"
    )

    def script(sql: str) -> Any:
        if "EXECUTE AS USER = N'" in sql:
            return (COOKIE, sql.partition("N'")[2].partition("' WITH")[0].replace("''", "'"))
        return ("Door",) if "REVERT" in sql else None

    trusted.driver.script = script
    _ = trusted.calls
    return trusted


def test_sql_server_impersonates_with_a_cookie_and_reverts_with_it(sql_server: TrustedConnection) -> None:
    sql_server.become("alice")
    assert sql_server.calls == [(1, "rollback"), (1, "execute", execute_as("alice")), (1, "rollback")]

    sql_server.connection.cleanup()
    assert sql_server.calls == [(1, "rollback"), (1, "execute", revert(COOKIE)), (1, "rollback")]


def test_the_batches_are_ad_hoc_and_quote_the_name() -> None:
    assert "EXECUTE AS USER = N'o''hara' WITH COOKIE INTO @cookie" in execute_as("o'hara")
    assert "= 0x0102ff; REVERT WITH COOKIE = @cookie" in revert(COOKIE)
    assert "?" not in execute_as("alice") + revert(COOKIE)


def test_a_sql_server_session_is_passed_on_to_nobody_else(sql_server: TrustedConnection) -> None:
    used: list[str] = []
    for user in ("alice", "alice", "bob"):
        sql_server.become(user)
        sql_server.connection.cleanup()
        used.append(user)
    assert len(sql_server.driver.connections) == 2

    sql_server.connection.begin_use()  # the trusted user itself, for example by a component alias
    sql_server.connection.cleanup()
    assert len(sql_server.driver.connections) == 3

    sql_server.become("bob")
    assert len(sql_server.driver.connections) == 4
    assert [connection.closed for connection in sql_server.driver.connections] == [True, True, True, False]


def test_a_sql_server_user_who_may_not_be_impersonated_is_refused(sql_server: TrustedConnection) -> None:
    sql_server.driver.script = lambda sql: DriverError("Cannot execute as the database principal (15517)")

    with pytest.raises(AccessDenied, match=r"CF-SQL-090.*15517") as refused:
        sql_server.become("mallory")

    assert "GRANT IMPERSONATE" in refused.value.action


def test_a_revert_that_leaves_somebody_else_at_work_is_noticed(sql_server: TrustedConnection) -> None:
    sql_server.become("alice")
    sql_server.driver.script = lambda sql: ("alice",)

    with pytest.raises(IdentityMismatch, match="CF-SQL-091"):
        sql_server.connection.cleanup()


def test_a_server_that_is_gone_refuses_nobody(sql_server: TrustedConnection) -> None:
    sql_server.driver.script = lambda sql: DriverError("08S01", "[08S01] Communication link failure")

    with pytest.raises(ConnectionFailed, match="CF-SQL-093"):
        sql_server.become("alice")


# --- all of them --------------------------------------------------------------------------------------------------


def test_a_resource_with_a_strategy_can_switch_identities(sql_server: TrustedConnection) -> None:
    declared = frozenset(Capability)

    assert Capability.IDENTITY_SWITCH in sql_server.factory.effective_capabilities(declared)


@pytest.mark.parametrize("identity", ["trusted-context", "proxy-user", "execute-as"])
def test_a_strategy_for_another_database_is_refused_at_start(identity: str) -> None:
    with pytest.raises(ConfigError, match="CF-SQL-005: identity of resource jdbc/ledger needs"):
        read_settings("jdbc/ledger", {"url": "sqlite://", "identity": identity})


@pytest.mark.parametrize("database", ["db2", "oracle", "sql_server"])
def test_what_listeners_kept_of_one_lease_is_gone_in_the_next(database: str, request: pytest.FixtureRequest) -> None:
    trusted: TrustedConnection = request.getfixturevalue(database)
    trusted.become("alice")
    record = trusted.connection.record
    record.info["kept"] = "alice's"
    trusted.connection.cleanup()

    trusted.become("alice")

    assert trusted.connection.record is not record
    assert trusted.connection.record.info == {}
    assert trusted.connection.record.dbapi_connection is trusted.connection.dbapi_connection


def test_a_connection_that_was_opened_by_ticket_asserts_nobody(oracle: TrustedConnection) -> None:
    physical = PhysicalSession(oracle.connection.dbapi_connection, oracle.settings.dialect)
    session = TrustedSession(physical, oracle.settings, oracle.opening, None)

    with pytest.raises(ConfigError, match="CF-SQL-094"):
        session.login()
