"""The adapter's one thread: an event loop that has all its connections, and how other threads ask it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError
from typing import Any, TypeVar, final

from connector.errors import ConnectionFailed, Reason

STOPPED = Reason("CF-AMQP-007", "the adapter amqp has been stopped.", "Nothing is to be done: the container stops.")

T = TypeVar("T")


@final
class LoopThread:
    """An event loop on a daemon thread, begun where it is first used. Safe to use from any thread.

    Mutable state, changed under `_lock`: `_thread`, `_stopped`.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._stopped = False

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run it on the loop and wait for it. Blocks; an interrupt cancels it.

        Raises what it raises, and ConnectionFailed CF-AMQP-007 once the loop has been stopped.
        """
        try:
            loop = self._running()
        except BaseException:
            coroutine.close()
            raise
        asked = asyncio.run_coroutine_threadsafe(coroutine, loop)
        try:
            return asked.result()
        except CancelledError:
            raise ConnectionFailed(STOPPED) from None
        except BaseException:
            asked.cancel()
            raise

    def soon(self, action: Callable[[], Any]) -> None:
        """Have something done on the loop; does not block. Dropped where the loop has ended."""
        with self._lock:
            loop = None if self._stopped else self._loop
        if loop is not None:
            loop.call_soon_threadsafe(action)

    def stop(self, timeout: float) -> None:
        """End it; what still runs on it is cancelled. Blocks for at most about `timeout` seconds."""
        with self._lock:
            self._stopped = True
            loop, thread = self._loop, self._thread
        if loop is None or thread is None:
            return
        loop.call_soon_threadsafe(lambda: asyncio.ensure_future(_wind_up(loop)))
        thread.join(timeout)
        if not thread.is_alive():
            loop.close()

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._stopped:
                raise ConnectionFailed(STOPPED)
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name=self._name, daemon=True)
                self._thread.start()
            return self._loop


async def _wind_up(loop: asyncio.AbstractEventLoop) -> None:
    own = asyncio.current_task()
    others = [task for task in asyncio.all_tasks() if task is not own]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    loop.stop()
