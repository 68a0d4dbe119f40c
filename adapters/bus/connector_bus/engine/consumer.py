"""A consumer: keeps as many wishes at a queue as it has free places, and can be stopped in an orderly way."""

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


@final
class Consumer:
    """Takes messages from one queue, at most `concurrency` at once, and hands each to `begin`.

    Args:
        queue: Where from.
        concurrency: How many entries may be out at once, at least 1.
        begin: Starts a delivery; must not block. Whoever carries it out calls `done` when it is over, settled or not,
            or `refused` if it could not even be begun. Further calls for one delivery change nothing.
        alarm: For the pause after a refusal.

    Safe to use from any thread. Mutable state: `_places` (the wishes open now), `_out` and `_stopped`, changed under
    `_idle`'s lock.
    """

    def __init__(self, queue: MessageQueue, concurrency: int, begin: Callable[[Entry], None], alarm: Alarm) -> None:
        self.queue = queue
        self._alarm = alarm
        self._begin = begin
        self._concurrency = concurrency
        self._idle = threading.Condition()
        self._places: set[_Place] = set()
        self._out: set[Entry] = set()
        self._stopped = False

    def start(self) -> None:
        """Begin to take messages. Does not block."""
        for _ in range(self._concurrency):
            self._ask()

    def done(self, entry: Entry) -> None:
        """The delivery of an entry is over: its place is free for the next message. Does not block."""
        if self._ended(entry):
            self._ask()

    def refused(self, entry: Entry) -> None:
        """The delivery could not begin: the entry goes back, unharmed, after a pause. Does not block."""
        if not self._ended(entry):
            return

        def again() -> None:
            self.queue.release(entry)
            self._ask()

        self._alarm.call_later(REFUSAL_PAUSE, again)

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
    def in_delivery(self) -> int:
        """How many deliveries are under way."""
        return len(self._out)

    def _ended(self, entry: Entry) -> bool:
        with self._idle:
            if entry not in self._out:
                return False
            self._out.discard(entry)
            self._idle.notify_all()
            return True

    def _ask(self) -> None:
        place = _Place(self)
        with self._idle:
            if self._stopped:
                return
            self._places.add(place)
        try:
            self.queue.want(place)
        except MessagingError:  # the queue has closed: there is nothing to consume any more
            with self._idle:
                self._places.discard(place)

    def _taken(self, place: _Place, entry: Entry) -> None:
        with self._idle:
            stopped = self._stopped
            self._places.discard(place)
            if not stopped:
                self._out.add(entry)
        if stopped:
            # The race of `stop` with a hand-over: withdrawing came too late, so the entry goes back untouched.
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
