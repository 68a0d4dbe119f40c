"""alice and bob through trusted connections of asyncio on a real PostgreSQL, and the same traps as for threads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from sqlalchemy import String, text
from sqlalchemy.exc import OperationalError, PendingRollbackError, ProgrammingError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from support_async_pool import run
from support_sql import Database, MakeReference, Reference

from connector import Secret
from connector.errors import AccessDenied, ConnectionFailed, IdentityMismatch, LoginRefused

pytestmark = pytest.mark.postgresql

WHO = text("SELECT current_user, session_user, pg_backend_pid()")
CURRENT = text("SELECT current_user")


class Base(DeclarativeBase):
    pass


class Entry(Base):
    __tablename__ = "ledger"
    id: Mapped[int] = mapped_column(primary_key=True)
    what: Mapped[str] = mapped_column(String)
    who: Mapped[str] = mapped_column(String, server_default=text("current_user"))


async def who_works(reference: Reference, caller: str) -> tuple[str, str, int]:
    with reference.called_by(caller) as connections:
        async with connections.get_async_connection() as connection:
            user, login, process = (await connection.execute(WHO)).one()
            return user, login, process


def on_loop(reference: Reference, scene: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a scene, and have its loop close the connections while it still can."""

    async def with_close() -> None:
        await scene()
        for pool in list(reference.async_pools._pools.values()):
            await pool.close()

    run(with_close())


# --- identity -----------------------------------------------------------------------------------------------------


def test_each_caller_works_as_a_role_of_its_own_on_one_physical_connection(ledger: Reference) -> None:
    async def scene() -> None:
        alice, bob, again = [await who_works(ledger, name) for name in ("alice", "bob", "alice")]
        assert [found[:2] for found in (alice, bob, again)] == [
            ("alice", "ledger_pool"),
            ("bob", "ledger_pool"),
            ("alice", "ledger_pool"),
        ]
        assert alice[2] == bob[2] == again[2]
        assert (ledger.async_count, ledger.physical_count) == (1, 0)

    on_loop(ledger, scene)


def test_rows_are_written_and_seen_by_the_callers_own_rights(ledger: Reference, database: Database) -> None:
    async def scene() -> None:
        for caller, what in (("alice", "sun"), ("bob", "rain")):
            with ledger.called_by(caller) as connections:
                async with connections.async_engine.begin() as connection:
                    await connection.execute(text("INSERT INTO ledger (what) VALUES (:what)"), {"what": what})
        with ledger.called_by("bob") as connections:
            async with connections.get_async_connection() as connection:
                assert (await connection.execute(text("SELECT what FROM ledger"))).scalars().all() == ["rain"]

    on_loop(ledger, scene)
    assert database.run_sql("SELECT what, who FROM ledger ORDER BY id") == [("sun", "alice"), ("rain", "bob")]


def test_neither_a_rollback_nor_a_failed_transaction_brings_the_identity_back(ledger: Reference) -> None:
    async def scene() -> None:
        async with ledger.connections.get_async_connection() as connection:
            await connection.execute(text("INSERT INTO ledger (what) VALUES ('gone')"))
            await connection.rollback()
            assert (await connection.execute(CURRENT)).scalar_one() == "alice"
            with pytest.raises(ProgrammingError, match="nowhere"):
                await connection.execute(text("SELECT * FROM nowhere"))
            await connection.rollback()
            assert (await connection.execute(CURRENT)).scalar_one() == "alice"
        assert (await who_works(ledger, "bob"))[0] == "bob"
        assert ledger.async_count == 1

    on_loop(ledger, scene)


def test_session_state_and_driver_settings_of_one_caller_never_reach_the_next(ledger: Reference) -> None:
    async def scene() -> None:
        async with ledger.connections.get_async_connection() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            await connection.execute(text("CREATE TEMP TABLE ledger AS SELECT 'FAKE' AS what, 1 AS id"))
            await connection.execute(text("SET statement_timeout TO '77s'"))
            await connection.execute(text("SELECT pg_advisory_lock(4711)"))
            raw: Any = await connection.get_raw_connection()
            await raw.driver_connection.set_isolation_level(2)
            connection.info["noted by alice"] = True
        with ledger.called_by("bob") as connections:
            async with connections.get_async_connection() as connection:
                assert (await connection.execute(text("SELECT what FROM ledger"))).all() == []
                assert (await connection.execute(text("SHOW statement_timeout"))).scalar_one() == "0"
                held = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")
                assert (await connection.execute(held)).scalar_one() == 0
                raw = await connection.get_raw_connection()
                assert (raw.driver_connection.autocommit, raw.driver_connection.isolation_level) == (False, None)
                assert "noted by alice" not in connection.info
        assert ledger.async_count == 1

    on_loop(ledger, scene)


def test_tasks_of_two_callers_at_once_stay_apart(ledger: Reference) -> None:
    others = Reference({}, trusted=ledger._trusted, shares=ledger, name="other")
    others.caller = "bob"
    found: dict[str, set[str]] = {"alice": set(), "bob": set()}

    async def work(caller: str, reference: Reference) -> None:
        for _ in range(10):
            async with reference.connections.get_async_connection() as connection:
                found[caller].add((await connection.execute(CURRENT)).scalar_one())

    async def scene() -> None:
        await asyncio.gather(work("alice", ledger), work("bob", others))

    on_loop(ledger, scene)
    assert found == {"alice": {"alice"}, "bob": {"bob"}}


@pytest.mark.parametrize(
    ("escape", "after"),
    [("SET ROLE bob", "commit"), ("RESET ROLE", "commit"), ("SELECT set_config('role', 'bob', false)", "rollback")],
)
def test_an_identity_that_its_sql_has_changed_is_noticed_and_the_connection_destroyed(
    ledger: Reference, escape: str, after: str
) -> None:
    async def scene() -> None:
        async with ledger.connections.get_async_connection() as connection:
            await connection.execute(text(escape))
            await getattr(connection, after)()
        assert ledger.async_count == 0
        assert (await who_works(ledger, "bob"))[0] == "bob"

    on_loop(ledger, scene)
    assert [(event.who, event.reason) for event in ledger.audit.events] == [("alice", "CF-SQL-032")]


@pytest.mark.parametrize("name", ["nobody_such", "carol", 'alice"; SET ROLE "bob'])
def test_a_role_that_the_login_role_may_not_become_is_refused(ledger: Reference, name: str) -> None:
    async def scene() -> None:
        with ledger.called_by(name) as connections, pytest.raises(AccessDenied, match="CF-SQL-021"):
            await connections.get_async_connection()
        assert (await who_works(ledger, "alice"))[0] == "alice"

    on_loop(ledger, scene)


def test_a_wrong_password_and_an_unreachable_server_are_told_apart_and_show_no_secret(
    make_reference: MakeReference, database: Database, marker: Secret
) -> None:
    wrong = make_reference(properties={"url": database.url}, passwords={"carol": Secret("wrong")})
    away = make_reference(properties={"url": "postgresql+psycopg://127.0.0.1:1/postgres"}, passwords={"carol": marker})

    async def scene() -> None:
        for reference, kind in ((wrong, LoginRefused), (away, ConnectionFailed)):
            with reference.called_by("carol") as connections, pytest.raises(kind) as refused:
                await connections.get_async_connection()
            assert "wrong" not in str(refused.value.details)
            assert type(refused.value) is kind
            assert [now.changing for now in reference.async_pools.statistics()] == [0]

    run(scene())


def test_the_system_says_who_is_at_work(ledger: Reference) -> None:
    async def scene() -> None:
        async with await ledger.allocate_async() as lease:
            description = await lease.physical.describe()
            assert (description.product, description.user) == ("PostgreSQL", "alice")
            assert await lease.physical.validate()
            assert repr(lease.physical) == (
                "<AsyncSqlManagedConnection to 'jdbc/ledger' as 'ledger_pool', working as 'alice'>"
            )

    on_loop(ledger, scene)


# --- the traps ----------------------------------------------------------------------------------------------------


async def lose_the_backend(connection: AsyncConnection, database: Database) -> None:
    await asyncio.to_thread(database.end_all_backends)
    with pytest.raises(OperationalError) as broken:
        await connection.execute(CURRENT)
    assert broken.value.connection_invalidated


@pytest.mark.parametrize("through_engine", [True, False])
def test_a_connection_reconnects_by_the_plan_that_it_began_with_and_never_as_another_caller(
    ledger: Reference, database: Database, through_engine: bool
) -> None:
    async def scene() -> None:
        connections = ledger.connections
        began = connections.async_engine.connect() if through_engine else connections.get_async_connection()
        async with began as connection:
            await lose_the_backend(connection, database)
            with pytest.raises(PendingRollbackError):
                await connection.execute(CURRENT)
            await connection.rollback()
            with ledger.called_by("bob"), pytest.raises(IdentityMismatch, match="CF-SQL-041"):
                await connection.execute(CURRENT)
            assert (await connection.execute(CURRENT)).scalar_one() == "alice"
        assert ledger.async_count == 1

    on_loop(ledger, scene)


def test_a_pooled_connection_whose_backend_died_is_replaced_before_the_caller_notices(
    ledger: Reference, database: Database
) -> None:
    async def scene() -> None:
        await who_works(ledger, "alice")
        await asyncio.to_thread(database.end_all_backends)
        assert (await who_works(ledger, "bob"))[0] == "bob"
        assert ledger.async_count == 1

    on_loop(ledger, scene)


def test_a_connection_is_not_used_in_a_transaction_of_another_caller(ledger: Reference) -> None:
    async def scene() -> None:
        async with ledger.connections.get_async_connection() as connection:
            await connection.execute(CURRENT)
            await connection.commit()
            with ledger.called_by("bob"), pytest.raises(IdentityMismatch, match="CF-SQL-041"):
                await connection.execute(CURRENT)

    on_loop(ledger, scene)


def test_a_session_that_goes_on_as_another_caller_is_refused_before_any_sql(
    ledger: Reference, database: Database
) -> None:
    async def scene() -> None:
        async with AsyncSession(ledger.connections.async_engine) as session:
            session.add(Entry(what="sun"))
            await session.commit()
            session.add(Entry(what="rain"))
            with ledger.called_by("bob"), pytest.raises(IdentityMismatch, match="CF-SQL-042"):
                await session.commit()
            await session.rollback()

    on_loop(ledger, scene)
    assert database.run_sql("SELECT what, who FROM ledger") == [("sun", "alice")]


@pytest.mark.parametrize("name", [(), ("server_side",)])
def test_a_kept_cursor_is_dead_on_the_next_lease(ledger: Reference, name: tuple[str, ...]) -> None:
    async def scene() -> None:
        async with ledger.connections.get_async_connection() as connection:

            def keep(within: Any) -> Any:
                cursor = within.connection.cursor(*name)
                cursor.execute("SELECT current_user")
                return cursor

            kept = await connection.run_sync(keep)
        with ledger.called_by("bob") as connections:
            async with connections.get_async_connection() as connection:
                await connection.execute(CURRENT)
                with pytest.raises(connection.dialect.loaded_dbapi.Error, match="closed"):
                    await connection.run_sync(lambda _: kept.execute("SELECT current_user"))

    on_loop(ledger, scene)


def test_a_query_that_is_cancelled_leaves_nothing_to_the_next_caller(ledger: Reference, database: Database) -> None:
    running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND state = 'active'"

    async def scene() -> None:
        async def slow() -> None:
            async with ledger.connections.get_async_connection() as connection:
                await connection.execute(text("SELECT pg_sleep(600)"))

        task = asyncio.create_task(slow())
        while (await asyncio.to_thread(database.run_sql, running))[0][0] != 1:
            assert not task.done()
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        assert (await who_works(ledger, "bob"))[0] == "bob"
        assert [(now.in_use, now.changing) for now in ledger.async_pools.statistics()] == [(0, 0)]

    on_loop(ledger, scene)
