"""FLOW-1, FLOW-4: works within works, on threads and on the event loop: order, slots, and nothing inherited."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from support_work import IDENTITY, PATIENCE, Recorder, alice, who

from connector.errors import ScopeError, WorkCompletedWithError
from connector.security.scope import CURRENT_SCOPE
from connector.spi import IMMEDIATE
from connector.work.event_loop import EventLoopThread
from connector.work.limits import AdapterLimits, WorkLimits
from connector.work.manager import ContainerWorkManager

VARIABLE: ContextVar[str] = ContextVar("variable", default="nothing")


def test_nested_works_start_first_in_first_out_and_complete_last_in_first_out(
    make: Callable[..., ContainerWorkManager],
) -> None:
    manager, order = make(max_threads=1), []

    def nested(depth: int) -> None:
        order.append(f"{depth} starts")
        if depth < 3:
            manager.do_work(lambda: nested(depth + 1))
        order.append(f"{depth} ends")

    manager.do_work(lambda: nested(1))
    assert order == ["1 starts", "2 starts", "3 starts", "3 ends", "2 ends", "1 ends"]


def test_a_nested_work_runs_where_its_adapter_may_run_one_only(make: Callable[..., ContainerWorkManager]) -> None:
    works = make(limits=WorkLimits(4, 4, {"bus": AdapterLimits(1, 1)})).for_adapter("bus")
    assert works.do_work(lambda: works.do_work(lambda: "nested", start_timeout=IMMEDIATE)) == "nested"


def test_a_coroutine_that_waits_for_a_nested_work_on_another_thread_lends_its_slot(
    make: Callable[..., ContainerWorkManager],
) -> None:
    manager = make(max_threads=1)

    async def outer() -> tuple[Any, ...]:
        VARIABLE.set("something")
        several = [asyncio.to_thread(manager.do_work, lambda: (who(), VARIABLE.get())) for _ in range(3)]
        return (who(), *await asyncio.gather(*several))

    assert manager.do_work(outer, contexts=[alice()]) == ("alice@home", *[("unauthenticated", "nothing")] * 3)
    (figures,) = manager.statistics()
    assert (figures.completed, figures.active) == (4, 0)


def test_a_nested_coroutine_has_a_caller_of_its_own(make: Callable[..., ContainerWorkManager]) -> None:
    manager = make(max_threads=1)

    async def inner() -> str:
        await asyncio.sleep(0)
        return who()

    def outer() -> tuple[str, str, str, str]:
        return who(), manager.do_work(inner), manager.do_work(inner, contexts=[alice()]), who()

    assert manager.do_work(outer) == ("unauthenticated", "unauthenticated", "alice@home", "unauthenticated")


def test_a_wait_that_a_coroutine_left_behind_gives_no_slot_back_twice(
    make: Callable[..., ContainerWorkManager],
) -> None:
    manager, go_on, inner_started = make(max_threads=2), threading.Event(), threading.Event()
    left: list[asyncio.Future[Any]] = []

    def inner() -> None:
        inner_started.set()
        assert go_on.wait(PATIENCE)

    async def outer() -> None:
        left.append(asyncio.ensure_future(asyncio.to_thread(manager.do_work, inner)))
        await asyncio.to_thread(inner_started.wait, PATIENCE)

    async def wait_for_it() -> None:
        await left[0]

    manager.do_work(outer)
    (figures,) = manager.statistics()
    assert figures.active == 1
    go_on.set()
    manager.do_work(wait_for_it)
    ledger: Any = manager._ledger
    assert (ledger._short.slots.taken, ledger._short.slots.lent, ledger._short.busy) == (0, 0, 0)


@pytest.mark.parametrize("how", ["answers", "raises", "is cancelled", "times out"])
def test_a_coroutine_s_subject_ends_with_it_however_it_ends(
    make: Callable[..., ContainerWorkManager], how: str
) -> None:
    manager, go_on = make(max_threads=1), threading.Event()
    left: list[asyncio.Task[str]] = []
    seen: list[str] = []

    async def later() -> str:
        await asyncio.to_thread(go_on.wait, PATIENCE)
        return who()

    async def outer() -> None:
        left.append(asyncio.create_task(later()))
        seen.append(who())
        if how == "raises":
            raise ValueError
        if how == "is cancelled":
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            await asyncio.sleep(0)
        if how == "times out":
            async with asyncio.timeout(0):
                await asyncio.Event().wait()

    async def look() -> tuple[str, str]:
        go_on.set()
        with contextlib.suppress(ScopeError):
            return await left[0], who()
        return "refused", who()

    with contextlib.suppress(WorkCompletedWithError):
        manager.do_work(outer, contexts=[alice()])
    assert manager.do_work(look) == ("refused", "unauthenticated")
    assert seen == ["alice@home"]


def test_the_loop_and_the_thread_have_no_scope_of_their_own_after_works(
    make: Callable[..., ContainerWorkManager], loop: EventLoopThread
) -> None:
    manager, seen, ready = make(max_threads=1), [], threading.Event()

    async def spoil() -> None:
        CURRENT_SCOPE.set(None)
        VARIABLE.set("spoilt")

    def look() -> None:
        seen.append((CURRENT_SCOPE.get(), VARIABLE.get()))
        ready.set()

    manager.do_work(spoil, contexts=[alice()])
    loop.call_later(0.0, look)  # outside of any task
    assert ready.wait(PATIENCE)
    assert seen == [(None, "nothing")]


@dataclass(frozen=True)
class Plan:
    """A work: as whom, how it ends, on what, and the works within it."""

    alice: bool
    outcome: str
    coroutine: bool
    within: tuple[Plan, ...] = ()


def plans() -> st.SearchStrategy[Plan]:
    ends = st.sampled_from(["answers", "raises", "exits", "is cancelled"])
    leaves = st.builds(Plan, st.booleans(), ends, st.booleans())
    return st.recursive(
        leaves,
        lambda inner: st.builds(Plan, st.booleans(), ends, st.booleans(), st.lists(inner, max_size=3).map(tuple)),
        max_leaves=8,
    )


_RAISED = {"raises": ValueError, "exits": SystemExit, "is cancelled": asyncio.CancelledError}


class Performance:
    """Runs plans on a real manager and notes what was wrong."""

    def __init__(self, manager: ContainerWorkManager) -> None:
        self.manager = manager
        self.wrong: list[str] = []
        self.recorders: list[Recorder] = []

    def submit(self, plan: Plan) -> None:
        """Run it and check how it ended."""
        recorder = Recorder()
        self.recorders.append(recorder)
        contexts = (alice(),) if plan.alice else ()
        work: Callable[[], Any] = (lambda: self.coroutine(plan)) if plan.coroutine else (lambda: self.plain(plan))
        try:
            answer = self.manager.do_work(work, contexts=contexts, listener=recorder)
        except WorkCompletedWithError as error:
            expected = _RAISED.get(plan.outcome)
            if expected is None or not isinstance(error.__cause__, expected):
                self.wrong.append(f"{plan.outcome}: {error!r}")
        else:
            if answer != "done" or plan.outcome != "answers":
                self.wrong.append(f"{plan.outcome}: answered {answer!r}")

    def look(self, plan: Plan, before: str = "nothing") -> None:
        """Is it who it should be, with nothing inherited?"""
        seen = (who(), VARIABLE.get())
        if seen != ("alice@home" if plan.alice else "unauthenticated", before):
            self.wrong.append(f"{plan}: saw {seen}")

    def plain(self, plan: Plan) -> str:
        self.look(plan)
        VARIABLE.set("set by the outer work")
        for inner in plan.within:
            self.submit(inner)
        self.look(plan, "set by the outer work")
        return self.end(plan)

    async def coroutine(self, plan: Plan) -> str:
        self.look(plan)
        VARIABLE.set("set by the outer work")
        for inner in plan.within:
            await asyncio.to_thread(self.submit, inner)
        self.look(plan, "set by the outer work")
        return self.end(plan)

    def end(self, plan: Plan) -> str:
        if plan.outcome in _RAISED:
            raise _RAISED[plan.outcome]
        return "done"


@settings(
    max_examples=60,
    deadline=None,
    phases=[phase for phase in Phase if phase is not Phase.explain],
    suppress_health_check=[HealthCheck.too_slow],
)
@given(roots=st.lists(plans(), min_size=1, max_size=4), threads=st.integers(1, 3))
def test_any_nesting_ends_with_every_work_told_once_and_nothing_left(roots: list[Plan], threads: int) -> None:
    loop = EventLoopThread()
    manager = ContainerWorkManager(
        IDENTITY, container="c", realm="home", limits=WorkLimits(max_threads=threads), loop=loop
    )
    performance = Performance(manager)
    submitters = [threading.Thread(target=performance.submit, args=(plan,)) for plan in roots]
    for thread in submitters:
        thread.start()
    for thread in submitters:
        thread.join(PATIENCE)
    assert not any(thread.is_alive() for thread in submitters)
    assert manager.shutdown(PATIENCE) == ()
    assert loop.close(PATIENCE)
    assert performance.wrong == []
    assert all(recorder.kinds == ["accepted", "started", "completed"] for recorder in performance.recorders)
    (figures,) = manager.statistics()
    assert (figures.completed, figures.active, figures.queued) == (len(performance.recorders), 0, 0)
    slots = manager._ledger._short.slots
    assert (slots.taken, slots.lent) == (0, 0)
