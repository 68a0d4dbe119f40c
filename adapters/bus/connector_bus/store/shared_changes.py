"""Changes as statements on the tables of a shared store, each under the epoch of the engine that makes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import BigInteger, Connection, bindparam, delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.sql import text

from connector.errors import MessagingError, Reason
from connector_bus.store.record import StoredMessage, to_row
from connector_bus.store.shared_schema import (
    ARRIVING,
    LEAVING,
    engines,
    link_transfers,
    message_sequence,
    messages,
    prepared,
    subscription_changes,
    subscriptions,
)
from connector_bus.store.subscription import subscription_row
from connector_bus.store.unit import Change, Preparation, Resolution, StoreUnit, SubscriptionChange

FENCED = Reason(
    "CF-BUS-080",
    "this engine was taken for dead by the others on {store}, and its messages were given to them",
    "It goes on by itself under a new epoch. If it was only slow or paused, give a longer store_lease.",
)
CLAIM_LOST = Reason(
    "CF-BUS-081",
    "{count} message(s) to be settled are claimed by this engine no longer",
    "The engine was taken for dead meanwhile; the messages are delivered again, by it or by another one.",
)

_HOLD = select(engines.c.epoch).where(engines.c.epoch == bindparam("epoch")).with_for_update(key_share=True, read=True)
_NUMBERS = select(message_sequence.next_value()).select_from(func.generate_series(1, bindparam("count")).alias())
_INSERT = insert(messages)
_PREPARED = insert(prepared)
_RECEIVED = insert(link_transfers)
_NOTIFY = text("SELECT pg_notify(:channel, :payload)")

_NEXT_CHANGE = update(subscription_changes).values(number=subscription_changes.c.number + 1)

#: PostgreSQL refuses longer payloads; a destination with such a name is told as "anywhere".
_PAYLOAD_LIMIT = 7000


def hold(connection: Connection, epoch: int, place: str) -> None:
    """Make sure that the epoch lasts until the transaction ends. Raises MessagingError CF-BUS-080 where it is over.

    The lock is shared by all transactions of the engine; whoever fences it waits for them.
    """
    if connection.execute(_HOLD, {"epoch": epoch}).first() is None:
        raise MessagingError(FENCED, store=place)


def notify(connection: Connection, channel: str, destinations: set[str]) -> None:
    """Tell all engines, with the commit, that something has become free."""
    for name in sorted(destinations):
        payload = name if len(name.encode()) <= _PAYLOAD_LIMIT else ""
        connection.execute(_NOTIFY, {"channel": channel, "payload": payload})


def apply(connection: Connection, changes: Sequence[Change], *, owner: str, epoch: int, channel: str) -> None:
    """Carry out changes in the caller's transaction. Raises MessagingError CF-BUS-081."""
    units = [change for change in changes if isinstance(change, StoreUnit)]
    for unit in units:
        if unit.attempts:
            _count_attempts(connection, unit)
    for claim in sorted({unit.claim for unit in units if unit.remove}):
        _remove(connection, [sequence for unit in units if unit.claim == claim for sequence in unit.remove], claim)
    _note_transfers(connection, units)
    arrivals = [stored for unit in units for stored in (*unit.insert, *(each.stored() for each in unit.unread))]
    _arrive(connection, arrivals, None)
    notify(connection, channel, {stored.destination for stored in arrivals})
    for change in changes:
        if isinstance(change, SubscriptionChange):
            _subscribe(connection, change)
        elif isinstance(change, Preparation):
            _prepare(connection, change, owner)
        elif isinstance(change, Resolution):
            _resolve(connection, change, epoch, channel)


def _note_transfers(connection: Connection, units: Sequence[StoreUnit]) -> None:
    if received := [{"link": link, "transfer": each} for unit in units for link, each in unit.received]:
        connection.execute(_RECEIVED, received)
    for link, transfer in (each for unit in units for each in unit.forgotten):
        here = link_transfers.c
        connection.execute(delete(link_transfers).where(here.link == link, here.transfer == transfer))


def _arrive(connection: Connection, arrivals: Sequence[StoredMessage], claimed_by: int | None) -> list[int]:
    if not arrivals:
        return []
    numbers = list(connection.scalars(_NUMBERS, {"count": len(arrivals)}))
    rows: list[Mapping[str, Any]] = [
        {**to_row(stored), "sequence": number, "claimed_by": claimed_by}
        for stored, number in zip(arrivals, numbers, strict=True)
    ]
    connection.execute(_INSERT, rows)
    return numbers


def _count_attempts(connection: Connection, unit: StoreUnit) -> None:
    for sequence, attempts in unit.attempts.items():
        done = connection.execute(
            update(messages)
            .where(messages.c.sequence == sequence, messages.c.claimed_by == unit.claim)
            .values(attempts=attempts)
        )
        _require(done.rowcount, 1)


def _remove(connection: Connection, sequences: Sequence[int], claim: int) -> None:
    done = connection.execute(
        delete(messages).where(messages.c.sequence == func.any(array_of(sequences)), messages.c.claimed_by == claim)
    )
    _require(done.rowcount, len(sequences))


def _prepare(connection: Connection, preparation: Preparation, owner: str) -> None:
    branch, unit = preparation.branch, preparation.unit
    arriving = _arrive(connection, unit.insert, ARRIVING)
    if unit.remove:
        done = connection.execute(
            update(messages)
            .where(messages.c.sequence == func.any(array_of(unit.remove)), messages.c.claimed_by == unit.claim)
            .values(claimed_by=LEAVING)
        )
        _require(done.rowcount, len(unit.remove))
    held = [(sequence, True) for sequence in arriving] + [(sequence, False) for sequence in unit.remove]
    rows = [
        {"sequence": sequence, "branch": branch, "arrives": arrives, "owner": owner, "claim": unit.claim}
        for sequence, arrives in held
    ]
    if rows:
        connection.execute(_PREPARED, rows)


def _resolve(connection: Connection, resolution: Resolution, epoch: int, channel: str) -> None:
    held = connection.execute(
        delete(prepared)
        .where(prepared.c.branch == resolution.branch)
        .returning(prepared.c.sequence, prepared.c.arrives, prepared.c.claim)
    ).all()
    gone = [row.sequence for row in held if row.arrives is not resolution.commit]
    # What stays is free; but a message that this very engine still has in its hands goes back to its claim.
    mine = [row.sequence for row in held if not row.arrives and not resolution.commit and row.claim == epoch]
    free = [row.sequence for row in held if row.arrives is resolution.commit and row.sequence not in mine]
    if gone:
        left = delete(messages).where(messages.c.sequence == func.any(array_of(gone)))
        # Where an order is kept others may wait for the end of what has left.
        notify(connection, channel, set(connection.scalars(left.returning(messages.c.destination))))
    for sequences, claimed_by in ((mine, epoch), (free, None)):
        if sequences:
            told = connection.scalars(
                update(messages)
                .where(messages.c.sequence == func.any(array_of(sequences)))
                .values(claimed_by=claimed_by)
                .returning(messages.c.destination)
            )
            if claimed_by is None:
                notify(connection, channel, set(told))


def _subscribe(connection: Connection, change: SubscriptionChange) -> None:
    if change.made is not None:
        row = subscription_row(change.made)
        connection.execute(upsert(subscriptions).values(row).on_conflict_do_nothing(index_elements=["place"]))
    if change.deleted is not None:
        connection.execute(delete(subscriptions).where(subscriptions.c.place == change.deleted))
        connection.execute(delete(messages).where(messages.c.destination == change.deleted))
    if not connection.execute(_NEXT_CHANGE).rowcount:
        connection.execute(insert(subscription_changes).values(number=1))


def array_of(numbers: Sequence[int]) -> Any:
    """Numbers as one parameter, however many they are."""
    return bindparam(None, list(numbers), type_=ARRAY(BigInteger), unique=True)


def _require(found: int, expected: int) -> None:
    if found != expected:
        raise MessagingError(CLAIM_LOST, count=expected - found)
