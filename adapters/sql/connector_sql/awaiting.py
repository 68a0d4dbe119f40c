"""Waiting for asyncio from within a greenlet: the one bridge between this adapter's logic and drivers for asyncio.

Theory of operation
-------------------
SQLAlchemy runs code for threads in a greenlet, and has that hand each coroutine to the event loop's task and wait for
it. The two switches are most of what a lease costs, and most leases need not wait for anything. So `wait_for` makes a
coroutine's first step itself: where that ends it, nothing is switched; else the rest is handed over as always.

That first step runs within the greenlet, and what a greenlet begins there would come back to a greenlet that has gone
on meanwhile. Hence the two rules: whatever may be awaited here begins none of its own but uses `run_within`, and where
tasks may take their first step at once (eager task factories) nothing is done here at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator
from types import coroutine as generator_coroutine
from typing import Any, TypeVar

from sqlalchemy.util import await_only, greenlet_spawn
from sqlalchemy.util.concurrency import in_greenlet

T = TypeVar("T")


def wait_for(coroutine: Coroutine[Any, Any, T]) -> T:
    """Wait for a coroutine on the event loop that this greenlet runs for.

    Blocks this greenlet, not the loop. Raises what the coroutine raises, `asyncio.CancelledError` included;
    SQLAlchemy's MissingGreenlet where it isn't called from within one.
    """
    rest: Awaitable[T] = coroutine
    if in_greenlet() and asyncio.get_running_loop().get_task_factory() is None:
        try:
            awaited = coroutine.send(None)
        except StopIteration as done:
            result: T = done.value
            return result
        rest = _rest_of(coroutine, awaited)
    handed_over: T = await_only(rest)
    return handed_over


async def run_within(function: Callable[..., T], *arguments: Any) -> T:
    """Run code that uses `wait_for`: in the greenlet that this runs in already, else in one of its own."""
    if in_greenlet():
        return function(*arguments)
    return await greenlet_spawn(function, *arguments)


def closed_by_awaiting(cursor: Any) -> None:
    """Close the cursor of an asyncio driver; may wait for a round trip."""
    wait_for(cursor.close())


@generator_coroutine
def _rest_of(coroutine: Coroutine[Any, Any, T], awaited: Any) -> Generator[Any, Any, T]:
    """A coroutine that goes on where another one stands, waiting for `awaited`."""
    try:
        while True:
            try:
                answer = yield awaited
            except BaseException as error:  # noqa: BLE001 - a cancellation above all; it is the coroutine's to handle
                awaited = coroutine.throw(error)
            else:
                awaited = coroutine.send(answer)
    except StopIteration as done:
        result: T = done.value
        return result
