"""The message store of one bus in one SQLite file.

Durability: write-ahead log with `synchronous=FULL`. With NORMAL a killed process loses nothing either, but a power cut
may lose transactions that were acknowledged, and nothing acknowledged may be lost; group commit pays for the flush.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from sqlalchemy import URL, Connection, Engine, create_engine, event, func, select
from sqlalchemy.exc import DatabaseError

from connector.errors import MessagingError, Reason
from connector_bus.store.record import StoredMessage, from_row
from connector_bus.store.schema import messages, prepare
from connector_bus.store.unit import StoreUnit
from connector_bus.store.writer import GroupWriter

STORE_TORN = Reason(
    "CF-BUS-054",
    "the message store {file} can't be used: {cause}",
    "End what else has it open, or make it writable; of a damaged one put back a copy, or move it away to begin with "
    "an empty store. It was not touched.",
)
STORE_UNREADABLE = Reason(
    "CF-BUS-056",
    "the message store {file} can't be read: {cause}",
    "The message is still in it; look after the disk.",
)


@dataclass(frozen=True, slots=True)
class IndexLine:
    """What the engine keeps in memory of each message at rest.

    Attributes:
        sequence: Its number.
        destination: Where it is.
        priority: 0 to 9.
        expires_at: Seconds since 1970, or None.
        attempts: Failed deliveries so far.
        mediated: Whether its destination's mediations have seen it.
    """

    sequence: int
    destination: str
    priority: int
    expires_at: float | None
    attempts: int
    mediated: bool


@final
class MessageStore:
    """All messages of one bus. Safe to use from any thread; reading and writing block for disk.

    Args:
        path: The database file; made with mode 0600 if it isn't there.

    Raises:
        MessagingError: CF-BUS-050, -051 or -054 where the file can't be used; it is then left as it is.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            path.touch(mode=0o600)
        except OSError as error:
            raise MessagingError(STORE_TORN, file=str(path), cause=error.strerror) from None
        self._reading = _engine(path)
        self._writing = _engine(path)
        event.listen(self._writing, "begin", _begin_immediately)
        try:
            damage = self._prepare()
        except MessagingError:
            self._dispose()
            raise
        if damage is not None:
            self._dispose()
            raise MessagingError(STORE_TORN, file=str(path), cause=damage)
        self._writer = GroupWriter(self._writing, path.name)

    def submit(self, unit: StoreUnit) -> Future[None]:
        """Hand in a unit without waiting. Does not block. Raises MessagingError CF-BUS-052 once closed."""
        return self._writer.submit(unit)

    def commit(self, unit: StoreUnit) -> None:
        """Write a unit; when this returns it survives a power cut. An empty unit costs nothing.

        Raises MessagingError: CF-BUS-052 once closed, CF-BUS-053 where it could not be written (nothing of it was).
        """
        if not unit.is_empty:
            self._writer.submit(unit).result()

    def read(self, sequence: int) -> StoredMessage | None:
        """One message, or None if it is gone. Raises MessagingError CF-BUS-056 where the file can't be read."""
        with self._read() as connection:
            row = connection.execute(select(messages).where(messages.c.sequence == sequence)).mappings().first()
        return None if row is None else from_row(dict(row))

    def index(self) -> Iterator[IndexLine]:
        """All messages in the order of their sequence, without their bodies. Raises MessagingError CF-BUS-056."""
        columns = messages.c
        line = select(
            columns.sequence,
            columns.destination,
            columns.priority,
            columns.expires_at,
            columns.attempts,
            columns.mediated,
        ).order_by(columns.sequence)
        with self._read() as connection:
            for row in connection.execute(line):
                yield IndexLine(*row)

    def last_sequence(self) -> int:
        """The highest sequence in the store, 0 for an empty one. Raises MessagingError CF-BUS-056."""
        with self._read() as connection:
            return int(connection.execute(select(func.coalesce(func.max(messages.c.sequence), 0))).scalar_one())

    @property
    def transactions(self) -> int:
        """How many transactions were committed since it was opened."""
        return self._writer.transactions

    def close(self) -> None:
        """Write what was handed in and let go of the file. Harmless when called twice."""
        self._writer.close()
        self._dispose()

    @contextmanager
    def _read(self) -> Iterator[Connection]:
        try:
            with self._reading.connect() as connection:
                yield connection
        except DatabaseError as error:
            raise MessagingError(STORE_UNREADABLE, file=str(self._path), cause=str(error.orig)) from None

    def _prepare(self) -> str | None:
        """Check the file and its schema; answers what is wrong with the file itself, if anything is."""
        try:
            with self._writing.begin() as connection:
                verdict = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
                if verdict != "ok":
                    return str(verdict)
                prepare(connection, str(self._path))
        except DatabaseError as error:
            return str(error.orig)
        return None

    def _dispose(self) -> None:
        self._reading.dispose()
        self._writing.dispose()

    def __repr__(self) -> str:
        return f"<MessageStore {self._path}>"


def _engine(path: Path) -> Engine:
    # hide_parameters: a failing statement's error would quote message bodies.
    engine = create_engine(URL.create("sqlite", database=str(path)), hide_parameters=True)
    event.listen(engine, "connect", _configure)
    return engine


def _configure(connection: Any, _record: Any) -> None:
    # The driver's own transaction handling begins too late; SQLAlchemy's documentation asks to switch it off.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA busy_timeout=5000")
    cursor.close()


def _begin_immediately(connection: Any) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
