"""What is known of a pool, and what may be done in it: who may have which connection, who may open one, who must wait.

Questions only, nothing here changes anything; `lending` has the theory of operation and does what these answer.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from connector.pool.counts import Counts
from connector.pool.entry import Check, Entry, Permit
from connector.pool.refusals import Refusal, Refusals
from connector.pool.settings import PoolSettings, Validation
from connector.pool.shares import Shares
from connector.pool.versions import CredentialVersions
from connector.pool.waiting import WaitQueue
from connector.spi import SignOnPlan

S = TypeVar("S")

#: What `_way` answers where there is room for another connection.
_ROOM: Final = Permit()


class Decisions(Generic[S]):
    """The state of one pool, and what may be done in it; `PoolState` is all of it. Not safe for threads by itself.

    Args:
        settings: Sizes and policies.
        reauthenticates: Whether the adapter can sign a connection on anew in place (POOL-5).
        jitter: A random number from 0 to below 1, anew for each call.

    Attributes:
        settings: See above.
        max_size, min_size: The sizes in force; `resize` changes them.
        permits: Permits that are out.
        entries: All entries that are not gone, in the order in which they were opened.
        shares: The partitions, and how many each identity has.
        queue: The waiters.
        refusals: Credentials that were refused.
        versions: Credentials that are superseded.
        counts: What has happened so far.
        wanted: For whom (and by which alias) connections are to be opened while there are fewer than `min_size`.
        closed: Whether the pool is closed: nothing is free any more, nobody waits, all that is lent is doomed.
        suspended: Whether nothing is lent for now; who comes waits.
        generation: Goes up when the whole pool is purged: what was being opened then goes as well.
    """

    __slots__ = (
        "settings", "max_size", "min_size", "permits", "entries", "shares", "queue", "refusals", "versions", "counts",
        "wanted", "closed", "suspended", "generation",
        "_lendable", "_waiters", "_returns", "_reauthenticates", "_jitter", "_first_check",
    )  # fmt: skip

    def __init__(
        self, settings: PoolSettings, *, reauthenticates: bool = False, jitter: Callable[[], float] = float
    ) -> None:
        self.settings = settings
        self.max_size, self.min_size = settings.max_size, settings.min_size
        self.permits = 0
        self.entries: dict[Entry, None] = {}
        self.shares = Shares(settings.per_identity)
        self.queue: WaitQueue[S] = WaitQueue()
        self.refusals = Refusals(settings.login_backoff, settings.login_backoff_max)
        self.versions = CredentialVersions(settings.retire_policy)
        self.counts = Counts()
        self.wanted: deque[tuple[SignOnPlan, str | None]] = deque(maxlen=max(64, self.min_size))
        self.closed = self.suspended = False
        self.generation = 0
        # What the hot path looks into: the partitions, or, while nothing may be lent, nothing.
        self._lendable = self.shares.partitions
        self._waiters = self.queue.members  # the hot path asks only whether there are any
        self._returns = 0
        self._reauthenticates = reauthenticates
        self._jitter = jitter
        self._first_check = Check.VALIDATE if Validation.ON_CHECKOUT in settings.validation else None

    def may_open(self, plan: SignOnPlan, now: float) -> bool:
        """Whether a connection may be opened by the plan, if there is room."""
        return self.shares.may_open(plan) and self._refusal(plan, now) is None

    def still_served(self, plan: SignOnPlan, owner: int) -> bool:
        """Whether connections are left that would serve the plan while its credential is refused.

        Those of its user that were signed on earlier, if not all of them are with the one who asks: a rotation that is
        under way, or went wrong, interrupts nobody.
        """
        partition = self.shares.partitions.get(plan.partition)
        return partition is not None and any(
            entry.partition is partition
            and entry.doomed is None
            and entry.check is not Check.REAUTHENTICATE
            and (entry.plan is None or entry.owner != owner)
            for entry in self.entries
        )

    def _way(self, plan: SignOnPlan, owner: int, now: float) -> Entry | Permit | Refusal | None:
        """What `request` would do, without doing it: lend or replace that entry, open one, refuse, or let it wait."""
        if self.suspended or not self.shares.may_lend(plan):
            return None
        partition = self.shares.partitions.get(plan.partition)
        free = partition.free if partition is not None else []
        for entry in reversed(free):
            if self._may_serve(entry, plan, now):
                return entry
        refusal = self._refusal(plan, now)
        if refusal is not None:
            return None if self.still_served(plan, owner) else refusal
        may_open = self.shares.may_open(plan)
        if may_open and self.permits < self.max_size:
            return _ROOM
        if free:
            return free[0]  # its credential is superseded, but for that it would have served
        return self.shares.least_recently_used() if may_open else None

    def _refusal(self, plan: SignOnPlan, now: float) -> Refusal | None:
        return self.refusals.blocks(plan, now) if self.refusals else None

    def _may_serve(self, entry: Entry, plan: SignOnPlan, now: float) -> bool:
        """Whether an entry may be lent by a plan: its own partition (POOL-1), and no older credential (AUTHD-3), unless
        the newer one is just being tried or known to be refused, or older ones are to serve on.
        """
        if entry.partition.key != plan.partition:
            return False
        if entry.version >= plan.version or self.versions.old_ones_serve:
            return True
        return self._is_on_trial(plan) or self._refusal(plan, now) is not None

    def _is_on_trial(self, plan: SignOnPlan) -> bool:
        """Whether the plan's credential is newer than those of all its connections, of which there are some, and is
        just being tried: nobody knows yet whether it is good.
        """
        partition = self.shares.partitions.get(plan.partition)
        if partition is None:
            return False
        own = [
            entry.version
            for entry in self.entries
            if entry.partition is partition and entry.check is not Check.REAUTHENTICATE
        ]
        return bool(own) and max(own) < plan.version and partition.live > len(own)

    def _surplus(self) -> int:
        """Permits beyond the size that nothing takes back yet: no doomed entry, which frees one when it is back."""
        over = self.permits - self.max_size
        return over if over <= 0 else over - sum(1 for entry in self.entries if entry.doomed is not None)
