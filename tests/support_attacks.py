"""What SQL of a caller's own may try on a trusted PostgreSQL connection, and what becomes of it: one table.

The documentation's table (`docs/attacks.md`) has the same rows and verdicts; a test compares them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from connector_sql.connection_factory import SqlConnectionFactory


class Verdict(Enum):
    """What becomes of an attack; the values are the words of the documentation."""

    PREVENTED = "prevented"  # it fails, or nothing of it is left for the next caller
    NOTICED = "noticed"  # it works until the connection comes back, which is then destroyed and reported
    UNNOTICED = "not noticed"  # it works


@dataclass(frozen=True, slots=True)
class Attack:
    """One attack by alice on bob.

    Attributes:
        verdict: What becomes of it with `set-role`.
        statements: What alice sends.
        probe: What bob asks afterwards, on the same connection, to see whether anything is left.
        clean: What bob's question must be answered by.
        reads: Whether it is to read bob's row within itself, by its last statement.
    """

    verdict: Verdict
    statements: tuple[str, ...]
    probe: str | None = None
    clean: object = None
    reads: bool = False


def _function(name: str, body: str, options: str = "") -> str:
    return f"CREATE FUNCTION pg_temp.{name}() RETURNS text LANGUAGE sql {options} AS $$ {body} $$"


_BECOME_BOB = "SELECT set_config('role', 'bob', false)"
_BOBS_ROW = "SELECT what FROM ledger WHERE who = 'bob'"

#: By the names that the documentation's rows have.
ATTACKS: Final[Mapping[str, Attack]] = {
    # --- becoming somebody else -----------------------------------------------------------------------------------
    "RESET ROLE": Attack(Verdict.NOTICED, ("RESET ROLE",)),
    "SET ROLE NONE": Attack(Verdict.NOTICED, ("SET ROLE NONE",)),
    "SET ROLE other": Attack(Verdict.NOTICED, ("SET ROLE bob",)),
    "set_config('role') in a SELECT": Attack(Verdict.NOTICED, (_BECOME_BOB,)),
    "set_config('role') in a CTE": Attack(Verdict.NOTICED, (f"WITH x AS ({_BECOME_BOB}) SELECT * FROM x",)),
    "set_config('role') in EXPLAIN ANALYZE": Attack(Verdict.NOTICED, (f"EXPLAIN ANALYZE {_BECOME_BOB}",)),
    "set_config('role') in a function": Attack(
        Verdict.NOTICED, (_function("escape", _BECOME_BOB), "SELECT pg_temp.escape()")
    ),
    "set_config('role') in a prepared statement": Attack(
        Verdict.NOTICED, (f"PREPARE escape AS {_BECOME_BOB}", "EXECUTE escape")
    ),
    "set_config('role') in a cursor": Attack(
        Verdict.NOTICED, (f"DECLARE escape CURSOR WITH HOLD FOR {_BECOME_BOB}", "FETCH escape")
    ),
    "SET ROLE in a DO block": Attack(Verdict.NOTICED, ("DO $$ BEGIN EXECUTE 'SET ROLE bob'; END $$",)),
    "two statements in one string": Attack(Verdict.NOTICED, ("SELECT 1; SET ROLE bob",)),
    "RESET SESSION AUTHORIZATION": Attack(Verdict.NOTICED, ("RESET SESSION AUTHORIZATION",)),
    "SET SESSION AUTHORIZATION DEFAULT": Attack(Verdict.NOTICED, ("SET SESSION AUTHORIZATION DEFAULT",)),
    "SET SESSION AUTHORIZATION other": Attack(Verdict.PREVENTED, ("SET SESSION AUTHORIZATION bob",)),
    "SET ROLE in a SECURITY DEFINER function": Attack(
        Verdict.PREVENTED, (_function("escape", _BECOME_BOB, "SECURITY DEFINER"), "SELECT pg_temp.escape()")
    ),
    "UPDATE pg_settings": Attack(Verdict.PREVENTED, ("UPDATE pg_settings SET setting = 'bob' WHERE name = 'role'",)),
    "RESET ALL": Attack(Verdict.PREVENTED, ("RESET ALL",)),
    "a rollback that would undo the switch": Attack(Verdict.PREVENTED, ("ROLLBACK",)),
    "COPY … PROGRAM": Attack(Verdict.PREVENTED, ("COPY (SELECT 1) TO PROGRAM 'cat'",)),
    # --- becoming somebody else, and oneself again ----------------------------------------------------------------
    "SET ROLE other, and back": Attack(
        Verdict.UNNOTICED,
        (
            "SET ROLE bob",
            "CREATE TEMP TABLE loot AS " + _BOBS_ROW,
            "GRANT SELECT ON loot TO alice",
            "SET ROLE alice",
            "SELECT what FROM loot",
        ),
        reads=True,
    ),
    "SET LOCAL ROLE other, until COMMIT": Attack(
        Verdict.UNNOTICED,
        (
            "BEGIN",
            "SET LOCAL ROLE bob",
            "CREATE TEMP TABLE loot AS " + _BOBS_ROW,
            "GRANT SELECT ON loot TO alice",
            "COMMIT",
            "SELECT what FROM loot",
        ),
        reads=True,
    ),
    "a function with SET role": Attack(
        Verdict.UNNOTICED, (_function("peek", _BOBS_ROW, "SET role TO bob"), "SELECT pg_temp.peek()"), reads=True
    ),
    "ALTER ROLE of the login role, as itself": Attack(
        Verdict.UNNOTICED,
        ("RESET ROLE", "ALTER ROLE ledger_pool SET work_mem TO '77MB'", "SET ROLE alice"),
    ),
    # --- planting something for the next caller -------------------------------------------------------------------
    "DISCARD ALL": Attack(Verdict.NOTICED, ("DISCARD ALL",)),
    "a temporary table for the next one": Attack(
        Verdict.PREVENTED,
        ("CREATE TEMP TABLE ledger AS SELECT 'FAKE' AS what, 'bob' AS who", "GRANT ALL ON pg_temp.ledger TO public"),
        "SELECT string_agg(what, '') FROM ledger",
        "rain",
    ),
    "a temporary function for the next one": Attack(
        Verdict.PREVENTED,
        (_function("planted", "SELECT 'FAKE'"),),
        "SELECT count(*) FROM pg_proc WHERE proname = 'planted'",
        0,
    ),
    "a function in a schema of everybody's": Attack(
        Verdict.PREVENTED,
        ("CREATE FUNCTION public.planted() RETURNS text LANGUAGE sql AS $$ SELECT 'FAKE' $$",),
        "SELECT count(*) FROM pg_proc WHERE proname = 'planted'",
        0,
    ),
    "search_path": Attack(
        Verdict.PREVENTED, ("SET search_path TO pg_temp, public",), "SHOW search_path", '"$user", public'
    ),
    "settings of the session": Attack(
        Verdict.PREVENTED,
        ("SET statement_timeout TO '77s'", "SELECT set_config('app.caller', 'alice', false)"),
        "SELECT current_setting('statement_timeout') || coalesce(current_setting('app.caller', true), '')",
        "0",
    ),
    "an advisory lock": Attack(
        Verdict.PREVENTED,
        ("SELECT pg_advisory_lock(4711)",),
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'",
        0,
    ),
    "LISTEN and NOTIFY": Attack(
        Verdict.PREVENTED,
        ("LISTEN gossip", "NOTIFY gossip, 'from alice'"),
        "SELECT count(*) FROM pg_listening_channels()",
        0,
    ),
    "a cursor WITH HOLD": Attack(
        Verdict.PREVENTED, ("DECLARE kept CURSOR WITH HOLD FOR SELECT 1",), "SELECT count(*) FROM pg_cursors", 0
    ),
    "a prepared statement for the next one": Attack(
        Verdict.PREVENTED, ("PREPARE _pg3_0 AS SELECT 666",), "SELECT count(*) FROM pg_prepared_statements", 0
    ),
    "ALTER ROLE of oneself": Attack(
        Verdict.PREVENTED, ("ALTER ROLE alice SET role TO bob",), "SELECT current_user", "bob"
    ),
}

#: What is no SQL: something kept beyond the lease, and what the connection was opened with. A test each.
OTHERS: Final[Mapping[str, Verdict]] = {
    "a Connection or Session that was kept": Verdict.PREVENTED,
    "a cursor that was kept": Verdict.PREVENTED,
    "the driver's connection that was kept": Verdict.PREVENTED,
    "an adapter or a handler on the driver's connection": Verdict.PREVENTED,
    "libpq's connection that was kept": Verdict.UNNOTICED,
    "COPY that changes the role": Verdict.NOTICED,
    "a role in the options of the connection": Verdict.PREVENTED,
}


def _through_connection(connections: SqlConnectionFactory, statements: Sequence[str]) -> object:
    with connections.get_connection() as connection:
        connection = connection.execution_options(no_parameters=True)
        for statement in statements:
            result = connection.exec_driver_sql(statement)
        answer = result.scalar() if result.returns_rows else None
        connection.commit()
        return answer


def _through_session(connections: SqlConnectionFactory, statements: Sequence[str]) -> object:
    with Session(connections.engine) as session:
        for statement in statements:
            result: Any = session.execute(text(statement))
        answer = result.scalar() if result.returns_rows else None
        session.commit()
        return answer


def _through_cursor(connections: SqlConnectionFactory, statements: Sequence[str]) -> object:
    with closing(connections.engine.raw_connection()) as raw:
        cursor = raw.cursor()
        for statement in statements:
            cursor.execute(statement)
        answer = cursor.fetchone() if cursor.description else None
        raw.commit()
        return answer[0] if answer else None


def _through_driver(connections: SqlConnectionFactory, statements: Sequence[str]) -> object:
    with closing(connections.engine.raw_connection()) as raw:
        driver: Any = raw.driver_connection
        driver.autocommit = True
        for statement in statements:
            cursor = driver.execute(statement)
        answer = cursor.fetchone() if cursor.description else None
        return answer[0] if answer else None


#: How statements are sent: each answers the first value of the last statement.
WAYS: Final[Mapping[str, Callable[[SqlConnectionFactory, Sequence[str]], object]]] = {
    "Connection": _through_connection,
    "Session": _through_session,
    "raw cursor": _through_cursor,
    "driver's connection": _through_driver,
}

#: What comes nearest on MariaDB, sent by alice before the connection is signed on as bob; whatever raises is refused.
ON_MARIADB: Final[Mapping[str, tuple[str, ...]]] = {
    "SET ROLE NONE": ("SET ROLE NONE",),
    "SET ROLE other": ("SET ROLE bob",),
    "set_config('role') in a prepared statement": ("PREPARE escape FROM 'SET ROLE bob'", "EXECUTE escape"),
    "SET SESSION AUTHORIZATION other": ("SET SESSION AUTHORIZATION bob@'127.0.0.1'",),
    "SET ROLE in a SECURITY DEFINER function": (
        "CREATE DEFINER=bob@'127.0.0.1' FUNCTION escape() RETURNS INT RETURN (SELECT COUNT(*) FROM entries)",
    ),
    "two statements in one string": ("SELECT 1; SET ROLE bob",),
    "a rollback that would undo the switch": ("ROLLBACK",),
    "a temporary table for the next one": ("CREATE TEMPORARY TABLE entries AS SELECT 'FAKE' AS what",),
    "settings of the session": ("SET @caller = 'alice'", "SET SESSION max_statement_time = 77"),
    "an advisory lock": ("SELECT GET_LOCK('gossip', 0)",),
    "a prepared statement for the next one": ("PREPARE planted FROM 'SELECT 666'",),
}
