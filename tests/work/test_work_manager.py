"""FLOW-1, FLOW-2, FLOW-4: the work manager's blocking rules, events, contexts, and clean threads."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import logging
import threading
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from support_work import (
    IDENTITY,
    MARKER,
    PATIENCE,
    Blocker,
    HandTimer,
    ManualClock,
    Recorder,
    SaidContext,
    StrangeContext,
    alice,
    who,
)

from connector.errors import ScopeError, SubjectRejected, WorkCompletedWithError, WorkRejected
from connector.security.scope import CURRENT_SCOPE, current_scope, current_subject, open_scope
from connector.spi import (
    IMMEDIATE,
    UNKNOWN,
    CallerPrincipalCallback,
    HintsContext,
    SecurityContext,
    Subject,
    TransactionContext,
    UserPrincipal,
    Work,
    WorkContextErrorCode,
    WorkErrorCode,
    WorkEvent,
    WorkManager,
)
from connector.work.event_loop import EventLoopThread
from connector.work.manager import ContainerWorkManager

# --- the three ways to submit ---------------------------------------------------------------------------------------


def test_do_work_blocks_until_the_end_and_answers_the_result(manager: ContainerWorkManager) -> None:
    assert manager.do_work(lambda: threading.current_thread().name) == "c-work"


def test_do_work_raises_what_the_work_raised_as_the_cause_and_tells_its_type_only(
    manager: ContainerWorkManager,
) -> None:
    def work() -> None:
        raise ValueError(MARKER)

    with pytest.raises(WorkCompletedWithError, match="CF-WORK-012") as caught:
        manager.do_work(work)
    assert isinstance(caught.value.__cause__, ValueError)
    assert caught.value.error_code is WorkErrorCode.UNDEFINED
    assert "ValueError" in str(caught.value)
    assert MARKER not in str(caught.value)


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, GeneratorExit, asyncio.CancelledError])
def test_a_work_that_raises_a_base_exception_is_contained(
    make: Callable[..., ContainerWorkManager], kind: type[BaseException]
) -> None:
    manager = make(max_threads=1)

    def work() -> None:
        raise kind

    with pytest.raises(WorkCompletedWithError, match="CF-WORK-012"):
        manager.do_work(work)
    assert manager.do_work(lambda: "the thread goes on") == "the thread goes on"


def test_start_work_blocks_until_the_start_only_and_answers_the_delay(
    make: Callable[..., ContainerWorkManager], clock: ManualClock
) -> None:
    manager = make(max_threads=1)
    first, second, recorder = Blocker(), Blocker(), Recorder()
    assert manager.start_work(first) == 0.0
    accepted = threading.Event()

    def listen(event: WorkEvent) -> None:
        recorder(event)
        accepted.set()

    delays: list[float] = []
    submitter = threading.Thread(target=lambda: delays.append(manager.start_work(second, listener=listen)))
    submitter.start()
    assert accepted.wait(PATIENCE)
    assert recorder.kinds == ["accepted"]
    clock.now += 3
    first.go_on.set()
    submitter.join(PATIENCE)
    assert delays == [3.0]
    assert second.started.wait(PATIENCE)
    second.go_on.set()


def test_schedule_work_returns_at_once_and_the_listener_hears_every_station(manager: ContainerWorkManager) -> None:
    blocker, recorder, ended = Blocker(), Recorder(), threading.Event()

    def listen(event: WorkEvent) -> None:
        recorder(event)
        if event.kind.value == "completed":
            ended.set()

    manager.schedule_work(blocker, listener=listen)
    blocker.go_on.set()
    assert ended.wait(PATIENCE)
    assert recorder.kinds == ["accepted", "started", "completed"]
    assert recorder.events[-1].result == "done"
    assert recorder.events[-1].error is None
    assert recorder.events[1].start_delay == 0.0


def test_what_a_listener_raises_is_logged_by_type_and_dropped(
    manager: ContainerWorkManager, caplog: pytest.LogCaptureFixture
) -> None:
    def listen(event: WorkEvent) -> None:
        raise SystemExit(MARKER)

    with caplog.at_level(logging.WARNING, "connector.work"):
        assert manager.do_work(lambda: 1, listener=listen) == 1
    assert "SystemExit" in caplog.text
    assert MARKER not in caplog.text


def test_an_interrupt_of_the_main_thread_in_a_listener_is_the_user_s_and_the_work_still_runs(
    manager: ContainerWorkManager,
) -> None:
    ran = threading.Event()

    def listen(event: WorkEvent) -> None:
        if event.kind.value == "accepted":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        manager.schedule_work(ran.set, listener=listen)
    assert ran.wait(PATIENCE)


def test_an_adapter_s_view_offers_all_three_ways(manager: ContainerWorkManager) -> None:
    view, ran = manager.for_adapter("bus"), threading.Event()
    assert view.start_work(lambda: None) == 0.0
    view.schedule_work(ran.set)
    assert ran.wait(PATIENCE)
    assert view.is_context_supported(SecurityContext)


def test_a_coroutine_function_runs_on_the_container_s_loop_under_the_work_s_subject(
    manager: ContainerWorkManager, loop: EventLoopThread
) -> None:
    async def work() -> tuple[str, str]:
        await asyncio.sleep(0)
        return threading.current_thread().name, who()

    assert manager.do_work(work, contexts=[alice()]) == ("connector-loop", "alice@home")


def test_waiting_for_a_work_on_the_event_loop_s_thread_is_refused(manager: ContainerWorkManager) -> None:
    async def work() -> None:
        manager.do_work(lambda: None)

    with pytest.raises(WorkCompletedWithError, match="CF-WORK-007"):
        manager.do_work(work)


# --- rejection --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("work", "timeout", "code", "error_code"),
    [
        (None, 1.0, "CF-WORK-001", WorkErrorCode.UNDEFINED),
        ("a string", 1.0, "CF-WORK-001", WorkErrorCode.UNDEFINED),
        (lambda: None, -1.0, "CF-WORK-002", WorkErrorCode.START_TIMED_OUT),
        (lambda: None, UNKNOWN, "CF-WORK-002", WorkErrorCode.START_TIMED_OUT),
        (lambda: None, float("nan"), "CF-WORK-002", WorkErrorCode.START_TIMED_OUT),
    ],
)
def test_an_unfit_submission_is_rejected_by_every_method(
    manager: ContainerWorkManager, work: Any, timeout: float, code: str, error_code: WorkErrorCode
) -> None:
    for method in (manager.do_work, manager.start_work, manager.schedule_work):
        recorder = Recorder()
        with pytest.raises(WorkRejected, match=code) as caught:
            method(work, start_timeout=timeout, listener=recorder)
        assert caught.value.error_code is error_code
        assert recorder.kinds == ["rejected"]


def test_immediate_needs_a_free_thread(make: Callable[..., ContainerWorkManager]) -> None:
    manager = make(max_threads=1)
    assert manager.do_work(lambda: "free", start_timeout=IMMEDIATE) == "free"
    blocker, recorder = Blocker(), Recorder()
    manager.start_work(blocker, start_timeout=IMMEDIATE)
    with pytest.raises(WorkRejected, match="CF-WORK-004") as caught:
        manager.schedule_work(lambda: None, start_timeout=IMMEDIATE, listener=recorder)
    assert caught.value.error_code is WorkErrorCode.START_TIMED_OUT
    assert recorder.kinds == ["rejected"]
    blocker.go_on.set()


def test_a_work_not_started_in_time_is_rejected_by_the_timer_and_never_runs(
    make: Callable[..., ContainerWorkManager], loop: EventLoopThread
) -> None:
    timer = HandTimer(loop)
    manager = make(max_threads=1, timer=timer)
    blocker, recorder, ran = Blocker(), Recorder(), threading.Event()
    manager.start_work(blocker)
    raised: list[BaseException] = []

    def submit() -> None:
        try:
            manager.do_work(ran.set, start_timeout=5.0, listener=recorder)
        except WorkRejected as error:
            raised.append(error)

    submitter = threading.Thread(target=submit)
    submitter.start()
    assert timer.set.wait(PATIENCE)
    timer.timers[0]()
    submitter.join(PATIENCE)
    assert "CF-WORK-005" in str(raised[0])
    assert recorder.kinds == ["accepted", "rejected"]
    blocker.go_on.set()
    assert manager.do_work(lambda: "next") == "next"
    assert not ran.is_set()


def test_a_work_whose_turn_comes_after_its_deadline_is_rejected_even_without_the_timer(
    make: Callable[..., ContainerWorkManager], loop: EventLoopThread, clock: ManualClock
) -> None:
    timer = HandTimer(loop)
    manager = make(max_threads=1, timer=timer)
    blocker, rejected, events = Blocker(), threading.Event(), Recorder()

    def listen(event: WorkEvent) -> None:
        events(event)
        if event.kind.value == "rejected":
            rejected.set()

    manager.start_work(blocker)
    manager.schedule_work(lambda: None, start_timeout=5.0, listener=listen)
    clock.now += 5.1
    blocker.go_on.set()
    assert rejected.wait(PATIENCE)
    assert isinstance(events.events[-1].error, WorkRejected)
    assert events.events[-1].error.error_code is WorkErrorCode.START_TIMED_OUT


def test_a_start_in_time_calls_the_timer_off(make: Callable[..., ContainerWorkManager], loop: EventLoopThread) -> None:
    timer = HandTimer(loop)
    manager = make(max_threads=1, timer=timer)
    blocker, ended, recorder = Blocker(), threading.Event(), Recorder()

    def listen(event: WorkEvent) -> None:
        recorder(event)
        if event.kind.value == "completed":
            ended.set()

    manager.start_work(blocker)
    manager.schedule_work(lambda: None, start_timeout=5.0, listener=listen)
    (late,) = timer.timers
    blocker.go_on.set()
    assert ended.wait(PATIENCE)
    assert timer.timers == []
    late()  # and where it rings all the same, nothing comes of it
    assert recorder.kinds == ["accepted", "started", "completed"]


def test_a_work_that_can_start_at_once_needs_no_timer(
    make: Callable[..., ContainerWorkManager], loop: EventLoopThread
) -> None:
    timer = HandTimer(loop)
    assert make(timer=timer).do_work(lambda: 1, start_timeout=5.0) == 1
    assert timer.timers == []


# --- contexts ---------------------------------------------------------------------------------------------------


class OtherSecurity(SaidContext):
    """A further subclass: a security context all the same."""


@pytest.mark.parametrize(
    ("contexts", "code"),
    [
        (lambda: [StrangeContext()], WorkContextErrorCode.UNSUPPORTED_CONTEXT_TYPE),
        (lambda: [alice(), OtherSecurity(lambda *_: None)], WorkContextErrorCode.DUPLICATE_CONTEXTS),
        (lambda: [SaidContext(lambda *_: 1 / 0)], WorkContextErrorCode.CONTEXT_SETUP_FAILED),
    ],
)
def test_a_bad_context_is_accepted_started_and_completed_with_its_code_and_run_is_never_called(
    manager: ContainerWorkManager, contexts: Callable[[], list[Any]], code: WorkContextErrorCode
) -> None:
    recorder, ran, given = Recorder(), threading.Event(), contexts()
    with pytest.raises(WorkCompletedWithError) as caught:
        manager.do_work(ran.set, contexts=given, listener=recorder)
    assert caught.value.error_code is code
    raised = code is WorkContextErrorCode.CONTEXT_SETUP_FAILED
    assert caught.value.code == ("CF-WORK-011" if raised else "CF-WORK-010")
    assert recorder.kinds == ["accepted", "started", "completed"]
    assert recorder.events[-1].error is caught.value
    assert given[-1].notices.failed == [code]
    assert not ran.is_set()


def test_a_transaction_context_is_not_supported_yet_and_says_so(manager: ContainerWorkManager) -> None:
    assert not manager.is_context_supported(TransactionContext)
    with pytest.raises(WorkCompletedWithError, match="TransactionContext") as caught:
        manager.do_work(lambda: None, contexts=[TransactionContext("x1")])
    assert caught.value.error_code is WorkContextErrorCode.UNSUPPORTED_CONTEXT_TYPE


def test_a_known_hint_of_the_wrong_type_fails_the_set_up(manager: ContainerWorkManager) -> None:
    hints = HintsContext(long_running="yes")  # type: ignore[arg-type]  # the mistake under test
    with pytest.raises(WorkCompletedWithError, match="long_running") as caught:
        manager.do_work(lambda: None, contexts=[hints])
    assert caught.value.error_code is WorkContextErrorCode.CONTEXT_SETUP_FAILED


def test_what_is_supported_is_asked_for_exact_types(manager: ContainerWorkManager) -> None:
    assert manager.is_context_supported(SecurityContext)
    assert manager.is_context_supported(HintsContext)
    assert not manager.is_context_supported(SaidContext)


def test_a_refused_caller_completes_the_work_with_the_reason_and_its_explanation(manager: ContainerWorkManager) -> None:
    context = SaidContext(lambda handler, subject: handler.handle([CallerPrincipalCallback(subject, "mallory")]))
    with pytest.raises(WorkCompletedWithError, match="CF-WORK-029") as caught:
        manager.do_work(lambda: None, contexts=[context])
    assert isinstance(caught.value.__cause__, SubjectRejected)
    assert "unknown user" in str(caught.value.explanation)


def test_a_context_that_was_set_up_is_told_before_run(manager: ContainerWorkManager) -> None:
    context = alice()
    assert manager.do_work(lambda: context.notices.complete, contexts=[context]) == 1


class RudeContext(SaidContext):
    """A context whose notices raise."""

    def context_setup_complete(self) -> None:
        raise ValueError(MARKER)

    def context_setup_failed(self, error_code: WorkContextErrorCode) -> None:
        raise SystemExit(MARKER)


def test_what_a_notice_raises_is_logged_by_type_and_changes_nothing(
    manager: ContainerWorkManager, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "connector.work"):
        assert manager.do_work(lambda: "ran", contexts=[RudeContext(lambda *_: None)]) == "ran"
        with pytest.raises(WorkCompletedWithError, match="CF-WORK-011"):
            manager.do_work(lambda: "ran", contexts=[RudeContext(lambda *_: 1 / 0)])
    assert "ValueError" in caplog.text
    assert "SystemExit" in caplog.text
    assert MARKER not in caplog.text


def test_a_base_exception_in_the_set_up_is_contained_and_the_work_not_run(manager: ContainerWorkManager) -> None:
    def leave(*_: object) -> None:
        raise SystemExit

    with pytest.raises(WorkCompletedWithError, match="SystemExit"):
        manager.do_work(lambda: "ran", contexts=[SaidContext(leave)])
    assert manager.do_work(who) == "unauthenticated"


def test_a_long_running_work_takes_no_slot(make: Callable[..., ContainerWorkManager]) -> None:
    manager = make(max_threads=1)
    blocker = Blocker()
    manager.start_work(blocker, contexts=[HintsContext(long_running=True)])
    assert manager.do_work(lambda: "short", start_timeout=IMMEDIATE) == "short"
    blocker.go_on.set()


# --- identity ---------------------------------------------------------------------------------------------------


def test_the_subject_is_in_force_for_the_work_and_the_scope_says_where_it_is_from(
    manager: ContainerWorkManager,
) -> None:
    view: WorkManager = manager.for_adapter("bus")
    scope = view.do_work(current_scope, contexts=[alice()])
    assert scope.subject.caller == UserPrincipal("alice", "home")
    assert (scope.realm, scope.container, scope.origin) == ("home", "c", "work of adapter bus, caller asserted")
    assert not scope.open


def test_without_a_security_context_a_work_is_unauthenticated_whoever_submits_it(
    manager: ContainerWorkManager,
) -> None:
    with open_scope(Subject.of_user("alice", "home"), realm="home", container="c", origin="login"):
        assert manager.do_work(who) == "unauthenticated"


def test_a_nested_work_inherits_nothing(manager: ContainerWorkManager) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="nothing")

    def outer() -> tuple[str, str, str]:
        variable.set("something")
        inner: tuple[str, str] = manager.do_work(lambda: (who(), variable.get()))
        return (who(), *inner)

    assert manager.do_work(outer, contexts=[alice()]) == ("alice@home", "unauthenticated", "nothing")


def test_nested_works_do_not_starve_each_other_on_one_thread(make: Callable[..., ContainerWorkManager]) -> None:
    manager = make(max_threads=1)

    def nested(depth: int) -> int:
        return 0 if depth == 0 else 1 + int(manager.do_work(lambda: nested(depth - 1), start_timeout=IMMEDIATE))

    assert manager.do_work(lambda: nested(5)) == 5
    blocker = Blocker()
    manager.start_work(blocker, start_timeout=IMMEDIATE)  # and afterwards there is one slot again, not six
    with pytest.raises(WorkRejected, match="CF-WORK-004"):
        manager.do_work(lambda: None, start_timeout=IMMEDIATE)
    blocker.go_on.set()


def failing() -> None:
    raise RuntimeError


async def cancelled() -> None:
    raise asyncio.CancelledError


@pytest.mark.parametrize("work", [failing, cancelled, lambda: CURRENT_SCOPE.set(None), who])
def test_the_thread_is_clean_after_a_work_whatever_it_did(
    make: Callable[..., ContainerWorkManager], work: Callable[[], Any]
) -> None:
    manager = make(max_threads=1)
    threads: list[int] = []

    def look() -> tuple[int, str]:
        return threading.get_ident(), who()

    threads.append(manager.do_work(look, contexts=[alice()])[0])
    with contextlib.suppress(WorkCompletedWithError):
        manager.do_work(work, contexts=[alice()])
    ident, caller = manager.do_work(look)
    assert caller == "unauthenticated"
    assert ident == threads[0]  # the very same thread


def test_a_thread_that_a_work_leaves_behind_with_its_context_has_no_identity_any_more(
    manager: ContainerWorkManager,
) -> None:
    context = manager.do_work(contextvars.copy_context, contexts=[alice()])
    with pytest.raises(ScopeError, match="CF-SEC-001"):
        context.run(current_subject)


# --- shutdown ---------------------------------------------------------------------------------------------------


def test_shutdown_refuses_new_works_cancels_queued_ones_and_releases_running_ones(
    make: Callable[..., ContainerWorkManager],
) -> None:
    manager = make(max_threads=1)
    running, queued, recorder = Blocker(), Blocker(), Recorder()
    manager.start_work(running)
    manager.schedule_work(queued, listener=recorder)
    assert manager.shutdown(PATIENCE) == ()
    assert running.released
    assert recorder.kinds == ["accepted", "rejected"]
    assert "CF-WORK-006" in str(recorder.events[-1].error)
    assert not queued.started.is_set()
    with pytest.raises(WorkRejected, match="CF-WORK-003"):
        manager.schedule_work(lambda: None)


def test_shutdown_answers_the_works_that_still_run_when_the_time_is_over(
    loop: EventLoopThread,
) -> None:
    manager = ContainerWorkManager(IDENTITY, container="c", realm="home", loop=loop)
    stubborn = threading.Event()
    started = threading.Event()

    def work() -> None:
        started.set()
        stubborn.wait(PATIENCE)

    manager.start_work(work)
    assert started.wait(PATIENCE)
    assert manager.shutdown(0.0) == (work,)
    stubborn.set()
    assert manager.shutdown(PATIENCE) == ()


def test_shutdown_waits_until_the_listener_has_heard_of_the_end(make: Callable[..., ContainerWorkManager]) -> None:
    manager, blocker, heard, go_on = make(), Blocker(), Recorder(), threading.Event()

    def listen(event: WorkEvent) -> None:
        if event.kind.value == "completed":
            go_on.wait(PATIENCE)
        heard(event)

    manager.schedule_work(blocker, listener=listen)
    assert blocker.started.wait(PATIENCE)
    assert manager.shutdown(0.0) == (blocker,)
    go_on.set()
    assert manager.shutdown(PATIENCE) == ()
    assert heard.kinds == ["accepted", "started", "completed"]


def test_a_release_that_raises_does_not_keep_the_others_from_theirs(
    make: Callable[..., ContainerWorkManager], caplog: pytest.LogCaptureFixture
) -> None:
    class Rude(Blocker):
        def release(self) -> None:
            super().release()
            raise ValueError(MARKER)

    manager, rude, polite = make(), Rude(), Blocker()
    manager.start_work(rude)
    manager.start_work(polite)
    assert manager.shutdown(PATIENCE) == ()
    assert polite.released
    assert MARKER not in caplog.text


def test_many_submitters_at_once_lose_nothing(make: Callable[..., ContainerWorkManager]) -> None:
    manager = make(max_threads=3)
    results: list[int] = []

    def submit(base: int) -> None:
        results.extend(manager.do_work(lambda n=base + i: n) for i in range(50))

    submitters = [threading.Thread(target=submit, args=(1000 * n,)) for n in range(8)]
    for thread in submitters:
        thread.start()
    for thread in submitters:
        thread.join(PATIENCE)
    assert sorted(results) == sorted(1000 * n + i for n in range(8) for i in range(50))


def test_a_thread_that_waits_for_its_next_work_keeps_nothing_of_its_first(manager: ContainerWorkManager) -> None:
    class Bulky(Work):
        def run(self) -> None: ...

    work = Bulky()
    kept = weakref.ref(work)
    manager.do_work(work)
    del work
    manager.do_work(lambda: None)  # the same thread: it has done with the first one
    gc.collect()
    assert kept() is None
