"""Cancelling a task in one wait after the other, so that no moment is left to luck."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from functools import partial
from types import coroutine as generator_coroutine
from typing import Any, final

#: The most waits that a sweep goes through.
_MOST = 200
#: How often in a row the work must have had no such wait: a system that answers at once is not waited for each time.
_IN_VAIN = 3


@final
class Cancelling:
    """Runs work in a task that is cancelled as soon as it waits for the n-th time.

    Args:
        wait: Which wait, from 1.

    Attributes:
        reached: Whether the work has waited so often, and was therefore cancelled.
    """

    def __init__(self, wait: int) -> None:
        self.wait = wait
        self.reached = False

    async def run(self, work: Coroutine[Any, Any, object]) -> None:
        """Waits until it has ended. Raises what it raises, and AssertionError where it was cancelled and went on."""
        task = asyncio.create_task(self._driven(work))
        await asyncio.wait([task])
        if self.reached:
            assert task.cancelled(), f"cancelled in its wait no. {self.wait}, the borrower went on, or raised something"
        else:
            task.result()

    async def _driven(self, work: Coroutine[Any, Any, object]) -> None:
        await self._counting(work)

    @generator_coroutine
    def _counting(self, work: Coroutine[Any, Any, object]) -> Generator[Any, Any, None]:
        step: Callable[[], Any] = partial(work.send, None)
        waits = 0
        while True:
            try:
                awaited = step()
            except StopIteration:
                return
            waits += 1
            if waits == self.wait:
                self.reached = True
                task = asyncio.current_task()
                assert task is not None
                task.cancel()  # which takes effect in the wait that begins now
            try:
                answer = yield awaited
            except BaseException as error:  # noqa: BLE001 - it is the work's
                step = partial(work.throw, error)
            else:
                step = partial(work.send, answer)


async def cancelled_in_each_wait(work: Callable[[], Coroutine[Any, Any, object]], then: Callable[[], Any]) -> None:
    """Do work again and again, cancelled in its first wait, its second, and so on until it has no more waits.

    Args:
        work: Makes the work.
        then: Makes what is awaited after each time.
    """
    in_vain = 0
    for wait in range(1, _MOST):
        cancelling = Cancelling(wait)
        await cancelling.run(work())
        await then()
        in_vain = 0 if cancelling.reached else in_vain + 1
        if in_vain == _IN_VAIN:
            return
