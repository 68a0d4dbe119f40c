"""Connections, Engine and ORM on SQLite: what an application sees, and SQLAlchemy's pool events."""

from __future__ import annotations

import gc
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import DisconnectionError, InvalidRequestError, ResourceClosedError
from sqlalchemy.orm import Session
from support_sql import MakeReference, Reference

from connector import Secret
from connector.errors import ConfigError, PoolTimeout
from connector.spi import ManagedConnectionFactory
from connector_sql import SqlResourceAdapter

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
    with notes.connections.get_connection() as connection:
        connection.execute(text("INSERT INTO note VALUES ('kept')"))
        connection.commit()
        connection.execute(text("INSERT INTO note VALUES ('gone')"))

    assert notes_in(notes) == ["kept"]
    assert notes.physical_count == 1


def test_a_transaction_left_open_on_a_raw_connection_is_rolled_back(notes: Reference) -> None:
    raw = notes.connections.engine.raw_connection()
    raw.cursor().execute("INSERT INTO note VALUES ('gone')")
    raw.close()

    assert notes_in(notes) == []
    assert notes.physical_count == 1


def test_the_orm_works(notes: Reference) -> None:
    with Session(notes.connections.engine) as session:
        session.execute(text("INSERT INTO note VALUES ('by a session')"))
        session.commit()

    assert notes_in(notes) == ["by a session"]


def test_a_database_without_users_takes_any_sign_on(make_reference: MakeReference, marker: Secret) -> None:
    reference = make_reference(properties={"url": "sqlite://"}, passwords={"alice": marker})
    with reference.connections.get_connection() as connection:
        connection.execute(ONE)
    lease = reference.allocate()

    assert lease.physical.describe().product == "SQLite"
    assert lease.physical.describe().user is None
    assert lease.physical.validate()
    lease.close()


def test_a_database_without_users_asserts_nobody(make_reference: MakeReference, marker: Secret) -> None:
    reference = make_reference(properties={"url": "sqlite://"}, trusted=("pool", marker))

    with pytest.raises(ConfigError) as refused:
        reference.connections.get_connection()

    assert refused.value.code == "CF-SQL-020"


def test_a_closed_connection_is_closed(notes: Reference) -> None:
    connection = notes.connections.get_connection()
    connection.close()
    connection.close()

    with pytest.raises(ResourceClosedError):
        connection.execute(ONE)


def test_connections_pass_from_thread_to_thread(make_reference: MakeReference) -> None:
    reference = make_reference(properties={"url": "sqlite://"})
    found: list[int] = []

    def work() -> None:
        with reference.connections.get_connection() as connection:
            found.append(connection.execute(ONE).scalar_one())

    for _ in range(2):
        thread = Thread(target=work)
        thread.start()
        thread.join()

    assert found == [1, 1]
    assert reference.physical_count == 1


def test_our_pool_is_the_only_one_and_its_limit_holds(make_reference: MakeReference) -> None:
    reference = make_reference(properties={"url": "sqlite://"}, max_size=1)

    with reference.connections.get_connection(), pytest.raises(PoolTimeout):
        reference.connections.engine.connect()


def test_disposing_of_one_references_engine_touches_nothing_shared(notes: Reference) -> None:
    other = Reference({}, shares=notes, name="other")
    with notes.connections.get_connection() as open_connection:
        other.connections.engine.dispose()
        assert open_connection.execute(ONE).scalar_one() == 1
    with other.connections.get_connection() as connection:
        assert connection.execute(ONE).scalar_one() == 1

    assert notes.physical_count == 1
    assert other.connections.engine.dialect is notes.connections.engine.dialect


def test_a_connection_that_is_forgotten_does_not_stay_lent(make_reference: MakeReference) -> None:
    reference = make_reference(properties={"url": "sqlite://"}, max_size=1)
    connection = reference.connections.get_connection()
    connection.execute(ONE)
    del connection
    gc.collect()

    with reference.connections.get_connection() as again:
        assert again.execute(ONE).scalar_one() == 1


def test_a_detached_connection_is_closed_when_it_comes_back(notes: Reference) -> None:
    with notes.connections.get_connection() as connection:
        connection.detach()
        assert connection.connection.is_detached
        connection.execute(ONE)

    assert notes.physical_count == 0


@pytest.mark.parametrize("soft", [True, False])
def test_an_invalidated_connection_is_not_pooled(notes: Reference, soft: bool) -> None:
    raw = notes.connections.engine.raw_connection()
    raw.invalidate(soft=soft)
    assert raw.is_valid is soft
    raw.close()

    assert notes.physical_count == 0


def test_explain_asks_the_references_manager(notes: Reference) -> None:
    assert "alice" in notes.connections.explain(caller="alice").question
    assert "jdbc/log" in repr(notes.connections)


def test_a_factory_is_made_by_the_adapter() -> None:
    factory = SqlResourceAdapter().create_managed_connection_factory("jdbc/x", {"url": "sqlite://"})

    assert isinstance(factory, ManagedConnectionFactory)
    factory.create_managed_connection(None, None).destroy()


# --- SQLAlchemy's pool events -----------------------------------------------------------------------------------------


def listen(reference: Reference, *names: str) -> list[str]:
    heard: list[str] = []
    for name in names:
        event.listen(reference.connections.engine, name, lambda *_, name=name: heard.append(name))
    return heard


def test_pool_events_happen_in_their_order(notes: Reference) -> None:
    heard = listen(notes, "connect", "checkout", "reset", "checkin")

    for _ in range(2):
        with notes.connections.get_connection() as connection:
            connection.execute(ONE)

    assert heard == ["connect", "checkout", "reset", "checkin", "checkout", "reset", "checkin"]


def test_ends_that_are_no_return_have_events_too(notes: Reference) -> None:
    heard = listen(notes, "invalidate", "detach", "close_detached", "checkin")

    notes.connections.engine.raw_connection().invalidate()
    raw = notes.connections.engine.raw_connection()
    raw.detach()
    raw.close()

    assert heard == ["invalidate", "detach", "close_detached"]


def test_a_listener_can_set_up_the_connection(notes: Reference) -> None:
    @event.listens_for(notes.connections.engine, "connect")
    def switch_on_foreign_keys(dbapi_connection: Any, record: Any) -> None:
        dbapi_connection.execute("PRAGMA foreign_keys = ON")
        record.info["set up"] = True

    for _ in range(2):
        with notes.connections.get_connection() as connection:
            assert connection.execute(text("PRAGMA foreign_keys")).scalar_one() == 1
            assert connection.info == {"set up": True}


def test_a_listener_may_send_a_connection_away_at_checkout(notes: Reference) -> None:
    sent_away: list[Any] = []

    @event.listens_for(notes.connections.engine, "checkout")
    def distrust_the_first(dbapi_connection: Any, record: Any, proxied: Any) -> None:
        if not sent_away:
            sent_away.append(dbapi_connection)
            raise DisconnectionError

    with notes.connections.get_connection() as connection:
        assert connection.connection.dbapi_connection is not sent_away[0]
        assert connection.execute(ONE).scalar_one() == 1


def test_a_listener_that_always_sends_away_is_not_asked_forever(notes: Reference) -> None:
    asked: list[None] = []

    @event.listens_for(notes.connections.engine, "checkout")
    def distrust(*_: Any) -> None:
        asked.append(None)
        raise DisconnectionError

    with pytest.raises(DisconnectionError):
        notes.connections.get_connection()

    assert len(asked) == 3
    assert notes.physical_count == 0


@pytest.mark.parametrize("name", ["reset", "checkin"])
def test_a_listener_that_fails_on_return_costs_the_connection_and_nothing_else(notes: Reference, name: str) -> None:
    @event.listens_for(notes.connections.engine, name)
    def fail(*_: Any) -> None:
        raise InvalidRequestError("a listener's own")

    with notes.connections.get_connection() as connection:
        connection.execute(ONE)

    assert notes.physical_count == 0


def test_a_listener_may_use_a_connection_before_the_application_has_it(notes: Reference) -> None:
    heard: list[Any] = []

    @event.listens_for(notes.connections.engine, "engine_connect")
    def ask(connection: Any) -> None:
        heard.append(connection.execute(ONE).scalar_one())
        connection.rollback()

    with notes.connections.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(ONE)

    assert heard == [1]
