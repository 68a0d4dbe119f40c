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

    Mutable state: `_calls`, a queue that is safe for threads, and `_woken`. There is no lock: whoever puts something in
    does so before it looks whether the loop was woken, and the loop forgets that it was before it takes anything out.
    So what was put in is taken out by this batch or the next; at worst the loop is woken twice.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, after: Callable[[], None]) -> None:
        self._loop = loop
        self._after = after
        self._home = threading.get_ident()
        self._calls: deque[Callable[[], None]] = deque()
        self._woken = False

    def put(self, call: Callable[[], None]) -> None:
        """Have a function called on the loop; not at all once the loop has ended."""
        self._calls.append(call)
        if self._woken:
            return
        self._woken = True
        if threading.get_ident() == self._home:
            self._loop.call_soon(self._take_out)
            return
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._take_out)

    def later(self, seconds: float, call: Callable[[], None]) -> asyncio.TimerHandle:
        """Have a function called on the loop in so many seconds; from the loop only."""
        return self._loop.call_later(seconds, self.put, call)

    def _take_out(self) -> None:
        self._woken = False
        calls = self._calls
        for _ in range(len(calls)):  # what these put in waits for the next batch, so that others get their turn
            if not calls:
                break
            calls.popleft()()
        if calls and not self._woken:
            self._woken = True
            self._loop.call_soon(self._take_out)
        self._after()
