"""Snapshots of a pool's state for people and programs (POOL-6). Pure; to be made under the pool's lock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

from connector.pool.entry import Entry
from connector.pool.leaks import age_seen
from connector.pool.measurements import Durations
from connector.pool.refusals import Refusal
from connector.pool.state import PoolState
from connector.pool.statistics import PooledConnection, PoolStatistics, RefusedLogin


def statistics_of(state: PoolState[Any]) -> PoolStatistics:
    """All figures of one instant."""
    counts = state.counts
    size = len(state.entries)
    free = state.shares.free_count()
    return PoolStatistics(
        max_size=state.max_size,
        size=size,
        free=free,
        in_use=size - free,
        changing=state.permits - size,
        waiting=len(state.queue.members),
        created=counts.created,
        destroyed=counts.destroyed,
        replaced=counts.replaced,
        broken=counts.broken,
        abandoned=counts.abandoned,
        failed_logins=counts.failed_logins,
        waits=counts.waits,
        wait_seconds_total=counts.wait_seconds,
        timeouts=counts.timeouts,
        min_size=state.min_size,
        per_identity=state.shares.per_identity,
        suspended=state.suspended,
        reauthenticated=counts.reauthenticated,
        validated=counts.validated,
        invalid=counts.invalid,
        spared_logins=counts.spared_logins,
        overstayed=counts.overstayed,
        leaks=counts.leaks,
        destroyed_for=MappingProxyType({why.value: count for why, count in counts.destroyed_for.items()}),
        by_identity=MappingProxyType(dict(Counter(_acting_user(entry) for entry in state.entries))),
        used_by_identity=MappingProxyType(
            dict(Counter(_acting_user(entry) for entry in state.entries if entry.plan is not None))
        ),
        opening=Durations(counts.openings, counts.opening_seconds),
        use=Durations(counts.uses, counts.use_seconds),
    )


def contents_of(state: PoolState[Any], now: float, owner_name: Callable[[int], str]) -> tuple[PooledConnection, ...]:
    """One line a connection, sorted by user.

    Args:
        state: The pool's state.
        now: The time by its clock.
        owner_name: Names the thread or task that a connection is lent to.
    """
    lines = [
        PooledConnection(
            user=entry.user,
            alias=entry.alias,
            version=entry.version,
            in_use=entry.plan is not None,
            effective_user=entry.plan.effective_user if entry.plan is not None else None,
            reference=entry.plan.reference if entry.plan is not None else None,
            doomed=entry.doomed.value if entry.doomed is not None else None,
            age=round(now - entry.opened_at, 3),
            lent_for=_lent_for(entry, now),
            owner=owner_name(entry.owner) if entry.plan is not None else None,
            obtained=entry.trace.lines() if entry.trace is not None else (),
        )
        for entry in state.entries
    ]
    return tuple(sorted(lines, key=lambda line: (line.user or "", line.effective_user or "", line.in_use)))


def refused_login(refusal: Refusal, alias: str | None, now: float) -> RefusedLogin:
    """One refused credential, by the pool's time."""
    return RefusedLogin(
        user=refusal.plan.user,
        alias=alias,
        version=refusal.version,
        code=refusal.error.code,
        failures=refusal.failures,
        retry_in=round(max(refusal.until - now, 0.0), 3),
    )


def _lent_for(entry: Entry, now: float) -> float | None:
    if entry.plan is None or not entry.held:
        return None
    seconds = now - entry.trace.since if entry.trace is not None else age_seen(entry, now)
    return None if seconds is None else round(seconds, 3)


def _acting_user(entry: Entry) -> str:
    user = entry.plan.effective_user if entry.plan is not None else entry.user
    return user or "the default user"
