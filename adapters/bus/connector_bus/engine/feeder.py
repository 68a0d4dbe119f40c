"""Keeps this engine's queues fed from a shared store, and this engine alive in it (BUS-1)."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import final

from connector.errors import MessagingError
from connector.spi import Clock
from connector_bus.engine.alarm import Alarm
from connector_bus.engine.message_queue import MessageQueue
from connector_bus.engine.queue_state import Entry
from connector_bus.engine.shared_queue import SharedQueue
from connector_bus.store.contract import SharedStore
from connector_bus.store.shared_changes import FENCED

_LOG = logging.getLogger("connector_bus.engine")


@final
class Feeder:
    """One thread that claims for consumers, gives back, and shows a sign of life at each interval.

    Args:
        bus: For the log.
        store: The store.
        clock: The time.
        alarm: For messages that are due later.

    Safe to use from any thread. Mutable state: `_queues`, replaced when one comes or goes; `_asked`, the queues that
    are in the line already, changed under `_lock`; `_hungry`, those that could not be fed, and `_answered`, by the
    thread only.
    """

    def __init__(self, bus: str, store: SharedStore, clock: Clock, alarm: Alarm) -> None:
        self._alarm = alarm
        self._bus = bus
        self._store = store
        self._clock = clock
        self._queues: list[SharedQueue] = []
        self._line: SimpleQueue[SharedQueue | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._asked: set[SharedQueue] = set()
        self._hungry: set[SharedQueue] = set()
        self._answered: float | None = None
        self._thread = threading.Thread(target=self._run, name=f"bus-feeder-{bus}", daemon=True)

    def queue(
        self, name: str, on_expired: Callable[[list[Entry]], None], *, mediated: bool | None, exclusive: bool
    ) -> SharedQueue:
        """Make a queue that it feeds; see `SharedQueue`."""
        queue = SharedQueue(
            name,
            self._clock,
            on_expired,
            self._store,
            mediated=mediated,
            exclusive=exclusive,
            ask=self._ask,
            polled=self.polled,
            later=self._alarm.call_later,
        )
        self._queues = [*self._queues, queue]
        return queue

    def drop(self, queue: MessageQueue) -> None:
        """A queue is gone: it is fed no more. Does not block."""
        self._queues = [each for each in self._queues if each is not queue]

    def start(self) -> None:
        """Begin. Does not block."""
        self._store.listen(self.freed)
        self._thread.start()

    def stop(self) -> None:
        """End; blocks for a claim under way. Harmless when it was not started."""
        self._line.put(None)
        if self._thread.is_alive():
            self._thread.join()

    def freed(self, destination: str | None) -> None:
        """Something has become free on a destination, or anywhere. Does not block."""
        for queue in self._queues:
            if destination is None or queue.name == destination:
                self._ask(queue)

    def polled(self) -> float | None:
        """Seconds since the store last answered; None where it has not yet. Does not block."""
        answered = self._answered
        return None if answered is None else self._clock.monotonic() - answered

    def look(self) -> None:
        """Show a sign of life; where this engine was fenced, begin anew. Blocks for the database."""
        try:
            alive = self._store.look()
            self._answered = self._clock.monotonic()
            if alive:
                hungry, self._hungry = self._hungry, set()
                for queue in hungry:
                    self._ask(queue)
            else:
                self._begin_anew()
        except MessagingError as failure:
            _LOG.error("bus %s: %s", self._bus, failure)

    def _begin_anew(self) -> None:
        _LOG.warning("bus %s: this engine has lost its place in the store; it begins a new epoch", self._bus)
        self._store.rejoin()
        for queue in self._queues:
            queue.forget()
        self.freed(None)

    def _ask(self, queue: SharedQueue) -> None:
        with self._lock:
            if queue in self._asked:
                return
            self._asked.add(queue)
        self._line.put(queue)

    def _run(self) -> None:
        due = self._clock.monotonic() + self._store.look_interval
        while True:
            try:
                queue = self._line.get(timeout=max(0.0, due - self._clock.monotonic()))
            except Empty:
                due = self._look(due)
                continue
            if queue is None:
                return
            with self._lock:
                self._asked.discard(queue)
            self._feed(queue)
            due = self._look(due)  # also where the line is never empty

    def _look(self, due: float) -> float:
        """Look if it is time; answers when the next look is due."""
        now = self._clock.monotonic()
        if now < due:
            return due
        self.look()
        return now + self._store.look_interval

    def _feed(self, queue: SharedQueue) -> None:
        try:
            queue.feed()
            self._answered = self._clock.monotonic()
        except MessagingError as failure:
            self._hungry.add(queue)
            if failure.code == FENCED.code:
                self.look()
            else:
                _LOG.error("bus %s: %s can't be fed: %s", self._bus, queue.name, failure)
