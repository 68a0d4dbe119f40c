"""Changes as statements for the driver of the store in a file: any layer would cost more than the statements.

At each statement the driver lets other threads have their turn and has to wait for its own again, which costs more than
a row. So one statement inserts many rows, and those that leave one after the other, as most do, go by one as well.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence
from sqlite3 import Connection
from typing import Any, Final

from connector_bus.store.record import Row, StoredMessage, to_row
from connector_bus.store.schema import NAMES, link_transfers, prepared, subscriptions
from connector_bus.store.subscription import subscription_row
from connector_bus.store.unit import Change, Preparation, Resolution, StoreUnit, SubscriptionChange


def _insert(table: Any) -> str:
    names = [column.name for column in table.columns]
    values = ", ".join(f":{name}" for name in names)
    return f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({values})"  # noqa: S608 - names of our own tables


#: Rows of one statement: they have 24 values each, and older versions of SQLite take no more than 999.
_ROWS: Final = 32
_SUBSCRIBE = _insert(subscriptions).replace("INSERT", "INSERT OR IGNORE", 1)
_UNSUBSCRIBE = ("DELETE FROM subscriptions WHERE place = ?", "DELETE FROM messages WHERE destination = ?")
_PREPARE = _insert(prepared)
_RECEIVED = _insert(link_transfers)
_FORGET = "DELETE FROM link_transfers WHERE link = ? AND transfer = ?"
_REMOVE = "DELETE FROM messages WHERE sequence BETWEEN ? AND ?"
_ATTEMPTS = "UPDATE messages SET attempts = ? WHERE sequence = ?"
#: On commit what leaves goes, on rollback what arrived.
_REMOVE_OF_BRANCH = (
    "DELETE FROM messages WHERE sequence IN (SELECT sequence FROM prepared WHERE branch = ? AND arrives = ?)"
)
_DECIDED = "DELETE FROM prepared WHERE branch = ?"


def apply(connection: Connection, changes: Sequence[Change]) -> None:
    """A handful of statements for any number of changes, in the caller's transaction."""
    units = [change for change in changes if isinstance(change, StoreUnit)]
    preparations = [change for change in changes if isinstance(change, Preparation)]
    arriving = (*units, *(each.unit for each in preparations))
    if attempts := [(number, sequence) for unit in units for sequence, number in unit.attempts.items()]:
        connection.executemany(_ATTEMPTS, attempts)
    if removed := [sequence for unit in units for sequence in unit.remove]:
        connection.executemany(_REMOVE, _runs(removed))
    inserted = [_row(stored) for unit in arriving for stored in unit.insert]
    inserted += [each.row for unit in units for each in unit.unread if each.row is not None]
    for place in range(0, len(inserted), _ROWS):
        rows = inserted[place : place + _ROWS]
        connection.execute(_insert_many(len(rows)), [value for row in rows for value in row])
    if received := [{"link": link, "transfer": each} for unit in units for link, each in unit.received]:
        connection.executemany(_RECEIVED, received)
    if forgotten := [each for unit in units for each in unit.forgotten]:
        connection.executemany(_FORGET, forgotten)
    if held := [row for each in preparations for row in _held(each)]:
        connection.executemany(_PREPARE, held)
    for change in changes:
        if isinstance(change, Resolution):
            connection.execute(_REMOVE_OF_BRANCH, (change.branch, not change.commit))
            connection.execute(_DECIDED, (change.branch,))
        elif isinstance(change, SubscriptionChange):
            _subscribe(connection, change)


@functools.cache
def _insert_many(rows: int) -> str:
    row = f"({', '.join('?' * len(NAMES))})"
    return f"INSERT INTO messages ({', '.join(NAMES)}) VALUES {', '.join([row] * rows)}"  # noqa: S608 - our own names


def _row(stored: StoredMessage) -> Row:
    row = to_row(stored)
    return tuple([row[name] for name in NAMES])


def _runs(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """The first and the last of those that follow each other."""
    runs: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    return runs


def _subscribe(connection: Connection, change: SubscriptionChange) -> None:
    if change.made is not None:
        connection.execute(_SUBSCRIBE, subscription_row(change.made))
    if change.deleted is not None:
        for statement in _UNSUBSCRIBE:
            connection.execute(statement, (change.deleted,))


def _held(preparation: Preparation) -> Iterator[dict[str, object]]:
    branch, unit = preparation.branch, preparation.unit
    for stored in unit.insert:
        yield {"branch": branch, "sequence": stored.sequence, "arrives": True}
    for sequence in unit.remove:
        yield {"branch": branch, "sequence": sequence, "arrives": False}
