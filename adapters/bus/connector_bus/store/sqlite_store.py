"""The message store of one bus in one SQLite file.

Durability: write-ahead log with `synchronous=FULL`. With NORMAL a killed process loses nothing either, but a power cut
may lose transactions that were acknowledged, and nothing acknowledged may be lost; group commit pays for the flush.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any, final

from sqlalchemy import URL, Connection, Engine, create_engine, event, func, select
from sqlalchemy.exc import DatabaseError

from connector.errors import MessagingError, Reason
from connector.spi import Message
from connector_bus.store.contract import IndexLine, PreparedUnit
from connector_bus.store.index_line import headers_on, line_of, prepared_units, transfers_on, transfers_over
from connector_bus.store.recent import RecentMessages
from connector_bus.store.record import StoredMessage, from_row, header_of
from connector_bus.store.schema import EMBEDDED, link_transfers, messages, prepared, subscriptions
from connector_bus.store.sqlite_changes import apply
from connector_bus.store.subscription import StoredSubscription, subscription_of
from connector_bus.store.unit import Change, Preparation, Resolution, StoreUnit, SubscriptionChange
from connector_bus.store.unread import Unread
from connector_bus.store.writer import STORE_FAILED, GroupWriter

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


@final
class SqliteStore:
    """All messages of one bus; see `connector_bus.store.contract.MessageStore`.

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
        self._recent = RecentMessages()
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
        #: The one connection that writes; without SQLAlchemy, which would cost more than the statements.
        self._driver = self._writing.raw_connection()
        self._writer = GroupWriter(self._write, path.name)

    def submit(self, unit: StoreUnit) -> Future[None]:
        """See the contract."""
        return self._writer.submit(unit)

    def commit(self, unit: StoreUnit) -> None:
        """See the contract."""
        if not unit.is_empty:
            self._writer.commit(unit)

    def prepare(self, branch: str, unit: StoreUnit) -> None:
        """See the contract."""
        self._writer.commit(Preparation(branch, unit))

    def commit_prepared(self, branch: str) -> None:
        """See the contract."""
        self._writer.commit(Resolution(branch, commit=True))

    def rollback_prepared(self, branch: str) -> None:
        """See the contract."""
        self._writer.commit(Resolution(branch, commit=False))

    def prepared(self) -> Sequence[PreparedUnit]:
        """See the contract."""
        held = (
            select(prepared.c.branch, prepared.c.arrives, *line_of(messages))
            .join(messages, messages.c.sequence == prepared.c.sequence)
            .order_by(prepared.c.branch, prepared.c.sequence)
        )
        with self._read() as connection:
            rows = connection.execute(held).all()
        return prepared_units([tuple(row) for row in rows])

    def read(self, sequence: int) -> StoredMessage | None:
        """See the contract. Does not block for a message that came a moment ago."""
        recent = self._recent.get(sequence)
        if recent is not None:
            return recent.stored() if isinstance(recent, Unread) else recent
        with self._read() as connection:
            row = connection.execute(select(messages).where(messages.c.sequence == sequence)).mappings().first()
        return None if row is None else from_row(dict(row))

    def as_it_came(self, sequence: int) -> Unread | None:
        """See the contract."""
        recent = self._recent.get(sequence)
        return recent if isinstance(recent, Unread) else None

    def subscriptions(self) -> Sequence[StoredSubscription]:
        """See the contract."""
        with self._read() as connection:
            rows = connection.execute(select(subscriptions).order_by(subscriptions.c.made_at)).mappings().all()
        return [subscription_of(dict(row)) for row in rows]

    def subscribe(self, record: StoredSubscription) -> None:
        """See the contract."""
        self._writer.commit(SubscriptionChange(made=record))

    def unsubscribe(self, place: str) -> None:
        """See the contract."""
        self._writer.commit(SubscriptionChange(deleted=place))

    def headers(self, destination: str) -> Sequence[tuple[int, Message]]:
        """See the contract."""
        with self._read() as connection:
            rows = connection.execute(headers_on(messages, destination)).mappings().all()
        return [(row["sequence"], header_of(dict(row))) for row in rows]

    def index(self) -> Iterator[IndexLine]:
        """See the contract."""
        arriving = select(prepared.c.sequence).where(prepared.c.arrives)
        line = select(*line_of(messages)).where(messages.c.sequence.not_in(arriving)).order_by(messages.c.sequence)
        with self._read() as connection:
            for row in connection.execute(line):
                yield IndexLine(*row)

    def received(self, link: str) -> frozenset[str]:
        """See the contract."""
        with self._read() as connection:
            return frozenset(map(str, connection.scalars(transfers_over(link_transfers, link))))

    def unsent(self, destination: str, transfers: Collection[str]) -> frozenset[str]:
        """See the contract."""
        with self._read() as connection:
            here = frozenset(map(str, connection.scalars(transfers_on(messages, destination))))
        return here & frozenset(transfers)

    def last_sequence(self) -> int:
        """See the contract."""
        with self._read() as connection:
            return int(connection.execute(select(func.coalesce(func.max(messages.c.sequence), 0))).scalar_one())

    @property
    def transactions(self) -> int:
        """How many transactions were committed since it was opened."""
        return self._writer.transactions

    def close(self) -> None:
        """See the contract."""
        self._writer.close()
        self._driver.close()
        self._dispose()

    def _write(self, changes: Sequence[Change]) -> None:
        connection: Any = self._driver.driver_connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            try:
                apply(connection, changes)
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise MessagingError(STORE_FAILED, store=self._path.name, cause=str(error)) from error
        for change in changes:
            self._remember(change)

    def _remember(self, change: Change) -> None:
        """Keep what has come, and forget what has left or was changed; a decided branch's removals left long before."""
        if isinstance(change, StoreUnit):
            self._recent.came(change.insert)
            self._recent.came(change.unread)
            self._recent.left((*change.remove, *change.attempts))
        elif isinstance(change, Preparation):
            self._recent.left(change.unit.remove)

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
                EMBEDDED.bring_up(connection, str(self._path))
        except DatabaseError as error:
            return str(error.orig)
        return None

    def _dispose(self) -> None:
        self._reading.dispose()
        self._writing.dispose()

    def __repr__(self) -> str:
        return f"<SqliteStore {self._path}>"


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
