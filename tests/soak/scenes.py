"""How one example is carried out, from the first lease to the closed pool."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from queue import SimpleQueue
from typing import Any

from connector.pool import ManagedConnectionPool
from connector.pool.async_pool import AsyncManagedConnectionPool
from soak.borrowers import Borrower, Found, tolerating
from soak.examples import Act, Example
from soak.operator import Operator, take_care
from soak.patience import Doing, Hang, LoopThread, Worker, end_of
from soak.quiescence import check_at_rest, check_closed, told
from soak.stage import AnyStage, TaskStage, ThreadStage
from soak.steps import BORROWING, OPERATING, steps_of
from soak.tasks import TaskBorrower


class Objection(AssertionError):
    """Something happened that must not."""


def play_on_threads(example: Example) -> Counter[str]:
    """One pool for threads; answers what has happened. Raises Objection, or Hang."""
    stage = ThreadStage(example.settings[0])
    stage.pool = stage.made_pool(ManagedConnectionPool)
    for act in example.acts:
        found: Found = SimpleQueue()
        (programs,) = act.borrowers
        borrowers = [Borrower(stage, found) for _ in programs]
        runs = [
            partial(Worker, stage.ledger, partial(borrower.run, steps_of(program, BORROWING)))
            for borrower, program in zip(borrowers, programs, strict=True)
        ]
        _act([stage], act, borrowers, found, runs)
        check_at_rest(stage)
        _raise_objections([stage])
    stage.moods.calm = True
    stage.pool.close()
    check_closed(stage)
    return _raise_objections([stage])


def play_on_loops(example: Example) -> Counter[str]:
    """One pool for tasks, or two on two loops under one operator; as `play_on_threads`."""
    stages = [TaskStage(setting) for setting in example.settings]
    loops = [LoopThread() for _ in stages]
    try:
        for stage, loop in zip(stages, loops, strict=True):
            loop.object_to(stage.ledger)
            loop.do(_made_pool(stage))
        for act in example.acts:
            _act_on_loops(act, stages, loops)
        for stage, loop in zip(stages, loops, strict=True):
            if not example.aborted:
                loop.do(stage.pool.close())
    finally:
        for loop in loops:
            loop.end()
    for stage in stages:
        stage.pool.abort()  # as the next loop's pool does for those of ended loops
        check_closed(stage)
    return _raise_objections(stages)


def _act_on_loops(act: Act, stages: list[TaskStage], loops: list[LoopThread]) -> None:
    found: Found = SimpleQueue()
    borrowers: list[TaskBorrower] = []
    runs: list[Callable[[], Doing[None]]] = []
    for stage, loop, programs in zip(stages, loops, act.borrowers, strict=True):
        for program in programs:
            borrowers.append(TaskBorrower(stage, found))
            runs.append(partial(loop.begin, borrowers[-1].run(steps_of(program, BORROWING))))
    for doing in _act(stages, act, borrowers, found, runs):
        doing.future.result()
    for stage, loop in zip(stages, loops, strict=True):
        loop.do(_at_rest(stage))
        check_at_rest(stage)
    _raise_objections(stages)


async def _made_pool(stage: TaskStage) -> None:
    stage.pool = stage.made_pool(AsyncManagedConnectionPool)


async def _at_rest(stage: TaskStage) -> None:
    """Let the loop do what it has still to do: chores, and what other threads have posted."""
    for _ in range(3):
        await asyncio.sleep(0)
        await stage.pool._chores.done()
    left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    if left:
        stage.ledger.object(f"tasks are left over: {left}")


def _act(
    stages: Sequence[AnyStage],
    act: Act,
    borrowers: Sequence[Borrower | TaskBorrower],
    found: Found,
    runs: Sequence[Callable[[], Any]],
) -> list[Any]:
    """Let borrowers and an operator work against each other, and wait until all have ended; answers the runs."""
    ledger = stages[0].ledger
    threads = threading.active_count()
    operator = Operator(stages, lambda: sum(borrower.done for borrower in borrowers))
    steps = steps_of(act.operator, OPERATING)
    pace = len(borrowers) * 48 // (len(steps) + 1)

    def nudge() -> None:
        """A forgotten lease is found sooner or later, and an abandoned one buried by the next who looks."""
        gc.collect()
        for stage in stages:
            with tolerating(stage.ledger):
                stage.pool.statistics()

    begun = [run() for run in runs]
    caring = Worker(ledger, partial(take_care, ledger, found))
    try:
        end_of([Worker(ledger, partial(operator.run, steps, pace)), *begun], nudge)
    except Hang as hang:
        for stage in stages:
            hang.add_note(told(stage))
        raise
    found.put(None)
    end_of([caring], nudge)
    nudge()
    ledger.seen["operations"] += operator.done + sum(borrower.done for borrower in borrowers)
    if threading.active_count() > threads:
        ledger.object(f"threads are left over: {threading.enumerate()}")
    return begun


def _raise_objections(stages: Sequence[AnyStage]) -> Counter[str]:
    objections = [objection for stage in stages for objection in stage.ledger.objections]
    if objections:
        raise Objection("\n".join(objections))
    return sum((stage.ledger.seen for stage in stages), Counter[str]())
