"""A queue whose messages are in a store that other engines work on as well (BUS-1).

Theory of operation
-------------------
The queue in memory holds what this engine has claimed, and it claims no more than somebody here waits for: what would
lie ready without a taker is given back. So an engine keeps no message from another one, and the order of the claims,
which is that of priority and age in the store, is the order of the deliveries over all engines.

Where somebody waits with a selector it is this engine that reads the headers and says which messages it claims; they
are remembered for as long as their messages are free, so each is read once. What nobody here wants is given back.

`feed` does all that, one call at a time. A `receive` calls it on its own thread; for consumers, for what becomes free,
and for what is released, the feeder's thread does.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import final

from connector.errors import MessagingError
from connector.spi import Clock, Message
from connector_bus.engine.message_queue import MessageQueue
from connector_bus.engine.queue_state import Entry, Taker
from connector_bus.selector.selector import Selector
from connector_bus.store.contract import IndexLine, SharedStore


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
        self._known: dict[int, Message] = {}  # headers of what is free, while selectors are about; by `feed` only
        self._feeding = threading.Lock()
        self._ordered = exclusive  # whether any taker kept an order here
        self._freed = False  # whether something has left since other engines were told

    is_shared = True

    def know_headers(self) -> None:
        """Nothing: headers are read by `feed`, of what is free. Does not block."""
        self._selective = True

    def want_all(
        self,
        takers: Sequence[Taker],
        *,
        keeps_groups: bool = False,
        alone: bool = False,
        selector: Selector | None = None,
    ) -> None:
        """See `MessageQueue`. Orders are kept over all engines whose takers ask for the same."""
        self._ordered = self._ordered or keeps_groups or alone
        super().want_all(takers, keeps_groups=keeps_groups, alone=alone, selector=selector)
        self._ask(self)

    def remove_all(self, entries: Iterable[Entry]) -> None:
        """See `MessageQueue`; other engines may have waited for their end."""
        super().remove_all(entries)
        if self._ordered:
            self._freed = True
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
            self._give_back()
            choice = _Choice()
            while wanted := self._wanted():
                now = self._clock.time()
                chosen = self._chosen(now, choice) if self._selective else None
                exclusive = self._one_at_a_time()
                lines = self._claim(wanted, now, chosen, exclusive=exclusive)
                choice.outcome(chosen or (), lines)
                if not lines and (exclusive or not chosen):
                    self._remember_due(now)
                    break
                # Those of a group that is in delivery serve nobody yet: once more then, for what comes after them.
                self.add([_entry(line, self._known.pop(line.sequence, None)) for line in lines])
            self._give_back()  # whose taker has gone away meanwhile
            # What comes next in order is for whoever waits elsewhere, and wants it where those here may not.
            if self._freed and (self._selective or not self._wanted()):
                self._freed = False  # before: what leaves meanwhile has to be told of again
                try:
                    self._store.tell(self.name)
                except MessagingError:
                    self._freed = True
                    raise

    def _one_at_a_time(self) -> bool:
        with self._lock:
            return self._exclusive or self._state.wanted_alone

    def _claim(self, count: int, now: float, chosen: Sequence[int] | None, *, exclusive: bool) -> Sequence[IndexLine]:
        if chosen is not None and not chosen:
            return ()
        with self._lock:
            keeps_groups = self._state.wanted_by_group
        return self._store.claim(
            self.name,
            count,
            mediated=self._mediated,
            exclusive=exclusive,
            keeps_groups=keeps_groups,
            only=chosen,
            now=now,
        )

    def _chosen(self, now: float, choice: _Choice) -> list[int] | None:
        """The messages that the waiting takers want, each the best of what is left for it; None: any will do.

        Blocks for the database, once for all choices of one feed. Raises MessagingError.
        """
        with self._lock:
            wishes = self._state.wishes()
        if not any(wishes):
            return None
        if choice.free is None:
            choice.free = free = list(self._store.waiting(self.name, mediated=self._mediated, now=now))
            unknown = [line.sequence for line in free if not self._knows(line)]
            headers = {**self._known, **(self._store.headers_of(unknown) if unknown else {})}
            self._known = {line.sequence: headers[line.sequence] for line in free if line.sequence in headers}
        return chosen_for(wishes, choice.left(self._known))

    def _knows(self, line: IndexLine) -> bool:
        """Whether the header is known as it is now: it says how often its message was delivered, too."""
        known = self._known.get(line.sequence)
        return known is not None and known.delivery_count == line.attempts

    def claim(self, entry: Entry) -> Entry | None:
        """See `MessageQueue`. Blocks for the database. Raises MessagingError."""
        lines = self._store.claim(self.name, 1, mediated=self._mediated, exclusive=False, only=[entry.sequence])
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
            # While somebody waits what is ready is what nobody wants; what is parked will be wanted.
            surplus = self._state.drop_ready(parked=not self._state.waiting)
        if surplus:
            self._store.give_back([entry.sequence for entry in surplus])
        return bool(surplus)

    def __repr__(self) -> str:
        return f"<SharedQueue {self.name}>"


@final
class _Choice:
    """What one feed has chosen so far.

    Attributes:
        free: What was free when it began; None before it was asked.
    """

    def __init__(self) -> None:
        self.free: list[IndexLine] | None = None
        self._asked: set[int] = set()
        self._held: set[str] = set()

    def left(self, known: Mapping[int, Message]) -> dict[int, Message]:
        """What can be chosen still: not what was asked for, nor others of a group that another engine holds."""
        return {
            line.sequence: known[line.sequence]
            for line in self.free or ()
            if line.sequence in known and line.sequence not in self._asked and line.group not in self._held
        }

    def outcome(self, chosen: Sequence[int], lines: Sequence[IndexLine]) -> None:
        """What was chosen, and what of it could be claimed."""
        self._asked.update(chosen)
        refused = set(chosen) - {line.sequence for line in lines}
        self._held |= {line.group for line in self.free or () if line.sequence in refused and line.group is not None}


def chosen_for(wishes: Sequence[Selector | None], headers: Mapping[int, Message]) -> list[int]:
    """The messages that serve wishes, each in turn by the first one that it wants and that is left. Pure.

    Args:
        wishes: What each wants; None: anything.
        headers: Messages in the order in which they are to be had.
    """
    left = dict(headers)
    remaining: dict[Selector | None, Iterator[int]] = {}  # equal wishes go on where the one before them ended
    chosen = []
    for wish in wishes:
        rest = remaining.setdefault(wish, iter(headers))
        for sequence in rest:
            if sequence in left and (wish is None or wish.matches(left[sequence])):
                del left[sequence]
                chosen.append(sequence)
                break
    return chosen


def _entry(line: IndexLine, header: Message | None = None) -> Entry:
    return Entry(
        line.sequence,
        line.priority,
        line.expires_at,
        line.attempts,
        claim=line.claim,
        group=line.group,
        header=header,
    )
