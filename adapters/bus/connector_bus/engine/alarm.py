"""Things to do later, by the container's clock: redelivery delays."""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
from collections.abc import Callable
from typing import Protocol, final

from connector.spi import Clock

_LOG = logging.getLogger("connector_bus.engine")


class Alarm(Protocol):
    """Calls back later. Tests bring one that they wind forward by hand."""

    def call_later(self, delay: float, callback: Callable[[], None]) -> None:
        """Call back in `delay` seconds, from any thread; not at all once closed. Does not block."""
        ...

    def close(self) -> None:
        """Forget what is due later. Harmless when called twice."""
        ...


@final
class ThreadAlarm:
    """An alarm with a thread of its own, which starts with the first call and sleeps until the next one is due.

    Safe to use from any thread. Mutable state: `_due`, `_closed` and `_thread`, changed under `_wake`.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._wake = threading.Condition()
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()  # equal times are called in order, and callbacks are never compared
        self._thread: threading.Thread | None = None
        self._closed = False

    def call_later(self, delay: float, callback: Callable[[], None]) -> None:
        """See `Alarm`."""
        with self._wake:
            if self._closed:
                return
            heapq.heappush(self._due, (self._clock.monotonic() + delay, next(self._numbers), callback))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="bus-alarm", daemon=True)
                self._thread.start()
            self._wake.notify()

    def close(self) -> None:
        """See `Alarm`. Blocks until a callback that is running has ended."""
        with self._wake:
            self._closed = True
            self._due.clear()
            self._wake.notify()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._closed and (not self._due or self._due[0][0] > self._clock.monotonic()):
                    self._wake.wait(self._due[0][0] - self._clock.monotonic() if self._due else None)
                if self._closed:
                    return
                _, _, callback = heapq.heappop(self._due)
            try:
                callback()
            except Exception as error:  # noqa: BLE001 - one failing callback must not silence the others
                _LOG.error("a delayed action failed: %s", type(error).__name__)
