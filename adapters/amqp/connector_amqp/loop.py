"""The adapter's one thread: an event loop that has all its connections, and how threads and other loops ask it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError, Future
from contextvars import Context
from typing import Any, TypeVar, final

from connector.errors import ConnectionFailed, Reason
from connector_amqp.handover import Handover, let_go

STOPPED = Reason("CF-AMQP-007", "the adapter amqp has been stopped.", "Nothing is to be done: the container stops.")

T = TypeVar("T")


@final
class LoopThread:
    """An event loop on a daemon thread, begun where it is first used. Safe to use from any thread.

    What is done on it is done as nobody, whoever asks: each time in a `contextvars.Context` of its own. A connection
    stays longer than the login or work in which it was opened, and must neither act as it nor keep it.

    Args:
        name: The thread's.

    Attributes:
        at_end: Called on it just before it ends: what has no end of its own.

    Mutable state, changed under `_lock`: `_thread`, `_stopped`. What is asked is scheduled under it as well, so that
    the end comes after it and finds it.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._stopped = False
        self.at_end: Callable[[], None] = lambda: None

    def run(self, coroutine: Coroutine[Any, Any, T], undo: Callable[[T], Any] | None = None) -> T:
        """Run it on the loop and wait for it. Blocks; an interrupt cancels it.

        Args:
            coroutine: What.
            undo: Called on the loop with a result that nobody gets any more, since the wait was interrupted.

        Raises what it raises, and ConnectionFailed CF-AMQP-007 once the loop has been stopped.
        """
        answer: Future[T] = Future()
        try:
            with self._lock:
                loop = self._running()
                loop.call_soon_threadsafe(_begin, loop, coroutine, answer, undo, context=Context())
        except BaseException:
            coroutine.close()
            raise
        try:
            return answer.result()
        except CancelledError:
            raise ConnectionFailed(STOPPED) from None
        except BaseException:
            # Where the answer is there already, it is the work's own error, or has come at this very moment.
            if not answer.cancel() and answer.exception() is None and undo is not None:
                result = answer.result()
                self.soon(lambda: undo(result))
            raise

    async def awaited(self, coroutine: Coroutine[Any, Any, T], undo: Callable[[T], Any] | None = None) -> T:
        """Run it on the loop and wait for it on the running one, which goes on meanwhile.

        A task that is cancelled while it waits has it cancelled, and does not wait for that.

        Args:
            coroutine: What.
            undo: Called on the adapter's loop with a result that nobody gets any more, since the task was cancelled.

        Raises as `run`.
        """
        handover = Handover(coroutine, undo, lambda: ConnectionFailed(STOPPED))
        try:
            with self._lock:
                handover.begin(self._running())
        except BaseException:
            coroutine.close()
            raise
        return await handover.answer()

    def soon(self, action: Callable[[], Any]) -> None:
        """Have something done on the loop; does not block. Dropped where the loop has ended."""
        with self._lock:
            if not self._stopped and self._loop is not None:
                self._loop.call_soon_threadsafe(action, context=Context())

    def stop(self, timeout: float) -> None:
        """End it; what still runs on it is cancelled. Blocks for at most about `timeout` seconds; once is enough."""
        with self._lock:
            self._stopped = True
            loop, thread = self._loop, self._thread
        if loop is None or thread is None or loop.is_closed():
            return
        loop.call_soon_threadsafe(lambda: asyncio.ensure_future(_wind_up(loop, self.at_end)))
        thread.join(timeout)
        if not thread.is_alive():
            loop.close()

    def _running(self) -> asyncio.AbstractEventLoop:
        """Under the lock."""
        if self._stopped:
            raise ConnectionFailed(STOPPED)
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=self._loop.run_forever, name=self._name, daemon=True)
            self._thread.start()
        return self._loop


def _begin(
    loop: asyncio.AbstractEventLoop,
    coroutine: Coroutine[Any, Any, T],
    answer: Future[T],
    undo: Callable[[T], Any] | None,
) -> None:
    """On the loop: the work of `run`."""
    task = loop.create_task(coroutine)

    def ended(task: asyncio.Task[T]) -> None:
        if task.cancelled():
            answer.cancel()
            return
        error = task.exception()
        if error is not None:
            let_go(error)
        if not answer.set_running_or_notify_cancel():
            if error is None and undo is not None:
                undo(task.result())
        elif error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(task.result())

    def given_up(_: Future[T]) -> None:
        if answer.cancelled() and not task.done():
            with contextlib.suppress(RuntimeError):  # the loop has ended, and the task with it
                loop.call_soon_threadsafe(task.cancel)

    task.add_done_callback(ended)
    answer.add_done_callback(given_up)


async def _wind_up(loop: asyncio.AbstractEventLoop, at_end: Callable[[], None]) -> None:
    own = asyncio.current_task()
    others = [task for task in asyncio.all_tasks() if task is not own]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    at_end()
    await asyncio.sleep(0)  # sockets are closed in the loop's next turn
    loop.stop()
