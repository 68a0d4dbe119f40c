"""Threads that coroutines wait on, which keep no process from ending (FLOW-8).

Theory of operation
-------------------
asyncio takes nothing but a `ThreadPoolExecutor` for `asyncio.to_thread`, and the threads of that one are joined when
the interpreter ends: one handler whose helper hangs would keep the process alive for ever. So this is one in name, for
its `submit` and `shutdown`, with daemon threads of its own; those of the base are never started.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final, ParamSpec, TypeVar, final

from connector.errors import Reason, WorkRejected
from connector.spi import WorkErrorCode

P = ParamSpec("P")
R = TypeVar("R")

#: Seconds after which a thread that has nothing to do ends.
_IDLE: Final = 60.0

HELPERS_ENDED = Reason(
    "CF-WORK-042",
    "the container's event loop has ended, nothing can be run on another thread for it any more.",
    "The container is stopping or has stopped; start it again.",
)


@final
class HelperThreads(ThreadPoolExecutor):
    """Runs functions on daemon threads, which are started when they are needed. Safe to use from any thread.

    Args:
        limit: How many threads there may be at once; what is above that waits.
        name: The threads' name.
    """

    # Mutable state, changed under `_change`: `_waiting` (what no thread has taken up), `_count` and `_idle` (threads),
    # `_over`. The base class has attributes of its own; ours have other names.

    def __init__(self, limit: int, name: str) -> None:
        super().__init__(limit, thread_name_prefix=name)
        self._limit = limit
        self._name = name
        self._change = threading.Condition()
        self._waiting: deque[tuple[Future[Any], Callable[[], None]]] = deque()
        self._count = 0
        self._idle = 0
        self._over = False

    def submit(self, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """Have a function called on another thread. Does not block.

        Raises WorkRejected (CF-WORK-042) after `shutdown`, RuntimeError where no thread can be started.
        """
        future: Future[R] = Future()

        def call() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = function(*args, **kwargs)
            except BaseException as error:  # noqa: BLE001 - it belongs to whoever waits for it
                future.set_exception(error)
            else:
                future.set_result(result)

        with self._change:
            if self._over:
                raise WorkRejected(HELPERS_ENDED, error_code=WorkErrorCode.UNDEFINED)
            if self._idle <= len(self._waiting) and self._count < self._limit:
                threading.Thread(target=self._serve, name=self._name, daemon=True).start()
                self._count += 1
            self._waiting.append((future, call))
            self._change.notify()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take nothing more; threads end when they have nothing to do any more. Harmless when called twice.

        Args:
            wait: Whether to block until all of them have.
            cancel_futures: Whether to cancel what no thread has taken up.
        """
        with self._change:
            self._over = True
            dropped: list[Future[Any]] = []
            if cancel_futures:
                dropped = [future for future, _call in self._waiting]
                self._waiting.clear()
            self._change.notify_all()
            if wait:
                self._change.wait_for(lambda: not self._count)
        for future in dropped:
            future.cancel()

    def _serve(self) -> None:
        while (call := self._next()) is not None:
            call()
            del call  # an idle thread keeps nobody's arguments

    def _next(self) -> Callable[[], None] | None:
        """What to run; None: the thread ends."""
        with self._change:
            self._idle += 1
            self._change.wait_for(lambda: bool(self._waiting) or self._over, _IDLE)
            self._idle -= 1
            if self._waiting:
                return self._waiting.popleft()[1]
            self._count -= 1
            self._change.notify_all()
            return None
