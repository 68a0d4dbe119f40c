"""The current scope: in force for what runs within it, and for nothing else (FLOW-4, architecture rule 8)."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from connector.errors import ScopeError
from connector.security.scope import (
    CURRENT_SCOPE,
    capture,
    current_scope,
    current_subject,
    no_scope,
    open_scope,
)
from connector.spi import Subject


def opened(name: str) -> open_scope:
    return open_scope(Subject.of_user(name, "weather"), realm="weather", container="w", origin=f"login of {name}")


def caller() -> str | None:
    subject = current_subject()
    return None if subject is None else str(subject.caller)


def in_thread(function: Callable[[], Any]) -> Any:
    answer: list[Any] = []

    def run() -> None:
        try:
            answer.append(function())
        except ScopeError as error:
            answer.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return answer[0]


def test_nobody_is_in_force_before_a_login() -> None:
    assert current_scope() is None
    assert current_subject() is None


def test_a_scope_is_in_force_within_its_block_only() -> None:
    with opened("alice") as scope:
        assert current_scope() is scope
        assert caller() == "alice@weather"
    assert current_scope() is None


def test_the_subject_in_force_can_no_longer_be_changed() -> None:
    with open_scope(Subject(), realm="weather", container="w", origin="test") as scope:
        assert scope.subject.is_read_only


def test_an_exception_closes_the_scope_as_well() -> None:
    with pytest.raises(ZeroDivisionError), opened("alice") as scope:
        raise ZeroDivisionError
    assert not scope.open
    assert current_scope() is None


def test_an_inner_scope_hides_the_outer_one_and_gives_it_back() -> None:
    with opened("alice"):
        with opened("bob"):
            assert caller() == "bob@weather"
        assert caller() == "alice@weather"


def test_no_scope_hides_the_identity_and_gives_it_back() -> None:
    with opened("alice"):
        with no_scope():
            assert current_scope() is None
        assert caller() == "alice@weather"


def test_a_scope_is_opened_once() -> None:
    scope = opened("alice")
    with scope:
        with pytest.raises(RuntimeError), scope:
            pass
        assert caller() == "alice@weather"
    with pytest.raises(RuntimeError), scope:
        pass


def test_a_plain_thread_inherits_nobody() -> None:
    with opened("alice"):
        assert in_thread(caller) is None


def test_a_captured_scope_carries_the_caller_to_another_thread() -> None:
    with opened("alice"):
        captured = capture()
        assert in_thread(lambda: captured.run(caller)) == "alice@weather"


def test_a_captured_scope_leaves_nothing_on_the_other_thread() -> None:
    with opened("alice"):
        captured = capture()
        assert in_thread(lambda: (captured.run(caller), caller())) == ("alice@weather", None)


def test_a_captured_scope_passes_arguments_and_results() -> None:
    assert capture().run(divmod, 7, 2) == (3, 1)


def test_a_scope_that_ended_before_the_run_is_refused_with_its_code() -> None:
    with opened("alice"):
        captured = capture()
    refused = in_thread(lambda: captured.run(caller))
    assert isinstance(refused, ScopeError)
    assert refused.code == "CF-SEC-002"
    assert "login of alice" in str(refused)


def test_a_scope_that_ends_while_another_thread_runs_under_it_is_refused_there() -> None:
    running, ended = threading.Event(), threading.Event()

    def work() -> str | None:
        running.set()
        assert ended.wait(10)
        return caller()

    answers: list[object] = []

    def carried() -> None:
        try:
            answers.append(captured.run(work))
        except ScopeError as error:
            answers.append(error.code)

    with opened("alice"):
        captured = capture()
        thread = threading.Thread(target=carried)
        thread.start()
        assert running.wait(10)
    ended.set()
    thread.join()
    assert answers == ["CF-SEC-001"]


def test_nobody_captured_is_nobody_on_the_other_thread() -> None:
    captured = capture()

    def run() -> str | None:
        with opened("bob"):
            return captured.run(caller)

    assert in_thread(run) is None


def test_the_caller_follows_await_and_new_tasks() -> None:
    async def main() -> tuple[str | None, str | None]:
        with opened("alice"):
            on_thread, in_task = await asyncio.gather(asyncio.to_thread(caller), inner())
            return on_thread, in_task

    async def inner() -> str | None:
        await asyncio.sleep(0)
        return caller()

    assert asyncio.run(main()) == ("alice@weather", "alice@weather")


def test_two_tasks_are_two_callers() -> None:
    async def as_user(name: str) -> str | None:
        with opened(name):
            await asyncio.sleep(0)
            return caller()

    async def main() -> tuple[str | None, str | None]:
        one, other = await asyncio.gather(as_user("alice"), as_user("bob"))
        return one, other

    assert asyncio.run(main()) == ("alice@weather", "bob@weather")


def test_a_task_left_behind_is_refused() -> None:
    async def leftover(go: asyncio.Event) -> str | None:
        await go.wait()
        return caller()

    async def main() -> None:
        go = asyncio.Event()
        with opened("alice"):
            task = asyncio.create_task(leftover(go))
            await asyncio.sleep(0)
        go.set()
        with pytest.raises(ScopeError) as refused:
            await task
        assert refused.value.code == "CF-SEC-001"

    asyncio.run(main())


def test_a_task_left_behind_cannot_capture_its_former_caller() -> None:
    context = contextvars.copy_context()
    scope = opened("alice")
    context.run(scope.__enter__)
    context.run(scope.__exit__, None, None, None)
    assert context.run(capture).run(caller) is None  # reset where the context is the same

    leftover = contextvars.copy_context()
    with opened("alice"):
        leftover = contextvars.copy_context()
    with pytest.raises(ScopeError):
        leftover.run(capture)


def test_a_leftover_task_may_log_in_itself() -> None:
    with opened("alice"):
        leftover = contextvars.copy_context()

    def log_in() -> str | None:
        with opened("bob"):
            return caller()

    assert leftover.run(log_in) == "bob@weather"


def test_no_scope_hides_a_closed_scope_too() -> None:
    with opened("alice"):
        leftover = contextvars.copy_context()

    def nobody() -> object:
        with no_scope():
            return current_scope()

    assert leftover.run(nobody) is None


def test_a_scope_that_ends_in_another_context_is_closed_all_the_same() -> None:
    scope = opened("alice")
    entered = contextvars.copy_context()
    inside = entered.run(scope.__enter__)
    scope.__exit__(None, None, None)  # here the token of the other context can't be reset
    assert not inside.open
    with pytest.raises(ScopeError):
        entered.run(current_scope)


def test_a_no_scope_that_ends_in_another_context_does_no_harm() -> None:
    hidden = no_scope()
    contextvars.copy_context().run(hidden.__enter__)
    with opened("alice"):
        hidden.__exit__(None, None, None)
        assert caller() == "alice@weather"


def test_an_async_generator_closed_by_another_task_leaves_no_identity() -> None:
    async def guarded() -> AsyncIterator[str | None]:
        with opened("alice"):
            yield caller()

    async def main() -> None:
        stream = guarded()
        first = await asyncio.create_task(_next(stream))
        assert first == "alice@weather"
        await asyncio.create_task(_close(stream))
        assert CURRENT_SCOPE.get() is None

    asyncio.run(main())


async def _next(stream: Any) -> Any:
    return await anext(stream)


async def _close(stream: Any) -> None:
    await stream.aclose()


def test_representations_name_the_caller_and_the_origin() -> None:
    with opened("alice") as scope:
        assert "alice@weather" in repr(scope)
        assert "login of alice" in repr(capture())
        assert "bob@weather" in repr(opened("bob"))
    assert "closed" in repr(scope)


def test_leaving_a_scope_twice_does_no_harm() -> None:
    with opened("alice"):
        inner = opened("bob")
        inner.__enter__()
        inner.__exit__(None, None, None)
        inner.__exit__(None, None, None)
        assert caller() == "alice@weather"
