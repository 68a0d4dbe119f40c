"""Whose work runs next: slots, and one lane for each adapter. Pure: no lock, no thread, no clock (FLOW-1).

Theory of operation
-------------------
A *slot* is the right to run one work; an executor has `capacity` of them.  Every adapter has a *lane* of its own, in
which its works wait first in, first out.  A lane may take a slot if

* one is free, and the lane holds fewer than its own limit, and
* the lane holds none yet, or more slots are free than there are other lanes that hold none: one slot is kept for each.

So an adapter that floods the executor, or whose works all hang, never takes the last slot of somebody who has none, as
long as there are as many slots as adapters.  A slot that becomes free goes to the lane, among those that wait and may
take it, that holds the fewest; between equal ones they take turns.

A work that waits for another one *lends* its slot meanwhile, else nested works would starve each other for ever. It
takes the slot back at once when it goes on, even where that makes one too many for a while: then fewer start.

At most one work becomes ready by each step that frees a slot: what waits before such a step may not start, and the
slot that is freed admits one.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar, final

W = TypeVar("W")


@final
class Lane(Generic[W]):
    """One adapter's works in one executor; changed by its `Slots` only.

    Attributes:
        limit: How many slots it may hold.
        taken: How many it holds.
        lent: How many of its works have lent theirs.
        waiting: What waits for one, oldest first.
    """

    __slots__ = ("limit", "taken", "lent", "waiting")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.taken = 0
        self.lent = 0
        # It is emptied from its head and from its middle: a `dict` would search for its head anew each time.
        self.waiting: OrderedDict[W, None] = OrderedDict()


@final
class Slots(Generic[W]):
    """The slots of one executor and the lanes that share them. Not thread-safe: the ledger calls it under its lock.

    Args:
        capacity: How many works may run at once.
    """

    # Mutable state: `taken`; `lent`; `_idle`, how many lanes hold no slot; `_waiting`, the lanes in which something
    # waits, the one that was served last at the end; and the lanes' own.

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.taken = 0
        self.lent = 0
        self._idle = 0
        self._waiting: dict[Lane[W], None] = {}

    def lane(self, limit: int | None) -> Lane[W]:
        """A further lane; its limit is the capacity where it has none of its own."""
        self._idle += 1
        return Lane(self.capacity if limit is None else min(limit, self.capacity))

    def may_take(self, lane: Lane[W]) -> bool:
        """Whether a work of the lane may start now: the rule above."""
        free = self.capacity - self.taken
        return free > 0 and lane.taken < lane.limit and (lane.taken == 0 or free > self._idle)

    def try_take(self, lane: Lane[W]) -> bool:
        """`take` a slot if the lane `may_take` one; answers whether it has."""
        taken = lane.taken
        free = self.capacity - self.taken
        if free <= 0 or taken >= lane.limit:
            return False
        if taken == 0:
            self._idle -= 1
        elif free <= self._idle:
            return False
        lane.taken = taken + 1
        self.taken += 1
        return True

    def take(self, lane: Lane[W]) -> None:
        """Give the lane a slot, whether or not it `may_take` one: a work that lent its slot has it back at once."""
        if lane.taken == 0:
            self._idle -= 1
        lane.taken += 1
        self.taken += 1

    def wait(self, lane: Lane[W], work: W) -> None:
        """Put a work at the lane's end."""
        lane.waiting[work] = None
        self._waiting.setdefault(lane)

    def leave(self, lane: Lane[W], work: W) -> None:
        """A work that waits does so no more."""
        del lane.waiting[work]
        if not lane.waiting:
            del self._waiting[lane]

    def free(self, lane: Lane[W]) -> W | None:
        """Take a slot back, and give it to the work whose turn it is; answers that work, or None."""
        lane.taken -= 1
        self.taken -= 1
        if lane.taken == 0:
            self._idle += 1
        if not self._waiting:
            return None
        following = self._following()
        if following is None:
            return None
        work, _ = following.waiting.popitem(last=False)
        del self._waiting[following]
        if following.waiting:
            self._waiting[following] = None  # at the end: the others have their turn first
        self.take(following)
        return work

    def lend(self, lane: Lane[W]) -> W | None:
        """A work of the lane waits for another one: its slot is free meanwhile; answers like `free`."""
        lane.lent += 1
        self.lent += 1
        return self.free(lane)

    def take_back(self, lane: Lane[W], *, needed: bool) -> None:
        """It waits no more, and goes on with its slot; or it has ended and does not need it."""
        lane.lent -= 1
        self.lent -= 1
        if needed:
            self.take(lane)

    def _following(self) -> Lane[W] | None:
        able = [lane for lane in self._waiting if self.may_take(lane)]
        return min(able, key=lambda lane: lane.taken) if able else None
