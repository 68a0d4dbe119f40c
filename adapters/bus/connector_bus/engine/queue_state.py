"""What is on a queue and who waits for it: the decisions, without lock and without I/O.

Theory of operation
-------------------
An *entry* is a message at rest. It is *ready*, or *claimed* by one delivery; a claim ends by `remove` (settled) or
`release` (back to ready, at its old place). A *taker* is one wish for one message: a waiting `receive`, or one free
place of a consumer. Takers are served in the order in which they came; entries go by priority, then by age. `match`
pairs the two and is called after every change; what it answers is carried out outside the lock.

A taker may have a *selector*: it takes only what matches it, and is passed over by what does not. So neither blocks the
other: an entry that the first taker does not want goes to the next one, and a taker gets the best of what it wants.

A taker may *keep groups*: while an entry that it got is claimed, the entry's group is *held*, and others of the group
that come up are *parked*, for every taker. For each group that has parked entries either the group is held, or the
one that comes next is ready: so a claim's end moves one entry, however many are parked. With selectors about, all of
them are: the one that comes next may be one that nobody here wants.
"""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol, final

from connector.spi import Message
from connector_bus.engine.ready_order import ReadyOrder
from connector_bus.engine.selection import REMEMBERED, Selection
from connector_bus.selector.selector import Selector
from connector_bus.store.record import StoredMessage

if TYPE_CHECKING:
    from connector_bus.store.unread import Unread


@final
class Entry:
    """One message on a queue, as far as dispatch needs it.

    Attributes:
        sequence: Its number.
        priority: 0 to 9, higher first.
        expires_at: Seconds since 1970, or None.
        attempts: Failed deliveries so far; changed only by whoever has claimed it.
        stored: The message itself where it is not in the store (temporary queues), else None.
        unread: The same where it came over the wire and nobody has looked into it.
        claim: In a shared store: under which epoch of the engine it was claimed.
        group: The group within which order is kept, or None.
        header: The message without its body, where selectors may ask for it, else None.
        ready: Whether it can be taken; the queue's own.
        queued: Whether it has its place in the queue's order, ready or not; the queue's own.
    """

    __slots__ = (
        "_stored",
        "attempts",
        "claim",
        "expires_at",
        "group",
        "header",
        "priority",
        "queued",
        "ready",
        "sequence",
        "unread",
    )

    def __init__(
        self,
        sequence: int,
        priority: int,
        expires_at: float | None = None,
        attempts: int = 0,
        stored: StoredMessage | None = None,
        claim: int = 0,
        group: str | None = None,
        header: Message | None = None,
        unread: Unread | None = None,
    ) -> None:
        self.sequence = sequence
        self.priority = priority
        self.expires_at = expires_at
        self.attempts = attempts
        self._stored = stored
        self.unread = unread
        self.claim = claim
        self.group = group
        self.header = header
        self.ready = False
        self.queued = False

    @property
    def stored(self) -> StoredMessage | None:
        """See above; made of what is unread when it is asked for first."""
        if self._stored is None and self.unread is not None:
            self._stored = self.unread.stored()
        return self._stored

    @property
    def in_memory(self) -> bool:
        """Whether it is not in the store."""
        return self.unread is not None or self._stored is not None

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


#: For the many changes after which there is nothing to do.
NOTHING: Final = Matches()


@final
class QueueState:
    """The state of one queue; not safe for threads by itself, its owner holds a lock."""

    __slots__ = (
        "_claimed",
        "_held",
        "_keepers",
        "_loners",
        "_order",
        "_parked",
        "_selections",
        "_selective",
        "_takers",
    )

    def __init__(self) -> None:
        self._order = ReadyOrder()
        self._claimed: dict[int, Entry] = {}
        self._takers: deque[Taker] = deque()
        self._keepers: set[Taker] = set()
        self._loners: set[Taker] = set()
        self._selective: dict[Taker, Selection] = {}
        self._selections: dict[str, Selection] = {}  # by the selector's text, the one used longest ago first
        self._held: dict[str, Entry] = {}  # by group
        self._parked: dict[str, list[Entry]] = {}  # by group; heaps, never empty

    def add(self, entry: Entry) -> None:
        """A message arrives."""
        self._order.add(entry)
        if self._selections:
            self._offer(entry)

    def want(
        self, taker: Taker, *, keeps_groups: bool = False, alone: bool = False, selector: Selector | None = None
    ) -> None:
        """A wish is queued; `keeps_groups` and `selector` as above. `alone` is only noted, for a shared store."""
        self._takers.append(taker)
        if alone:
            self._loners.add(taker)
        if keeps_groups:
            self._keepers.add(taker)
        if selector is not None:
            selection = self._selections.pop(selector.text, None) or self._select(selector)
            self._selections[selector.text] = selection
            self._selective[taker] = selection
            selection.waiting += 1

    def withdraw(self, taker: Taker) -> bool:
        """Take a wish back; False if it has been served already (its entry is then claimed)."""
        try:
            self._takers.remove(taker)
        except ValueError:
            return False
        self._keepers.discard(taker)
        self._loners.discard(taker)
        self._served(taker)
        return True

    def claim(self, entry: Entry) -> bool:
        """Take one certain entry, for administration; False where it is not ready (any more)."""
        if not entry.ready:
            return False
        self._order.take(entry)
        self._claimed[entry.sequence] = entry
        return True

    def hold(self, entry: Entry) -> None:
        """An entry that is claimed elsewhere already, and here from now on."""
        self._claimed[entry.sequence] = entry

    def release(self, entry: Entry) -> None:
        """End a claim without settling: the entry is ready again. One that isn't claimed is left alone."""
        if self._claimed.pop(entry.sequence, None) is not None:
            if entry.header is not None and entry.header.delivery_count != entry.attempts:
                entry.header = entry.header.replace(delivery_count=entry.attempts)  # a selector may ask for it
            self._make_ready(entry)
            self._let_go(entry)

    def remove(self, entry: Entry) -> None:
        """End a claim by settling: the entry is gone."""
        if self._claimed.pop(entry.sequence, None) is not None and entry.group is not None:
            self._let_go(entry)

    def match(self, now: float) -> Matches:
        """Serve takers while there are both; `now` is in seconds since 1970."""
        order = self._order
        if not (order.count and self._takers):
            return NOTHING
        matches = Matches()
        passed: deque[Taker] = deque()  # takers for whom there is nothing, in their order
        while order.count and self._takers:
            taker = self._takers.popleft()
            entry = self._best(self._selective.get(taker) if self._selective else None, now, matches)
            if entry is None:
                passed.append(taker)
                continue
            self._claimed[entry.sequence] = entry
            matches.taken.append((taker, entry))
            if self._selective:
                self._served(taker)
            if self._loners:
                self._loners.discard(taker)
            if self._keepers and taker in self._keepers:
                self._keepers.discard(taker)
                if entry.group is not None:
                    self._held[entry.group] = entry
            if entry.group is not None:
                self._next_of(entry.group)
        if passed:
            self._takers = passed + self._takers
        return matches

    def _best(self, selection: Selection | None, now: float, matches: Matches) -> Entry | None:
        """Take the best entry for a taker out of those that are ready; what is past its time or held goes its way."""
        while True:
            if selection is None:
                entry = self._order.take_first()
            elif (entry := selection.best()) is not None:
                self._order.take(entry)
                selection.drop()
            if entry is None:
                return None
            if entry.expires_at is not None and entry.expires_at <= now:
                matches.expired.append(entry)
                self._next_of(entry.group)
            elif self._held and entry.group in self._held:
                heapq.heappush(self._parked.setdefault(entry.group, []), entry)
            else:
                return entry

    def _make_ready(self, entry: Entry) -> None:
        self._order.add(entry)
        if self._selections:
            self._offer(entry)

    def _offer(self, entry: Entry) -> None:
        for selection in self._selections.values():
            selection.offer(entry)
            selection.tidy(self._order.count)

    def _select(self, selector: Selector) -> Selection:
        """Ask everything that is here, once; forget the selector that nobody waits with for the longest time."""
        if not self._selections:
            for group in [group for group in self._parked if group not in self._held]:
                for entry in self._parked.pop(group):
                    self._make_ready(entry)
        selection = Selection(selector)
        for entry in self._order.ready():
            selection.offer(entry)
        idle = [text for text, each in self._selections.items() if not each.waiting]
        for text in idle[: max(0, len(idle) + 1 - REMEMBERED)]:
            del self._selections[text]
        return selection

    def reselect(self) -> None:
        """Headers have become known: those who came with a selector meanwhile have missed them."""
        for selection in self._selections.values():
            selection.restart(self._order.ready())

    def _served(self, taker: Taker) -> None:
        selection = self._selective.pop(taker, None)
        if selection is not None:
            selection.waiting -= 1

    def _let_go(self, entry: Entry) -> None:
        """An entry's claim has ended, and with it what it holds."""
        if entry.group is not None and self._held.get(entry.group) is entry:
            del self._held[entry.group]
            self._next_of(entry.group)

    def _next_of(self, group: str | None) -> None:
        """Have the next parked entry of a group ready, where the group is not held; with selectors, all of them."""
        if group is None or group in self._held or group not in self._parked:
            return
        if self._selections:
            for entry in self._parked.pop(group):
                self._make_ready(entry)
            return
        parked = self._parked[group]
        self._make_ready(heapq.heappop(parked))
        if not parked:
            del self._parked[group]

    def drop_ready(self, *, parked: bool = True) -> list[Entry]:
        """Forget what is ready, where others are to have it, and unless said otherwise what is parked; answers it."""
        ready = [*self._order.ready(), *(self._all_parked() if parked else ())]
        self._order.clear()
        if parked:
            self._parked = {}
        return ready

    def drop_takers(self) -> list[Taker]:
        """Forget all wishes, when the engine stops; answers them."""
        takers = list(self._takers)
        self._takers.clear()
        self._keepers.clear()
        self._loners.clear()
        self._selective.clear()
        return takers

    def entries(self) -> list[Entry]:
        """The ready and parked entries in the order in which they would be taken."""
        return sorted([*self._order.ready(), *self._all_parked()])

    def all_entries(self) -> list[Entry]:
        """Those and the claimed ones, in no order."""
        return [*self._order.ready(), *self._all_parked(), *self._claimed.values()]

    def _all_parked(self) -> list[Entry]:
        return [entry for parked in self._parked.values() for entry in parked]

    @property
    def ready(self) -> int:
        """How many entries can be taken, or wait only for others of their group."""
        return self._order.count + sum(map(len, self._parked.values()))

    @property
    def claimed(self) -> int:
        """How many are in delivery, or wait for their redelivery."""
        return len(self._claimed)

    @property
    def wanted_alone(self) -> bool:
        """Whether there is a wish for a message beside which nobody has another one."""
        return bool(self._loners)

    @property
    def wanted_by_group(self) -> bool:
        """Whether there is a wish that keeps groups."""
        return bool(self._keepers)

    def wishes(self) -> list[Selector | None]:
        """What each open wish wants, in the order in which they are served; None: anything."""
        selections = [self._selective.get(taker) for taker in self._takers]
        return [None if each is None else each.selector for each in selections]

    @property
    def waiting(self) -> int:
        """How many wishes are open."""
        return len(self._takers)
