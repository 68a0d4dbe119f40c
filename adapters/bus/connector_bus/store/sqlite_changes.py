"""Changes as statements on the tables of the store in a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from connector_bus.store.record import to_row
from connector_bus.store.schema import messages, prepared
from connector_bus.store.unit import Change, Preparation, Resolution, StoreUnit

_INSERT = insert(messages)
_REMOVE = delete(messages).where(messages.c.sequence == bindparam("of_sequence"))
_ATTEMPTS = (
    update(messages).where(messages.c.sequence == bindparam("of_sequence")).values(attempts=bindparam("new_attempts"))
)

_PREPARE = insert(prepared)
_DECIDE = delete(prepared).where(prepared.c.branch == bindparam("of_branch"))
#: On commit what leaves goes, on rollback what arrived.
_REMOVE_OF_BRANCH = {
    commit: delete(messages).where(
        messages.c.sequence.in_(
            select(prepared.c.sequence).where(
                prepared.c.branch == bindparam("of_branch"), prepared.c.arrives.is_(not commit)
            )
        )
    )
    for commit in (True, False)
}


def apply(connection: Connection, changes: Sequence[Change]) -> None:
    """A handful of statements for any number of changes."""
    units = [change for change in changes if isinstance(change, StoreUnit)]
    preparations = [change for change in changes if isinstance(change, Preparation)]
    attempts = [{"of_sequence": s, "new_attempts": n} for unit in units for s, n in unit.attempts.items()]
    removed = [{"of_sequence": sequence} for unit in units for sequence in unit.remove]
    arriving = (*units, *(each.unit for each in preparations))
    inserted = [to_row(stored) for unit in arriving for stored in unit.insert]
    if attempts:
        connection.execute(_ATTEMPTS, attempts)
    if removed:
        connection.execute(_REMOVE, removed)
    if inserted:
        connection.execute(_INSERT, inserted)
    if held := [row for each in preparations for row in _held(each)]:
        connection.execute(_PREPARE, held)
    decisions = [change for change in changes if isinstance(change, Resolution)]
    for commit, remove in _REMOVE_OF_BRANCH.items():
        if branches := [{"of_branch": each.branch} for each in decisions if each.commit is commit]:
            connection.execute(remove, branches)
            connection.execute(_DECIDE, branches)


def _held(preparation: Preparation) -> Iterator[dict[str, object]]:
    branch, unit = preparation.branch, preparation.unit
    for stored in unit.insert:
        yield {"branch": branch, "sequence": stored.sequence, "arrives": True}
    for sequence in unit.remove:
        yield {"branch": branch, "sequence": sequence, "arrives": False}
