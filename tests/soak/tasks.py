"""Borrowers on event loops: as those on threads, and cancelled in whatever they wait for."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from connector.pool.async_lease import AsyncPooledLease
from connector.security.scope import open_scope
from connector.spi import Subject
from soak.borrowers import FOR_EVER, MOST_HELD, Found, Hands, tolerating
from soak.moods import Trouble
from soak.stage import TaskStage
from soak.steps import Step

T = TypeVar("T")


class TaskBorrower(Hands[AsyncPooledLease]):
    """A borrower in a task of its pool's loop."""

    def __init__(self, stage: TaskStage, found: Found) -> None:
        super().__init__(stage, found)
        self.pool = stage.pool

    async def run(self, steps: list[Step]) -> None:
        for step in steps:
            with tolerating(self.ledger):
                await self._do(step.verb, step.number)
            self.done += 1
            if step.number % 3 == 0:
                await asyncio.sleep(0)
        while self.held:
            await self._close()

    async def _do(self, verb: str, number: int) -> None:
        match verb:
            case "take":
                await self._take(number)
            case "take, cancelled":
                await self._take(number, turns=number // 5)
            case "use" if self.held:
                self.used(self.held[-1][0])
            case "close":
                await self._close()
            case "close the oldest":
                await self._close(0)
            case "close twice":
                lease = self.let_go()
                if lease is not None:
                    await lease.close()
                    await lease.invalidate()
            case "invalidate":
                lease = self.let_go()
                if lease is not None:
                    await lease.invalidate(Trouble() if number % 2 else None)
            case "close, cancelled":
                await self._close_cancelled(number)
            case "break" if self.held:
                self.held[-1][1].connection.connection_error_occurred(Trouble())
            case "abandon" | "abandon in a cycle":
                self.drop(in_a_cycle=verb != "abandon")
            case "hand over":
                lease = self.let_go()
                if lease is not None:
                    self.found.put((lease, -1))  # nobody may close it on another thread: it can be forgotten there
            case "in a scope":
                await self._in_a_scope(number)
            case "look":
                self.pool.contents() if number else self.pool.statistics()
            case _:
                pass

    async def _take(self, number: int, *, turns: int | None = None) -> None:
        if len(self.held) == MOST_HELD:
            await self._close(0)
        timeout = self.patience(number // 5 if turns is None else 0)
        taking = self.pool.take(self.plan(number, old=number >= 60), timeout)
        with tolerating(self.ledger, patient=timeout == FOR_EVER):
            if turns is None:
                self.took(await taking)
            else:
                with suppress(asyncio.CancelledError):
                    self.took(await cancelled_after(turns, taking))

    async def _close(self, which: int = -1) -> None:
        lease = self.let_go(which)
        if lease is not None:
            await lease.close()

    async def _close_cancelled(self, number: int) -> None:
        lease = self.let_go()
        if lease is not None:
            closing = lease.close() if number % 2 else lease.invalidate()
            with suppress(asyncio.CancelledError):
                await cancelled_after(number // 2, closing)
            await lease.close()  # where it was cancelled before it began

    async def _in_a_scope(self, number: int) -> None:
        with open_scope(Subject(read_only=True), realm="soak", container="soak", origin="soak"):
            before = len(self.held)
            await self._take(number)
            if number < 5:
                await self._close()
            elif len(self.held) > before or before == MOST_HELD:
                lease = self.let_go()
                if number >= 10:
                    self.found.put((lease, -1))


async def cancelled_after(turns: int, work: Coroutine[Any, Any, T]) -> T:
    """Cancel some work after so many turns of the loop; its outcome, if it was faster."""
    task = asyncio.get_running_loop().create_task(work)
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    return task.result()
