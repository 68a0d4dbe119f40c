"""A queue: its state behind one lock, and the hand-over outside it. Nobody polls."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar, final

from connector.errors import MessagingError, Reason
from connector.spi import Clock, Message
from connector_bus.engine.interrupt import Interrupt
from connector_bus.engine.queue_state import Entry, Matches, QueueState, Taker
from connector_bus.selector.selector import Selector

QUEUE_CLOSED = Reason(
    "CF-BUS-036",
    "{queue} is closed",
    "The bus has stopped, or the temporary queue is gone with its connection.",
)

#: Answers the headers of messages by their sequences. May block.
Headers = Callable[[], Iterable[tuple[int, Message]]]


class MessageQueue:
    """One queue of one destination. Safe to use from any thread.

    `SharedQueue` is one whose messages other engines may have as well.

    Args:
        name: The destination's name.
        clock: For expiry.
        on_expired: Told of entries that left because they are past their time; must not block.
        headers: What it holds, in the store: asked once, when the first selector comes.

    Until then no header is kept in memory: whoever uses no selectors pays nothing for them.

    Mutable state: `_state`, `_closed`, `_selective` and `_delayed`, changed under `_lock` by `_change`, `know_headers`,
    `delay`, `come_due` and `close` only.
    """

    def __init__(
        self, name: str, clock: Clock, on_expired: Callable[[list[Entry]], None], headers: Headers = tuple
    ) -> None:
        self.name = name
        self._headers = headers
        self._selective = False
        self._delayed: set[Entry] = set()
        self._clock = clock
        self._on_expired = on_expired
        self._lock = threading.Lock()
        self._state = QueueState()
        self._closed = False

    def add(self, entries: Iterable[Entry], header_of: Callable[[Entry], Message] | None = None) -> bool:
        """Messages arrive; waiting takers are served at once. False if the queue is closed. Does not block.

        Args:
            entries: Their places.
            header_of: What makes the header of an entry that brings none, called where selectors need it.
        """

        def arrive(state: QueueState) -> None:
            for entry in entries:
                if not self._selective:
                    entry.header = None
                elif entry.header is None and entry.stored is not None:
                    entry.header = entry.stored.header
                elif entry.header is None and header_of is not None:
                    entry.header = header_of(entry)
                state.add(entry)

        return self._change(arrive)

    @property
    def selective(self) -> bool:
        """Whether entries that arrive have to bring their headers."""
        return self._selective

    def know_headers(self) -> None:
        """Has to be called before the first wish with a selector. Blocks for the disk at its first call.

        Raises MessagingError CF-BUS-056.
        """
        with self._lock:
            if self._selective:
                return
            self._selective = True  # from now on arrivals bring theirs: nothing can fall between
            unknown = {entry.sequence: entry for entry in (*self._state.all_entries(), *self._delayed)}
        known = [(unknown[sequence], header) for sequence, header in self._headers() if sequence in unknown]
        with self._lock:
            for entry, header in known:
                entry.header = header
            for entry in unknown.values():
                if entry.stored is not None:
                    entry.header = entry.stored.header
            self._state.reselect()
            matches = Matches() if self._closed else self._state.match(self._clock.time())
        self._carry_out(matches)

    def delay(self, entry: Entry) -> bool:
        """A message arrives that is to be shown later, by `come_due`. False if the queue is closed. Does not block."""
        with self._lock:
            if self._closed:
                return False
            if not self._selective:
                entry.header = None
            self._delayed.add(entry)
            return True

    def come_due(self, entry: Entry) -> bool:
        """Show a delayed message. False if the queue is closed. Does not block."""
        with self._lock:
            self._delayed.discard(entry)
        return self.add((entry,))

    @property
    def delayed(self) -> int:
        """How many messages are not due yet; in a shared store this is not known here, and 0."""
        return len(self._delayed)

    #: Whether the messages may be taken by other engines while nobody here has claimed them.
    is_shared: ClassVar[bool] = False

    def want(
        self, taker: Taker, *, keeps_groups: bool = False, alone: bool = False, selector: Selector | None = None
    ) -> None:
        """Ask for one message. Does not block. Raises MessagingError CF-BUS-036 if the queue is closed.

        Args:
            taker: Who gets it.
            keeps_groups: Whether nobody is to get another message of the same group before this one is settled or back.
            alone: Whether nobody is to get another message at all; for who takes one at a time: it is other engines on
                the same store that are kept from it.
            selector: Which messages; None for any. After `know_headers`.
        """
        self.want_all((taker,), keeps_groups=keeps_groups, alone=alone, selector=selector)

    def want_all(
        self,
        takers: Sequence[Taker],
        *,
        keeps_groups: bool = False,
        alone: bool = False,
        selector: Selector | None = None,
    ) -> None:
        """Ask for one message for each; see `want`."""
        with self._lock:
            if self._closed:
                raise MessagingError(QUEUE_CLOSED, queue=self.name)
            for taker in takers:
                self._state.want(taker, keeps_groups=keeps_groups, alone=alone, selector=selector)
            matches = self._state.match(self._clock.time())
        self._carry_out(matches)

    def withdraw(self, taker: Taker) -> bool:
        """Take a wish back; False if it has been served: the taker then holds an entry. Does not block."""
        with self._lock:
            return self._state.withdraw(taker)

    def claim(self, entry: Entry) -> Entry | None:
        """Take one certain entry, for administration: settle it by `remove`, or `release` it.

        None where it is not ready (any more). Blocks for the database where other engines have the messages as well.
        """
        with self._lock:
            return entry if not self._closed and self._state.claim(entry) else None

    def feed(self) -> None:
        """Get what the takers wait for from elsewhere, where that is possible. May block."""

    def release(self, entry: Entry) -> None:
        """A delivery failed and the entry is to be delivered again. Does not block."""
        self._change(lambda state: state.release(entry))

    def remove(self, entry: Entry) -> None:
        """A delivery is settled; what waited for it (others of its group) is served. Does not block."""
        self.remove_all((entry,))

    def remove_all(self, entries: Iterable[Entry]) -> None:
        """Deliveries are settled; see `remove`."""
        with self._lock:
            for entry in entries:
                self._state.remove(entry)
            matches = Matches() if self._closed else self._state.match(self._clock.time())
        self._carry_out(matches)

    def receive(
        self, timeout: float | None, selector: Selector | None = None, interrupt: Interrupt | None = None
    ) -> Entry | None:
        """Claim the next entry that matches; None if none came within `timeout` seconds (None: wait without limit).

        Blocks for up to `timeout`, with the first selector for the disk. Raises MessagingError CF-BUS-036 when the
        queue closes meanwhile, and the error of the interrupt when that comes first.
        """
        if interrupt is None:
            return self._receive(timeout, selector, None)
        try:
            entry = self._receive(timeout, selector, interrupt)
        finally:
            interrupt.attach(None)
        if interrupt.error is not None:
            if entry is not None:
                self.release(entry)
            raise interrupt.error
        return entry

    def _receive(self, timeout: float | None, selector: Selector | None, interrupt: Interrupt | None) -> Entry | None:
        waiter = _Waiter()
        if selector is not None:
            self.know_headers()
        self.want(waiter, selector=selector)
        if interrupt is not None:
            interrupt.attach(lambda: self._give_up(waiter))
        try:
            self.feed()
            if not waiter.arrived.wait(timeout) and self.withdraw(waiter):
                return None
            # Withdrawing came too late: the entry was matched to us and its hand-over is a matter of microseconds.
            waiter.arrived.wait()
        except BaseException:  # an interrupt, or the database: nobody waits any more, and the message must go to others
            if not self.withdraw(waiter):
                waiter.arrived.wait()
                if waiter.entry is not None:
                    self.release(waiter.entry)
            raise
        if waiter.entry is None and not waiter.given_up:
            self.want(waiter)  # refused: the queue has closed
        return waiter.entry

    def _give_up(self, waiter: _Waiter) -> None:
        """End the waiting of a `receive`, from another thread. Does not block."""
        if self.withdraw(waiter):
            waiter.given_up = True
            waiter.arrived.set()

    @property
    def is_closed(self) -> bool:
        """Whether nothing comes from it any more."""
        return self._closed

    def polled(self) -> float | None:
        """Seconds since it was last known what there is to be had; None where it isn't yet. Does not block."""
        return 0.0

    def entries(self) -> list[Entry]:
        """A snapshot of what can be taken, in order. Does not block."""
        with self._lock:
            return self._state.entries()

    def all_entries(self) -> list[Entry]:
        """What this engine knows of: that, and what is in delivery here, in no order. Does not block."""
        with self._lock:
            return self._state.all_entries()

    def counts(self) -> tuple[int, int]:
        """How many entries are ready, and how many are in delivery."""
        with self._lock:
            return self._state.ready, self._state.claimed

    def close(self) -> None:
        """End all waiting; entries stay where they are. Harmless when called twice."""
        with self._lock:
            self._closed = True
            takers = self._state.drop_takers()
        for taker in takers:
            if isinstance(taker, _Waiter):
                taker.arrived.set()

    def _change(self, change: Callable[[QueueState], None]) -> bool:
        with self._lock:
            if self._closed:
                return False
            change(self._state)
            matches = self._state.match(self._clock.time())
        self._carry_out(matches)
        return True

    def _carry_out(self, matches: Matches) -> None:
        if matches.expired:
            self._on_expired(matches.expired)
        for taker, entry in matches.taken:
            taker.take(entry)

    def __repr__(self) -> str:
        ready, claimed = self.counts()
        return f"<MessageQueue {self.name}: {ready} ready, {claimed} in delivery>"


@final
class _Waiter:
    """A `receive` that waits."""

    __slots__ = ("arrived", "entry", "given_up")

    def __init__(self) -> None:
        self.given_up = False
        self.arrived = threading.Event()
        self.entry: Entry | None = None

    def take(self, entry: Entry) -> None:
        self.entry = entry
        self.arrived.set()
