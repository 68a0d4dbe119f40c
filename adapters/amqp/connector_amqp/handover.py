r"""Something done on the adapter's loop for a task of another one: its result is handed over, or undone, never lost.

::

    begun --result--> on its way --> handed over, if the task still waits
      \--the task is cancelled--> cancelled, if it can be; a result that comes all the same is undone
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, Generic, TypeVar, final

T = TypeVar("T")


def let_go(error: BaseException) -> None:
    """Have an error forget what its frames held, before it goes to another thread; where it was raised stays.

    On the adapter's loop. Frames hold links and sessions of the protocol library, which counts references without a
    lock: the last one must not go on whatever thread drops the error.
    """
    told: set[int] = set()
    left: list[BaseException | None] = [error]
    while left:
        one = left.pop()
        if one is not None and id(one) not in told:
            told.add(id(one))
            traceback.clear_frames(one.__traceback__)
            left += [one.__cause__, one.__context__]


@final
class Handover(Generic[T]):
    """One coroutine, on another loop than the one that it is made on. Used once.

    Args:
        work: What is done there.
        undo: Called there with a result that nobody gets; None: nothing is to be undone.
        stopped: Makes the error for work that was cancelled by the end of that loop.

    Mutable state: `_answer`, changed on the loop that it was made on; `_task`, on the other one.
    """

    def __init__(
        self, work: Coroutine[Any, Any, T], undo: Callable[[T], Any] | None, stopped: Callable[[], Exception]
    ) -> None:
        self._work = work
        self._undo = undo
        self._stopped = stopped
        self._home = asyncio.get_running_loop()
        self._answer: asyncio.Future[T] = self._home.create_future()
        self._there: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None

    def begin(self, there: asyncio.AbstractEventLoop) -> None:
        """Have it begun on that loop; does not block."""
        self._there = there

        def start() -> None:
            self._task = there.create_task(self._done_there())

        there.call_soon_threadsafe(start, context=Context())

    async def answer(self) -> T:
        """Its result; raises what it raises."""
        try:
            return await self._answer
        except asyncio.CancelledError:
            if self._answer.cancelled() or not self._answer.done():
                self._ask(self._cancel)
            elif self._answer.exception() is None:  # it came at the very moment
                self._take_back(self._answer.result())
            raise

    def _cancel(self) -> None:
        task, there = self._task, self._there
        if task is not None and there is not None:
            there.call_soon(task.cancel)  # once it has taken its first step, without which it could not tell its end

    async def _done_there(self) -> None:
        try:
            result = await self._work
        except asyncio.CancelledError:
            self._tell(lambda: self._fail(self._stopped()))
        except Exception as error:  # noqa: BLE001 - it is the task's that waits
            failure = error  # the name that it is caught by is gone after the clause
            let_go(failure)
            self._tell(lambda: self._fail(failure))
        else:
            if not self._tell(lambda: self._succeed(result)) and self._undo is not None:
                self._undo(result)

    def _tell(self, action: Callable[[], None]) -> bool:
        """False where the task's loop has ended, and the task with it."""
        try:
            self._home.call_soon_threadsafe(action)
        except RuntimeError:
            return False
        return True

    def _succeed(self, result: T) -> None:
        if self._answer.done():
            self._take_back(result)
        else:
            self._answer.set_result(result)

    def _fail(self, error: Exception) -> None:
        if not self._answer.done():
            self._answer.set_exception(error)

    def _take_back(self, result: T) -> None:
        undo = self._undo
        if undo is not None:
            self._ask(lambda: undo(result))

    def _ask(self, action: Callable[[], Any]) -> None:
        there = self._there
        if there is not None and not there.is_closed():
            there.call_soon_threadsafe(action, context=Context())
