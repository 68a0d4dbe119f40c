"""The container's one event loop, on a thread of its own (FLOW-8).

Handlers and works that are coroutines all run here, never in an `asyncio.run` of their own: pooled connections belong
to a loop, and a loop for each message would have none to reuse.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from contextvars import Context
from typing import Any, Final, TypeVar, final

from connector.errors import Reason, WorkRejected
from connector.spi import WorkErrorCode
from connector.work.helpers import HelperThreads

_log = logging.getLogger("connector.work")

T = TypeVar("T")

#: Threads that coroutines of the loop may wait on at once; they are made when they are needed.
HELPERS: Final = 512

LOOP_CLOSED = Reason(
    "CF-WORK-040",
    "the event loop of the container has ended, a coroutine can't run any more.",
    "The container is stopping or has stopped; start it again.",
)
WAIT_ON_LOOP = Reason(
    "CF-WORK-041",
    "a coroutine of the container's event loop tried to wait for another one without `await`.",
    "Await it, or call the blocking function through `asyncio.to_thread`.",
)


@final
class EventLoopThread:
    """One asyncio loop on one daemon thread; starts with the first use.

    Safe to use from any thread but its own, where waiting would be for ever.

    Args:
        name: The thread's name.
    """

    # Mutable state, changed under `_lock`: `_thread` and its `_ident`, `_closed`, `_waiting` (results that somebody
    # waits for).

    def __init__(self, name: str = "connector-loop") -> None:
        self._name = name
        self._lock = threading.Lock()
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(_log_by_type)
        # Coroutines wait for nested works on other threads (`asyncio.to_thread`), one thread for each that waits: with
        # asyncio's own few, works that are nested deeper would wait for each other for ever.
        self._helpers = HelperThreads(HELPERS, f"{name}-helper")
        self._loop.set_default_executor(self._helpers)
        self._thread: threading.Thread | None = None
        self._ident: int | None = None
        self._closed = False
        self._waiting: set[Future[Any]] = set()

    @property
    def is_current(self) -> bool:
        """Whether the running thread is the loop's own."""
        return threading.get_ident() == self._ident

    def run(self, coroutine: Coroutine[Any, Any, T], context: Context) -> T:
        """Run a coroutine as a task of the loop, within `context`, and answer its result.

        Args:
            coroutine: What to run; closed unrun if that is refused.
            context: The context that the task runs in: a copy of the caller's, so that its scope is seen.

        Blocks until the task has ended. Raises what the coroutine raised (`asyncio.CancelledError` where it was
        cancelled, by `close` as well), WorkRejected on the loop's own thread and after `close`. If the wait itself is
        broken off (an interrupt), the task is cancelled.
        """
        future: Future[T] = Future()
        tasks: list[asyncio.Task[None]] = []
        if self.is_current:
            coroutine.close()
            raise WorkRejected(WAIT_ON_LOOP, error_code=WorkErrorCode.UNDEFINED)
        with self._lock:
            if not self._open():
                coroutine.close()
                raise WorkRejected(LOOP_CLOSED, error_code=WorkErrorCode.UNDEFINED)
            self._waiting.add(future)
            self._loop.call_soon_threadsafe(self._begin, coroutine, future, context, tasks, context=context)
        try:
            return future.result()
        except BaseException:
            if not future.done():
                self._post(lambda: [task.cancel() for task in tasks])
            raise
        finally:
            with self._lock:
                self._waiting.discard(future)

    def call_later(self, seconds: float, function: Callable[[], object]) -> Callable[[], None]:
        """Call a function on the loop's thread after some seconds; it must not block.

        Answers a function that calls it off, from any thread, at any time. Does not block. After `close` nothing is
        called any more and nothing raised: who is told of the end is told otherwise.
        """
        timers: list[asyncio.TimerHandle] = []  # touched on the loop's thread only

        def begin() -> None:
            timers.append(self._loop.call_later(seconds, function))

        def end() -> None:  # never before `begin`: the loop keeps the order of what is posted
            for timer in timers:
                timer.cancel()

        self._post(begin)
        return lambda: self._post(end)

    def close(self, timeout: float = 5.0) -> bool:
        """Cancel what runs, wait for it at most `timeout` seconds, and end the thread. Harmless when called twice.

        Answers whether everything ended; a task that blocks the loop is left behind on its daemon thread, and whoever
        waits for one gets `asyncio.CancelledError`.
        """
        with self._lock:
            already, self._closed = self._closed, True
            thread = self._thread
        if thread is None:
            if not already:
                self._loop.close()
            return True
        if not already:
            self._loop.call_soon_threadsafe(lambda: self._loop.create_task(self._wind_up()))
        if not self.is_current:
            thread.join(timeout)
        with self._lock:
            if not thread.is_alive():
                self._ident = None  # the number is free for another thread
            left = [future for future in self._waiting if not future.done()]
        for future in left:
            _settle(future, error=asyncio.CancelledError())
        return not thread.is_alive()

    def _open(self) -> bool:
        """Under the lock: False for a closed loop; starts the thread of a new one."""
        if self._closed:
            return False
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name=self._name, daemon=True)
            self._thread.start()
            self._ident = self._thread.ident
        return True

    def _post(self, function: Callable[[], object]) -> None:
        with self._lock:
            if self._open():
                self._loop.call_soon_threadsafe(function)

    def _begin(
        self,
        coroutine: Coroutine[Any, Any, T],
        future: Future[T],
        context: Context,
        tasks: list[asyncio.Task[None]],
    ) -> None:
        def ended(_task: asyncio.Task[None]) -> None:
            # A task that is cancelled before its first step never enters `_follow`.
            coroutine.close()
            _settle(future, error=asyncio.CancelledError())

        task = self._loop.create_task(_follow(coroutine, future), context=context)
        task.add_done_callback(ended)
        tasks.append(task)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        while not self._loop.is_closed():
            try:
                self._loop.run_forever()
                self._helpers.shutdown(wait=False, cancel_futures=True)
                self._loop.close()
            except (KeyboardInterrupt, SystemExit) as error:
                # A task that nobody waits for raised it: asyncio lets these two out of the loop. One handler's
                # leftover must not take the loop away from all others.
                _log.error("a task on the event loop raised %s; the loop goes on", type(error).__name__)

    async def _wind_up(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        if others:
            await asyncio.wait(others)
        await self._loop.shutdown_asyncgens()
        self._loop.stop()


async def _follow(coroutine: Coroutine[Any, Any, T], future: Future[T]) -> None:
    """Run the coroutine and settle its future; nothing gets past, or asyncio would end the loop (see `_serve`)."""
    try:
        _settle(future, result=await coroutine)
    except BaseException as error:  # noqa: BLE001 - it belongs to whoever waits in `run`
        _settle(future, error=error)


def _settle(future: Future[Any], *, result: Any = None, error: BaseException | None = None) -> None:
    # `close` may settle a future whose task ends at that very moment: the first one counts.
    with suppress(InvalidStateError):
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)


def _log_by_type(_loop: asyncio.AbstractEventLoop, report: dict[str, Any]) -> None:
    """Report what a leftover task raised: by type, its text may hold a secret (AUTHD-4)."""
    error = report.get("exception")
    _log.error("on the event loop: %s", type(error).__name__ if error is not None else "an error without exception")
