"""What the pool's state is made of: entries, partitions, permits. Records without behaviour, owned by `state`."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, final

from connector.spi import ManagedConnection, SignOnPlan

if TYPE_CHECKING:
    from connector.pool.refusals import Refusal
    from connector.pool.trace import Trace
    from connector.spi import Scope


class Doom(Enum):
    """Why a connection has left the pool, or will leave it when it comes back."""

    BROKEN = "broken"  # it reported an error
    SUPERSEDED = "superseded credential"
    PURGED = "purged"
    CLOSED = "pool closed"
    AGED = "aged timeout"
    UNUSED = "unused timeout"
    INVALID = "failed validation"
    SHRUNK = "pool made smaller"
    REPLACED = "gave way"  # to another identity, or to a newer credential
    UNCLEAN = "clean-up failed"
    DISCARDED = "invalidated"  # by its borrower, or because it could not be made ready
    ABANDONED = "never given back"
    OUTLIVED = "outlived its login or work"


class Check(Enum):
    """What has to be done with a connection before it is lent; None on the entry: nothing."""

    VALIDATE = "validate"  # unless it was good a moment ago: validation on checkout
    SUSPECT = "suspect"  # whatever it was a moment ago: another one of the pool has broken
    REAUTHENTICATE = "reauthenticate"  # it is still signed on as somebody else (POOL-5)


@final
class Partition:
    """The connections of one pool key: a free one serves requests of this key only (POOL-1).

    Attributes:
        key: The pool key, `SignOnPlan.partition`.
        free: The free entries; the one returned last stands last and is taken first, so the first is the least
            recently used.
        live: Permits out for this key: its entries, free or lent, and what is being opened for it or closed. The
            partition is forgotten when it drops to 0: ten thousand callers leave no trace.
    """

    __slots__ = ("key", "free", "live")

    def __init__(self, key: Hashable) -> None:
        self.key = key
        self.free: list[Entry] = []
        self.live = 0

    def __repr__(self) -> str:
        return f"<Partition of {self.live}, {len(self.free)} free>"  # without the key, which may hold a digest


@final
class Entry:
    """One physical connection in the pool.

    Attributes:
        physical: The adapter's connection.
        partition: Where it belongs; changes only where it is signed on anew.
        user: The user that it is signed on as, for people.
        alias: The alias of its credential, or None.
        version: The version of its credential.
        origin: The plan that it was signed on by: for whom one that is lost is opened again.
        plan: The plan that it is lent by; None while it is free.
        owner: The thread or task that it was lent to.
        held: The lease's hold on it; taking the entry out of it, an atomic pop, ends the lease. A new one each time
            that it is lent.
        scope: The scope that it was lent in, or None.
        trace: Where it was obtained, where that was recorded; else None.
        counted: The identity that it counts for in the limit per identity while lent, or None.
        check: What has to be done before it is lent.
        probe: The refusal that signing it on anew is the probe of, or None.
        doomed: Why it will be closed when it comes back, or None.
        special: Whether there is anything to decide when it comes back: it is doomed, traced or counted.
        gone: Whether it has left the pool. Whoever sets it closes the connection: that makes it exactly once.
        returned: The number of the pool's return that brought it back last: orders free entries by use. 0 if it has
            never been used before.
        opened_at: When it was opened, by the pool's clock.
        expires: When it is too old, by the pool's clock; infinity for never.
        good_at: When it was last known to be good; kept where validation on checkout asks for it.
        seen_returned: `returned` at the last upkeep: while it stays the same, the entry is unused.
        unused_since: Since when, as far as upkeep has seen.
        seen_held: `held` at the last upkeep: while it stays the same, it is one and the same lease.
        lent_since: Since when, as far as upkeep has seen.
        reported: Whether that lease was reported as a leak.
    """

    __slots__ = (
        "physical", "partition", "user", "alias", "version", "origin", "plan", "owner", "held", "scope", "trace",
        "counted", "check", "probe", "special", "_doomed", "gone", "returned", "opened_at", "expires", "good_at",
        "seen_returned", "unused_since", "seen_held", "lent_since", "reported",
    )  # fmt: skip

    def __init__(
        self,
        physical: ManagedConnection,
        partition: Partition,
        plan: SignOnPlan,
        alias: str | None,
        owner: int,
        now: float = 0.0,
    ) -> None:
        self.physical = physical
        self.partition = partition
        self.user = plan.user
        self.alias = alias
        self.version = plan.version
        self.origin = plan
        self.plan: SignOnPlan | None = plan
        self.owner = owner
        self.held: list[Entry] | None = None
        self.scope: Scope | None = None
        self.trace: Trace | None = None
        self.counted: Hashable = None
        self.check: Check | None = None
        self.probe: Refusal | None = None
        self._doomed: Doom | None = None
        self.special = False
        self.gone = False
        self.returned = 0
        self.opened_at = self.good_at = self.unused_since = self.lent_since = now
        self.expires = float("inf")
        self.seen_returned = -1
        self.seen_held: list[Entry] | None = None
        self.reported = False

    @property
    def doomed(self) -> Doom | None:
        """See above."""
        return self._doomed

    @doomed.setter
    def doomed(self, why: Doom | None) -> None:
        self._doomed = why
        self.special = True

    def __repr__(self) -> str:
        condition = "gone" if self.gone else "free" if self.plan is None else f"lent to {self.plan.effective_user}"
        return f"<Entry of {self.user}, {condition}>"


@final
@dataclass(frozen=True, slots=True)
class Permit:
    """The right to open one physical connection; counted in the pool's limits until it is used or handed back.

    Attributes:
        plan: What for; None for a permit that is only waiting for its victim to be closed.
        partition: Whose limit it counts in; None likewise.
        victim: An entry that has left the pool to make room: close it first, then open. None if there was room.
        counted: The identity that it counts for in the limit per identity beyond the partition, or None.
        generation: The pool's generation that it was given in: what is opened with one from before a purge goes too.
        probe: The refusal that this login is the probe of, or None.
    """

    plan: SignOnPlan | None = None
    partition: Partition | None = None
    victim: Entry | None = None
    counted: Hashable = None
    generation: int = 0
    probe: Refusal | None = None
