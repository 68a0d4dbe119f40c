"""What the pool's state is made of: entries, partitions, permits. Records without behaviour, owned by `state`."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from enum import Enum
from typing import final

from connector.spi import ManagedConnection, SignOnPlan


class Doom(Enum):
    """Why a lent connection will be closed instead of pooled when it comes back."""

    BROKEN = "broken"  # it reported an error
    SUPERSEDED = "superseded credential"
    PURGED = "purged"
    CLOSED = "pool closed"


@final
class Partition:
    """The connections of one pool key: a free one serves requests of this key only (POOL-1).

    Attributes:
        key: The pool key, `SignOnPlan.partition`.
        free: The free entries; the one returned last stands last and is taken first, so the first is the least
            recently used.
        live: Entries that belong here, free or lent. The partition is forgotten when it drops to 0: ten thousand
            callers leave no trace.
    """

    __slots__ = ("key", "free", "live")

    def __init__(self, key: Hashable) -> None:
        self.key = key
        self.free: list[Entry] = []
        self.live = 0


@final
class Entry:
    """One physical connection in the pool.

    Attributes:
        physical: The adapter's connection.
        partition: Where it belongs, for its whole life.
        user: The user that it is signed on as, for people.
        alias: The alias of its credential, or None.
        version: The version of its credential.
        plan: The plan that it is lent by; None while it is free.
        thread: The thread that it was lent to.
        doomed: Why it will be closed when it comes back, or None.
        gone: Whether it has left the pool. Whoever sets it closes the connection: that makes it exactly once.
        returned: The number of the pool's return that brought it back last: orders free entries by use. 0 if it has
            never been used before.
    """

    __slots__ = ("physical", "partition", "user", "alias", "version", "plan", "thread", "doomed", "gone", "returned")

    def __init__(
        self, physical: ManagedConnection, partition: Partition, plan: SignOnPlan, alias: str | None, thread: int
    ) -> None:
        self.physical = physical
        self.partition = partition
        self.user = plan.user
        self.alias = alias
        self.version = plan.version
        self.plan: SignOnPlan | None = plan
        self.thread = thread
        self.doomed: Doom | None = None
        self.gone = False
        self.returned = 0

    def __repr__(self) -> str:
        condition = "gone" if self.gone else "free" if self.plan is None else f"lent to {self.plan.effective_user}"
        return f"<Entry of {self.user}, {condition}>"


@final
@dataclass(frozen=True, slots=True)
class Permit:
    """The right to open one physical connection; counted in the pool's limit until it is used or handed back.

    Attributes:
        victim: An entry that has left the pool to make room: close it first, then open. None if there was room.
    """

    victim: Entry | None = None
