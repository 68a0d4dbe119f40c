"""AsyncConnection, AsyncEngine and AsyncSession on SQLite: what an application sees (POOL-7)."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import InvalidRequestError, ResourceClosedError
from sqlalchemy.ext.asyncio import AsyncSession
from support_async_pool import run, until
from support_sql import MakeReference, Reference

from connector.errors import ConfigError, PoolTimeout
from connector_sql.async_driver import async_template

ONE = text("SELECT 1")


@pytest.fixture
def notes(make_reference: MakeReference, tmp_path: Path) -> Reference:
    reference = make_reference(properties={"url": f"sqlite:///{tmp_path / 'notes.db'}"})
    with reference.connections.engine.begin() as connection:
        connection.execute(text("CREATE TABLE note (what TEXT)"))
    return reference


def notes_in(reference: Reference) -> list[str]:
    with reference.connections.get_connection() as connection:
        return list(connection.execute(text("SELECT what FROM note")).scalars())


def test_what_is_committed_stays_and_what_is_not_goes(notes: Reference) -> None:
    async def scene() -> None:
        async with notes.connections.get_async_connection() as connection:
            await connection.execute(text("INSERT INTO note VALUES ('kept')"))
            await connection.commit()
            await connection.execute(text("INSERT INTO note VALUES ('gone')"))
        async with notes.connections.get_async_connection() as connection:
            assert (await connection.execute(text("SELECT what FROM note"))).scalars().all() == ["kept"]
        assert notes.async_count == 1

    run(scene())
    assert notes_in(notes) == ["kept"]


def test_the_orm_works(notes: Reference) -> None:
    async def scene() -> None:
        async with AsyncSession(notes.connections.async_engine) as session, session.begin():
            await session.execute(text("INSERT INTO note VALUES ('by a session')"))

    run(scene())
    assert notes_in(notes) == ["by a session"]


def test_results_can_be_streamed(notes: Reference) -> None:
    async def scene() -> list[int]:
        async with notes.connections.get_async_connection() as connection:
            rows = await connection.stream(text("VALUES (1), (2), (3)"))
            return [row[0] async for row in rows]

    assert run(scene()) == [1, 2, 3]


def test_a_connection_signs_on_when_its_block_begins_or_it_is_awaited(notes: Reference) -> None:
    async def scene() -> None:
        connection = notes.connections.get_async_connection()
        assert notes.async_count == 0
        await connection
        assert notes.async_count == 1
        with pytest.raises(InvalidRequestError, match="already started"):
            await connection.start()
        await connection.close()
        with pytest.raises(ResourceClosedError):
            await connection.execute(ONE)

    run(scene())


def test_two_open_connections_are_two_physical_ones_and_no_more_than_the_limit(make_reference: MakeReference) -> None:
    reference = make_reference(properties={"url": "sqlite://"}, max_size=2)
    get = reference.connections.get_async_connection

    async def scene() -> None:
        async with get() as first, get() as second:
            assert await first.get_raw_connection() is not await second.get_raw_connection()
            with pytest.raises(PoolTimeout, match="CF-POOL-003"):
                await get()

    run(scene())


@pytest.mark.parametrize("driver", ["sqlite", "sqlite+pysqlite", "sqlite+aiosqlite"])
def test_one_url_serves_threads_and_asyncio(make_reference: MakeReference, driver: str, tmp_path: Path) -> None:
    reference = make_reference(properties={"url": f"{driver}:///{tmp_path / 'one.db'}"})

    async def scene() -> object:
        async with reference.connections.async_engine.connect() as connection:
            return (await connection.execute(ONE)).scalar_one()

    with reference.connections.get_connection() as connection:
        assert connection.execute(ONE).scalar_one() == run(scene()) == 1
    assert (reference.connections.engine.driver, reference.connections.async_engine.driver) == ("pysqlite", "aiosqlite")


def test_each_event_loop_has_connections_of_its_own_and_the_engine_serves_all(notes: Reference) -> None:
    async def scene() -> object:
        async with notes.connections.async_engine.connect() as connection:
            return (await connection.get_raw_connection()).driver_connection

    assert asyncio.run(scene()) is not asyncio.run(scene())
    assert notes.async_count == 1


@pytest.mark.parametrize("turns", range(6))
def test_a_loop_may_end_while_a_connection_is_being_closed(notes: Reference, turns: int) -> None:
    async def scene() -> None:
        async with notes.connections.get_async_connection() as connection:
            await connection.execute(ONE)
        notes.async_pools.purge()
        for _ in range(turns):
            await asyncio.sleep(0)

    run(scene())
    assert [(now.size, now.changing) for now in notes.async_pools.statistics()] == [(0, 0)]


def test_a_connection_that_nobody_closed_is_destroyed_with_a_warning(
    notes: Reference, caplog: pytest.LogCaptureFixture
) -> None:
    async def scene() -> None:
        connection = await notes.connections.get_async_connection()
        del connection
        gc.collect()
        await until(lambda: sum(now.abandoned for now in notes.async_pools.statistics()) == 1)

    with caplog.at_level(logging.WARNING, "connector.pool"):
        run(scene())
    assert "was never given back" in caplog.text


def test_sqlalchemys_pool_events_happen(notes: Reference) -> None:
    seen: list[str] = []
    engine = notes.connections.async_engine.sync_engine
    for name in ("connect", "checkout", "reset", "checkin"):
        event.listen(engine, name, lambda *_, name=name: seen.append(name))

    async def scene() -> None:
        async with notes.connections.async_engine.connect() as connection:
            await connection.execute(ONE)

    run(scene())
    assert seen == ["connect", "checkout", "reset", "checkin"]


def test_an_invalidated_connection_is_destroyed(notes: Reference) -> None:
    async def scene() -> None:
        async with notes.connections.get_async_connection() as connection:
            await connection.execute(ONE)
            await connection.invalidate()
            await connection.rollback()
            assert (await connection.execute(ONE)).scalar_one() == 1
        (now,) = notes.async_pools.statistics()
        assert (now.created, now.destroyed, now.size) == (2, 1, 1)

    run(scene())


def test_a_cursor_that_is_kept_is_dead_on_the_next_lease(notes: Reference) -> None:
    async def scene() -> None:
        async with notes.connections.get_async_connection() as connection:
            kept = await connection.run_sync(lambda within: within.connection.cursor())
        async with notes.connections.get_async_connection() as connection:
            with pytest.raises(connection.dialect.loaded_dbapi.Error, match="closed"):
                await connection.run_sync(lambda _: kept.execute("SELECT 1"))

    run(scene())


def test_a_driver_without_a_twin_for_asyncio_is_named() -> None:
    with pytest.raises(ConfigError, match=r"CF-SQL-050.*mysql\+pymysql"):
        async_template("jdbc/ledger", make_url("mysql+pymysql://db.example/ledger"))


@pytest.mark.parametrize("lacking", ["aiosqlite", "greenlet"])
def test_what_is_not_installed_is_named_with_what_to_do(
    make_reference: MakeReference, monkeypatch: pytest.MonkeyPatch, lacking: str
) -> None:
    reference = make_reference(properties={"url": "sqlite://"})
    monkeypatch.setitem(sys.modules, lacking, None)
    with pytest.raises(ConfigError, match=f"CF-SQL-051.*{lacking}.*connector-framework\\[async\\]"):
        reference.connections.get_async_connection()
    with reference.connections.get_connection() as connection:
        assert connection.execute(ONE).scalar_one() == 1


def test_listeners_may_use_a_connection_while_it_is_being_lent(notes: Reference) -> None:
    engine = notes.connections.async_engine.sync_engine
    heard: list[str] = []

    @event.listens_for(engine, "checkout")
    def look(dbapi_connection: Any, record: Any, proxied: Any) -> None:
        cursor = dbapi_connection.cursor()
        cursor.execute("SELECT 1")
        cursor.close()
        heard.append("checkout")

    @event.listens_for(engine, "engine_connect")
    def ask(connection: Any) -> None:
        heard.append(f"engine_connect {connection.execute(ONE).scalar_one()}")
        connection.rollback()

    async def scene() -> None:
        async with notes.connections.async_engine.connect() as connection:
            assert (await connection.execute(ONE)).scalar_one() == 1
        async with notes.connections.get_async_connection() as connection:
            assert (await connection.execute(ONE)).scalar_one() == 1

    run(scene())
    assert heard == ["checkout", "engine_connect 1"] * 2


def test_a_connection_that_was_let_go_is_closed_without_waiting_for_its_thread(notes: Reference) -> None:
    async def scene() -> None:
        physical: Any = await notes.factory.create_managed_connection_async(None, None)
        gate = threading.Event()
        busy = asyncio.ensure_future(physical.within.record.driver_connection._execute(gate.wait))
        await asyncio.sleep(0)
        physical.abort()  # its thread ends once it is no longer busy, and does nothing more
        closing = asyncio.create_task(physical.destroy())
        await asyncio.sleep(0)
        gate.set()
        async with asyncio.timeout(20):
            await closing
            await busy

    run(scene())
