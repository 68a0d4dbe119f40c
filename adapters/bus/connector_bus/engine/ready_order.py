"""The entries of a queue in the order in which they are taken: by priority, then by age. Pure.

Theory of operation
-------------------
Most messages arrive in the order in which they are taken. Those are appended to a *run*, which is in order as it is;
whatever comes before the run's last one (a higher priority, a message that goes back to its place) goes to a heap. The
first of all is the first of the two. So a queue that fills and empties costs no comparisons that grow with it.

An entry that was taken from the middle stays where it is until it comes up, or until such entries are the most.
"""

from __future__ import annotations

import heapq
from collections import deque
from typing import TYPE_CHECKING, Final, final

if TYPE_CHECKING:
    from connector_bus.engine.queue_state import Entry

#: Entries that are not ready and are kept all the same, however few are ready.
TIDY_FROM: Final = 64


@final
class ReadyOrder:
    """The entries of one queue that are ready; not safe for threads by itself.

    Mutable state: `_run` and `_heap`, see above, with what they are ordered by, which C compares; `_last`, how the run
    ends; `count`, how many entries are ready.
    """

    __slots__ = ("_heap", "_last", "_run", "count")

    def __init__(self) -> None:
        self._run: deque[Entry] = deque()
        self._last = (0, 0)
        self._heap: list[tuple[int, int, Entry]] = []
        self.count = 0

    def __len__(self) -> int:
        return len(self._run) + len(self._heap)

    def add(self, entry: Entry) -> None:
        """An entry is ready; one that is here still, not ready, is so at its old place."""
        entry.ready = True
        self.count += 1
        if entry.queued:
            return
        entry.queued = True
        place = (-entry.priority, entry.sequence)
        if place > self._last or not self._run:
            self._run.append(entry)
            self._last = place
        else:
            heapq.heappush(self._heap, (*place, entry))

    def take_first(self) -> Entry | None:
        """Take the first one that is ready; None without any."""
        run, heap = self._run, self._heap
        while run or heap:
            if not heap or (run and (-run[0].priority, run[0].sequence) < heap[0]):
                entry = run.popleft()
            else:
                entry = heapq.heappop(heap)[2]
            entry.queued = False
            if entry.ready:
                entry.ready = False
                self.count -= 1
                return entry
        return None

    def take(self, entry: Entry) -> None:
        """Take a certain one, which is ready."""
        entry.ready = False
        self.count -= 1
        if len(self) > 2 * self.count + TIDY_FROM:
            self._tidy()

    def ready(self) -> list[Entry]:
        """All that are ready, in no order."""
        return [entry for entry in (*self._run, *(place[2] for place in self._heap)) if entry.ready]

    def clear(self) -> None:
        """Forget all."""
        for entry in (*self._run, *(place[2] for place in self._heap)):
            entry.ready = entry.queued = False
        self._run.clear()
        self._heap, self.count = [], 0

    def _tidy(self) -> None:
        """Let go of what was taken from behind an entry that nobody wants: it would pile up there."""
        ready = sorted(self.ready())
        for entry in (*self._run, *(place[2] for place in self._heap)):
            entry.queued = entry.ready
        self._run, self._heap = deque(ready), []
        if ready:
            self._last = (-ready[-1].priority, ready[-1].sequence)
