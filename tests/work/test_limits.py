"""FLOW-1: limits of all adapters and of one, turns between adapters, long-running works apart; on real threads."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator

import pytest
from support_work import PATIENCE, Blocker, Recorder

from connector.errors import WorkRejected
from connector.spi import IMMEDIATE, HintsContext, WorkEvent
from connector.work.limits import AdapterLimits, WorkLimits
from connector.work.manager import ContainerWorkManager

LONG = (HintsContext(long_running=True),)


@contextlib.contextmanager
def running(submit: Callable[[Blocker], object], count: int) -> Iterator[list[Blocker]]:
    """Works that run until the block ends."""
    blockers = [Blocker() for _ in range(count)]
    for blocker in blockers:
        submit(blocker)
    try:
        yield blockers
    finally:
        for blocker in blockers:
            blocker.go_on.set()


def test_an_adapter_whose_works_all_hang_leaves_a_thread_to_each_other_adapter(
    make: Callable[..., ContainerWorkManager],
) -> None:
    manager = make(max_threads=4)
    flooding, second, third = (manager.for_adapter(name) for name in ("flooding", "second", "third"))
    with running(flooding.schedule_work, 10) as blockers:
        assert second.do_work(lambda: "second", start_timeout=IMMEDIATE) == "second"
        assert third.do_work(lambda: "third", start_timeout=IMMEDIATE) == "third"
        with pytest.raises(WorkRejected, match=r"CF-WORK-004.*adapter flooding"):
            flooding.do_work(lambda: None, start_timeout=IMMEDIATE)
        assert [one.started.is_set() for one in blockers[2:]] == [False] * 8


def test_adapters_that_wait_take_turns_whoever_came_first(make: Callable[..., ContainerWorkManager]) -> None:
    manager, order, ended = make(max_threads=1), [], threading.Semaphore(0)
    first, second = manager.for_adapter("first"), manager.for_adapter("second")

    def work(name: str) -> Callable[[], None]:
        def run() -> None:
            order.append(name)
            ended.release()

        return run

    with running(first.start_work, 1):
        for _ in range(4):
            first.schedule_work(work("first"))
        for _ in range(2):
            second.schedule_work(work("second"))
    for _ in range(6):
        assert ended.acquire(timeout=PATIENCE)
    assert order == ["first", "second", "first", "second", "first", "first"]


def test_an_adapter_s_own_limit_is_its_own_only(make: Callable[..., ContainerWorkManager]) -> None:
    manager = make(limits=WorkLimits(max_threads=4, per_adapter={"small": AdapterLimits(max_threads=1)}))
    small, other = manager.for_adapter("small"), manager.for_adapter("other")
    with running(small.start_work, 1):
        with pytest.raises(WorkRejected, match="CF-WORK-004"):
            small.schedule_work(lambda: None, start_timeout=IMMEDIATE)
        with running(lambda blocker: other.start_work(blocker, start_timeout=IMMEDIATE), 3):
            pass


def test_long_running_works_take_no_thread_of_short_ones_and_have_a_limit_of_their_own(
    make: Callable[..., ContainerWorkManager], caplog: pytest.LogCaptureFixture
) -> None:
    manager = make(limits=WorkLimits(max_threads=1, max_long_running=2))
    with running(lambda blocker: manager.start_work(blocker, contexts=LONG), 2):
        assert manager.do_work(threading.current_thread).name == "c-work"
        with (
            caplog.at_level(logging.WARNING, "connector.work"),
            running(lambda blocker: manager.schedule_work(blocker, contexts=LONG), 1) as (third,),
        ):
            (figures,) = manager.statistics()
            assert (figures.long_running, figures.long_running_queued, figures.active) == (2, 1, 0)
            assert not third.started.is_set()
        assert "has to wait" in caplog.text
        assert "max_long_running" in caplog.text
    assert third.started.wait(PATIENCE)


def test_threads_of_long_running_works_end_with_them(make: Callable[..., ContainerWorkManager]) -> None:
    thread = make().do_work(threading.current_thread, contexts=LONG)
    assert thread.name == "c-long-work"
    thread.join(PATIENCE)
    assert not thread.is_alive()


def test_the_figures_tell_completed_failed_and_rejected_works_by_adapter(
    make: Callable[..., ContainerWorkManager],
) -> None:
    manager = make(max_threads=2)
    bus, _ = manager.for_adapter("bus"), manager.for_adapter("sql")
    ended, recorder = threading.Semaphore(0), Recorder()

    def listen(event: WorkEvent) -> None:
        recorder(event)
        if event.kind.value == "completed":
            ended.release()

    bus.schedule_work(lambda: 1, listener=listen)
    bus.schedule_work(lambda: 1 / 0, listener=listen)
    with pytest.raises(WorkRejected):
        bus.schedule_work(None)  # type: ignore[arg-type]  # the mistake under test
    for _ in range(2):
        assert ended.acquire(timeout=PATIENCE)
    bus.do_work(lambda: None)  # in its turn after the others' ends
    manager.shutdown(PATIENCE)
    figures = {one.adapter: one for one in manager.statistics()}
    assert (figures["bus"].completed, figures["bus"].failed, figures["bus"].rejected) == (3, 1, 1)
    assert (figures["bus"].active, figures["sql"].completed) == (0, 0)
    measured = {(m.name, m.attributes.get("connector.work.state")): m.value for m in figures["bus"].measurements()}
    assert measured["connector.work.completed", None] == 3
    assert measured["connector.work.failed", None] == 1
    assert measured["connector.work.count", "active"] == 0
