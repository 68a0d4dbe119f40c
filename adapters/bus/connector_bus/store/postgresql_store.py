"""The message store of one bus in PostgreSQL, for several engines at once (BUS-1).

Messages are claimed with `FOR UPDATE SKIP LOCKED`, so that engines don't wait for each other; what becomes free is
told by NOTIFY, so that nobody polls. `membership` says how engines are told apart, and what becomes of dead ones.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, final

from sqlalchemy import (
    URL,
    ColumnElement,
    Connection,
    Engine,
    FromClause,
    Transaction,
    create_engine,
    event,
    func,
    make_url,
    select,
    text,
    true,
    update,
)
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from connector.errors import MessagingError, Reason
from connector.spi import Message, Secret
from connector_bus.store.contract import IndexLine, PreparedUnit
from connector_bus.store.index_line import (
    headers_on,
    headers_where,
    line_of,
    prepared_units,
    transfers_on,
    transfers_over,
)
from connector_bus.store.listener import Listener
from connector_bus.store.membership import Membership
from connector_bus.store.record import StoredMessage, from_row, header_of
from connector_bus.store.shared_changes import apply, array_of, hold, notify
from connector_bus.store.shared_schema import (
    ARRIVING,
    LEAVING,
    SHARED,
    link_transfers,
    messages,
    prepared,
    subscription_changes,
    subscriptions,
)
from connector_bus.store.subscription import StoredSubscription, subscription_of
from connector_bus.store.unit import Change, Preparation, Resolution, StoreUnit, SubscriptionChange
from connector_bus.store.unread import Unread
from connector_bus.store.writer import OUTCOME_UNKNOWN, STORE_FAILED, GroupWriter, StoreUncertain

STORE_UNREACHABLE = Reason(
    "CF-BUS-083",
    "the message store {store} can't be reached: {cause}",
    "Look after the server, the network, and store_url, store_user and store_password of the bus.",
)
DRIVER_MISSING = Reason(
    "CF-BUS-084",
    "the message store {store} needs the driver psycopg, which is not installed",
    "Install connector-framework[bus,postgresql].",
)
READ_FAILED = Reason(
    "CF-BUS-086",
    "the message store {store} can't be read: {cause}",
    "The messages are still in it; look after the server.",
)

#: PostgreSQL's limit for names, in bytes.
_NAME_LIMIT = 63
_FREE = messages.c.claimed_by.is_(None)
_ORDER = (messages.c.priority.desc(), messages.c.sequence)
_BRING_UP_ONE_BY_ONE = text("SELECT pg_advisory_xact_lock(hashtext(:namespace))")
#: Of other numbers than the locks of the epochs.
_EXCLUSIVELY = text("SELECT pg_advisory_xact_lock(hashtext(current_schema() || '/'), hashtext(:destination))")


@dataclass(frozen=True, slots=True)
class PostgresqlPlace:
    """Where a shared store is.

    Attributes:
        url: A SQLAlchemy URL without user and password.
        user: The database user.
        password: Its password.
        bus: The bus; its store is a database schema of its own.
        lease: Seconds after which an engine that shows no sign of life is fenced.
    """

    url: str
    user: str | None
    password: Secret | None
    bus: str
    lease: float

    @property
    def namespace(self) -> str:
        """The database schema: different for different buses, whatever their names."""
        name = f"bus_{self.bus}"
        if len(name.encode()) <= _NAME_LIMIT:
            return name
        return f"bus_{hashlib.sha256(self.bus.encode()).hexdigest()[:32]}"

    @property
    def shown(self) -> str:
        """For errors and logs: the URL has no password."""
        return f"{self.url} ({self.namespace})"


@final
class PostgresqlStore:
    """All messages of one bus, shared with other engines; see `connector_bus.store.contract.SharedStore`.

    Args:
        place: Where.
        engine_name: This engine's name, unique among those that share the store.

    Raises:
        MessagingError: CF-BUS-050 or -051 where it isn't ours to use (it is left as it is), -082 where an engine of
            the name is at work, -083 where the server can't be reached, -084 without its driver.
    """

    def __init__(self, place: PostgresqlPlace, engine_name: str) -> None:
        self._shown = place.shown
        self._owner = engine_name
        self._namespace = place.namespace
        self._channel = place.namespace
        self._lease = place.lease
        self._pool = _engine(place)
        # The driver's own as well: the connection that listens is used without SQLAlchemy.
        self._errors: tuple[type[Exception], ...] = (SQLAlchemyError, _driver_error(self._pool))
        self._membership = Membership(self._pool, engine_name, self._shown, self._channel, place.lease)
        self._listener = Listener(self._link, self._channel, self._shown)
        try:
            with self._telling(STORE_UNREACHABLE):
                self._bring_up()
                self.rejoin()
        except BaseException:
            self._listener.close()
            self._pool.dispose()
            raise
        self._writer = GroupWriter(self._write, place.namespace)

    @property
    def engine_name(self) -> str:
        """See the contract."""
        return self._owner

    @property
    def epoch(self) -> int:
        """See the contract."""
        return self._membership.epoch

    @property
    def look_interval(self) -> float:
        """See the contract."""
        return self._lease / 3

    @property
    def transactions(self) -> int:
        """How many transactions of changes were committed since it was opened."""
        return self._writer.transactions

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
        """See the contract; those of this engine's name only."""
        held = (
            select(prepared.c.branch, prepared.c.arrives, *line_of(messages))
            .join(messages, messages.c.sequence == prepared.c.sequence)
            .where(prepared.c.owner == self._owner)
            .order_by(prepared.c.branch, prepared.c.sequence)
        )
        with self._read() as connection:
            return prepared_units([tuple(row) for row in connection.execute(held)])

    def read(self, sequence: int) -> StoredMessage | None:
        """See the contract."""
        with self._read() as connection:
            row = connection.execute(select(messages).where(messages.c.sequence == sequence)).mappings().first()
        return None if row is None else from_row(dict(row))

    def as_it_came(self, sequence: int) -> Unread | None:
        """See the contract: what other engines may have changed is in nobody's memory."""
        return None

    def headers(self, destination: str) -> Sequence[tuple[int, Message]]:
        """See the contract."""
        with self._read() as connection:
            rows = connection.execute(headers_on(messages, destination)).mappings().all()
        return [(row["sequence"], header_of(dict(row))) for row in rows]

    def index(self) -> Iterator[IndexLine]:
        """See the contract."""
        there = messages.c.claimed_by.is_distinct_from(ARRIVING)
        with self._read() as connection:
            for row in connection.execute(select(*line_of(messages)).where(there).order_by(messages.c.sequence)):
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

    def claim(
        self,
        destination: str,
        count: int,
        *,
        mediated: bool | None,
        exclusive: bool,
        keeps_groups: bool = False,
        only: Sequence[int] | None = None,
        now: float = math.inf,
    ) -> Sequence[IndexLine]:
        """See the contract."""
        here = _on(messages, destination, mediated)
        picked = select(messages.c.sequence).where(here, _FREE, _due(now))
        picked = picked.order_by(*_ORDER).limit(1 if exclusive else count)
        if only is not None:
            picked = picked.where(messages.c.sequence == func.any(array_of(only)))
        if exclusive:
            others = messages.alias()
            picked = picked.where(
                ~select(others.c.sequence)
                .where(_on(others, destination, mediated), others.c.claimed_by != ARRIVING)
                .correlate(None)
                .exists()
            )
        if keeps_groups:
            others = messages.alias()
            picked = picked.where(
                messages.c.group_id.is_(None)
                | ~select(others.c.sequence)
                .where(
                    _on(others, destination, mediated),
                    others.c.claimed_by != ARRIVING,
                    others.c.group_id == messages.c.group_id,
                )
                .correlate(messages)
                .exists()
            )
        # A WITH that locks is carried out once, whatever plan the server makes; a subquery might be repeated.
        chosen = picked.with_for_update(skip_locked=True).cte("chosen")
        with self._work() as connection:
            epoch = self.epoch
            hold(connection, epoch, self._shown)
            if exclusive or keeps_groups:  # who claims at the same time would not see what is claimed here
                connection.execute(_EXCLUSIVELY, {"destination": destination})
            rows = connection.execute(
                update(messages)
                .where(messages.c.sequence == chosen.c.sequence)
                .values(claimed_by=epoch)
                .returning(*line_of(messages), messages.c.claimed_by)
            ).all()
        return sorted((IndexLine(*row) for row in rows), key=lambda line: (-line.priority, line.sequence))

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

    def subscriptions_version(self) -> int:
        """See the contract."""
        with self._read() as connection:
            return int(connection.scalar(select(func.coalesce(func.max(subscription_changes.c.number), 0))) or 0)

    def tell(self, destination: str) -> None:
        """See the contract."""
        with self._work() as connection:
            notify(connection, self._channel, {destination})

    def give_back(self, sequences: Sequence[int]) -> None:
        """See the contract."""
        with self._work() as connection:
            hold(connection, self.epoch, self._shown)
            freed = (
                update(messages)
                .where(messages.c.sequence.in_(sequences), messages.c.claimed_by == self.epoch)
                .values(claimed_by=None)
            )
            notify(connection, self._channel, set(connection.scalars(freed.returning(messages.c.destination))))

    def waiting(self, destination: str, *, mediated: bool | None, now: float = math.inf) -> Sequence[IndexLine]:
        """See the contract."""
        here = _on(messages, destination, mediated)
        with self._read() as connection:
            free = select(*line_of(messages)).where(here, _FREE, _due(now)).order_by(*_ORDER)
            rows = connection.execute(free).all()
        return [IndexLine(*row) for row in rows]

    def headers_of(self, sequences: Sequence[int]) -> Mapping[int, Message]:
        """See the contract."""
        wanted = headers_where(messages, messages.c.sequence == func.any(array_of(sequences)))
        with self._read() as connection:
            rows = connection.execute(wanted).mappings().all()
        return {row["sequence"]: header_of(dict(row)) for row in rows}

    def next_due(self, destination: str, *, mediated: bool | None, now: float) -> float | None:
        """See the contract."""
        later = _on(messages, destination, mediated) & (messages.c.deliver_at > now)
        with self._read() as connection:
            due: float | None = connection.scalar(select(func.min(messages.c.deliver_at)).where(later, _FREE))
        return due

    def counts(self, destination: str, *, mediated: bool | None) -> tuple[int, int]:
        """See the contract; what leaves with a prepared unit counts as claimed."""
        here = _on(messages, destination, mediated)
        claimed = (messages.c.claimed_by > 0) | (messages.c.claimed_by == LEAVING)
        with self._read() as connection:
            row = connection.execute(
                select(func.count().filter(_FREE), func.count().filter(claimed)).select_from(messages).where(here)
            ).one()
        return int(row[0]), int(row[1])

    def listen(self, listener: Callable[[str | None], None]) -> None:
        """See the contract."""
        self._listener.start(listener)

    def look(self) -> bool:
        """See the contract."""
        with self._telling(READ_FAILED):
            return self._listener.is_connected and self._membership.look()

    def rejoin(self) -> None:
        """See the contract."""
        with self._telling(STORE_UNREACHABLE):
            self._listener.connect(self._membership.join)

    def close(self) -> None:
        """See the contract; what this engine had claimed is free at once."""
        self._writer.close()
        with suppress(*self._errors):  # where the server is gone, the others find out by themselves
            self._membership.leave()
        self._listener.close()
        self._pool.dispose()

    def _bring_up(self) -> None:
        quoted = self._pool.dialect.identifier_preparer.quote(self._namespace)
        with self._pool.begin() as connection:
            connection.execute(_BRING_UP_ONE_BY_ONE, {"namespace": self._namespace})
            connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {quoted}"))
            if SHARED.bring_up(connection, self._shown, self._namespace):
                # Engines of the version before don't know the new tables: none of their writes succeeds any more.
                connection.execute(text("DELETE FROM engines"))
                connection.execute(update(messages).where(messages.c.claimed_by > 0).values(claimed_by=None))

    def _link(self) -> Any:
        """A driver's connection of its own, in autocommit mode."""
        proxied = self._pool.raw_connection()
        driver: Any = proxied.driver_connection
        proxied.detach()
        driver.autocommit = True
        return driver

    def _write(self, changes: Sequence[Change]) -> None:
        with self._telling(STORE_FAILED), self._pool.connect() as connection, connection.begin() as transaction:
            epoch = self.epoch
            hold(connection, epoch, self._shown)
            apply(connection, changes, owner=self._owner, epoch=epoch, channel=self._channel)
            self._commit(transaction)

    def _commit(self, transaction: Transaction) -> None:
        try:
            transaction.commit()
        except DBAPIError as error:
            if error.connection_invalidated:
                raise StoreUncertain(OUTCOME_UNKNOWN, store=self._shown) from error
            raise

    @contextmanager
    def _read(self) -> Iterator[Connection]:
        with self._telling(READ_FAILED), self._pool.connect() as connection:
            yield connection

    @contextmanager
    def _work(self) -> Iterator[Connection]:
        with self._telling(READ_FAILED), self._pool.begin() as connection:
            yield connection

    @contextmanager
    def _telling(self, reason: Reason) -> Iterator[None]:
        try:
            yield
        except self._errors as error:
            cause = str(getattr(error, "orig", None) or type(error).__name__).strip()
            raise MessagingError(reason, store=self._shown, cause=cause) from error

    def __repr__(self) -> str:
        return f"<PostgresqlStore {self._shown}, epoch {self.epoch}>"


def _on(table: FromClause, destination: str, mediated: bool | None) -> ColumnElement[bool]:
    """What is on one side of a destination; None: on either."""
    here: ColumnElement[bool] = table.c.destination == destination
    return here if mediated is None else here & (table.c.mediated == mediated)


def _due(now: float) -> ColumnElement[bool]:
    """What may be delivered by a time."""
    if now == math.inf:
        return true()
    return messages.c.deliver_at.is_(None) | (messages.c.deliver_at <= now)


def _driver_error(engine: Engine) -> type[Exception]:
    driver: Any = engine.dialect.dbapi
    error: type[Exception] = driver.Error
    return error


def _engine(place: PostgresqlPlace) -> Engine:
    try:
        url: URL = make_url(place.url).set(drivername="postgresql+psycopg")
    except ArgumentError:
        raise MessagingError(STORE_UNREACHABLE, store=place.bus, cause="store_url is no URL") from None
    password = None if place.password is None else place.password.reveal()
    if place.user is not None:
        url = url.set(username=place.user, password=password)
    try:
        # hide_parameters: a failing statement's error would quote message bodies.
        engine = create_engine(url, hide_parameters=True, pool_pre_ping=True, pool_size=8, max_overflow=24)
    except ModuleNotFoundError:
        raise MessagingError(DRIVER_MISSING, store=place.shown) from None
    quoted = engine.dialect.identifier_preparer.quote(place.namespace)
    milliseconds = max(1, int(place.lease * 1000))

    def configure(connection: Any, _record: Any) -> None:
        connection.execute(f"SET search_path TO {quoted}")
        # A process that is paused within a transaction must not keep its locks for longer than its lease.
        connection.execute(f"SET idle_in_transaction_session_timeout TO {milliseconds}")
        # What is acknowledged survives a crash of the server, whatever the database's default is for others.
        connection.execute(
            "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
        )
        connection.commit()

    event.listen(engine, "connect", configure)
    return engine
