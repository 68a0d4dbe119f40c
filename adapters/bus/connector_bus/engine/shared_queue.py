"""A queue whose messages are in a store that other engines work on as well (BUS-1).

Theory of operation
-------------------
The queue in memory holds what this engine has claimed, and it claims no more than somebody here waits for: what would
lie ready without a taker is given back. So an engine keeps no message from another one, and the order of the claims,
which is that of priority and age in the store, is the order of the deliveries over all engines.

`feed` does both, one call at a time. A `receive` calls it on its own thread; for consumers, for what becomes free, and
for what is released, the feeder's thread does.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import final

from connector.errors import MessagingError, Reason
from connector.spi import Clock
from connector_bus.engine.message_queue import MessageQueue
from connector_bus.engine.queue_state import Entry, Taker
from connector_bus.selector.selector import Selector
from connector_bus.store.contract import IndexLine, SharedStore

SELECTOR_NOT_SHARED = Reason(
    "CF-BUS-171",
    "{queue} is in a store that several engines share: nobody can take messages from it by a selector",
    "Browse with the selector, give those messages a queue of their own by a mediation, or keep the bus in a file.",
)


@final
class SharedQueue(MessageQueue):
    """One side of one destination in a shared store. Safe to use from any thread.

    Args:
        name: The destination's name.
        clock: For expiry.
        on_expired: See `MessageQueue`.
        store: Where the messages are.
        mediated: Which side of the destination it is; None where there is one only.
        exclusive: Whether one engine at a time takes one message from it, which keeps their order.
        ask: Has `feed` called soon, on another thread; must not block.
        polled: Seconds since the store last answered; None where it has not yet.
        later: Calls back in so many seconds.
    """

    def __init__(
        self,
        name: str,
        clock: Clock,
        on_expired: Callable[[list[Entry]], None],
        store: SharedStore,
        *,
        mediated: bool | None,
        exclusive: bool,
        ask: Callable[[SharedQueue], None],
        polled: Callable[[], float | None] = lambda: 0.0,
        later: Callable[[float, Callable[[], None]], None] = lambda _delay, _call: None,
    ) -> None:
        super().__init__(name, clock, on_expired)
        self._store = store
        self._mediated = mediated
        self._exclusive = exclusive
        self._ask = ask
        self._polled = polled
        self._later = later
        self._due: float | None = None  # when it looks again; by `feed` only
        self._feeding = threading.Lock()

    def know_headers(self) -> None:
        """Raises MessagingError CF-BUS-171: claims go by priority and age only."""
        raise MessagingError(SELECTOR_NOT_SHARED, queue=self.name)

    def want_all(
        self, takers: Sequence[Taker], *, keeps_groups: bool = False, selector: Selector | None = None
    ) -> None:
        """See `MessageQueue`. Groups are kept in order among what this engine has claimed, not over all engines."""
        super().want_all(takers, keeps_groups=keeps_groups, selector=selector)
        self._ask(self)

    def release(self, entry: Entry) -> None:
        """See `MessageQueue`; one whose claim was lost has been given to somebody else."""
        if entry.claim == self._store.epoch:
            super().release(entry)
        else:
            super().remove(entry)
        self._ask(self)

    def feed(self) -> None:
        """Claim what is waited for, or give back what is not. Blocks for the database. Raises MessagingError."""
        with self._feeding:
            if self._give_back():
                return
            while wanted := self._wanted():
                now = self._clock.time()
                lines = self._store.claim(
                    self.name, wanted, mediated=self._mediated, exclusive=self._exclusive, now=now
                )
                if not lines:
                    self._remember_due(now)
                    break
                # Those of a group that is in delivery serve nobody yet: once more then, for what comes after them.
                self.add([_entry(line) for line in lines])
            self._give_back()  # whose taker has gone away meanwhile

    def claim(self, entry: Entry) -> Entry | None:
        """See `MessageQueue`. Blocks for the database. Raises MessagingError."""
        lines = self._store.claim(self.name, 1, mediated=self._mediated, exclusive=False, only=entry.sequence)
        if not lines:
            return None
        claimed = _entry(lines[0])
        with self._lock:
            self._state.hold(claimed)
        return claimed

    def polled(self) -> float | None:
        """See `MessageQueue`: when the store last answered this engine."""
        return self._polled()

    def forget(self) -> None:
        """This engine was fenced: what is ready here is somebody else's by now. Does not block."""
        with self._lock:
            self._state.drop_ready()

    def entries(self) -> list[Entry]:
        """What any engine could claim, in order. Blocks for the database. Raises MessagingError."""
        return [
            _entry(line) for line in self._store.waiting(self.name, mediated=self._mediated, now=self._clock.time())
        ]

    def counts(self) -> tuple[int, int]:
        """How many are free, and how many any engine has. Blocks for the database. Raises MessagingError."""
        return self._store.counts(self.name, mediated=self._mediated)

    def _remember_due(self, now: float) -> None:
        """Nothing is due, and somebody waits: look again when the next delayed message is."""
        due = self._store.next_due(self.name, mediated=self._mediated, now=now)
        if due is None or (self._due is not None and now < self._due <= due):
            return
        self._due = due
        self._later(due - now, lambda: self._ask(self))

    def _wanted(self) -> int:
        with self._lock:
            return 0 if self._closed else self._state.waiting

    def _give_back(self) -> bool:
        with self._lock:
            surplus = [] if self._state.waiting else self._state.drop_ready()
        if surplus:
            self._store.give_back([entry.sequence for entry in surplus])
        return bool(surplus)

    def __repr__(self) -> str:
        return f"<SharedQueue {self.name}>"


def _entry(line: IndexLine) -> Entry:
    return Entry(line.sequence, line.priority, line.expires_at, line.attempts, claim=line.claim, group=line.group)
