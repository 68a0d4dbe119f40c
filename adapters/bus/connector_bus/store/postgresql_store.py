"""The message store of one bus in PostgreSQL, for several engines at once (BUS-1).

Messages are claimed with `FOR UPDATE SKIP LOCKED`, so that engines don't wait for each other; what becomes free is
told by NOTIFY, so that nobody polls. `membership` says how engines are told apart, and what becomes of dead ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import final

from sqlalchemy import func, select, text, update

from connector.spi import Message
from connector_bus.store.claims import EXCLUSIVELY, claiming, counted, first_due, free_lines, freeing
from connector_bus.store.contract import IndexLine, PreparedUnit
from connector_bus.store.engine_proof import EngineProof
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
from connector_bus.store.postgresql_access import READ_FAILED, PostgresqlAccess
from connector_bus.store.postgresql_place import STORE_UNREACHABLE, PostgresqlPlace, open_engine
from connector_bus.store.record import StoredMessage, from_row, header_of
from connector_bus.store.shared_changes import apply, array_of, hold, notify
from connector_bus.store.shared_schema import (
    ARRIVING,
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
from connector_bus.store.writer import GroupWriter

__all__ = ["PostgresqlPlace", "PostgresqlStore"]

_BRING_UP_ONE_BY_ONE = text("SELECT pg_advisory_xact_lock(hashtext(:namespace))")


@final
class PostgresqlStore:
    """All messages of one bus, shared with other engines; see `connector_bus.store.contract.SharedStore`.

    Args:
        place: Where.
        engine_name: This engine's name, unique among those that share the store.

    Raises:
        LoginRefused: CF-BUS-453 where another engine presents another inter-engine alias.
        MessagingError: CF-BUS-050 or -051 where it isn't ours to use (it is left as it is), -082 where an engine of
            the name is at work, -083 where the server can't be reached, -084 without its driver.
    """

    def __init__(self, place: PostgresqlPlace, engine_name: str, proof: EngineProof | None = None) -> None:
        self._shown = place.shown
        self._owner = engine_name
        self._namespace = place.namespace
        self._channel = place.namespace
        self._lease = place.lease
        self._pool = open_engine(place)
        self._access = PostgresqlAccess(self._pool, self._shown)
        own = EngineProof() if proof is None else proof
        self._membership = Membership(self._pool, engine_name, self._shown, self._channel, place.lease, own)
        self._listener = Listener(self._access.detached, self._channel, self._shown)
        try:
            with self._access.telling(STORE_UNREACHABLE):
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
        with self._access.reading() as connection:
            return prepared_units([tuple(row) for row in connection.execute(held)])

    def read(self, sequence: int) -> StoredMessage | None:
        """See the contract."""
        with self._access.reading() as connection:
            row = connection.execute(select(messages).where(messages.c.sequence == sequence)).mappings().first()
        return None if row is None else from_row(dict(row))

    def as_it_came(self, sequence: int) -> Unread | None:
        """See the contract: what other engines may have changed is in nobody's memory."""
        return None

    def headers(self, destination: str) -> Sequence[tuple[int, Message]]:
        """See the contract."""
        with self._access.reading() as connection:
            rows = connection.execute(headers_on(messages, destination)).mappings().all()
        return [(row["sequence"], header_of(dict(row))) for row in rows]

    def index(self) -> Iterator[IndexLine]:
        """See the contract."""
        there = messages.c.claimed_by.is_distinct_from(ARRIVING)
        with self._access.reading() as connection:
            for row in connection.execute(select(*line_of(messages)).where(there).order_by(messages.c.sequence)):
                yield IndexLine(*row)

    def received(self, link: str) -> frozenset[str]:
        """See the contract."""
        with self._access.reading() as connection:
            return frozenset(map(str, connection.scalars(transfers_over(link_transfers, link))))

    def unsent(self, destination: str, transfers: Collection[str]) -> frozenset[str]:
        """See the contract."""
        with self._access.reading() as connection:
            here = frozenset(map(str, connection.scalars(transfers_on(messages, destination))))
        return here & frozenset(transfers)

    def last_sequence(self) -> int:
        """See the contract."""
        with self._access.reading() as connection:
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
        with self._access.working() as connection:
            epoch = self.epoch
            hold(connection, epoch, self._shown)
            if exclusive or keeps_groups:
                connection.execute(EXCLUSIVELY, {"destination": destination})
            claim = claiming(
                destination,
                count,
                epoch,
                mediated=mediated,
                exclusive=exclusive,
                keeps_groups=keeps_groups,
                only=only,
                now=now,
            )
            rows = connection.execute(claim).all()
        return sorted((IndexLine(*row) for row in rows), key=lambda line: (-line.priority, line.sequence))

    def subscriptions(self) -> Sequence[StoredSubscription]:
        """See the contract."""
        with self._access.reading() as connection:
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
        with self._access.reading() as connection:
            return int(connection.scalar(select(func.coalesce(func.max(subscription_changes.c.number), 0))) or 0)

    def tell(self, destination: str) -> None:
        """See the contract."""
        with self._access.working() as connection:
            notify(connection, self._channel, {destination})

    def give_back(self, sequences: Sequence[int]) -> None:
        """See the contract."""
        with self._access.working() as connection:
            hold(connection, self.epoch, self._shown)
            freed = freeing(sequences, self.epoch)
            notify(connection, self._channel, set(connection.scalars(freed.returning(messages.c.destination))))

    def waiting(self, destination: str, *, mediated: bool | None, now: float = math.inf) -> Sequence[IndexLine]:
        """See the contract."""
        with self._access.reading() as connection:
            rows = connection.execute(free_lines(destination, mediated=mediated, now=now)).all()
        return [IndexLine(*row) for row in rows]

    def headers_of(self, sequences: Sequence[int]) -> Mapping[int, Message]:
        """See the contract."""
        wanted = headers_where(messages, messages.c.sequence == func.any(array_of(sequences)))
        with self._access.reading() as connection:
            rows = connection.execute(wanted).mappings().all()
        return {row["sequence"]: header_of(dict(row)) for row in rows}

    def next_due(self, destination: str, *, mediated: bool | None, now: float) -> float | None:
        """See the contract."""
        with self._access.reading() as connection:
            due: float | None = connection.scalar(first_due(destination, mediated=mediated, now=now))
        return due

    def counts(self, destination: str, *, mediated: bool | None) -> tuple[int, int]:
        """See the contract; what leaves with a prepared unit counts as claimed."""
        with self._access.reading() as connection:
            row = connection.execute(counted(destination, mediated=mediated)).one()
        return int(row[0]), int(row[1])

    def listen(self, listener: Callable[[str | None], None]) -> None:
        """See the contract."""
        self._listener.start(listener)

    def look(self) -> bool:
        """See the contract."""
        with self._access.telling(READ_FAILED):
            return self._listener.is_connected and self._membership.look()

    def rejoin(self) -> None:
        """See the contract."""
        with self._access.telling(STORE_UNREACHABLE):
            self._listener.connect(self._membership.join)

    def close(self) -> None:
        """See the contract; what this engine had claimed is free at once."""
        self._writer.close()
        with suppress(*self._access.errors):  # where the server is gone, the others find out by themselves
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

    def _write(self, changes: Sequence[Change]) -> None:
        with self._access.writing() as connection:
            epoch = self.epoch
            hold(connection, epoch, self._shown)
            apply(connection, changes, owner=self._owner, epoch=epoch, channel=self._channel)

    def __repr__(self) -> str:
        return f"<PostgresqlStore {self._shown}, epoch {self.epoch}>"
