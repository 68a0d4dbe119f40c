"""What is done on the adapter's loop for a task of another one: its result is handed over, or undone, never lost."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future

import pytest

from connector.errors import ConnectionFailed
from connector.security.scope import current_subject, open_scope
from connector.spi import Subject
from connector_amqp.loop import LoopThread


@pytest.fixture
def loop() -> Iterator[LoopThread]:
    running = LoopThread("handover")
    yield running
    running.stop(5)


async def answer(value: str = "done") -> str:
    return value


def test_a_result_and_an_error_are_handed_over(loop: LoopThread) -> None:
    async def fail() -> None:
        raise ZeroDivisionError

    async def main() -> None:
        assert await loop.awaited(answer()) == "done"
        with pytest.raises(ZeroDivisionError):
            await loop.awaited(fail())

    asyncio.run(main())


def test_it_runs_on_the_other_loop(loop: LoopThread) -> None:
    async def where() -> str:
        return threading.current_thread().name

    async def main() -> str:
        return await loop.awaited(where())

    assert asyncio.run(main()) == "handover"


def test_a_cancelled_task_cancels_what_it_waits_for(loop: LoopThread) -> None:
    begun, ended = threading.Event(), threading.Event()

    async def wait() -> None:
        begun.set()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            ended.set()

    async def main() -> None:
        task = asyncio.create_task(loop.awaited(wait()))
        await asyncio.to_thread(begun.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert ended.wait(10)


def test_a_result_that_comes_at_the_very_moment_of_the_cancellation_is_undone(loop: LoopThread) -> None:
    undone: list[str] = []
    told = threading.Event()

    def undo(value: str) -> None:
        undone.append(value)
        told.set()

    async def main() -> None:
        task = asyncio.create_task(loop.awaited(answer(), undo))
        await asyncio.sleep(0)  # it has asked
        loop.run(answer())  # and has been answered, which this loop has not seen yet
        task.cancel()  # before the result is looked at
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert told.wait(10)
    assert undone == ["done"]


def test_a_result_that_can_not_be_kept_from_coming_is_undone(loop: LoopThread) -> None:
    undone: list[str] = []
    begun, told = threading.Event(), threading.Event()

    async def stubborn() -> str:
        begun.set()
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            return "all the same"
        raise AssertionError

    def undo(value: str) -> None:
        undone.append(value)
        told.set()

    async def main() -> None:
        task = asyncio.create_task(loop.awaited(stubborn(), undo))
        await asyncio.to_thread(begun.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.to_thread(told.wait, 10)

    asyncio.run(main())
    assert undone == ["all the same"]


def test_a_result_for_a_loop_that_has_ended_is_undone(loop: LoopThread) -> None:
    go_on, told = threading.Event(), threading.Event()

    async def late() -> str:
        while not go_on.is_set():
            await asyncio.sleep(0)
        return "late"

    home = asyncio.new_event_loop()
    handing_over = home.create_task(loop.awaited(late(), lambda _: told.set()))
    home.run_until_complete(asyncio.wait([handing_over], timeout=0))
    handing_over._log_destroy_pending = False  # type: ignore[attr-defined]  # it is abandoned, as the test means it
    home.close()
    go_on.set()
    assert told.wait(10)


def test_whoever_waits_when_the_other_loop_is_stopped_is_told(loop: LoopThread) -> None:
    begun = threading.Event()

    async def wait() -> None:
        begun.set()
        await asyncio.get_running_loop().create_future()

    async def main() -> None:
        task = asyncio.create_task(loop.awaited(wait()))
        await asyncio.to_thread(begun.wait, 10)
        await asyncio.to_thread(loop.stop, 5)
        with pytest.raises(ConnectionFailed, match="CF-AMQP-007"):
            await task
        with pytest.raises(ConnectionFailed, match="CF-AMQP-007"):
            await loop.awaited(answer())

    asyncio.run(main())


def test_a_thread_that_waits_when_it_is_stopped_is_told(loop: LoopThread) -> None:
    begun, told = threading.Event(), []

    async def wait() -> None:
        begun.set()
        await asyncio.get_running_loop().create_future()

    def ask() -> None:
        with pytest.raises(ConnectionFailed, match="CF-AMQP-007") as error:
            loop.run(wait())
        told.append(error.value.code)

    asking = threading.Thread(target=ask)
    asking.start()
    assert begun.wait(10)
    loop.stop(5)
    asking.join(10)
    assert told == ["CF-AMQP-007"]


def test_what_is_done_there_is_done_as_nobody(loop: LoopThread) -> None:
    async def caller() -> str | None:
        subject = current_subject()
        return None if subject is None else str(subject.caller)

    seen: list[str | None] = []
    with open_scope(Subject.of_user("alice", "weather"), realm="weather", container="shop", origin="a test"):
        assert loop.run(caller()) is None
        assert asyncio.run(loop.awaited(caller())) is None
        loop.soon(lambda: seen.append(str(current_subject())))
        loop.run(answer())
    assert seen == ["None"]


def test_a_result_that_an_interrupted_thread_does_not_wait_for_is_undone(
    loop: LoopThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    undone: list[str] = []

    class Interrupted(Future[str]):
        """Has its answer, and the thread is interrupted before it looks at it."""

        def result(self, timeout: float | None = None) -> str:
            found = super().result(timeout)
            monkeypatch.setattr("connector_amqp.loop.Future", Future)
            Interrupted.result = Future.result  # type: ignore[method-assign]
            assert found == "done"
            raise KeyboardInterrupt

    monkeypatch.setattr("connector_amqp.loop.Future", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        loop.run(answer(), undone.append)
    loop.run(answer())
    assert undone == ["done"]


def test_an_interrupted_thread_has_what_it_waits_for_cancelled_or_undone(
    loop: LoopThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    undone: list[str] = []
    cancelled = threading.Event()

    async def stubborn() -> str:
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            cancelled.set()
            return "all the same"
        raise AssertionError

    class Interrupted(Future[str]):
        def result(self, timeout: float | None = None) -> str:
            raise KeyboardInterrupt

    monkeypatch.setattr("connector_amqp.loop.Future", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        loop.run(stubborn(), undone.append)
    monkeypatch.undo()
    assert cancelled.wait(10)
    loop.run(answer())
    assert undone == ["all the same"]
