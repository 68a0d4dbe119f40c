"""The four traps of sign-on under SQLAlchemy: reconnect, Session, kept cursor, shared physical connection."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest
from sqlalchemy import String, create_engine, text
from sqlalchemy.exc import OperationalError, PendingRollbackError, StatementError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker
from support_sql import Database, Reference

from connector.errors import IdentityMismatch

pytestmark = pytest.mark.postgresql

WHO = text("SELECT current_user")


class Base(DeclarativeBase):
    pass


class Entry(Base):
    __tablename__ = "ledger"
    id: Mapped[int] = mapped_column(primary_key=True)
    what: Mapped[str] = mapped_column(String)
    who: Mapped[str] = mapped_column(String, server_default=text("current_user"))


def lose_the_backend(connection: Any, database: Database) -> None:
    database.end_all_backends()
    with pytest.raises(OperationalError) as broken:
        connection.execute(WHO)
    assert broken.value.connection_invalidated


# --- 1: a connection whose backend dies ------------------------------------------------------------------------------


def test_a_connection_reconnects_by_the_plan_that_it_began_with(ledger: Reference, database: Database) -> None:
    with ledger.connections.get_connection() as connection:
        lose_the_backend(connection, database)
        with pytest.raises(PendingRollbackError):
            connection.execute(WHO)
        connection.rollback()
        assert connection.execute(WHO).scalar_one() == "alice"
    assert ledger.physical_count == 1


@pytest.mark.parametrize("through_engine", [True, False])
def test_a_connection_never_reconnects_as_the_caller_of_the_moment(
    ledger: Reference, database: Database, through_engine: bool
) -> None:
    connections = ledger.connections
    connection = connections.engine.connect() if through_engine else connections.get_connection()
    with connection:
        lose_the_backend(connection, database)
        connection.rollback()
        with ledger.called_by("bob"), pytest.raises(IdentityMismatch) as refused:
            connection.execute(WHO)
        assert refused.value.code == "CF-SQL-041"
        assert connection.execute(WHO).scalar_one() == "alice"


def test_an_engine_with_options_gives_pinned_connections_too(ledger: Reference, database: Database) -> None:
    with ledger.connections.engine.execution_options(stream_results=False).connect() as connection:
        lose_the_backend(connection, database)
        connection.rollback()
        with ledger.called_by("bob"), pytest.raises(IdentityMismatch):
            connection.execute(WHO)


# --- 2: one Session, or one Connection, across a change of caller ----------------------------------------------------


def test_a_session_serves_one_caller_over_many_transactions(ledger: Reference) -> None:
    with Session(ledger.connections.engine) as session:
        session.add(Entry(what="sun"))
        session.commit()
        session.add(Entry(what="rain"))
        session.commit()
        assert [entry.who for entry in session.query(Entry)] == ["alice", "alice"]


def test_a_session_that_goes_on_as_another_caller_is_refused_before_any_sql(
    ledger: Reference, database: Database
) -> None:
    make_session = sessionmaker(ledger.connections.engine)
    with make_session() as session:
        session.add(Entry(what="sun"))
        session.commit()
        session.add(Entry(what="rain"))
        with ledger.called_by("bob"), pytest.raises(IdentityMismatch) as refused:
            session.commit()
        session.rollback()

    assert refused.value.code == "CF-SQL-042"
    assert "alice" in str(refused.value)
    assert database.run_sql("SELECT what, who FROM ledger") == [("sun", "alice")]


def test_two_sessions_of_two_callers_are_fine(ledger: Reference) -> None:
    for caller in ("alice", "bob"):
        with ledger.called_by(caller) as connections, Session(connections.engine) as session:
            assert session.scalar(WHO) == caller


def test_a_connection_is_not_used_in_a_transaction_of_another_caller(ledger: Reference) -> None:
    with ledger.connections.get_connection() as connection:
        connection.execute(WHO)
        connection.commit()
        with ledger.called_by("bob"), pytest.raises(IdentityMismatch) as refused:
            connection.execute(WHO)
        assert refused.value.code == "CF-SQL-041"
        with connection.begin():
            assert connection.execute(WHO).scalar_one() == "alice"


@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_a_raw_connection_gives_no_cursor_to_another_caller_after_a_transaction(ledger: Reference, end: str) -> None:
    with closing(ledger.connections.engine.raw_connection()) as raw:
        raw.cursor().execute("SELECT 1")
        with ledger.called_by("bob"):
            raw.cursor().execute("SELECT 1")  # still within alice's transaction
            getattr(raw, end)()
            with pytest.raises(IdentityMismatch) as refused:
                raw.cursor()
        assert refused.value.code == "CF-SQL-041"
        cursor = raw.cursor()
        cursor.execute("SELECT current_user")
        assert cursor.fetchone() == ("alice",)


def test_an_engine_that_somebody_makes_over_our_pool_serves_no_other_caller(ledger: Reference) -> None:
    ours = ledger.connections.engine
    with create_engine(ours.url, pool=ours.pool).connect() as connection:
        assert connection.execute(WHO).scalar_one() == "alice"
        connection.commit()
        with ledger.called_by("bob"), pytest.raises(StatementError) as refused:
            connection.execute(WHO)
        assert isinstance(refused.value.orig, IdentityMismatch)


# --- 3: a cursor that is kept -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [(), ("server_side",)])
def test_a_kept_cursor_is_dead_on_the_next_lease(ledger: Reference, name: tuple[str, ...]) -> None:
    with ledger.connections.get_connection() as connection:
        cursor = connection.connection.cursor(*name)
        cursor.execute("SELECT current_user")

    with ledger.called_by("bob") as connections, connections.get_connection() as connection:
        connection.execute(WHO)
        with pytest.raises(connection.dialect.loaded_dbapi.Error, match="closed"):
            cursor.execute("SELECT current_user")


# --- 4: two connections at once ---------------------------------------------------------------------------------------


def test_two_open_connections_are_two_physical_ones(ledger: Reference) -> None:
    process = text("SELECT pg_backend_pid()")
    with ledger.connections.get_connection() as first, ledger.connections.get_connection() as second:
        assert first.execute(process).scalar_one() != second.execute(process).scalar_one()
        second.execute(text("INSERT INTO ledger (what) VALUES ('kept')"))
        first.rollback()
        second.commit()
    with ledger.connections.get_connection() as connection:
        assert connection.execute(text("SELECT what FROM ledger")).scalars().all() == ["kept"]
