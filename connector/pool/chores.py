"""What an asyncio pool must not leave half done: tasks of its own, and the connections that they are to close."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar, final

from connector.pool.entry import Entry

T = TypeVar("T")


@final
class Chores:
    """The chores of one pool. They begin and end on its loop; a borrower that is cancelled does not cancel them.

    What has to happen at a chore's end is for a callback of its task to do: that comes however the task ends, also
    where it is cancelled before its first step, as the end of a loop does.

    Args:
        loop: The pool's event loop.
    """

    __slots__ = ("_loop", "_running", "_leaving")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        # The mutable state: the tasks, changed on the loop only; the entries that have left the pool and are not closed
        # yet, a dictionary with atomic sets and pops.
        self._running: set[asyncio.Task[Any]] = set()
        self._leaving: dict[Entry, None] = {}

    def begin(self, coroutine: Coroutine[Any, Any, T], closes: Entry | None) -> asyncio.Task[T]:
        """Run a coroutine as a task; `closes` is the entry that it closes, if any. On the loop only."""
        task = self._loop.create_task(coroutine)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        if closes is not None:
            self.announce([closes])
            task.add_done_callback(lambda _: self._leaving.pop(closes, None))
        return task

    def announce(self, leaving: Iterable[Entry]) -> None:
        """Entries will be closed by chores that have not begun yet. From any thread."""
        self._leaving.update(dict.fromkeys(leaving))

    def forget(self) -> list[Entry]:
        """The loop has ended: answers the entries that no chore will close any more. From any thread."""
        left = list(self._leaving)
        self._leaving.clear()
        return left

    async def done(self) -> None:
        """Wait until none is left. Cancelled, they go on. On the loop only."""
        while self._running:
            await asyncio.wait(set(self._running))
            await asyncio.sleep(0)  # the callbacks of what has ended, which may begin others
