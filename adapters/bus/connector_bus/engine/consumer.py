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
from connector_bus.selector.selector import Selector

#: Seconds before an entry that the work manager refused is offered again: at once would be a busy loop.
REFUSAL_PAUSE = 1.0
#: Seconds that deliveries pause where a registry does not answer: the first time, and at most.
FIRST_OUTAGE_PAUSE, LONGEST_OUTAGE_PAUSE = 1.0, 60.0
#: What a consumer is held by until the deliveries of the one before it have ended.
EARLIER = "an earlier delivery"


def outage_pause(outages: int) -> float:
    """Seconds to pause after so many outages in a row, at least one. Pure."""
    return float(min(FIRST_OUTAGE_PAUSE * 2 ** min(max(outages, 1) - 1, 16), LONGEST_OUTAGE_PAUSE))


@final
class Taken:
    """One entry in delivery. Not the entry itself: one that was released may be in delivery again already.

    Attributes:
        entry: The entry.
    """

    __slots__ = ("entry",)

    def __init__(self, entry: Entry) -> None:
        self.entry = entry


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
        alone: Whether no other engine on the same store is to take any meanwhile.
        selector: Which messages it takes; None for any.
        on_lost: Told when the queue has closed under it; must not block.

    Safe to use from any thread. Mutable state: `_places` (the wishes open now), `_out`, `_stopped`, `_refused` (places
    that wait after a refusal), `_held` (why it wishes for nothing), `_hold` (the number of the latest hold),
    `_outages` (in a row), `_follows` (whether it waits for the one before it) and `_when_idle`, changed under
    `_idle`'s lock.
    """

    def __init__(
        self,
        queue: MessageQueue,
        concurrency: int,
        begin: Callable[[Taken], None],
        alarm: Alarm,
        *,
        keeps_groups: bool = False,
        alone: bool = False,
        selector: Selector | None = None,
        on_lost: Callable[[MessagingError], None] = lambda _error: None,
    ) -> None:
        self.queue = queue
        self._alarm = alarm
        self._begin = begin
        self._concurrency = concurrency
        self._keeps_groups = keeps_groups
        self._alone = alone
        self._selector = selector
        self._on_lost = on_lost
        self._idle = threading.Condition()
        self._places: set[_Place] = set()
        self._out: set[Taken] = set()
        self._refused = 0
        self._stopped = False
        self._held = ""
        self._hold = 0
        self._outages = 0
        self._follows = False
        self._when_idle: list[Callable[[], None]] = []

    def start(self, after: Consumer | None = None) -> None:
        """Begin to take messages. Does not block, except with the queue's first selector: for the disk.

        Raises MessagingError CF-BUS-056 or -171 where a selector can't be used.

        Args:
            after: A stopped consumer whose deliveries have to end before, for the order's sake; None for none.
        """
        if self._selector is not None:
            self.queue.know_headers()
        if after is None:
            self._fill()
            return
        with self._idle:
            self._held, self._follows = EARLIER, True

        def begin() -> None:
            with self._idle:
                self._held, self._follows = "", False
                actions = self._idle_now()
            self._fill()
            for action in actions:
                action()

        after.when_idle(begin)

    def when_idle(self, action: Callable[[], None]) -> None:
        """Do something as soon as nothing is in delivery, here or at a consumer that this one follows. For a stopped
        consumer. Does not block, and the action must not.
        """
        with self._idle:
            if self._out or self._follows:
                self._when_idle.append(action)
                return
        action()

    def done(self, taken: Taken) -> None:
        """A delivery is over: its place is free for the next message. Does not block."""
        if self._ended(taken):
            self._fill()

    def refused(self, taken: Taken) -> None:
        """The delivery could not begin: the entry goes back, unharmed, after a pause. Does not block."""
        if not self._ended(taken, refused=True):
            return

        def again() -> None:
            self.queue.release(taken.entry)
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

        Answers whether all of them ended, those of a consumer that this one follows included. One that did not keeps
        its claim and may still settle.
        """
        with self._idle:
            self._stopped = True
            places, self._places = self._places, set()
        for place in places:
            self.queue.withdraw(place)
        with self._idle:
            return self._idle.wait_for(lambda: not self._out and not self._follows, grace)

    @property
    def is_stopped(self) -> bool:
        """Whether `stop` was called: a delivery that has not begun by then had better not begin."""
        return self._stopped

    def is_out(self, taken: Taken) -> bool:
        """Whether a delivery is under way still."""
        with self._idle:
            return taken in self._out

    @property
    def held(self) -> str:
        """Why it takes nothing for the moment; empty where it does."""
        return self._held

    @property
    def in_delivery(self) -> int:
        """How many deliveries are under way."""
        return len(self._out)

    def _ended(self, taken: Taken, *, refused: bool = False) -> bool:
        with self._idle:
            if taken not in self._out:
                return False
            self._out.discard(taken)
            self._refused += refused
            actions = self._idle_now()
        for action in actions:
            action()
        return True

    def _idle_now(self) -> list[Callable[[], None]]:
        """Under the lock: tell whoever waits, and answer what is to be done now that nothing is in delivery."""
        self._idle.notify_all()
        if self._out or self._follows:
            return []
        actions, self._when_idle = self._when_idle, []
        return actions

    def _fill(self) -> None:
        """Wish for a message for each free place."""
        with self._idle:
            used = len(self._places) + len(self._out) + self._refused
            free = 0 if self._stopped or self._held else self._concurrency - used
            places = [_Place(self) for _ in range(free)]
            self._places.update(places)
        for place in places:
            try:
                self.queue.want(place, keeps_groups=self._keeps_groups, alone=self._alone, selector=self._selector)
            except MessagingError as error:  # the queue has closed: there is nothing to consume any more
                with self._idle:
                    self._places.discard(place)
                    stopped = self._stopped
                if not stopped:
                    self._on_lost(error)
                return

    def _take(self, place: _Place, entry: Entry) -> None:
        taken = Taken(entry)
        with self._idle:
            unwanted = place not in self._places
            self._places.discard(place)
            if not unwanted:
                self._out.add(taken)
        if unwanted:
            # The race of `stop` or `hold` with a hand-over: withdrawing came too late; the entry goes back untouched.
            self.queue.release(entry)
        else:
            self._begin(taken)


@final
class _Place:
    """One free place of a consumer, as a wish at its queue."""

    __slots__ = ("_consumer",)

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer

    def take(self, entry: Entry) -> None:
        self._consumer._take(self, entry)
