"""From code for threads to asyncio: a coroutine's first step is made in the greenlet, the rest on the loop."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest
from sqlalchemy.exc import MissingGreenlet
from sqlalchemy.util import greenlet_spawn
from support_async_pool import run

from connector_sql.awaiting import run_within, wait_for


async def at_once() -> str:
    return "done"


def test_what_need_not_wait_never_leaves_the_greenlet() -> None:
    steps: list[str] = []

    async def scene() -> str:
        asyncio.get_running_loop().call_soon(steps.append, "the loop")
        found: str = await greenlet_spawn(lambda: wait_for(at_once()))
        steps.append(found)
        return found

    assert run(scene()) == "done"
    assert steps[0] == "done"


def test_what_has_to_wait_is_waited_for_by_the_loop() -> None:
    async def waits() -> int:
        total = 0
        for number in range(3):
            asked: asyncio.Future[int] = asyncio.get_running_loop().create_future()
            asyncio.get_running_loop().call_soon(asked.set_result, number)
            total += await asked
            await asyncio.sleep(0)
        return total

    async def scene() -> list[int]:
        return await asyncio.gather(*(greenlet_spawn(lambda: wait_for(waits())) for _ in range(3)))

    assert run(scene()) == [3, 3, 3]


@pytest.mark.parametrize("waits_first", [True, False])
def test_an_error_comes_through(waits_first: bool) -> None:
    async def fails() -> None:
        if waits_first:
            await asyncio.sleep(0)
        raise OSError("gone")

    async def scene() -> None:
        with pytest.raises(OSError, match="gone"):
            await greenlet_spawn(lambda: wait_for(fails()))

    run(scene())


def test_a_cancellation_reaches_the_coroutine_that_waits() -> None:
    heard: list[str] = []

    async def waits() -> str:
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            heard.append("cancelled")
            await asyncio.sleep(0)
            heard.append("tidied up")
            raise
        return "never"

    async def scene() -> None:
        task = asyncio.ensure_future(greenlet_spawn(lambda: wait_for(waits())))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(scene())
    assert heard == ["cancelled", "tidied up"]


@pytest.mark.parametrize("waits_first", [True, False])
def test_code_for_threads_within_what_is_awaited_waits_on_the_right_greenlet(waits_first: bool) -> None:
    """As a lease's clean-up does: it is awaited by a greenlet, and runs code for threads that waits again."""

    def cleans_up() -> list[str]:
        return [wait_for(slowly()), wait_for(at_once()), wait_for(slowly())]

    async def slowly() -> str:
        await asyncio.sleep(0)
        return "slow"

    async def gives_back() -> list[str]:
        if waits_first:
            await asyncio.sleep(0)
        return await run_within(cleans_up)

    async def scene() -> Any:
        return await greenlet_spawn(lambda: [*wait_for(gives_back()), *wait_for(gives_back())])

    assert run(scene()) == ["slow", "done", "slow"] * 2


def test_without_a_greenlet_it_is_refused() -> None:
    with pytest.raises(MissingGreenlet):
        wait_for(at_once())


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks are new in Python 3.12")
def test_tasks_that_begin_at_once_begin_on_the_loop() -> None:
    async def slowly() -> str:
        await asyncio.sleep(0)
        return "slow"

    async def opens() -> str:
        return await asyncio.get_running_loop().create_task(run_within(lambda: wait_for(slowly())))

    async def scene() -> Any:
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined,unused-ignore]
        return await greenlet_spawn(lambda: wait_for(opens()))

    assert run(scene()) == "slow"
