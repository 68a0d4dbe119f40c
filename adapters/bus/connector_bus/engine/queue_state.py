"""What is on a queue and who waits for it: the decisions, without lock and without I/O.

Theory of operation
-------------------
An *entry* is a message at rest. It is *ready*, or *claimed* by one delivery; a claim ends by `remove` (settled) or
`release` (back to ready, at its old place). A *taker* is one wish for one message: a waiting `receive`, or one free
place of a consumer. Takers are served in the order in which they came; entries go by priority, then by age. `match`
pairs the two and is called after every change; what it answers is carried out outside the lock.

A taker may *keep groups*: while an entry that it got is claimed, the entry's group is *held*, and others of the group
that come up are *parked*, for every taker. For each group that has parked entries either the group is held, or the
one that comes next is ready: so a claim's end moves one entry, however many are parked.
"""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass, field
from typing import Protocol, final

from connector_bus.store.record import StoredMessage


@final
class Entry:
    """One message on a queue, as far as dispatch needs it.

    Attributes:
        sequence: Its number.
        priority: 0 to 9, higher first.
        expires_at: Seconds since 1970, or None.
        attempts: Failed deliveries so far; changed only by whoever has claimed it.
        stored: The message itself where it is not in the store (temporary queues), else None.
        claim: In a shared store: under which epoch of the engine it was claimed.
        group: The group within which order is kept, or None.
    """

    __slots__ = ("attempts", "claim", "expires_at", "group", "priority", "sequence", "stored")

    def __init__(
        self,
        sequence: int,
        priority: int,
        expires_at: float | None = None,
        attempts: int = 0,
        stored: StoredMessage | None = None,
        claim: int = 0,
        group: str | None = None,
    ) -> None:
        self.sequence = sequence
        self.priority = priority
        self.expires_at = expires_at
        self.attempts = attempts
        self.stored = stored
        self.claim = claim
        self.group = group

    def __lt__(self, other: Entry) -> bool:
        return (-self.priority, self.sequence) < (-other.priority, other.sequence)

    def __repr__(self) -> str:
        return f"<Entry {self.sequence}, priority {self.priority}, {self.attempts} failed attempts>"


class Taker(Protocol):
    """One wish for one message."""

    def take(self, entry: Entry) -> None:
        """Here it is, claimed. Called once, outside the queue's lock, from any thread. Must not block or raise."""
        ...


@dataclass(slots=True)
class Matches:
    """What `match` decided.

    Attributes:
        taken: Takers with the entries that are now claimed for them.
        expired: Entries that are past their time; they have left the queue.
    """

    taken: list[tuple[Taker, Entry]] = field(default_factory=list)
    expired: list[Entry] = field(default_factory=list)


@final
class QueueState:
    """The state of one queue; not safe for threads by itself, its owner holds a lock."""

    __slots__ = ("_claimed", "_held", "_keepers", "_parked", "_ready", "_takers")

    def __init__(self) -> None:
        self._ready: list[Entry] = []
        self._claimed: dict[int, Entry] = {}
        self._takers: deque[Taker] = deque()
        self._keepers: set[Taker] = set()
        self._held: dict[str, Entry] = {}  # by group
        self._parked: dict[str, list[Entry]] = {}  # by group; heaps, never empty

    def add(self, entry: Entry) -> None:
        """A message arrives."""
        heapq.heappush(self._ready, entry)

    def want(self, taker: Taker, *, keeps_groups: bool = False) -> None:
        """A wish is queued; `keeps_groups` as above."""
        self._takers.append(taker)
        if keeps_groups:
            self._keepers.add(taker)

    def withdraw(self, taker: Taker) -> bool:
        """Take a wish back; False if it has been served already (its entry is then claimed)."""
        try:
            self._takers.remove(taker)
        except ValueError:
            return False
        self._keepers.discard(taker)
        return True

    def claim(self, entry: Entry) -> bool:
        """Take one certain entry, for administration; False where it is not ready (any more)."""
        if entry not in self._ready:
            return False
        self._ready.remove(entry)
        heapq.heapify(self._ready)
        self._claimed[entry.sequence] = entry
        return True

    def hold(self, entry: Entry) -> None:
        """An entry that is claimed elsewhere already, and here from now on."""
        self._claimed[entry.sequence] = entry

    def release(self, entry: Entry) -> None:
        """End a claim without settling: the entry is ready again. One that isn't claimed is left alone."""
        if self._claimed.pop(entry.sequence, None) is not None:
            heapq.heappush(self._ready, entry)
            self._let_go(entry)

    def remove(self, entry: Entry) -> None:
        """End a claim by settling: the entry is gone."""
        if self._claimed.pop(entry.sequence, None) is not None:
            self._let_go(entry)

    def match(self, now: float) -> Matches:
        """Serve takers while there are both; `now` is in seconds since 1970."""
        matches = Matches()
        while self._ready and self._takers:
            entry = heapq.heappop(self._ready)
            if entry.expires_at is not None and entry.expires_at <= now:
                matches.expired.append(entry)
                self._next_of(entry.group)
                continue
            if entry.group in self._held:
                heapq.heappush(self._parked.setdefault(entry.group, []), entry)
                continue
            taker = self._takers.popleft()
            self._claimed[entry.sequence] = entry
            matches.taken.append((taker, entry))
            if taker in self._keepers:
                self._keepers.discard(taker)
                if entry.group is not None:
                    self._held[entry.group] = entry
            self._next_of(entry.group)
        return matches

    def _let_go(self, entry: Entry) -> None:
        """An entry's claim has ended, and with it what it holds."""
        if entry.group is not None and self._held.get(entry.group) is entry:
            del self._held[entry.group]
            self._next_of(entry.group)

    def _next_of(self, group: str | None) -> None:
        """Have one parked entry of a group ready, where the group is not held."""
        parked = self._parked.get(group) if group is not None and group not in self._held else None
        if parked is not None and group is not None:
            heapq.heappush(self._ready, heapq.heappop(parked))
            if not parked:
                del self._parked[group]

    def drop_ready(self) -> list[Entry]:
        """Forget what is ready, where others are to have it; answers it."""
        ready = [*self._ready, *(entry for parked in self._parked.values() for entry in parked)]
        self._ready, self._parked = [], {}
        return ready

    def drop_takers(self) -> list[Taker]:
        """Forget all wishes, when the engine stops; answers them."""
        takers = list(self._takers)
        self._takers.clear()
        self._keepers.clear()
        return takers

    def entries(self) -> list[Entry]:
        """The ready and parked entries in the order in which they would be taken."""
        return sorted([*self._ready, *(entry for parked in self._parked.values() for entry in parked)])

    @property
    def ready(self) -> int:
        """How many entries can be taken, or wait only for others of their group."""
        return len(self._ready) + sum(map(len, self._parked.values()))

    @property
    def claimed(self) -> int:
        """How many are in delivery, or wait for their redelivery."""
        return len(self._claimed)

    @property
    def waiting(self) -> int:
        """How many wishes are open."""
        return len(self._takers)
