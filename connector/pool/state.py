"""The pool's state machine: who gets which connection, who waits, what is closed. Pure decisions, no I/O.

Theory of operation
-------------------
The pool has `max_size` *permits*. A permit is held by each connection from before it is opened until after it is
closed, over all identities together, so the external system never sees more than `max_size`. ::

    request --> Entry   a free one of the plan's own partition, signed on with no older credential
            --> Permit  to open one; its victim, if any, has to be closed first
            --> None    nothing: wait

      free  --take_free-->  lent  --give_back-->  free                          (hot path: nobody waits, not doomed)
                            lent  --settle----->  free | lent to the head waiter | gone
      free  --connection_error, flush, request by others-->  gone
      lent  --connection_error, flush-->  lent and doomed  --settle-->  gone

A free entry serves its own partition only (POOL-1). When every permit is out and no own entry is free, the least
recently used free entry of another partition, or an own one with a superseded credential, leaves and its permit passes
to the borrower.

Invariants (tests/pool/test_state_machine.py)
---------------------------------------------
1. permits = entries + connections being opened or closed; 0 <= permits <= max_size.
2. An entry is free (plan is None, stands once in its partition's stack), lent (plan set) or gone; gone is for ever.
3. `condemn` answers True once for each entry: its caller closes the connection.
4. A waiter stands in the queue, or has a grant, or has been sent away.
5. As many waiters are signalled as could find something: min(waiting, free + unused permits).

No lock and no clock either: `pool` calls each method under its lock and passes the time; the shell for asyncio
does the same.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar, final

from connector.errors import LoginRefused
from connector.pool.entry import Doom, Entry, Partition, Permit
from connector.pool.waiting import Grant, Waiter, WaitQueue
from connector.spi import ManagedConnection, SignOnPlan

S = TypeVar("S")


def serves(entry: Entry, plan: SignOnPlan) -> bool:
    """Whether an entry may be lent by a plan: same partition, no older credential (POOL-1, AUTHD-3)."""
    return entry.partition.key == plan.partition and entry.version >= plan.version


@final
class PoolState(Generic[S]):
    """All mutable state of one pool, the statistics included; not safe for threads by itself.

    Attributes:
        max_size: The limit over all identities.
        permits: Permits that are out.
        entries: All entries that are not gone, in the order in which they were opened.
        queue: The waiters.
        closed: Whether the pool is closed: nothing is free any more, nobody waits, all that is lent is doomed.
        created: Connections opened so far.
        destroyed: Entries that have gone so far.
        replaced: Those among them that gave way to another partition or to a newer credential.
        broken: Entries that reported an error.
        failed_logins: Refused credentials.
        abandoned: Leases that the garbage collector found open.
        waits: Waits that have ended.
        wait_seconds: How long they took, together.
        timeouts: Those that ended without a grant.
    """

    __slots__ = (
        "max_size", "permits", "entries", "queue", "closed", "created", "destroyed", "replaced", "broken",
        "failed_logins", "abandoned", "waits", "wait_seconds", "timeouts",
        "_partitions", "_waiters", "_returns", "_retired",
    )  # fmt: skip

    def __init__(self, max_size: int) -> None:
        self.max_size = max_size
        self.permits = 0
        self.entries: dict[Entry, None] = {}
        self.queue: WaitQueue[S] = WaitQueue()
        self.closed = False
        self.created = self.destroyed = self.replaced = self.broken = self.failed_logins = 0
        self.abandoned = self.waits = self.timeouts = 0
        self.wait_seconds = 0.0
        self._partitions: dict[Hashable, Partition] = {}
        self._waiters = self.queue.members  # the hot path asks only whether there are any
        self._returns = 0
        # The lowest version still good, by alias: a connection that was being opened at `retire` must not slip by.
        self._retired: dict[str, int] = {}

    # --- the hot path -------------------------------------------------------------------------------------------

    def take_free(self, plan: SignOnPlan, thread: int) -> Entry | None:
        """Lend the plan's own most recently used free entry; None if there is none that may serve."""
        try:
            entry = self._partitions[plan.partition].free.pop()
        except (KeyError, IndexError):
            return None
        if entry.version < plan.version:
            entry.partition.free.append(entry)
            return None
        entry.plan = plan
        entry.thread = thread
        return entry

    def give_back(self, entry: Entry) -> bool:
        """Make a clean entry free again; False if there is more to decide: go on with `settle`."""
        if entry.doomed is not None or self._waiters:
            return False
        self._returns = entry.returned = self._returns + 1
        entry.plan = None
        entry.partition.free.append(entry)
        return True

    # --- borrowing ----------------------------------------------------------------------------------------------

    def request(self, plan: SignOnPlan, thread: int) -> Entry | Permit | None:
        """What a borrower gets now; None: it has to wait. Not to be asked of a closed pool."""
        entry = self.take_free(plan, thread)
        if entry is not None:
            return entry
        own = self._partitions.get(plan.partition)
        # Where `take_free` found an own one, its credential was too old: nobody needs it any more.
        superseded = own.free[-1] if own is not None and own.free else None
        if superseded is None and self.permits < self.max_size:
            self.permits += 1
            return Permit()
        victim = superseded or self._least_recently_used()
        if victim is None:
            return None
        self.condemn(victim)
        self.replaced += 1
        return Permit(victim)

    def resume(self, waiter: Waiter[S]) -> Grant | None:
        """A woken waiter takes its grant, or looks again; None: nothing yet, it keeps its place."""
        grant = waiter.grant
        if grant is not None:
            waiter.grant = None
            # It may have broken, or been purged, on its way: it is not handed out, the permit is used for another.
            return self.exchange(grant) if isinstance(grant, Entry) and grant.doomed is not None else grant
        if waiter not in self._waiters:
            return None
        self.queue.looked(waiter)
        found = self.request(waiter.plan, waiter.thread)
        if found is not None:
            self.queue.remove(waiter)
        return found

    def withdraw(self, waiter: Waiter[S]) -> tuple[Grant | None, list[Waiter[S]]]:
        """A waiter gives up: answers what it was granted at the last instant (hand it back) and whom to wake."""
        grant, waiter.grant = waiter.grant, None
        self.queue.remove(waiter)
        return grant, self._rouse()

    def exchange(self, entry: Entry) -> Permit:
        """Trade a lent entry that can't be used for the right to open another in its place."""
        self.condemn(entry)
        return Permit(entry)

    # --- opening ------------------------------------------------------------------------------------------------

    def opened(self, physical: ManagedConnection, plan: SignOnPlan, alias: str | None, thread: int) -> Entry:
        """A permit was used: the connection becomes an entry, lent by the plan."""
        partition = self._partitions.get(plan.partition)
        if partition is None:
            partition = self._partitions[plan.partition] = Partition(plan.partition)
        entry = Entry(physical, partition, plan, alias, thread)
        partition.live += 1
        self.entries[entry] = None
        self.created += 1
        if alias is not None and entry.version < self._retired.get(alias, entry.version):
            entry.doomed = Doom.SUPERSEDED
        if self.closed:
            entry.doomed = Doom.CLOSED
        return entry

    def refused(self, plan: SignOnPlan, error: LoginRefused) -> list[Waiter[S]]:
        """The external system refused the plan's credential: those who wait to try the same one fail at once.

        Otherwise each of them would try it in turn, and the account would be locked. Answers whom to wake; the permit
        is still to be freed.
        """
        self.failed_logins += 1
        alike = [
            waiter
            for waiter in self._waiters
            if waiter.plan.partition == plan.partition and waiter.plan.version <= plan.version
        ]
        woken = [asleep for waiter in alike for asleep in self.queue.grant(waiter, error)]
        return woken + self._rouse()

    # --- coming back --------------------------------------------------------------------------------------------

    def settle(self, entry: Entry, now: float) -> list[Waiter[S]] | None:
        """Decide on a returned entry where `give_back` could not; answers whom to wake.

        None: the entry has gone; close its connection, then `permit_freed`.
        """
        if entry.doomed is not None:
            self.condemn(entry)
            return None
        self._returns = entry.returned = self._returns + 1
        head = self.queue.overdue(now)
        if head is None:
            entry.plan = None
            entry.partition.free.append(entry)
            return self._rouse()
        if serves(entry, head.plan):
            entry.plan = head.plan
            entry.thread = head.thread
            return self._grant(head, entry)
        self.replaced += 1
        return self._grant(head, self.exchange(entry))

    def permit_freed(self, now: float) -> list[Waiter[S]]:
        """A connection is closed, or could not be opened: its permit goes to the head waiter, or back."""
        head = self.queue.overdue(now)
        if head is not None:
            return self._grant(head, Permit())
        self.permits -= 1
        return self._rouse()

    # --- leaving ------------------------------------------------------------------------------------------------

    def condemn(self, entry: Entry) -> bool:
        """Take an entry out for good; True for the first caller, who closes its connection."""
        if entry.gone:
            return False
        entry.gone = True
        partition = entry.partition
        if entry.plan is None:
            partition.free.remove(entry)
        del self.entries[entry]
        self.destroyed += 1
        partition.live -= 1
        if not partition.live:
            del self._partitions[partition.key]
        return True

    def connection_error(self, entry: Entry) -> bool:
        """An entry reported that it is broken; True: it was free and has gone, close it. A lent one is doomed."""
        if entry.gone or entry.doomed is Doom.BROKEN:
            return False
        self.broken += 1
        entry.doomed = Doom.BROKEN
        return entry.plan is None and self.condemn(entry)

    def flush(self, chosen: Callable[[Entry], bool], why: Doom) -> list[Entry]:
        """Let the chosen entries go: answers the free ones, to be closed; the lent ones are doomed."""
        leaving = []
        for entry in [entry for entry in self.entries if chosen(entry)]:
            if entry.plan is None:
                self.condemn(entry)
                leaving.append(entry)
            elif entry.doomed is None:
                entry.doomed = why
        return leaving

    def retire(self, alias: str, version: int) -> list[Entry]:
        """Credentials of `alias` older than `version` are superseded (AUTHD-3); answers entries to be closed."""
        self._retired[alias] = max(version, self._retired.get(alias, version))
        return self.flush(lambda entry: entry.alias == alias and entry.version < version, Doom.SUPERSEDED)

    def close(self) -> tuple[list[Entry], list[Waiter[S]]]:
        """No more lending; answers the entries to be closed and whom to wake."""
        self.closed = True
        return self.flush(lambda _: True, Doom.CLOSED), self.queue.drain()

    # --- counting -----------------------------------------------------------------------------------------------

    def free_count(self) -> int:
        """How many entries are free, over all partitions."""
        return sum(len(partition.free) for partition in self._partitions.values())

    def _least_recently_used(self) -> Entry | None:
        # Each stack's first is its oldest, so only as many are compared as there are partitions, at most max_size.
        oldest = [partition.free[0] for partition in self._partitions.values() if partition.free]
        return min(oldest, key=lambda entry: entry.returned, default=None)

    def _grant(self, waiter: Waiter[S], grant: Grant) -> list[Waiter[S]]:
        # It may have been signalled for something else that is free, which now is for the next one to find.
        return self.queue.grant(waiter, grant) + self._rouse()

    def _rouse(self) -> list[Waiter[S]]:
        if not self._waiters:
            return []
        return self.queue.rouse(self.free_count() + self.max_size - self.permits)
