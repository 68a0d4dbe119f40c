"""Looking after a pool from time to time: ages, unused connections, leaks, the minimum size (POOL-2, POOL-3). Pure.

Theory of operation
-------------------
The way of a lease reads no clock. So times are not noted when something happens but when a look finds it the same as
the look before: `Entry.returned` counts up with each use and `Entry.held` is a new object for each lease, so an entry
whose number has not changed has been unused at least since the last look, and one whose hold has not changed is on one
and the same lease. What is found so is late by one pause at most, never early.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from connector.pool.entry import Check, Doom, Entry
from connector.pool.settings import Validation
from connector.pool.state import PoolState
from connector.spi import SignOnPlan


@dataclass(frozen=True, slots=True)
class Look:
    """What a look has found.

    Attributes:
        leaving: Free entries that have left, to be closed.
        to_validate: Free entries to be validated, one after the other.
        leaks: Lent entries to be reported, with the plan of the lease.
    """

    leaving: list[Entry] = field(default_factory=list)
    to_validate: list[Entry] = field(default_factory=list)
    leaks: list[tuple[Entry, SignOnPlan]] = field(default_factory=list)


def look(state: PoolState[Any], now: float) -> Look:
    """Look over all entries; what is too old or unused leaves, if it is free, or is doomed."""
    found = Look()
    for entry in list(state.entries):
        if entry.plan is None:
            _look_at_free(state, entry, now, found)
        else:
            _look_at_lent(state, entry, entry.plan, now, found)
    return found


def next_look(state: PoolState[Any], now: float) -> float:
    """Seconds until the next look is due."""
    expires = min((entry.expires for entry in state.entries if entry.doomed is None), default=math.inf)
    return max(min(state.settings.upkeep_interval, expires - now), 0.0)


def refill(state: PoolState[Any], now: float) -> tuple[SignOnPlan, Any] | None:
    """A plan and a permit to open one of the connections missing to `min_size`; None: none is, or for nobody."""
    if state.permits >= state.min_size:
        state.wanted.clear()
    for _ in range(len(state.wanted)):
        plan, alias = state.wanted.popleft()
        if state.closed or state.versions.superseded(alias, plan.version):
            continue
        if state.suspended or not state.may_open(plan, now):
            state.wanted.append((plan, alias))
            continue
        return plan, state.permit_for(plan)
    return None


def _look_at_free(state: PoolState[Any], entry: Entry, now: float, found: Look) -> None:
    settings = state.settings
    if entry.seen_returned != entry.returned:
        entry.seen_returned, entry.unused_since = entry.returned, now
    unused = now - entry.unused_since
    if now >= entry.expires:
        state.condemn(entry, Doom.AGED)
        found.leaving.append(entry)
    elif (
        settings.unused_timeout is not None
        and unused >= settings.unused_timeout
        and len(state.entries) > state.min_size
    ):
        state.condemn(entry, Doom.UNUSED)
        found.leaving.append(entry)
    elif entry.check is Check.SUSPECT or (
        Validation.BACKGROUND in settings.validation and unused >= settings.background_validation <= now - entry.good_at
    ):
        found.to_validate.append(entry)


def _look_at_lent(state: PoolState[Any], entry: Entry, plan: SignOnPlan, now: float, found: Look) -> None:
    if now >= entry.expires and entry.doomed is None:
        entry.doomed = Doom.AGED
    if not entry.held:
        return  # on its way to a borrower (with the hold of the lease before still on it) or back, or the pool's own
    if entry.seen_held is not entry.held:
        entry.seen_held, entry.lent_since, entry.reported = entry.held, now, False
        return
    limit = state.settings.leak_timeout
    since = entry.trace.since if entry.trace is not None else entry.lent_since
    if limit is not None and not entry.reported and now - since >= limit:
        entry.reported = True
        state.counts.leaks += 1
        found.leaks.append((entry, plan))
