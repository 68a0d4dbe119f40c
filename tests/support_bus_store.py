"""Messages at rest and places for them, for tests of the stores of a bus."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine, text

from connector.spi import Message, Secret, UserPrincipal
from connector_bus.engine.intake import Stamp, stamped
from connector_bus.store.contract import MessageStore
from connector_bus.store.postgresql_store import PostgresqlPlace, PostgresqlStore
from connector_bus.store.record import StoredMessage
from connector_bus.store.sqlite_store import SqliteStore
from connector_bus.store.unit import StoreUnit
from weather_postgresql import PostgreSQLServer

#: Seconds after which a silent engine is fenced: no test waits for it, some set the time back.
LEASE = 30.0


def message(sequence: int, body: object = "x", destination: str = "q", priority: int = 7) -> StoredMessage:
    """A message with something in every header."""
    stamp = Stamp(sequence, f"ID:{sequence}", UserPrincipal("alice", "weather"), 1.0, destination, mediated=True)
    return stamped(Message(body, {"n": 1}, reply_to="r", expires_at=9.5, priority=priority, group="g"), stamp)


class StorePlace:
    """Where a store is: opened again after it was closed, it is the same one.

    A shared store numbers messages itself; in a place of its own it begins with 1, as the tests of both kinds do.
    """

    def __init__(
        self,
        open_store: Callable[[str], MessageStore],
        run_sql: Callable[[str], object],
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        #: What `[buses.weather]` has to say for it.
        self.settings = settings or {}
        self._open = open_store
        self.run_sql = run_sql
        self._opened: list[MessageStore] = []

    def open(self, engine: str = "engine-1") -> MessageStore:
        """Open it, as an engine of this name where that matters."""
        store = self._open(engine)
        self._opened.append(store)
        return store

    def shared(self, engine: str = "engine-1") -> PostgresqlStore:
        """Open it, where it is a shared one."""
        store = self.open(engine)
        assert isinstance(store, PostgresqlStore)
        return store

    def close(self) -> None:
        """Close whatever was opened and is not closed yet."""
        for store in self._opened:
            store.close()


def taking(store: MessageStore, *sequences: int, insert: tuple[StoredMessage, ...] = ()) -> StoreUnit:
    """A unit that takes messages from q; in a shared store they are claimed for it, and what is free before them."""
    if not isinstance(store, PostgresqlStore):
        return StoreUnit(insert, sequences)
    claimed = [line.sequence for line in store.claim("q", 100, mediated=True, exclusive=False)]
    store.give_back([number for number in claimed if number not in sequences])
    return StoreUnit(insert, sequences, claim=store.epoch)


@contextmanager
def sqlite_place(folder: Path) -> Iterator[StorePlace]:
    """A file in a folder."""
    path = folder / "bus.db"

    def run_sql(sql: str) -> object:
        engine = create_engine(f"sqlite:///{path}")
        try:
            with engine.begin() as connection:
                return _rows(connection, sql)
        finally:
            engine.dispose()

    place = StorePlace(lambda _: SqliteStore(path), run_sql)
    yield place
    place.close()


@contextmanager
def postgresql_place(server: PostgreSQLServer) -> Iterator[StorePlace]:
    """The database schema of the bus weather, empty at first."""
    where = shared_at(server, "weather")
    # Epochs begin anew with the schema, and their locks are known by number: an engine that a test before has left
    # paused for good must not stand for one of this test.
    server.run_sql(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
    )
    server.run_sql(f'DROP SCHEMA IF EXISTS "{where.namespace}" CASCADE')

    def run_sql(sql: str) -> object:
        return server.run_sql(f'SET search_path TO "{where.namespace}"; {sql}')

    settings = {
        "store": "postgresql",
        "store_url": where.url,
        "store_user": where.user,
        "store_password": where.password,
        "store_lease": where.lease,
    }
    place = StorePlace(lambda engine: PostgresqlStore(where, engine), run_sql, settings)
    yield place
    place.close()
    server.run_sql(f'DROP SCHEMA IF EXISTS "{where.namespace}" CASCADE')


def shared_at(server: PostgreSQLServer, bus: str) -> PostgresqlPlace:
    """The place of a bus on a server."""
    url = f"postgresql://{server.host}:{server.port}/postgres"
    return PostgresqlPlace(url, server.admin_user, Secret(server.admin_password), bus, LEASE)


def _rows(connection: Connection, sql: str) -> object:
    result = connection.execute(text(sql))
    return [tuple(row) for row in result] if result.returns_rows else []
