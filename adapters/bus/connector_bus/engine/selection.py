"""Which of a queue's entries match which selector: each entry is asked once for each selector, whoever waits (BUS-6).

Without lock and without I/O; part of `queue_state`.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, final

from connector_bus.selector.selector import Selector

if TYPE_CHECKING:
    from connector_bus.engine.queue_state import Entry

#: Selectors that are remembered while nobody waits with them: a client that asks again and again with the same one
#: has its matches at hand, one that makes up a new one each time fills no memory.
REMEMBERED: Final = 16


@final
class Selection:
    """The ready entries that match one selector, best first. Not safe for threads by itself.

    What was taken by somebody else meanwhile stays in the heap until it comes up, or until there is too much of it.

    Args:
        selector: The selector.

    Attributes:
        selector: As given.
        waiting: How many takers wait with it.
    """

    __slots__ = ("_heap", "selector", "waiting")

    def __init__(self, selector: Selector) -> None:
        self.selector = selector
        self.waiting = 0
        self._heap: list[Entry] = []

    def offer(self, entry: Entry) -> None:
        """An entry has become ready; one whose header is not known matches nothing."""
        if entry.header is not None and self.selector.matches(entry.header):
            heapq.heappush(self._heap, entry)

    def restart(self, entries: Iterable[Entry]) -> None:
        """Ask all entries again."""
        self._heap = []
        for entry in entries:
            self.offer(entry)

    def best(self) -> Entry | None:
        """The first one that is still ready; it stays where it is."""
        while self._heap and not self._heap[0].ready:
            heapq.heappop(self._heap)
        return self._heap[0] if self._heap else None

    def drop(self) -> None:
        """Take the best one out."""
        heapq.heappop(self._heap)

    def tidy(self, ready: int) -> None:
        """Leave out what is not ready any more, where that is most of it."""
        if len(self._heap) > 2 * ready + 64:
            self._heap = list({entry for entry in self._heap if entry.ready})
            heapq.heapify(self._heap)

    def __repr__(self) -> str:
        return f"<Selection {self.selector.text!r}, {len(self._heap)} entries>"
