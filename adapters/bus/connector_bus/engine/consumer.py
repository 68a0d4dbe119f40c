"""A consumer: keeps as many wishes at a queue as it has free places, and can be stopped in an orderly way.

Theory of operation
-------------------
A consumer has `concurrency` places. A place is a wish at the queue, or an entry *out* in delivery, or waits: while the
consumer is *held* it wishes for nothing. It is held for a time after a failure where the order of the whole queue is to
be kept, and while what every delivery needs (a user registry) does not answer. Whatever changes the number of places
in use ends in `_fill`, which wishes for as many messages as there are places free; so no place is lost, and none is
used twice.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import final

from connector.errors import MessagingError
from connector_bus.engine.alarm import Alarm
from connector_bus.engine.message_queue import MessageQueue
from connector_bus.engine.queue_state import Entry

#: Seconds before an entry that the work manager refused is offered again: at once would be a busy loop.
REFUSAL_PAUSE = 1.0
#: Seconds that deliveries pause where a registry does not answer: the first time, and at most.
FIRST_OUTAGE_PAUSE, LONGEST_OUTAGE_PAUSE = 1.0, 60.0


def outage_pause(outages: int) -> float:
    """Seconds to pause after so many outages in a row, at least one. Pure."""
    return float(min(FIRST_OUTAGE_PAUSE * 2 ** min(max(outages, 1) - 1, 16), LONGEST_OUTAGE_PAUSE))


@final
class Consumer:
    """Takes messages from one queue, at most `concurrency` at once, and hands each to `begin`.

    Args:
        queue: Where from.
        concurrency: How many entries may be out at once, at least 1.
        begin: Starts a delivery; must not block. Whoever carries it out calls `done` when it is over, settled or not,
            or `refused` if it could not even be begun. Further calls for one delivery change nothing.
        alarm: For the pauses.
        keeps_groups: Whether messages of one group are taken one after the other.
        on_lost: Told when the queue has closed under it; must not block.

    Safe to use from any thread. Mutable state: `_places` (the wishes open now), `_out`, `_stopped`, `_refused` (places
    that wait after a refusal), `_held` (why it wishes for nothing), `_hold` (the number of the latest hold) and
    `_outages` (in a row), changed under `_idle`'s lock.
    """

    def __init__(
        self,
        queue: MessageQueue,
        concurrency: int,
        begin: Callable[[Entry], None],
        alarm: Alarm,
        *,
        keeps_groups: bool = False,
        on_lost: Callable[[MessagingError], None] = lambda _error: None,
    ) -> None:
        self.queue = queue
        self._alarm = alarm
        self._begin = begin
        self._concurrency = concurrency
        self._keeps_groups = keeps_groups
        self._on_lost = on_lost
        self._idle = threading.Condition()
        self._places: set[_Place] = set()
        self._out: set[Entry] = set()
        self._refused = 0
        self._stopped = False
        self._held = ""
        self._hold = 0
        self._outages = 0

    def start(self) -> None:
        """Begin to take messages. Does not block."""
        self._fill()

    def done(self, entry: Entry) -> None:
        """The delivery of an entry is over: its place is free for the next message. Does not block."""
        if self._ended(entry):
            self._fill()

    def refused(self, entry: Entry) -> None:
        """The delivery could not begin: the entry goes back, unharmed, after a pause. Does not block."""
        if not self._ended(entry, refused=True):
            return

        def again() -> None:
            self.queue.release(entry)
            with self._idle:
                self._refused -= 1
            self._fill()

        self._alarm.call_later(REFUSAL_PAUSE, again)

    def hold(self, seconds: float, why: str) -> None:
        """Take nothing for so many seconds; a later hold takes the place of this one. Does not block.

        Args:
            seconds: How long.
            why: For the health of the activation, as a stable code or in words.
        """
        with self._idle:
            if self._stopped:
                return
            self._hold += 1
            self._held, number = why, self._hold
            places, self._places = self._places, set()
        for place in places:
            self.queue.withdraw(place)

        def go_on() -> None:
            with self._idle:
                if self._hold != number:
                    return
                self._held = ""
            self._fill()

        self._alarm.call_later(seconds, go_on)

    def outage(self, why: str) -> float:
        """A delivery failed by an outage: hold, each time in a row for longer. Answers for how many seconds.

        Does not block. Those that fail while it is held already fail by the same outage: they change nothing.
        """
        with self._idle:
            if not self._held:
                self._outages += 1
            elif self._outages:
                return outage_pause(self._outages)
            seconds = outage_pause(self._outages)
        self.hold(seconds, why)
        return seconds

    def succeeded(self) -> None:
        """A delivery went well: an outage is over. Does not block."""
        if self._outages:
            with self._idle:
                self._outages = 0

    def stop(self, grace: float) -> bool:
        """Take no more messages, and wait up to `grace` seconds for deliveries under way.

        Answers whether all of them ended. One that did not keeps its claim and may still settle.
        """
        with self._idle:
            self._stopped = True
            places, self._places = self._places, set()
        for place in places:
            self.queue.withdraw(place)
        with self._idle:
            return self._idle.wait_for(lambda: not self._out, grace)

    @property
    def is_stopped(self) -> bool:
        """Whether `stop` was called: a delivery that has not begun by then had better not begin."""
        return self._stopped

    @property
    def held(self) -> str:
        """Why it takes nothing for the moment; empty where it does."""
        return self._held

    @property
    def in_delivery(self) -> int:
        """How many deliveries are under way."""
        return len(self._out)

    def _ended(self, entry: Entry, *, refused: bool = False) -> bool:
        with self._idle:
            if entry not in self._out:
                return False
            self._out.discard(entry)
            self._refused += refused
            self._idle.notify_all()
            return True

    def _fill(self) -> None:
        """Wish for a message for each free place."""
        with self._idle:
            used = len(self._places) + len(self._out) + self._refused
            free = 0 if self._stopped or self._held else self._concurrency - used
            places = [_Place(self) for _ in range(free)]
            self._places.update(places)
        for place in places:
            try:
                self.queue.want(place, keeps_groups=self._keeps_groups)
            except MessagingError as error:  # the queue has closed: there is nothing to consume any more
                with self._idle:
                    self._places.discard(place)
                    stopped = self._stopped
                if not stopped:
                    self._on_lost(error)
                return

    def _taken(self, place: _Place, entry: Entry) -> None:
        with self._idle:
            unwanted = place not in self._places
            self._places.discard(place)
            if not unwanted:
                self._out.add(entry)
        if unwanted:
            # The race of `stop` or `hold` with a hand-over: withdrawing came too late; the entry goes back untouched.
            self.queue.release(entry)
        else:
            self._begin(entry)


@final
class _Place:
    """One free place of a consumer, as a wish at its queue."""

    __slots__ = ("_consumer",)

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer

    def take(self, entry: Entry) -> None:
        self._consumer._taken(self, entry)
