"""A lease that others end (a request that is over): what was above it is dead, and touches nobody else's connection."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import event, text
from support_async_pool import run
from support_sql import MakeReference, Reference

from connector import Secret
from connector.errors import HandleClosed, IdentityMismatch
from connector_sql.leased_connection import LeasedConnection

ADD = "INSERT INTO note VALUES ('the next one''s')"
NOTES = text("SELECT what FROM note")


@pytest.fixture
def notes(make_reference: MakeReference, tmp_path: Path) -> Reference:
    reference = make_reference(properties={"url": f"sqlite:///{tmp_path / 'notes.db'}"}, max_size=1)
    with reference.connections.engine.begin() as connection:
        connection.execute(text("CREATE TABLE note (what TEXT)"))
    return reference


def revoke(raw: Any) -> None:
    """What the framework does: it closes the lease, and says nothing to whoever holds it."""
    lease = cast("LeasedConnection", raw)._lease
    assert lease is not None
    lease.close()


def revoked(reference: Reference) -> LeasedConnection:
    raw = reference.connections.engine.raw_connection()
    revoke(raw)
    return cast("LeasedConnection", raw)


@pytest.mark.parametrize(
    "use",
    [
        lambda raw: raw.cursor(),
        lambda raw: raw.commit(),
        lambda raw: raw.rollback(),
        lambda raw: raw.detach(),
        lambda raw: raw.total_changes,  # the driver's own
    ],
)
def test_a_raw_connection_is_dead(notes: Reference, use: Callable[[Any], object]) -> None:
    raw = revoked(notes)

    with pytest.raises(HandleClosed) as refused:
        use(raw)

    assert refused.value.code == "CF-SQL-040"


def test_a_raw_connection_says_so_and_gives_nothing_of_the_drivers_away(notes: Reference) -> None:
    raw = revoked(notes)

    assert not raw.is_valid
    assert raw.dbapi_connection is None
    assert raw.driver_connection is None
    assert "closed" in repr(raw)


@pytest.mark.parametrize(
    "end",
    [
        lambda raw: raw.close(),
        lambda raw: raw._close_special(transaction_reset=True),
        lambda raw: raw.invalidate(),
        lambda raw: raw.invalidate(soft=True),
        lambda raw: raw.report_failure(None),
        lambda raw: raw._pool._invalidate(raw, OSError()),
    ],
)
@pytest.mark.parametrize("listened_to", [True, False])
def test_its_end_touches_nothing_of_whoever_has_the_connection_then(
    notes: Reference, end: Callable[[Any], object], listened_to: bool
) -> None:
    heard: list[str] = []
    raw = revoked(notes)
    with notes.connections.get_connection() as connection:
        connection.exec_driver_sql(ADD)
        if listened_to:
            for name in ("reset", "checkin", "invalidate", "soft_invalidate"):
                event.listen(notes.connections.engine, name, lambda *_, name=name: heard.append(name))
        end(raw)
        end(raw)
        assert heard == []
        connection.commit()

    with notes.connections.get_connection() as connection:
        assert connection.execute(NOTES).scalars().all() == ["the next one's"]
    assert notes.physical_count == 1


def test_a_detached_one_that_is_revoked_is_pooled_and_closing_it_closes_nothing(notes: Reference) -> None:
    raw = notes.connections.engine.raw_connection()
    raw.detach()
    revoke(raw)
    with notes.connections.get_connection() as connection:
        raw.close()
        assert connection.execute(NOTES).scalars().all() == []

    assert notes.physical_count == 1


def test_a_connection_with_a_transaction_is_dead_and_its_work_gone(notes: Reference) -> None:
    connection = notes.connections.get_connection()
    connection.exec_driver_sql("INSERT INTO note VALUES ('gone')")
    revoke(connection.connection)

    with notes.connections.get_connection() as others:
        others.exec_driver_sql(ADD)
        for use in (lambda: connection.execute(NOTES), connection.commit):
            with pytest.raises(HandleClosed) as refused:
                use()
            assert refused.value.code == "CF-SQL-040"
        connection.close()
        others.commit()

    with notes.connections.get_connection() as others:
        assert others.execute(NOTES).scalars().all() == ["the next one's"]


def test_a_connection_without_a_transaction_is_dead_too(notes: Reference) -> None:
    with notes.connections.engine.connect() as connection:
        revoke(connection.connection)
        with pytest.raises(HandleClosed):
            connection.execute(NOTES)
        connection.rollback()


def test_a_kept_cursor_is_dead(notes: Reference) -> None:
    raw = notes.connections.engine.raw_connection()
    cursor = raw.cursor()
    revoke(raw)

    with notes.connections.get_connection() as others, pytest.raises(others.dialect.loaded_dbapi.Error, match="closed"):
        cursor.execute("SELECT 1")


def test_an_isolation_level_is_taken_back_all_the_same(notes: Reference) -> None:
    with notes.connections.engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT")
        revoke(connection.connection)

        with notes.connections.get_connection() as others:
            others.exec_driver_sql(ADD)  # and no commit

    with notes.connections.get_connection() as others:
        assert others.execute(NOTES).scalars().all() == []


def test_on_asyncio_too(notes: Reference) -> None:
    async def scene() -> None:
        async with notes.connections.async_engine.connect() as connection:
            await connection.execute(NOTES)
            raw: Any = await connection.get_raw_connection()
            await raw._lease._lease.close()  # as the framework does, on the loop
            async with notes.connections.get_async_connection() as others:
                await others.exec_driver_sql(ADD)
                with pytest.raises(HandleClosed):
                    await connection.execute(NOTES)
                await connection.close()
                await others.commit()

    run(scene())
    with notes.connections.get_connection() as connection:
        assert connection.execute(NOTES).scalars().all() == ["the next one's"]


def test_a_connection_that_was_invalidated_comes_back_by_its_own_plan_only(
    make_reference: MakeReference, marker: Secret
) -> None:
    reference = make_reference(properties={"url": "sqlite://"}, passwords={"alice": marker, "bob": marker})
    with reference.connections.engine.connect() as connection:
        connection.invalidate()
        connection.invalidate()
        with reference.called_by("bob"), pytest.raises(IdentityMismatch) as refused:
            connection.execute(text("SELECT 1"))
        assert refused.value.code == "CF-SQL-041"
        assert connection.execute(text("SELECT 1")).scalar_one() == 1
        assert cast("LeasedConnection", connection.connection).plan.user == "alice"
