"""Snapshots of a pool's state for people and programs (POOL-6). Pure; to be made under the pool's lock."""

from __future__ import annotations

from collections import Counter
from types import MappingProxyType
from typing import Any

from connector.pool.entry import Entry
from connector.pool.measurements import Durations
from connector.pool.state import PoolState
from connector.pool.statistics import PooledConnection, PoolStatistics


def statistics_of(
    state: PoolState[Any], *, opening: Durations | None = None, use: Durations | None = None
) -> PoolStatistics:
    """All figures of one instant.

    Args:
        state: The pool's state.
        opening: How long opening connections took, from a shell that measures it.
        use: How long connections were lent, likewise.
    """
    size = len(state.entries)
    free = state.free_count()
    return PoolStatistics(
        max_size=state.max_size,
        size=size,
        free=free,
        in_use=size - free,
        changing=state.permits - size,
        waiting=len(state.queue.members),
        created=state.created,
        destroyed=state.destroyed,
        replaced=state.replaced,
        broken=state.broken,
        abandoned=state.abandoned,
        failed_logins=state.failed_logins,
        waits=state.waits,
        wait_seconds_total=state.wait_seconds,
        timeouts=state.timeouts,
        by_identity=MappingProxyType(dict(Counter(_acting_user(entry) for entry in state.entries))),
        used_by_identity=MappingProxyType(
            dict(Counter(_acting_user(entry) for entry in state.entries if entry.plan is not None))
        ),
        opening=opening,
        use=use,
    )


def contents_of(state: PoolState[Any]) -> tuple[PooledConnection, ...]:
    """One line a connection, sorted by user."""
    lines = [
        PooledConnection(
            user=entry.user,
            alias=entry.alias,
            version=entry.version,
            in_use=entry.plan is not None,
            effective_user=entry.plan.effective_user if entry.plan is not None else None,
            reference=entry.plan.reference if entry.plan is not None else None,
            doomed=entry.doomed.value if entry.doomed is not None else None,
        )
        for entry in state.entries
    ]
    return tuple(sorted(lines, key=lambda line: (line.user or "", line.effective_user or "", line.in_use)))


def _acting_user(entry: Entry) -> str:
    user = entry.plan.effective_user if entry.plan is not None else entry.user
    return user or "the default user"
