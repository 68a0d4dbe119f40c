"""The elementary moves that lending is put together of: an entry is lent, taken back, replaced or condemned; who waits
is told.

Each keeps the books: entries, permits, shares, counts.  `lending` has the theory of operation, and the invariants.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from connector.pool.decisions import Decisions
from connector.pool.entry import Check, Doom, Entry, Permit
from connector.pool.waiting import Grant, Waiter
from connector.spi import SignOnPlan

S = TypeVar("S")

#: Leaving for these reasons a connection is opened again where the pool would fall below `min_size`.
_WANTED_AGAIN: Final = frozenset({Doom.BROKEN, Doom.AGED, Doom.INVALID, Doom.PURGED, Doom.UNCLEAN})


class Moves(Decisions[S]):
    """The elementary changes of a pool's state; `PoolState` is all of it. Not safe for threads by itself."""

    __slots__ = ()

    # --- lent and taken back ------------------------------------------------------------------------------------

    def _lend(self, entry: Entry, plan: SignOnPlan, owner: int) -> Entry:
        entry.plan, entry.owner = plan, owner
        entry.counted = self.shares.count(plan)
        if entry.counted is not None:
            entry.special = True
        return entry

    def _end_loan(self, entry: Entry, now: float) -> None:
        trace, entry.trace = entry.trace, None
        if trace is not None:
            self.counts.uses += 1
            self.counts.use_seconds += now - trace.since
        self.shares.uncount(entry.counted)
        entry.counted = None
        entry.special = False  # it is not doomed, or it would have gone

    def _replace(self, victim: Entry, plan: SignOnPlan, owner: int) -> Entry | Permit:
        """A free or just returned entry gives way to a plan that it can't serve: it is signed on anew, or closed."""
        self.counts.replaced += 1
        if not self._reauthenticates or victim.check is Check.SUSPECT:
            self.condemn(victim, Doom.REPLACED)
            return self._charge(plan, victim)
        if victim.plan is None:
            victim.partition.free.remove(victim)
        self.shares.discharge(victim.partition, None)
        victim.partition, victim.counted = self.shares.charge(plan)
        victim.special = victim.counted is not None
        victim.plan, victim.owner, victim.check = plan, owner, Check.REAUTHENTICATE
        victim.probe = self.refusals.tried(plan)
        return victim

    def _charge(self, plan: SignOnPlan, victim: Entry | None = None) -> Permit:
        """A permit for a plan, counted in its identity's share."""
        partition, counted = self.shares.charge(plan)
        return Permit(plan, partition, victim, counted, self.generation, self.refusals.tried(plan))

    def _victim_closed(self, permit: Permit) -> None:
        if permit.victim is not None:
            self.shares.discharge(permit.victim.partition, permit.victim.counted)

    # --- leaving ------------------------------------------------------------------------------------------------

    def condemn(self, entry: Entry, why: Doom) -> bool:
        """Take an entry out for good; True for the first caller, who closes its connection."""
        if entry.gone:
            return False
        entry.gone = True
        if entry.plan is None:
            entry.partition.free.remove(entry)
        elif entry.check is Check.REAUTHENTICATE:
            self.refusals.failed(entry.probe)
        del self.entries[entry]
        self.counts.destroyed += 1
        self.counts.destroyed_for[why] += 1
        # Its share is given back with the permit, when it is closed: the external system may have a limit as well.
        entry.trace = entry.scope = None
        if why in _WANTED_AGAIN and len(self.entries) < self.min_size and not self.closed:
            self.wanted.append((entry.origin, entry.alias))
        return True

    def flush(self, chosen: Callable[[Entry], bool], why: Doom) -> list[Entry]:
        """Let the chosen entries go: answers the free ones, to be closed; the lent ones are doomed."""
        leaving = []
        for entry in [entry for entry in self.entries if chosen(entry)]:
            if entry.plan is None:
                self.condemn(entry, why)
                leaving.append(entry)
            elif entry.doomed is None:
                entry.doomed = why
        return leaving

    def _take_out(self, alias: str, below: int | None) -> list[Entry]:
        if below is None:
            return []
        return self.flush(lambda entry: entry.alias == alias and entry.version < below, Doom.SUPERSEDED)

    # --- waking -------------------------------------------------------------------------------------------------

    def _grant(self, waiter: Waiter[S], grant: Grant, now: float) -> list[Waiter[S]]:
        # It may have been signalled for something else that is free, which now is for the next one to find.
        return self.queue.grant(waiter, grant) + self.rouse(now)

    def rouse(self, now: float) -> list[Waiter[S]]:
        """Signal as many waiters as could find something now; answers whom to wake."""
        if not self._waiters or self.suspended:
            return []
        available = self.shares.free_count() + max(self.max_size - self.permits, 0)
        if self.shares.per_identity is None and not self.refusals:
            return self.queue.rouse(available)
        return self.queue.rouse(available, lambda waiter: self._way(waiter.plan, waiter.owner, now) is not None)

    def rouse_shares(self, now: float) -> list[Waiter[S]]:
        """`rouse`, where a connection that gave way, to be signed on anew or closed, has given back its identity's
        share: who waits for that may use what was of no use to it before. Without a limit there is nothing to do.
        """
        return [] if self.shares.per_identity is None else self.rouse(now)
