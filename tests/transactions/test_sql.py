"""SQL connections within a unit of work: what takes part, what is shared, what the application's own calls mean."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from sqlalchemy import text
from sqlalchemy.engine import Connection
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from support_till import Till

from connector import Container
from connector.errors import HandleClosed, TransactionError

pytestmark = pytest.mark.postgresql


class Base(DeclarativeBase):
    pass


class Entry(Base):
    __tablename__ = "entries"
    id: Mapped[int] = mapped_column(primary_key=True)
    what: Mapped[str]


@pytest.fixture
def container(till: Till) -> Iterator[Container]:
    with till.open() as running:
        yield running


def write(connection: Connection, what: str) -> None:
    connection.execute(text("INSERT INTO entries (what) VALUES (:what)"), {"what": what})


def backend(connection: Connection) -> int:
    return int(connection.scalar(text("SELECT pg_backend_pid()")) or 0)


def test_two_databases_are_written_together(till: Till, container: Container) -> None:
    with container.transaction():
        for name in ("bank", "shop"):
            with container.lookup(name).get_connection() as connection:
                write(connection, name)
        assert till.entries("bank") == till.entries("shop") == []
    assert (till.entries("bank"), till.entries("shop")) == (["bank"], ["shop"])


def test_an_error_undoes_what_closed_handles_have_done(till: Till, container: Container) -> None:
    with pytest.raises(ZeroDivisionError), container.transaction():
        for name in ("bank", "shop"):
            with container.lookup(name).get_connection() as connection:
                write(connection, name)
                connection.commit()
        raise ZeroDivisionError
    assert till.entries("bank") == till.entries("shop") == []


def test_a_constraint_that_fails_at_the_end_undoes_the_other_database(till: Till, container: Container) -> None:
    with pytest.raises(TransactionError) as caught, container.transaction():
        with container.lookup("shop").get_connection() as connection:
            write(connection, "sold")
        with container.lookup("bank").get_connection() as connection:
            write(connection, "paid")
            write(connection, "paid")  # the constraint is deferred
    assert caught.value.code == "CF-TX-003"
    assert till.entries("bank") == till.entries("shop") == []


@pytest.mark.parametrize("alone", [True, False])
def test_a_failed_statement_that_was_caught_cant_be_committed(till: Till, container: Container, alone: bool) -> None:
    with pytest.raises(TransactionError, match="CF-SQL-174"), container.transaction():
        if not alone:
            with container.lookup("shop").get_connection() as connection:
                write(connection, "sold")
        with container.lookup("bank").get_connection() as connection:
            write(connection, "paid")
            with pytest.raises(Exception, match="division by zero"):
                connection.execute(text("SELECT 1/0"))
    assert till.entries("bank") == till.entries("shop") == []


def test_within_a_savepoint_a_statement_may_fail(till: Till, container: Container) -> None:
    with container.transaction(), container.lookup("bank").get_connection() as connection:
        write(connection, "paid")
        with pytest.raises(Exception, match="division by zero"), connection.begin_nested():
            connection.execute(text("SELECT 1/0"))
    assert till.entries("bank") == ["paid"]


def test_two_handles_of_one_caller_are_one_connection(till: Till, container: Container) -> None:
    bank = container.application("till").lookup("bank")
    direct = container.lookup("bank")
    with container.transaction():
        with bank.get_connection() as first, direct.get_connection() as second:
            assert backend(first) == backend(second)
            write(first, "paid")
            assert second.scalar(text("SELECT count(*) FROM entries")) == 1
        with bank.get_connection() as third:
            assert third.scalar(text("SELECT count(*) FROM entries")) == 1
    assert till.entries("bank") == ["paid"]


def test_an_unshareable_reference_gets_its_own(till: Till, container: Container) -> None:
    application = container.application("till")
    with container.transaction():
        with (
            application.lookup("bank").get_connection() as shared,
            application.lookup("own-bank").get_connection() as own,
            application.lookup("own-bank").get_connection() as another,
        ):
            assert len({backend(one) for one in (shared, own, another)}) == 3
            for number, one in enumerate((shared, own, another)):
                write(one, str(number))
    assert till.entries("bank") == ["0", "1", "2"]


def test_callers_never_share_and_each_stays_who_it_is(till: Till, container: Container) -> None:
    trusted = container.application("till").lookup("trusted")
    with container.transaction():
        for caller in ("alice", "bob", "alice"):
            with container.run_as(container._parts.identity.assert_user(caller)):
                with trusted.get_connection() as connection:
                    assert connection.scalar(text("SELECT current_user")) == caller
                    write(connection, f"{caller} {backend(connection)}")
                    connection.execute(text("SELECT 1"))
                    if caller == "alice":
                        connection.execute(text("UPDATE entries SET what = 'alice' WHERE who = 'alice'"))
                        connection.execute(text("DELETE FROM entries WHERE id NOT IN (SELECT min(id) FROM entries)"))
    assert sorted(who for _what, who in till.owners("bank")) == ["alice", "bob"]


def test_after_the_end_the_connection_is_free_and_clean(till: Till, container: Container) -> None:
    bank = container.lookup("bank")
    with container.transaction():
        with bank.get_connection() as connection:
            write(connection, "paid")
        assert container.pool("bank").statistics().in_use == 1
    assert container.pool("bank").statistics().in_use == 0
    with bank.get_connection() as connection:
        assert not connection.in_transaction()
        assert connection.scalar(text("SELECT count(*) FROM entries")) == 1


def test_a_handle_kept_beyond_the_unit_is_refused(till: Till, container: Container) -> None:
    with container.transaction():
        kept = container.lookup("bank").get_connection()
        write(kept, "paid")
    with pytest.raises(HandleClosed):
        write(kept, "later")
    kept.close()
    assert till.entries("bank") == ["paid"]


def test_engine_begin_takes_part(till: Till, container: Container) -> None:
    with pytest.raises(ZeroDivisionError), container.transaction():
        with container.lookup("bank").engine.begin() as connection:
            write(connection, "paid")
        raise ZeroDivisionError
    with container.transaction(), container.lookup("bank").engine.begin() as connection:
        write(connection, "paid again")
    assert till.entries("bank") == ["paid again"]


def test_a_session_takes_part(till: Till, container: Container) -> None:
    engine = container.lookup("bank").engine
    with container.transaction():
        with Session(engine) as session:
            session.add(Entry(what="committed"))
            session.commit()
        with Session(engine) as session, session.begin():
            session.add(Entry(what="begun"))
        with Session(engine) as session:
            session.add(Entry(what="flushed"))
            session.flush()
        assert till.entries("bank") == []
    assert till.entries("bank") == ["committed", "begun", "flushed"]


def test_a_sessions_rollback_dooms_the_unit(till: Till, container: Container) -> None:
    engine = container.lookup("bank").engine
    with pytest.raises(TransactionError) as caught, container.transaction() as unit:
        with Session(engine) as session:
            session.add(Entry(what="first"))
            session.flush()
            session.rollback()
        assert unit.rollback_only
        with pytest.raises(TransactionError) as refused:
            container.lookup("bank").get_connection()
        assert refused.value.code == "CF-TX-004"
    assert caught.value.code == "CF-TX-003"
    assert till.entries("bank") == []


def test_autocommit_is_refused(till: Till, container: Container) -> None:
    engine = container.lookup("bank").engine.execution_options(isolation_level="AUTOCOMMIT")
    with pytest.raises(TransactionError) as caught, container.transaction(), engine.connect() as connection:
        write(connection, "alone")
    assert caught.value.code == "CF-SQL-171"
    assert till.entries("bank") == []
    with engine.connect() as connection:
        write(connection, "outside")
    assert till.entries("bank") == ["outside"]


def test_a_connection_that_dies_dooms_the_unit_and_no_other_takes_its_place(till: Till, container: Container) -> None:
    with pytest.raises(TransactionError), container.transaction() as unit:
        with container.lookup("shop").get_connection() as connection:
            write(connection, "sold")
        with container.lookup("bank").get_connection() as connection:
            write(connection, "paid")
            till.server.run_sql(f"SELECT pg_terminate_backend({backend(connection)}, 5000)")
            with pytest.raises(Exception, match=r"terminating connection|closed"):
                write(connection, "again")
        assert unit.rollback_only
    assert till.entries("bank") == till.entries("shop") == []
    with container.transaction(), container.lookup("bank").get_connection() as connection:
        write(connection, "a fresh one")
    assert till.entries("bank") == ["a fresh one"]


def test_a_role_changed_by_the_callers_sql_is_not_prepared(till: Till, container: Container) -> None:
    trusted = container.application("till").lookup("trusted")
    with pytest.raises(TransactionError, match="CF-SQL-177"), container.transaction():
        with container.lookup("shop").get_connection() as connection:
            write(connection, "sold")
        with container.run_as(container._parts.identity.assert_user("alice")), trusted.get_connection() as connection:
            connection.execute(text("SET LOCAL ROLE bob"))
            write(connection, "mine")
    assert till.entries("bank") == till.entries("shop") == []


def test_a_unit_outlives_the_login_that_its_connection_was_obtained_in(till: Till, container: Container) -> None:
    trusted = container.application("till").lookup("trusted")
    with container.transaction():
        with container.run_as(container._parts.identity.assert_user("alice")):
            kept = trusted.get_connection()
            write(kept, "hers")
        with pytest.raises(HandleClosed):
            write(kept, "not hers any more")
        kept.close()
    assert till.owners("bank") == [("hers", "alice")]


def test_a_reader_is_not_prepared(till: Till, container: Container) -> None:
    with container.transaction():
        with container.lookup("shop").get_connection() as connection:
            connection.scalar(text("SELECT count(*) FROM entries"))
        with container.lookup("bank").get_connection() as connection:
            write(connection, "paid")
    assert container._parts.transactions.log.resources == frozenset({"shop"}), "the second one committed in one phase"
    assert till.entries("bank") == ["paid"]


def test_sqlite_is_the_last_resource(till: Till, container: Container) -> None:
    with container.transaction():
        for name in ("notebook", "bank"):
            with container.lookup(name).get_connection() as connection:
                write(connection, name)
        assert till.noted() == []
    assert (till.noted(), till.entries("bank")) == (["notebook"], ["bank"])
    with pytest.raises(ZeroDivisionError), container.transaction():
        for name in ("notebook", "bank"):
            with container.lookup(name).get_connection() as connection:
                write(connection, name + " again")
        raise ZeroDivisionError
    assert (till.noted(), till.entries("bank")) == (["notebook"], ["bank"])


def test_a_second_last_resource_is_refused_and_its_connection_is_not_kept(till: Till, container: Container) -> None:
    with pytest.raises(TransactionError) as caught, container.transaction():
        with container.lookup("notebook").get_connection() as connection:
            write(connection, "first")
        container.lookup("second-notebook").get_connection()
    assert caught.value.code == "CF-TX-002"
    assert till.noted() == []
    assert container.pool("second-notebook").statistics().in_use == 0


def test_postgresql_may_be_told_to_be_a_last_resource(till: Till, container: Container) -> None:
    with container.transaction():
        for name in ("ledger", "notebook"):
            if name == "notebook":
                with pytest.raises(TransactionError) as caught:
                    container.lookup(name).get_connection()
                assert caught.value.code == "CF-TX-002"
            else:
                with container.lookup(name).get_connection() as connection:
                    write(connection, name)
    assert till.entries("shop") == ["ledger"]


def test_a_server_that_prepares_nothing_says_what_to_set(till: Till, container: Container) -> None:
    taken = [f"taken {number}" for number in range(20)]
    try:
        for gid in taken:
            till.server.run_sql(f"BEGIN; CREATE TABLE t_{gid[6:]} (); PREPARE TRANSACTION '{gid}'")
        with pytest.raises(TransactionError, match="max_prepared_transactions"), container.transaction():
            for name in ("bank", "shop"):
                with container.lookup(name).get_connection() as connection:
                    write(connection, name)
    finally:
        till.empty()
    assert till.entries("bank") == till.entries("shop") == []


def test_what_is_done_outside_stands(till: Till, container: Container) -> None:
    with pytest.raises(ZeroDivisionError), container.transaction():
        with container.lookup("bank").get_connection() as connection:
            write(connection, "undone")
        with container.no_transaction(), container.lookup("bank").get_connection() as connection:
            write(connection, "stands")
            connection.commit()
        raise ZeroDivisionError
    assert till.entries("bank") == ["stands"]


def test_from_asyncio_a_unit_works_through_threads_and_asyncio_connections_are_refused(
    till: Till, container: Container
) -> None:
    bank = container.lookup("bank")

    def pay() -> None:
        with bank.get_connection() as connection:
            write(connection, "paid")

    async def work() -> str:
        with container.transaction():
            await asyncio.to_thread(pay)
            with pytest.raises(TransactionError) as caught:
                async with bank.get_async_connection():
                    pass
            return caught.value.code

    assert asyncio.run(work()) == "CF-OUT-021"
    assert till.entries("bank") == ["paid"]


def test_detaching_is_refused(till: Till, container: Container) -> None:
    with container.transaction(), container.lookup("bank").get_connection() as connection:
        with pytest.raises(TransactionError) as caught:
            connection.detach()
    assert caught.value.code == "CF-SQL-173"
