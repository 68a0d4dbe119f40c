"""Waiting for others without ever waiting for ever: whoever hangs is shown with all stacks, and the run ends."""

from __future__ import annotations

import asyncio
import faulthandler
import gc
import sys
import threading
import time
import traceback
from collections.abc import Callable, Coroutine, Iterable, Iterator
from concurrent.futures import Future, wait
from typing import Any, Final, Generic, TypeVar

from soak.ledger import Ledger

T = TypeVar("T")

#: Seconds that one act may take; it takes milliseconds, a busy machine some more.
ENOUGH: Final = 30.0


class Hang(BaseException):
    """An example does not come to its end. No `Exception`: hypothesis must not try it again and again."""


class Worker:
    """A function on a thread of its own; what it raises is objected to."""

    def __init__(self, ledger: Ledger, function: Callable[[], object]) -> None:
        self._ledger = ledger
        self._function = function
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._function()
        except BaseException:
            self._ledger.object(f"a thread ended: {traceback.format_exc()}")

    def has_ended(self, within: float) -> bool:
        self._thread.join(within)
        return not self._thread.is_alive()


class LoopThread:
    """An event loop on a thread of its own; what reaches its exception handler is objected to."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def object_to(self, ledger: Ledger) -> None:
        self.loop.set_exception_handler(lambda _, report: ledger.object(f"the loop reports {report}"))

    def begin(self, work: Coroutine[Any, Any, T]) -> Doing[T]:
        return Doing(self, asyncio.run_coroutine_threadsafe(work, self.loop))

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine and wait for it."""
        doing = self.begin(work)
        end_of([doing])
        return doing.future.result()

    def end(self) -> None:
        """Stop the loop as `asyncio.run` does, whatever still runs on it."""
        self.do(_cancelled_rest())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(ENOUGH)
        self.loop.close()


class Doing(Generic[T]):
    """Some work on a loop."""

    def __init__(self, on: LoopThread, future: Future[T]) -> None:
        self.on = on
        self.future = future

    def has_ended(self, within: float) -> bool:
        return bool(wait([self.future], within).done)


def end_of(work: Iterable[Worker | Doing[Any]], nudge: Callable[[], object] = gc.collect) -> None:
    """Wait until all have ended. Raises Hang where that takes too long.

    Args:
        work: Who has to come to an end.
        nudge: Does what a process does from time to time anyhow, so that a forgotten lease is found: somebody may wait
            for it.
    """
    give_up = time.monotonic() + ENOUGH
    for one in work:
        pause = 0.02
        while not one.has_ended(pause):
            nudge()
            pause = min(pause * 2, 1.0)
            if time.monotonic() > give_up:
                _show_all_stacks(one)
                raise Hang("an example hangs; all stacks are above")


def _show_all_stacks(hanging: Worker | Doing[Any]) -> None:
    out = sys.__stderr__
    assert out is not None
    faulthandler.dump_traceback(out, all_threads=True)
    if isinstance(hanging, Doing):
        for task in asyncio.all_tasks(hanging.on.loop):
            print(task.get_name(), *_awaited(task.get_coro()), sep="\n  ", file=out)


def _awaited(work: Any) -> Iterator[str]:
    """Where a task stands: its coroutine, what that awaits, and so on."""
    while (frame := getattr(work, "cr_frame", None)) is not None:
        yield f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_qualname}"
        work = work.cr_await
    yield repr(work)


async def _cancelled_rest() -> None:
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)
