"""FLOW-1, FLOW-4: works, listeners and submitters that misbehave; each is contained and told."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from support_work import PATIENCE, Blocker, HandTimer, Recorder, alice, who

from connector.errors import WorkRejected
from connector.spi import Work, WorkErrorCode, WorkEvent
from connector.work.event_loop import EventLoopThread
from connector.work.limits import WorkLimits
from connector.work.manager import ContainerWorkManager


class Blocking:
    """A listener that blocks at one station, against its contract, until it is let go."""

    def __init__(self, at: str) -> None:
        self._at = at
        self.reached = threading.Event()
        self.go_on = threading.Event()

    def __call__(self, event: WorkEvent) -> None:
        if event.kind.value == self._at:
            self.reached.set()
            assert self.go_on.wait(PATIENCE)


def test_a_listener_that_blocks_at_a_rejection_blocks_neither_the_loop_nor_other_adapters(
    make: Callable[..., ContainerWorkManager], loop: EventLoopThread
) -> None:
    timer, listener, recorder, told = HandTimer(loop), Blocking("rejected"), Recorder(), threading.Event()
    manager = make(max_threads=2, timer=timer)
    rude, polite = manager.for_adapter("rude"), manager.for_adapter("polite")

    def listen(event: WorkEvent) -> None:
        recorder(event)
        if event.kind.value == "rejected":
            told.set()

    blockers = Blocker(), Blocker()
    rude.start_work(blockers[0])
    polite.start_work(blockers[1])
    rude.schedule_work(lambda: None, start_timeout=5.0, listener=listener)
    polite.schedule_work(lambda: None, start_timeout=5.0, listener=listen)
    for ring in list(timer.timers):
        ring()  # as on the event loop's thread: returns at once
    assert listener.reached.wait(PATIENCE)
    assert told.wait(PATIENCE)
    assert recorder.kinds == ["accepted", "rejected"]
    listener.go_on.set()
    for blocker in blockers:
        blocker.go_on.set()


def test_a_listener_that_blocks_at_a_rejection_does_not_hold_up_a_shutdown(
    loop: EventLoopThread, make: Callable[..., ContainerWorkManager]
) -> None:
    manager, listener, blocker = make(max_threads=1), Blocking("rejected"), Blocker()
    manager.start_work(blocker)
    manager.schedule_work(lambda: None, listener=listener)
    assert manager.shutdown(0.0) in ((), (blocker,))  # whether it has heeded its release yet or not
    assert listener.reached.wait(PATIENCE)
    listener.go_on.set()


def test_a_listener_that_blocks_at_the_end_holds_its_own_adapter_s_thread_only(
    make: Callable[..., ContainerWorkManager],
) -> None:
    manager, listener = make(max_threads=2), Blocking("completed")
    rude, polite = manager.for_adapter("rude"), manager.for_adapter("polite")
    rude.schedule_work(lambda: None, listener=listener)
    assert listener.reached.wait(PATIENCE)
    assert polite.do_work(lambda: "served") == "served"
    listener.go_on.set()


def test_a_listener_may_submit_and_wait_itself(make: Callable[..., ContainerWorkManager]) -> None:
    manager, answers, done = make(max_threads=2), [], threading.Event()

    def listen(event: WorkEvent) -> None:
        if event.kind.value == "completed":
            answers.append(manager.do_work(lambda: "from the listener"))
            done.set()

    manager.schedule_work(lambda: None, listener=listen)
    assert done.wait(PATIENCE)
    assert answers == ["from the listener"]


def test_a_release_that_blocks_does_not_hold_up_a_shutdown(make: Callable[..., ContainerWorkManager]) -> None:
    class Stuck(Blocker):
        def __init__(self) -> None:
            super().__init__()
            self.releasing = threading.Event()
            self.let_go = threading.Event()

        def release(self) -> None:
            self.releasing.set()
            assert self.let_go.wait(PATIENCE)

    manager, stuck = make(), Stuck()
    manager.start_work(stuck)
    assert manager.shutdown(0.0) == (stuck,)
    assert stuck.releasing.wait(PATIENCE)
    stuck.let_go.set()
    stuck.go_on.set()


def test_a_work_that_is_handed_out_when_the_container_stops_is_either_run_or_rejected(
    make: Callable[..., ContainerWorkManager],
) -> None:
    manager, recorders = make(max_threads=2), [Recorder() for _ in range(50)]
    stopping = threading.Thread(target=manager.shutdown, args=(PATIENCE,))
    for number, recorder in enumerate(recorders):
        with contextlib.suppress(WorkRejected):
            manager.schedule_work(lambda: None, listener=recorder)
        if number == 25:
            stopping.start()
    stopping.join(PATIENCE)
    manager.shutdown(PATIENCE)
    possible = (["accepted", "started", "completed"], ["accepted", "rejected"], ["rejected"])
    assert all(recorder.kinds in possible for recorder in recorders)


def test_a_submission_from_a_work_after_the_stop_is_rejected(make: Callable[..., ContainerWorkManager]) -> None:
    manager, raised, stopped = make(), [], threading.Event()

    class Late(Work):
        def run(self) -> None:
            assert stopped.wait(PATIENCE)
            try:
                manager.do_work(lambda: None)
            except WorkRejected as error:
                raised.append(error.code)

        def release(self) -> None:
            stopped.set()

    manager.start_work(Late())
    assert manager.shutdown(PATIENCE) == ()
    assert raised == ["CF-WORK-003"]


def test_any_thread_may_submit_and_none_gets_the_identity(make: Callable[..., ContainerWorkManager]) -> None:
    manager, seen = make(), []

    def foreign() -> None:
        seen.append(manager.do_work(who, contexts=[alice()]))
        seen.append(who())

    thread = threading.Thread(target=foreign)
    thread.start()
    thread.join(PATIENCE)
    assert seen == ["alice@home", "None"]


def test_where_no_thread_can_be_started_the_work_is_rejected_and_the_next_one_runs(
    make: Callable[..., ContainerWorkManager], monkeypatch: pytest.MonkeyPatch
) -> None:
    manager, recorder = make(max_threads=1), Recorder()

    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(WorkRejected, match="CF-WORK-008") as caught:
            manager.do_work(lambda: None, listener=recorder)
    assert caught.value.error_code is WorkErrorCode.INTERNAL
    assert recorder.kinds == ["accepted", "rejected"]
    assert manager.do_work(lambda: "next") == "next"


def test_an_interrupt_of_the_wait_leaves_the_work_alone_and_its_rejection_is_told(
    make: Callable[..., ContainerWorkManager], monkeypatch: pytest.MonkeyPatch
) -> None:
    manager, blocker, told = make(limits=WorkLimits(max_threads=1)), Blocker(), threading.Event()
    manager.start_work(blocker)

    class Interrupted:
        """A signal whose first wait is interrupted."""

        def __init__(self) -> None:
            self._lock = lock()
            self._waits = 0

        def acquire(self) -> None:
            self._waits += 1
            if self._waits == 2:  # the first is that of the submission, which takes it at birth
                raise KeyboardInterrupt
            self._lock.acquire()

        def release(self) -> None:
            self._lock.release()

    def listen(event: WorkEvent) -> None:
        if event.kind.value == "rejected":
            told.set()

    lock = threading.Lock
    with monkeypatch.context() as patch:
        patch.setattr("connector.work.submission.threading", SimpleNamespace(Lock=Interrupted))
        with pytest.raises(KeyboardInterrupt):
            manager.do_work(lambda: None, listener=listen)
    manager.shutdown(PATIENCE)
    assert told.wait(PATIENCE)
