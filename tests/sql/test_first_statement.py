"""A caller whom a connection has had before is asserted with his first statement, however he sends it (TRUST-1)."""

from __future__ import annotations

import select
from collections.abc import Callable, Coroutine, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DataError, OperationalError
from sqlalchemy.orm import Session
from support_async_pool import run
from support_sql import Database, Reference

from connector.errors import AccessDenied
from connector_sql import familiar_roles, role_statements
from connector_sql.postgresql_driver import DriverState

pytestmark = pytest.mark.postgresql

WHO = "SELECT current_user"


@pytest.fixture(autouse=True)
def _known(ledger: Reference) -> None:
    """The only connection has had alice and bob."""
    for caller in ("alice", "bob"):
        with ledger.called_by(caller) as connections, connections.get_connection() as connection:
            assert connection.execute(text(WHO)).scalar() == caller
    assert ledger.physical_count == 1


@contextmanager
def driver_of(reference: Reference) -> Iterator[Any]:
    with closing(reference.connections.engine.raw_connection()) as raw:
        yield raw.driver_connection


def last_words(database: Database) -> list[object]:
    """What the backends of the login role were sent last."""
    rows = database.run_sql("SELECT query FROM pg_stat_activity WHERE usename = 'ledger_pool'")
    return [query for (query,) in rows]


# --- what it costs ------------------------------------------------------------------------------------------------


def test_nothing_is_sent_before_the_first_statement(ledger: Reference, database: Database) -> None:
    before = last_words(database)
    with ledger.connections.get_connection() as connection:
        assert last_words(database) == before
        assert connection.execute(text(WHO)).scalar() == "alice"
        assert last_words(database) != before


def test_a_caller_who_is_new_to_the_connection_is_asserted_at_once(ledger: Reference, database: Database) -> None:
    with ledger.called_by('O"Hara') as connections, connections.get_connection():
        assert last_words(database) == ['SET ROLE "O""Hara"; SHOW role']


def test_a_request_takes_as_many_round_trips_as_with_a_plain_pool(ledger: Reference, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    with trace.open("wb") as file, ledger.called_by("bob") as connections:
        with closing(connections.engine.raw_connection()) as raw:
            driver: Any = raw.driver_connection
            pgconn = driver.pgconn
            pgconn.trace(file.fileno())
            cursor = raw.cursor()
            cursor.execute(WHO)
            assert cursor.fetchone() == ("bob",)
        pgconn.untrace()

    sent = [line.split("\t")[3] for line in trace.read_text().splitlines() if line.split("\t")[1] == "F"]
    assert sent == ["Query", "Query", "Query"]  # begin, as bob; the statement; the end, and all is taken back


def test_on_a_connection_that_was_idle_for_long_everybody_is_asserted_at_once(
    ledger: Reference, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its server may be gone without a farewell (a firewall, a failover): so it is replaced, and nobody hears of it."""
    monkeypatch.setattr(familiar_roles, "_ALIVE_FOR", 0.0)
    with ledger.allocate():
        pass  # the last use, and any time is long after it
    with ledger.connections.get_connection():
        assert last_words(database) == ['SET ROLE "alice"; SHOW role']


def test_several_callers_are_kept_in_mind_but_not_without_end(
    ledger: Reference, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(familiar_roles, "_KNOWN", 2)
    with ledger.called_by('O"Hara') as connections, connections.get_connection():
        pass  # a third one: the first two are forgotten

    with ledger.connections.get_connection():
        assert last_words(database) == ['SET ROLE "alice"; SHOW role']


def test_a_driver_without_its_hooks_has_everybody_asserted_at_once(
    ledger: Reference, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(familiar_roles, "HOOKED", False)
    with ledger.allocate():  # so that there is another connection, which was opened without
        for _ in range(2):
            with ledger.connections.get_connection():
                assert 'SET ROLE "alice"; SHOW role' in last_words(database)


# --- every way to send it -----------------------------------------------------------------------------------------


def _transaction_block(driver: Any) -> object:
    with driver.transaction():
        return driver.execute(WHO).fetchone()[0]


def _autocommit(driver: Any) -> object:
    driver.autocommit = True
    return driver.execute(WHO).fetchone()[0]


def _many(driver: Any) -> object:
    cursor = driver.cursor()
    cursor.executemany("SELECT current_user, %s", [(1,), (2,)], returning=True)
    return cursor.fetchone()[0]


def _copy(driver: Any) -> object:
    with driver.cursor().copy(f"COPY ({WHO}) TO STDOUT") as copy:
        return next(bytes(row).decode().strip() for row in list(copy))


def _stream(driver: Any) -> object:
    (answer,) = driver.cursor().stream(WHO)
    return answer[0]


def _server_cursor(driver: Any) -> object:
    with driver.cursor("named") as cursor:
        return cursor.execute(WHO).fetchone()[0]


def _pipeline(driver: Any) -> object:
    with driver.pipeline():
        driver.rollback()
        cursor = driver.execute(WHO)
        return cursor.fetchone()[0]


def _two_phases(driver: Any) -> object:
    driver.tpc_begin("weather")
    answer = driver.execute(WHO).fetchone()[0]
    driver.tpc_rollback()
    return answer


def _prepared(driver: Any) -> object:
    return driver.execute("SELECT current_user, %s::int", (1,), prepare=True).fetchone()[0]


def _by_a_cursors_connection(driver: Any) -> object:
    return driver.cursor().connection.execute(WHO).fetchone()[0]


WAYS: dict[str, Callable[[Any], object]] = {
    "in a transaction block": _transaction_block,
    "committing itself": _autocommit,
    "executemany": _many,
    "COPY": _copy,
    "streaming": _stream,
    "a server-side cursor": _server_cursor,
    "a pipeline": _pipeline,
    "two-phase": _two_phases,
    "prepared": _prepared,
    "a cursor's connection": _by_a_cursors_connection,
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
def test_the_first_statement_works_as_its_caller(ledger: Reference, way: Callable[[Any], object]) -> None:
    for caller in ("alice", "bob"):
        with ledger.called_by(caller), driver_of(ledger) as driver:
            assert way(driver) == caller
    assert ledger.physical_count == 1
    assert ledger.audit.events == []


async def _first(cursor: Any) -> object:
    async with cursor:
        return (await cursor.fetchone())[0]


async def _async_transaction_block(driver: Any) -> object:
    async with driver.transaction():
        return await _first(await driver.execute(WHO))


async def _async_autocommit(driver: Any) -> object:
    await driver.set_autocommit(True)
    return await _first(await driver.execute(WHO))


async def _async_many(driver: Any) -> object:
    cursor = driver.cursor()
    await cursor.executemany("SELECT current_user, %s", [(1,), (2,)], returning=True)
    return await _first(cursor)


async def _async_pipeline(driver: Any) -> object:
    async with driver.pipeline():
        return await _first(await driver.execute(WHO))


async def _async_server_cursor(driver: Any) -> object:
    return await _first(await driver.cursor("named").execute(WHO))


async def _async_prepared(driver: Any) -> object:
    return await _first(await driver.execute(WHO, prepare=True))


ASYNC_WAYS: dict[str, Callable[[Any], Coroutine[Any, Any, object]]] = {
    "in a transaction block": _async_transaction_block,
    "committing itself": _async_autocommit,
    "executemany": _async_many,
    "a pipeline": _async_pipeline,
    "a server-side cursor": _async_server_cursor,
    "prepared": _async_prepared,
}


@pytest.mark.parametrize("way", ASYNC_WAYS.values(), ids=ASYNC_WAYS.keys())
def test_on_a_loop_the_first_statement_works_as_its_caller_too(
    ledger: Reference, way: Callable[[Any], Coroutine[Any, Any, object]]
) -> None:
    async def scene() -> list[object]:
        found = []
        for caller in ("alice", "bob", "alice", "bob"):  # the first two are new to it
            with ledger.called_by(caller) as connections:
                async with connections.get_async_connection() as connection:
                    raw = await connection.get_raw_connection()
                    found.append(await way(raw.driver_connection))
        for pool in list(ledger.async_pools._pools.values()):
            await pool.close()
        return found

    assert run(scene()) == ["alice", "bob", "alice", "bob"]


def test_a_session_works_as_its_caller_from_the_first_statement_on(ledger: Reference) -> None:
    with Session(ledger.connections.engine) as session:
        assert session.execute(text(WHO)).scalar() == "alice"
        session.rollback()
        assert session.execute(text(WHO)).scalar() == "alice"


def test_the_transaction_is_the_one_that_was_asked_for(ledger: Reference) -> None:
    with driver_of(ledger) as driver:
        driver.isolation_level = psycopg.IsolationLevel.SERIALIZABLE
        driver.read_only = True
        answer = driver.execute("SELECT current_user, current_setting('transaction_isolation')").fetchone()
        assert answer == ("alice", "serializable")
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            driver.execute("INSERT INTO ledger (what) VALUES ('rain')")
        driver.rollback()
        assert driver.execute(WHO).fetchone() == ("alice",)


def test_a_description_or_a_validation_asserts_the_caller_as_well(ledger: Reference) -> None:
    lease = ledger.allocate()
    assert lease.physical.describe().user == "alice"
    lease.close()
    lease = ledger.allocate()
    assert lease.physical.validate()
    lease.close()


# --- what may go wrong --------------------------------------------------------------------------------------------


def test_a_role_that_was_revoked_meanwhile_is_refused_by_the_first_statement(
    ledger: Reference, database: Database
) -> None:
    database.run_sql("REVOKE alice FROM ledger_pool")
    try:
        with ledger.connections.get_connection() as connection:
            with pytest.raises(AccessDenied, match="CF-SQL-021"):
                connection.execute(text(WHO))
            connection.rollback()  # nothing was begun
        assert ledger.physical_count == 0
        with pytest.raises(AccessDenied, match="CF-SQL-021"):
            ledger.connections.get_connection()
    finally:
        database.run_sql("GRANT alice TO ledger_pool")

    with ledger.called_by("bob") as connections, connections.get_connection() as connection:
        assert connection.execute(text(WHO)).scalar() == "bob"


def test_on_a_loop_a_role_that_was_revoked_meanwhile_is_refused_by_the_first_statement(
    ledger: Reference, database: Database
) -> None:
    async def scene() -> None:
        async with ledger.connections.get_async_connection() as connection:
            await connection.execute(text(WHO))
        database.run_sql("REVOKE alice FROM ledger_pool")
        async with ledger.connections.get_async_connection() as connection:
            with pytest.raises(AccessDenied, match="CF-SQL-021"):
                await connection.execute(text(WHO))
        assert ledger.async_count == 0

    try:
        run(scene())
    finally:
        database.run_sql("GRANT alice TO ledger_pool")


def test_a_connection_that_dies_before_the_first_statement_is_reported_and_replaced(
    ledger: Reference, database: Database
) -> None:
    with ledger.connections.get_connection() as connection:
        database.end_all_backends()
        with pytest.raises(OperationalError) as lost:
            connection.execute(text(WHO))
        assert lost.value.connection_invalidated
    assert ledger.physical_count == 0

    with ledger.connections.get_connection() as connection:
        assert connection.execute(text(WHO)).scalar() == "alice"


def test_what_was_kept_of_a_lease_without_a_statement_is_dead_and_harms_nobody(ledger: Reference) -> None:
    with driver_of(ledger) as kept:
        cursor = kept.cursor()

    with ledger.called_by("bob"), driver_of(ledger) as driver:
        for use in (kept, cursor):
            with pytest.raises(psycopg.Error):
                use.execute(WHO)
        assert driver.execute(WHO).fetchone() == ("bob",)
    assert ledger.physical_count == 1


def test_the_drivers_object_is_exchanged_while_nobody_can_send_by_it(
    ledger: Reference, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lease may be ended from another thread, and a statement, with its caller, come in between."""
    renew, held = DriverState.renewed, []

    def renewed(state: DriverState, connection: Any) -> Any:
        held.append(connection.lock.locked())
        return renew(state, connection)

    monkeypatch.setattr(DriverState, "renewed", renewed)
    with driver_of(ledger) as driver:
        driver.execute(WHO)
    assert held == [True]


def test_a_lease_that_ends_while_somebody_waits_for_notifications_waits_for_nobody(
    ledger: Reference, database: Database
) -> None:
    """psycopg's generator has the connection locked until it is exhausted, or collected."""
    with driver_of(ledger) as driver:
        driver.execute("LISTEN gossip")
        driver.commit()
        database.run_sql("NOTIFY gossip")
        heard = driver.notifies()
        assert next(heard).channel == "gossip"
    assert ledger.physical_count == 0
    heard.close()

    with ledger.connections.get_connection() as connection:
        assert connection.execute(text(WHO)).scalar() == "alice"


def test_what_libpq_sends_by_itself_before_works_without_rights_and_is_taken_back(ledger: Reference) -> None:
    with driver_of(ledger) as driver:
        refused = driver.pgconn.exec_(b"SELECT * FROM ledger")
        assert b"permission denied" in refused.error_message
        driver.pgconn.exec_(b"SET statement_timeout TO '77s'")

    with driver_of(ledger) as driver:
        assert driver.execute("SHOW statement_timeout").fetchone() == ("0",)
    assert ledger.physical_count == 1


def test_a_statement_after_one_of_libpqs_own_transactions_is_refused(ledger: Reference) -> None:
    with driver_of(ledger) as driver:
        driver.pgconn.exec_(b"BEGIN")
        with pytest.raises(Exception, match="CF-SQL-033"):
            driver.execute(WHO)
    assert ledger.physical_count == 0


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, GeneratorExit])
def test_an_interruption_in_the_middle_ends_the_session(ledger: Reference, interruption: type[BaseException]) -> None:
    with driver_of(ledger) as driver:
        statement = driver._start_query()
        next(statement)
        with pytest.raises(interruption):
            statement.throw(interruption())
        assert driver.closed
    assert ledger.physical_count == 0

    with ledger.connections.get_connection() as connection:
        assert connection.execute(text(WHO)).scalar() == "alice"


def test_a_server_that_answers_somebody_else_is_not_believed(
    ledger: Reference, monkeypatch: pytest.MonkeyPatch
) -> None:
    role_statements.switch_to.cache_clear()
    monkeypatch.setattr(role_statements, "quoted", lambda _role: '"bob"')
    try:
        with driver_of(ledger) as driver, pytest.raises(Exception, match="CF-SQL-031"):
            driver.execute(WHO)
    finally:
        role_statements.switch_to.cache_clear()
    assert ledger.physical_count == 0


def test_a_session_whose_server_has_said_something_is_asserted_at_once(ledger: Reference, database: Database) -> None:
    """A farewell, mostly, so that nobody is given a dead connection. Here it is a notification."""
    with ledger.allocate() as lease:
        pgconn = lease.physical.dbapi_connection.pgconn  # type: ignore[attr-defined]  # psycopg's
    pgconn.exec_(b"LISTEN gossip")
    database.run_sql("NOTIFY gossip")
    assert select.select([pgconn.socket], [], [], 20)[0]

    with ledger.connections.get_connection():
        assert last_words(database) == ['SET ROLE "alice"; SHOW role']


def test_an_error_of_the_first_statement_itself_is_only_that(ledger: Reference) -> None:
    with ledger.connections.get_connection() as connection:
        with pytest.raises(DataError, match="division"):
            connection.execute(text("SELECT 1/0"))
        connection.rollback()
        assert connection.execute(text(WHO)).scalar() == "alice"
    assert ledger.physical_count == 1
