"""A caller who can't be asserted with his first statement: what the program is told, and what is left of it."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from threading import Thread
from typing import Any

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session
from support_async_pool import cancel, run, until
from support_sql import Database, Reference

from connector.errors import AccessDenied
from connector.spi import Outcome

pytestmark = pytest.mark.postgresql

WHO = text("SELECT current_user")


@pytest.fixture(autouse=True)
def _known(ledger: Reference) -> None:
    """The only connection has had alice."""
    with ledger.connections.get_connection() as connection:
        assert connection.execute(WHO).scalar() == "alice"


@pytest.fixture
def _revoked(database: Database, _known: None) -> Iterator[None]:
    database.run_sql("REVOKE alice FROM ledger_pool")
    yield
    database.run_sql("GRANT alice TO ledger_pool")


@pytest.mark.usefixtures("_revoked")
def test_the_end_of_a_transaction_block_does_not_hide_the_refusal(ledger: Reference) -> None:
    with pytest.raises(AccessDenied, match="CF-SQL-021"), ledger.connections.engine.begin() as connection:
        connection.execute(WHO)
    assert ledger.physical_count == 0


@pytest.mark.usefixtures("_revoked")
def test_the_end_of_a_sessions_transaction_does_not_hide_the_refusal(ledger: Reference) -> None:
    with pytest.raises(AccessDenied, match="CF-SQL-021"):
        with Session(ledger.connections.engine) as session, session.begin():
            session.execute(WHO)
    assert ledger.physical_count == 0


def test_on_a_loop_the_end_of_a_transaction_block_does_not_hide_the_refusal(
    ledger: Reference, database: Database
) -> None:
    async def scene() -> None:
        async with ledger.connections.get_async_connection() as connection:
            await connection.execute(WHO)
        database.run_sql("REVOKE alice FROM ledger_pool")
        with pytest.raises(AccessDenied, match="CF-SQL-021"):
            async with ledger.connections.get_async_connection() as connection, connection.begin():
                await connection.execute(WHO)
        assert ledger.async_count == 0

    try:
        run(scene())
    finally:
        database.run_sql("GRANT alice TO ledger_pool")


def test_a_connection_goes_on_after_its_rollback_once_the_role_is_granted_again(
    ledger: Reference, database: Database
) -> None:
    """As after the loss of a connection: by the plan that it began with, on another one."""
    with ledger.connections.get_connection() as connection:
        database.run_sql("REVOKE alice FROM ledger_pool")
        try:
            for _ in range(2):  # by the first statement; then by the checkout that takes its place
                with pytest.raises(AccessDenied, match="CF-SQL-021"):
                    connection.execute(WHO)
                connection.rollback()
        finally:
            database.run_sql("GRANT alice TO ledger_pool")
        assert connection.execute(WHO).scalar() == "alice"
    assert ledger.physical_count == 1


@pytest.mark.usefixtures("_revoked")
def test_the_refusal_is_audited_and_explained_as_one_at_the_checkout_is(ledger: Reference) -> None:
    with ledger.connections.get_connection() as connection:
        with pytest.raises(AccessDenied) as refused:
            connection.execute(WHO)
        assert refused.value.explanation is not None

    (event,) = ledger.audit.events
    assert (event.action, event.who, event.outcome) == ("assert-identity", "alice", Outcome.DENIED)
    assert event.reason == "CF-SQL-021"


@pytest.mark.usefixtures("_revoked")
def test_a_refused_cursor_of_the_servers_is_closed(ledger: Reference) -> None:
    """psycopg warns of one that isn't, and a warning fails the test."""
    with ledger.connections.get_connection() as connection, pytest.raises(AccessDenied, match="CF-SQL-021"):
        connection.execution_options(stream_results=True).execute(WHO)
    gc.collect()
    assert ledger.physical_count == 0


@pytest.mark.usefixtures("_revoked")
def test_a_refused_cursor_of_the_servers_is_closed_with_the_drivers_connection_too(ledger: Reference) -> None:
    with closing(ledger.connections.engine.raw_connection()) as raw:
        cursor: Any = raw.cursor("named")
        with pytest.raises(AccessDenied, match="CF-SQL-021"):
            cursor.execute("SELECT current_user")
    assert cursor.closed


# --- what is no refusal -------------------------------------------------------------------------------------------


def test_a_server_that_was_lost_before_is_told_as_one_that_is_lost_later(ledger: Reference, database: Database) -> None:
    """So that a program that tries again on the driver's error, as with any pool, goes on trying again."""
    with ledger.connections.get_connection() as connection:
        database.end_all_backends()
        with pytest.raises(OperationalError) as lost:
            connection.execute(WHO)
        assert lost.value.connection_invalidated
        connection.rollback()
        assert connection.execute(WHO).scalar() == "alice"
    assert ledger.audit.events == []


@contextmanager
def roles_locked(database: Database) -> Iterator[Callable[[], bool]]:
    """SET ROLE waits meanwhile, since it has to look the role up anew. Yields what tells whether somebody does."""
    server = database.server
    database.run_sql("ALTER ROLE alice CONNECTION LIMIT 99")
    with psycopg.connect(
        host=server.host,
        port=server.port,
        user=server.admin_user,
        password=server.admin_password,
        dbname="postgres",
    ) as administrator:
        administrator.execute("LOCK TABLE pg_authid IN ACCESS EXCLUSIVE MODE")
        yield lambda: bool(administrator.execute("SELECT FROM pg_locks WHERE NOT granted").fetchall())
        administrator.rollback()


def test_a_first_statement_that_is_cancelled_is_no_refusal(ledger: Reference, database: Database) -> None:
    with roles_locked(database) as waited_for, closing(ledger.connections.engine.raw_connection()) as raw:
        driver: Any = raw.driver_connection

        def cancel_it() -> None:
            while not waited_for():
                pass
            driver.cancel_safe()

        canceller = Thread(target=cancel_it)
        canceller.start()
        with pytest.raises(psycopg.errors.QueryCanceled):
            driver.execute("SELECT 1")
        canceller.join()
    assert ledger.physical_count == 0
    assert ledger.audit.events == []


def test_a_task_that_is_cancelled_in_its_first_statement_leaves_nothing(
    ledger: Reference, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    async def scene() -> None:
        async with ledger.connections.get_async_connection() as connection:
            await connection.execute(WHO)

        async def job() -> None:
            async with ledger.connections.get_async_connection() as connection, connection.begin():
                await connection.execute(WHO)

        with roles_locked(database) as waited_for:
            task = asyncio.ensure_future(job())
            await until(waited_for)
            await cancel(task)
        assert ledger.async_count == 0
        async with ledger.connections.get_async_connection() as connection:
            assert (await connection.execute(WHO)).scalar() == "alice"
        for pool in list(ledger.async_pools._pools.values()):
            await pool.close()

    run(scene())
    assert ledger.audit.events == []
    assert [record.message for record in caplog.records if record.name == "psycopg"] == []  # it went as it should


@pytest.mark.usefixtures("_revoked")
def test_an_audit_log_that_fails_keeps_no_session_alive(ledger: Reference, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_event: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(ledger.audit, "record", fail)
    with closing(ledger.connections.engine.raw_connection()) as raw:
        driver: Any = raw.driver_connection
        with pytest.raises(OSError, match="disk is full"):
            driver.execute("SELECT current_user")
        assert driver.closed
    assert ledger.physical_count == 0
