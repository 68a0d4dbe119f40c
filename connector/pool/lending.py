"""The pool's state machine: who gets which connection, who waits, what is closed. Pure decisions, no I/O.

Theory of operation
-------------------
The pool has `max_size` *permits*. A permit is held by each connection from before it is opened until after it is
closed, over all identities together, so the external system never sees more than `max_size`. ::

    request --> Entry    a free one of the plan's own partition, signed on with no older credential; or, where the
                         adapter can sign on anew in place, a foreign one that has been moved there (`check` says so)
            --> Permit   to open one; its victim, if any, has to be closed first
            --> Refusal  the credential was refused a moment ago: fail at once
            --> None     nothing: wait

      free  --take_free-->  lent  --give_back-->  free                       (hot path: nobody waits, nothing to decide)
                            lent  --settle----->  free | lent to an overdue waiter | gone
      free  --failed, flush, upkeep, request by others-->  gone
      free  --inspect-->  lent (to the pool itself)  --put_back-->  free | lent to an overdue waiter | gone
      lent  --failed, flush, upkeep, resize-->  lent and doomed  --settle-->  gone

A free entry serves its own partition only (POOL-1). When every permit is out, or the plan's identity has its share of
them, a free entry gives way: an own one with a superseded credential, else the least recently used foreign one.

Invariants (tests/pool/test_state_machine.py)
---------------------------------------------
1. permits = entries + connections being opened or closed; 0 <= permits, and permits <= max_size but for what `resize`
   has left over, which is doomed or on its way.
2. An entry is free (plan is None, stands once in its partition's stack), lent (plan set) or gone; gone is for ever.
3. `condemn` answers True once for each entry: its caller closes the connection.
4. A waiter stands in the queue, or has a grant, or has been sent away.
5. As many waiters are signalled as could find something: min(those who are eligible, free + unused permits).
6. partition.live = permits out for that key; it never exceeds `per_identity`, but for a victim of the same key that is
   closed before its successor is opened.

No lock and no clock either: the shells call each method under their lock and pass the time.

Told in four parts, each on those before it: `decisions` (what may be done), `moves` (the elementary changes),
`sign_ons` (what the external system has answered), and here, who gets what.  `state` adds what befalls a pool else.
"""

from __future__ import annotations

from typing import TypeVar

from connector.pool.entry import Check, Doom, Entry, Permit
from connector.pool.refusals import Refusal
from connector.pool.sign_ons import SignOns
from connector.pool.waiting import Grant, Waiter
from connector.spi import SignOnPlan

S = TypeVar("S")

#: What a request may end with, other than waiting.
Found = Entry | Permit | Refusal


class LendingState(SignOns[S]):
    """The state machine of lending; `PoolState` is all of it. Not safe for threads by itself."""

    __slots__ = ()

    # --- the hot path -------------------------------------------------------------------------------------------

    def take_free(self, plan: SignOnPlan, owner: int) -> Entry | None:
        """Lend the plan's own most recently used free entry; None if there is none that may serve by itself.

        Not for plans whose leases are counted (`Shares.counts_leases`): these go by `request`.
        """
        try:
            entry = self._lendable[plan.partition].free.pop()
        except (KeyError, IndexError):
            return None
        if entry.version < plan.version:
            entry.partition.free.append(entry)
            return None
        entry.plan = plan
        entry.owner = owner
        return entry

    def give_back(self, entry: Entry) -> bool:
        """Make a clean entry free again; False if there is more to decide: go on with `settle`."""
        if entry.special or self._waiters:
            return False
        self._returns = entry.returned = self._returns + 1
        entry.plan = entry.scope = None
        entry.partition.free.append(entry)
        return True

    # --- borrowing ----------------------------------------------------------------------------------------------

    def request(self, plan: SignOnPlan, owner: int, now: float) -> Found | None:
        """What a borrower gets now; None: it has to wait. Not to be asked of a closed pool."""
        way = self._way(plan, owner, now)
        if way is None:
            return None
        if isinstance(way, Refusal):
            self.counts.spared_logins += 1
            return way
        if isinstance(way, Permit):
            self.permits += 1
            return self._charge(plan)
        if self._may_serve(way, plan, now):
            way.partition.free.remove(way)
            return self._lend(way, plan, owner)
        return self._replace(way, plan, owner)

    def resume(self, waiter: Waiter[S], now: float) -> tuple[Grant | None, list[Waiter[S]]]:
        """A woken waiter takes its grant, or looks again; None: nothing yet, it keeps its place. And whom to wake."""
        grant = waiter.grant
        if grant is not None:
            waiter.grant = None
            # It may have broken, or been purged, on its way: it is not handed out, the permit is used for another.
            if isinstance(grant, Entry) and grant.doomed is not None:
                return self.exchange(grant, now), []
            return grant, []
        if waiter not in self._waiters:
            return None, []
        self.queue.looked(waiter)
        found = self.request(waiter.plan, waiter.owner, now)
        if found is None:
            return None, self.rouse(now)  # what it was woken for may be of use to another one
        self.queue.remove(waiter)
        # A refusal uses up nothing: what it was woken for is still there, and the next one has to be told as well.
        return found, self.rouse(now) if isinstance(found, Refusal) else self.rouse_shares(now)

    def withdraw(self, waiter: Waiter[S], now: float) -> tuple[Grant | None, list[Waiter[S]]]:
        """A waiter gives up: answers what it was granted at the last instant (hand it back) and whom to wake."""
        grant, waiter.grant = waiter.grant, None
        self.queue.remove(waiter)
        return grant, self.rouse(now)

    def exchange(self, entry: Entry, now: float, why: Doom = Doom.DISCARDED) -> Permit:
        """Trade a lent entry that can't be used for the right to open another in its place, for the same plan.

        Where the plan's credential is not to be tried now (it was served by an older one), the permit is without a
        plan: it only closes the entry, and the borrower asks again.
        """
        plan = entry.plan
        assert plan is not None, "only a lent entry can be exchanged"
        self.condemn(entry, entry.doomed or why)
        if self._refusal(plan, now) is not None:
            return Permit(victim=entry)
        return self._charge(plan, entry)

    def candidates(self, plan: SignOnPlan) -> tuple[Entry, ...]:
        """The free entries that may serve the plan, for an adapter that chooses itself (Capability.MATCHING)."""
        partition = self._lendable.get(plan.partition)
        return () if partition is None else tuple(entry for entry in partition.free if entry.version >= plan.version)

    def take_this(self, entry: Entry, plan: SignOnPlan, owner: int) -> Entry | None:
        """Lend the entry that the adapter has chosen; None if that can't be any more."""
        free = not entry.gone and entry.plan is None and entry.partition.key == plan.partition
        if not free or self.suspended or not self.shares.may_lend(plan):
            return None
        entry.partition.free.remove(entry)
        return self._lend(entry, plan, owner)

    # --- coming back --------------------------------------------------------------------------------------------

    def settle(self, entry: Entry, now: float) -> list[Waiter[S]] | None:
        """Decide on a returned entry where `give_back` could not; answers whom to wake.

        None: the entry has gone; close its connection, then `permit_freed`.
        """
        if entry.check is Check.REAUTHENTICATE and entry.doomed is None:
            entry.doomed = Doom.REPLACED  # nobody has signed it on anew: it is still somebody else's
        if entry.doomed is not None:
            self.condemn(entry, entry.doomed)
            return None
        entry.scope = None
        if entry.special:
            self._end_loan(entry, now)
        self._returns = entry.returned = self._returns + 1
        if not self.suspended and not self.queue.nobody_is_overdue(now):
            for waiter in self.queue.overdue(now):
                grant = self._for_waiter(entry, waiter, now)
                if grant is not None:
                    return self._grant(waiter, grant, now)
        entry.plan = None
        entry.partition.free.append(entry)
        return self.rouse(now)

    def permit_freed(self, now: float, permit: Permit) -> list[Waiter[S]]:
        """A connection is closed, or could not be opened: its permit goes to an overdue waiter, or back.

        Answers whom to wake.
        """
        self._victim_closed(permit)
        if permit.plan is not None and permit.partition is not None:
            self.shares.discharge(permit.partition, permit.counted)
            self.refusals.failed(permit.probe)
        if self.permits <= self.max_size and not self.suspended:
            for waiter in self.queue.overdue(now):
                if self.may_open(waiter.plan, now):
                    return self._grant(waiter, self._charge(waiter.plan), now)
        self.permits -= 1
        return self.rouse(now)

    # --- for waiters --------------------------------------------------------------------------------------------

    def permit_for(self, plan: SignOnPlan) -> Permit:
        """Take the right to open a connection by the plan; there has to be room."""
        self.permits += 1
        return self._charge(plan)

    def _for_waiter(self, entry: Entry, waiter: Waiter[S], now: float) -> Entry | Permit | None:
        """A returned entry, or its place, for an overdue waiter; None if that one can use neither."""
        plan = waiter.plan
        if not self.shares.may_lend(plan):
            return None
        if self._may_serve(entry, plan, now):
            return self._lend(entry, plan, waiter.owner)
        # An own one with an older credential makes room for its successor whatever the share.
        own = entry.partition.key == plan.partition
        if self._refusal(plan, now) is not None or not (own or self.shares.may_open(plan)):
            return None
        if own and self.permits < self.max_size and self.shares.may_open(plan):
            return None  # there is room to try the newer credential in, and nothing has to be given up for it
        return self._replace(entry, plan, waiter.owner)
