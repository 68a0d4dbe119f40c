"""From other threads to the chain's loop: what they put in is taken out there, together, with one wake-up."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable
from typing import final


@final
class Inbox:
    """Calls to be made on one event loop. `put` is safe from any thread and does not block.

    Args:
        loop: The loop.
        after: Called there after each batch.

    Mutable state: `_calls`, and `_woken`, changed under `_lock`.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, after: Callable[[], None]) -> None:
        self._loop = loop
        self._after = after
        self._lock = threading.Lock()
        self._calls: deque[Callable[[], None]] = deque()
        self._woken = False

    def put(self, call: Callable[[], None]) -> None:
        """Have a function called on the loop; not at all once the loop has ended."""
        with self._lock:
            self._calls.append(call)
            if self._woken:
                return
            self._woken = True
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._take_out)

    def later(self, seconds: float, call: Callable[[], None]) -> asyncio.TimerHandle:
        """Have a function called on the loop in so many seconds; from the loop only."""
        return self._loop.call_later(seconds, self.put, call)

    def _take_out(self) -> None:
        with self._lock:
            calls, self._calls = self._calls, deque()
            self._woken = False
        for call in calls:
            call()
        self._after()
