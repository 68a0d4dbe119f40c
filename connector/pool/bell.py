"""How a waiting task is woken: the opaque `signal` of its `Waiter` (POOL-7)."""

from __future__ import annotations

import asyncio
from typing import final


def is_running_here(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether the caller runs on that loop: in one of its tasks or callbacks. Does not block."""
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False


@final
class Bell:
    """Wakes one task of one event loop; a ring that comes before the wait is not lost, several count once.

    `ring` may come from any thread, `wait` from one task of the loop at a time.
    """

    __slots__ = ("_loop", "_rung", "_asleep")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        # The mutable state, changed on the loop only:
        self._rung = False
        self._asleep: asyncio.Future[None] | None = None

    def ring(self) -> None:
        """Wake the task. Does not block; does nothing where the loop has ended, and the task with it."""
        if is_running_here(self._loop):
            self._sound()
            return
        try:
            self._loop.call_soon_threadsafe(self._sound)
        except RuntimeError:  # the loop is closed
            return

    async def wait(self, timeout: float) -> bool:
        """Wait for a ring, at most `timeout` seconds; answers whether there was one, and forgets it.

        Without any time it does not wait at all. Raises asyncio.CancelledError where the task is cancelled.
        """
        if not self._rung and timeout > 0:
            self._asleep = self._loop.create_future()
            timer = self._loop.call_later(timeout, _rouse, self._asleep)
            try:
                await self._asleep
            finally:
                timer.cancel()
                self._asleep = None
        rung, self._rung = self._rung, False
        return rung

    def _sound(self) -> None:
        self._rung = True
        if self._asleep is not None:
            _rouse(self._asleep)


def _rouse(asleep: asyncio.Future[None]) -> None:
    if not asleep.done():
        asleep.set_result(None)
