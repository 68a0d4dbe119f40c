"""Which messages of a shared store an engine claims, frees and sees: statements, nothing of them carried out (BUS-1).

Messages are claimed with `FOR UPDATE SKIP LOCKED`, so that engines don't wait for each other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from sqlalchemy import ColumnElement, Executable, FromClause, Update, func, select, text, true, update

from connector_bus.store.index_line import line_of
from connector_bus.store.shared_changes import array_of
from connector_bus.store.shared_schema import ARRIVING, LEAVING, messages

_FREE = messages.c.claimed_by.is_(None)
_ORDER = (messages.c.priority.desc(), messages.c.sequence)
#: Before a claim that looks at what others have claimed: who claims at the same time would not see what is claimed
#: here. Of other numbers than the locks of the epochs.
EXCLUSIVELY = text("SELECT pg_advisory_xact_lock(hashtext(current_schema() || '/'), hashtext(:destination))")


def claiming(
    destination: str,
    count: int,
    epoch: int,
    *,
    mediated: bool | None,
    exclusive: bool,
    keeps_groups: bool,
    only: Sequence[int] | None,
    now: float,
) -> Update:
    """Claims up to so many messages for an epoch, and answers their lines; see `SharedStore.claim`."""
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
    return (
        update(messages)
        .where(messages.c.sequence == chosen.c.sequence)
        .values(claimed_by=epoch)
        .returning(*line_of(messages), messages.c.claimed_by)
    )


def freeing(sequences: Sequence[int], epoch: int) -> Update:
    """Gives back what an epoch has claimed of these messages."""
    mine = (messages.c.sequence.in_(sequences), messages.c.claimed_by == epoch)
    return update(messages).where(*mine).values(claimed_by=None)


def free_lines(destination: str, *, mediated: bool | None, now: float) -> Executable:
    """The lines of what could be claimed, in the order in which it would be."""
    here = _on(messages, destination, mediated)
    return select(*line_of(messages)).where(here, _FREE, _due(now)).order_by(*_ORDER)


def first_due(destination: str, *, mediated: bool | None, now: float) -> Executable:
    """When the next of what may not be delivered yet may be."""
    later = _on(messages, destination, mediated) & (messages.c.deliver_at > now)
    return select(func.min(messages.c.deliver_at)).where(later, _FREE)


def counted(destination: str, *, mediated: bool | None) -> Executable:
    """How many are free and how many are claimed; what leaves with a prepared unit counts as claimed."""
    here = _on(messages, destination, mediated)
    claimed = (messages.c.claimed_by > 0) | (messages.c.claimed_by == LEAVING)
    return select(func.count().filter(_FREE), func.count().filter(claimed)).select_from(messages).where(here)


def _on(table: FromClause, destination: str, mediated: bool | None) -> ColumnElement[bool]:
    """What is on one side of a destination; None: on either."""
    here: ColumnElement[bool] = table.c.destination == destination
    return here if mediated is None else here & (table.c.mediated == mediated)


def _due(now: float) -> ColumnElement[bool]:
    """What may be delivered by a time."""
    if now == math.inf:
        return true()
    return messages.c.deliver_at.is_(None) | (messages.c.deliver_at <= now)
