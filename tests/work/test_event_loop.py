"""FLOW-8: the container's one event loop."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

import pytest
from support_work import MARKER, PATIENCE

from connector.errors import ScopeError, WorkRejected
from connector.security.scope import current_subject, open_scope
from connector.spi import Subject
from connector.work.event_loop import EventLoopThread

VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


async def answer(value: Any) -> Any:
    await asyncio.sleep(0)
    return value


def test_a_coroutine_s_result_comes_back(loop: EventLoopThread) -> None:
    assert loop.run(answer(42), copy_context()) == 42


def test_what_a_coroutine_raises_comes_back(loop: EventLoopThread) -> None:
    async def fail() -> None:
        raise ValueError("as it is")

    with pytest.raises(ValueError, match="as it is"):
        loop.run(fail(), copy_context())


def test_it_runs_in_the_given_context_and_changes_stay_in_it(loop: EventLoopThread) -> None:
    async def change() -> str:
        seen = VARIABLE.get()
        VARIABLE.set("changed")
        return seen

    VARIABLE.set("given")
    context = copy_context()
    assert loop.run(change(), context) == "given"
    assert VARIABLE.get() == "given"
    assert context[VARIABLE] == "changed"


def test_coroutines_of_many_threads_share_one_loop(loop: EventLoopThread) -> None:
    async def here() -> int:
        await asyncio.sleep(0)
        return id(asyncio.get_running_loop())

    with ThreadPoolExecutor(4) as pool:
        loops = set(pool.map(lambda _: loop.run(here(), copy_context()), range(20)))
    assert len(loops) == 1


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
def test_a_coroutine_that_raises_to_end_the_process_does_not_end_the_loop(
    loop: EventLoopThread, kind: type[BaseException]
) -> None:
    async def rude() -> None:
        raise kind

    with pytest.raises(kind):
        loop.run(rude(), copy_context())
    assert loop.run(answer("on"), copy_context()) == "on"


def test_a_leftover_task_that_raises_to_end_the_process_does_not_end_the_loop(
    loop: EventLoopThread, caplog: pytest.LogCaptureFixture
) -> None:
    async def rude() -> None:
        raise SystemExit(MARKER)

    async def leave_behind() -> None:
        leftovers.append(asyncio.create_task(rude()))
        await asyncio.sleep(0)

    leftovers: list[asyncio.Task[None]] = []
    with caplog.at_level(logging.ERROR, "connector.work"):
        loop.run(leave_behind(), copy_context())
        assert loop.run(answer("on"), copy_context()) == "on"
    assert "SystemExit" in caplog.text
    assert MARKER not in caplog.text
    assert isinstance(leftovers[0].exception(), SystemExit)


def test_a_leftover_task_is_refused_the_identity_once_its_scope_is_closed(loop: EventLoopThread) -> None:
    leftover: list[asyncio.Task[Subject | None]] = []

    async def later(go_on: asyncio.Event) -> Subject | None:
        await go_on.wait()
        return current_subject()

    async def handler() -> asyncio.Event:
        go_on = asyncio.Event()
        leftover.append(asyncio.create_task(later(go_on)))
        await asyncio.sleep(0)
        return go_on

    with open_scope(Subject.of_user("alice", "home"), realm="home", container="c", origin="work"):
        go_on = loop.run(handler(), copy_context())

    async def wait_for_it() -> None:
        go_on.set()
        await leftover[0]

    with pytest.raises(ScopeError, match="CF-SEC-001"):
        loop.run(wait_for_it(), copy_context())


def test_waiting_on_the_loop_s_own_thread_is_refused(loop: EventLoopThread) -> None:
    async def wait() -> None:
        loop.run(answer(1), copy_context())

    with pytest.raises(WorkRejected, match="CF-WORK-041"):
        loop.run(wait(), copy_context())


def test_close_cancels_what_runs_and_its_waiter_is_told(loop: EventLoopThread) -> None:
    running = threading.Event()
    told: list[BaseException] = []

    async def forever() -> None:
        running.set()
        await asyncio.Event().wait()

    def wait() -> None:
        try:
            loop.run(forever(), copy_context())
        except asyncio.CancelledError as error:
            told.append(error)

    waiter = threading.Thread(target=wait)
    waiter.start()
    assert running.wait(PATIENCE)
    assert loop.close(PATIENCE)
    waiter.join(PATIENCE)
    assert len(told) == 1


def test_a_coroutine_that_blocks_the_loop_does_not_block_close_and_its_waiter_is_told() -> None:
    loop, running, let_go = EventLoopThread(), threading.Event(), threading.Event()
    told: list[BaseException] = []

    async def block() -> None:
        running.set()
        let_go.wait(PATIENCE)

    def wait() -> None:
        try:
            loop.run(block(), copy_context())
        except asyncio.CancelledError as error:
            told.append(error)

    waiter = threading.Thread(target=wait)
    waiter.start()
    assert running.wait(PATIENCE)
    assert not loop.close(0.0)
    waiter.join(PATIENCE)
    assert len(told) == 1
    let_go.set()
    assert loop.close(PATIENCE)


def test_after_close_a_coroutine_is_refused_and_a_timer_says_nothing(loop: EventLoopThread) -> None:
    assert loop.run(answer(1), copy_context()) == 1
    assert loop.close(PATIENCE)
    assert loop.close(PATIENCE)
    with pytest.raises(WorkRejected, match="CF-WORK-040"):
        loop.run(answer(1), copy_context())
    loop.call_later(0.0, lambda: None)()


def test_a_loop_that_was_never_used_closes() -> None:
    assert EventLoopThread().close()


def test_a_timer_rings_on_the_loop_s_thread_unless_it_is_called_off(loop: EventLoopThread) -> None:
    rung: list[str] = []
    ready = threading.Event()
    loop.call_later(0.01, lambda: rung.append("off"))()

    def ring() -> None:
        rung.append(threading.current_thread().name)
        ready.set()

    loop.call_later(0.02, ring)
    assert ready.wait(PATIENCE)
    assert rung == ["connector-loop"]


def test_an_interrupted_wait_cancels_the_task(loop: EventLoopThread, monkeypatch: pytest.MonkeyPatch) -> None:
    running, cancelled = threading.Event(), threading.Event()

    async def forever() -> None:
        running.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    def interrupted(_future: Future[Any]) -> Any:
        assert running.wait(PATIENCE)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Future, "result", interrupted)
        with pytest.raises(KeyboardInterrupt):
            loop.run(forever(), copy_context())
    assert cancelled.wait(PATIENCE)


def test_a_task_that_is_cancelled_before_its_first_step_leaves_nobody_waiting(
    loop: EventLoopThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocking, go_on = threading.Event(), threading.Event()
    futures: list[Future[Any]] = []

    def interrupted(future: Future[Any]) -> Any:
        futures.append(future)
        raise KeyboardInterrupt

    def block() -> None:
        blocking.set()
        go_on.wait(PATIENCE)

    loop.call_later(0.0, block)
    assert blocking.wait(PATIENCE)
    with monkeypatch.context() as patch:
        patch.setattr(Future, "result", interrupted)
        with pytest.raises(KeyboardInterrupt):
            loop.run(answer(1), copy_context())
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        futures[0].result(PATIENCE)
