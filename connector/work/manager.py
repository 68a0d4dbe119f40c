"""The container's work manager: `do_work`, `start_work`, `schedule_work` on threads (FLOW-1, FLOW-2).

Theory of operation
-------------------
`ledger` decides each step of a submission under its lock, with `lanes` for whose turn it is; `workers` runs what it lets
through, `execution` is one run; `notices` tells listener and submitter.

=================  ===================  ==============================================
method             blocks until         a start timeout is told by
=================  ===================  ==============================================
`do_work`          the work has ended   WorkRejected, and the listener
`start_work`       it has started       WorkRejected, and the listener
`schedule_work`    it is accepted       the listener; WorkRejected for IMMEDIATE only
=================  ===================  ==============================================

IMMEDIATE needs a slot that is free for the submitting adapter at that moment, and never waits.  Seconds count from
acceptance to the thread's taking the work up; the submitter's wait and the start are judged by the same clock, so that
a work is either started in time or rejected, never both.

Shutdown has two phases: nothing more is accepted, and what is queued is rejected; then running works are told to
`release`, and waited for.  Coroutines that still run after that are cancelled by the end of the event loop.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from typing import Any, Final, final

from connector.errors import Reason, WorkRejected
from connector.spi import (
    INDEFINITE,
    Clock,
    IdentityService,
    SystemClock,
    Work,
    WorkContext,
    WorkErrorCode,
    WorkEventKind,
    WorkLike,
    WorkListener,
    WorkManager,
)
from connector.work.account import Account
from connector.work.adapter_view import AdapterWorkManager
from connector.work.contexts import STANDARD_KINDS, ContextKind, ContextTable
from connector.work.event_loop import EventLoopThread
from connector.work.execution import WorkExecution, name_of
from connector.work.ledger import Acceptance, WorkLedger
from connector.work.limits import WorkLimits
from connector.work.notices import Rejections, tell
from connector.work.statistics import WorkStatistics
from connector.work.submission import Awaited, Station, Submission
from connector.work.workers import RUNNING, WorkerThreads

_log = logging.getLogger("connector.work")

# Looked up on an enum's class a member costs six times as much as a global name, in Python 3.11.
_TO_IDLE: Final = Acceptance.HANDED
_SPAWN: Final = Acceptance.SPAWN
_END: Final = Awaited.END

NOT_A_WORK = Reason(
    "CF-WORK-001",
    "a {kind} was submitted, which is neither a Work nor callable.",
    "Submit a Work, a function without arguments, or a coroutine function without arguments.",
)
WRONG_TIMEOUT = Reason(
    "CF-WORK-002",
    "the work {work} was submitted with a start timeout of {seconds} seconds.",
    "Give seconds, IMMEDIATE (0) or INDEFINITE.",
)
STOPPED = Reason(
    "CF-WORK-003",
    "the work {work} was rejected: the work manager of container {container!r} is stopping.",
    "Submit it again when the container has started.",
)
NO_FREE_THREAD = Reason(
    "CF-WORK-004",
    "the work {work} was to start at once, and no thread is free for {submitter}.",
    "Allow a start timeout, or raise the limits of `[work]` in connector.toml.",
)
CANCELLED = Reason(
    "CF-WORK-006",
    "the work {work} was still queued when the container stopped.",
    "Submit it again when the container has started.",
)
WOULD_BLOCK_LOOP = Reason(
    "CF-WORK-007",
    "the work {work} was rejected: waiting for it would block the container's event loop.",
    "Use `schedule_work`, or submit it through `await asyncio.to_thread(...)`.",
)


@final
class ContainerWorkManager:
    """Runs works on daemon threads of its own, coroutines on the container's event loop (implements `spi.WorkManager`).

    What an adapter uses is a view of it, `for_adapter`; without an `account` a work is the container's own. Safe to use
    from any thread. A nested work (one submitted by a running work) gets a thread and a context of its own and inherits nothing; while
    its submitter waits, the submitter's slot is lent out, so nesting can't starve itself.

    Args:
        identity: Who validates and asserts callers.
        container: The container's name.
        realm: The application's realm.
        limits: How many works may run at once.
        clock: The time.
        loop: The container's event loop; also the start timeouts' timer.
        context_kinds: The work contexts that can be set up; see `contexts.ContextKind` on how to add one.
    """

    # Mutable state: all of it is in the ledger.

    def __init__(
        self,
        identity: IdentityService,
        *,
        container: str,
        realm: str,
        limits: WorkLimits | None = None,
        clock: Clock | None = None,
        loop: EventLoopThread,
        context_kinds: Sequence[ContextKind] = STANDARD_KINDS,
    ) -> None:
        self._container = container
        self._clock = clock or SystemClock()
        self._loop = loop
        self._table = ContextTable(context_kinds)
        self._ledger = WorkLedger(limits or WorkLimits())
        self._rejections = Rejections(container)
        execution = WorkExecution(identity, container=container, realm=realm, loop=loop, table=self._table)
        parts = (self._ledger, execution, self._rejections, self._clock)
        self._short = WorkerThreads(f"{container}-work", *parts)
        self._long = WorkerThreads(f"{container}-long-work", *parts)

    def for_adapter(self, adapter: str) -> WorkManager:
        """The work manager as one adapter sees it, with limits, turns and figures of its own (FLOW-1).

        Its name stands in the origin of its works' scopes. One thread is kept for each adapter that has asked for its
        view, see `lanes`. An empty name is the container itself. Does not block.
        """
        return AdapterWorkManager(self, self._ledger.account(adapter))

    def is_context_supported(self, context_type: type[WorkContext]) -> bool:
        """Whether contexts of exactly this type can be set up; a subclass is another type. Does not block."""
        return context_type in self._table.types

    def statistics(self) -> tuple[WorkStatistics, ...]:
        """The figures of each adapter at this instant, by its name. Does not block."""
        return self._ledger.statistics()

    def do_work(
        self,
        work: WorkLike,
        *,
        contexts: Sequence[WorkContext] = (),
        start_timeout: float = INDEFINITE,
        listener: WorkListener | None = None,
        account: Account | None = None,
    ) -> Any:
        """Run and wait for the end; answers what `run` returned (FLOW-1).

        Blocks until completion, without limit. Raises WorkRejected (not started within `start_timeout` seconds,
        stopping, on the event loop's thread, not a work), WorkCompletedWithError with the cause. An interrupt ends the
        wait, not the work.
        """
        submission = self._waited_for(_END, account, work, contexts, start_timeout, listener)
        if submission.error is not None:
            raise submission.error
        return submission.result

    def start_work(
        self,
        work: WorkLike,
        *,
        contexts: Sequence[WorkContext] = (),
        start_timeout: float = INDEFINITE,
        listener: WorkListener | None = None,
        account: Account | None = None,
    ) -> float:
        """Run and wait for the start; answers the seconds from acceptance to start (FLOW-1).

        Blocks until the start, at most `start_timeout` seconds. Raises WorkRejected like `do_work`. How the work ends
        is told to the listener only.
        """
        submission = self._waited_for(Awaited.START, account, work, contexts, start_timeout, listener)
        if submission.start_delay is None:
            raise submission.error or AssertionError("neither started nor rejected")
        return submission.start_delay

    def schedule_work(
        self,
        work: WorkLike,
        *,
        contexts: Sequence[WorkContext] = (),
        start_timeout: float = INDEFINITE,
        listener: WorkListener | None = None,
        account: Account | None = None,
    ) -> None:
        """Run some time; returns once it is accepted (FLOW-1).

        Does not block. Raises WorkRejected where it isn't accepted; a later rejection is told to the listener only.
        """
        self._submit(Awaited.NOTHING, account, work, contexts, start_timeout, listener)

    def shutdown(self, timeout: float = 5.0) -> tuple[WorkLike, ...]:
        """End: accept nothing more, reject what is queued, tell running works to `release`, wait for them.

        Blocks at most `timeout` seconds, whatever works and listeners do, and answers the works that still run then,
        oldest first; they are left on their daemon threads. Raises nothing; harmless when called again.
        """
        end = time.monotonic() + timeout  # of the threads' waits, which know no other clock
        queued, running = self._ledger.stop()
        if running:
            # On a thread of its own: a `release` that blocks against its contract must not stop the shutdown.
            threading.Thread(target=_release, args=(running,), name="connector-work-release", daemon=True).start()
        for submission in queued:
            self._reject_cancelled(submission)
        told = self._rejections.flush()
        left = self._ledger.wait_drained(timeout)
        for event in told:
            event.wait(max(0.0, end - time.monotonic()))
        self._short.stop()
        self._long.stop()
        self._rejections.stop()
        return tuple(submission.work for submission in left)

    # --- submitting ------------------------------------------------------------------------------------------------

    def _waited_for(
        self,
        awaited: Awaited,
        account: Account | None,
        work: WorkLike,
        contexts: Sequence[WorkContext],
        start_timeout: float,
        listener: WorkListener | None,
    ) -> Submission:
        if self._loop.is_current:
            raise WorkRejected(WOULD_BLOCK_LOOP, error_code=WorkErrorCode.UNDEFINED, work=name_of(work))
        running = RUNNING.get()
        if running is None:
            submission = self._submit(awaited, account, work, contexts, start_timeout, listener)
            self._wait(submission)
            return submission
        threads, outer = running
        threads.begin_wait(outer)
        try:
            submission = self._submit(awaited, account, work, contexts, start_timeout, listener)
            self._wait(submission)
        finally:
            threads.end_wait(outer)
        return submission

    def _wait(self, submission: Submission) -> None:
        try:
            submission.wait()
        except BaseException:  # an interrupt: the work goes on, and whether it ever starts is still to be told
            threading.Thread(target=_tell_rejection, args=(submission,), daemon=True).start()
            raise
        if submission.start_delay is None:
            tell(submission, WorkEventKind.REJECTED)

    def _submit(
        self,
        awaited: Awaited,
        account: Account | None,
        work: WorkLike,
        contexts: Sequence[WorkContext],
        start_timeout: float,
        listener: WorkListener | None,
    ) -> Submission:
        account = account or self._ledger.account("")
        immediate = start_timeout == 0
        long_running = bool(contexts) and self._table.is_long_running(contexts)
        now = self._clock.monotonic()
        submission = Submission(
            work,
            contexts,
            listener,
            awaited,
            account,
            account.long if long_running else account.short,
            now,
            INDEFINITE if immediate else now + start_timeout,  # IMMEDIATE is judged at once, here
        )
        if not callable(work) and not isinstance(work, Work):
            error = WorkRejected(NOT_A_WORK, error_code=WorkErrorCode.UNDEFINED, kind=type(work).__name__)
            raise self._refused(submission, error)
        if not start_timeout >= 0:  # a NaN as well
            code = WorkErrorCode.START_TIMED_OUT
            raise self._refused(
                submission, WorkRejected(WRONG_TIMEOUT, error_code=code, work=name_of(work), seconds=start_timeout)
            )
        acceptance = self._ledger.accept(submission, immediate=immediate)
        threads = self._long if long_running else self._short
        if listener is None and (acceptance is _TO_IDLE or acceptance is _SPAWN):
            threads.hand(submission, spawn=acceptance is _SPAWN)
            return submission
        if acceptance is Acceptance.STOPPED or acceptance is Acceptance.NO_SLOT:
            raise self._told(submission, self._not_accepted(submission, acceptance))
        try:
            tell(submission, WorkEventKind.ACCEPTED)
        finally:  # an interrupt of the main thread in the listener must not leave it accepted and never run
            self._dispatch(submission, acceptance, threads, start_timeout)
        return submission

    def _dispatch(
        self, submission: Submission, acceptance: Acceptance, threads: WorkerThreads, start_timeout: float
    ) -> None:
        if acceptance is Acceptance.TELL_FIRST:
            acceptance = self._ledger.enqueue(submission)
            if acceptance is Acceptance.STOPPED:
                self._reject_cancelled(submission)
                return
        if acceptance is not Acceptance.QUEUED:
            threads.hand(submission, spawn=acceptance is _SPAWN)
            return
        if threads is self._long:
            _log.warning(
                "the long-running work %s of %s has to wait: as many as may run at once do (`max_long_running`)",
                name_of(submission.work),
                submission.account.submitter,
            )
        if start_timeout < INDEFINITE:  # one that was handed needs no timer: its thread looks at the clock
            submission.call_off = self._loop.call_later(start_timeout, lambda: threads.expire(submission))
            if submission.station is not Station.QUEUED:  # it has started meanwhile, and has not seen `call_off`
                submission.call_off()

    # --- refusing --------------------------------------------------------------------------------------------------

    def _refused(self, submission: Submission, error: WorkRejected) -> WorkRejected:
        self._ledger.refuse(submission)
        return self._told(submission, error)

    def _told(self, submission: Submission, error: WorkRejected) -> WorkRejected:
        submission.error = error
        tell(submission, WorkEventKind.REJECTED)
        return error

    def _not_accepted(self, submission: Submission, acceptance: Acceptance) -> WorkRejected:
        work = name_of(submission.work)
        if acceptance is Acceptance.STOPPED:
            return WorkRejected(STOPPED, error_code=WorkErrorCode.UNDEFINED, work=work, container=self._container)
        code, submitter = WorkErrorCode.START_TIMED_OUT, submission.account.submitter
        return WorkRejected(NO_FREE_THREAD, error_code=code, work=work, submitter=submitter)

    def _reject_cancelled(self, submission: Submission) -> None:
        error = WorkRejected(CANCELLED, error_code=WorkErrorCode.UNDEFINED, work=name_of(submission.work))
        self._rejections.reject(submission, error)


def _tell_rejection(submission: Submission) -> None:
    submission.wait()
    if submission.start_delay is None:
        tell(submission, WorkEventKind.REJECTED)


def _release(running: tuple[Submission, ...]) -> None:
    for submission in running:
        if isinstance(submission.work, Work):
            try:
                submission.work.release()
            except Exception as error:  # noqa: BLE001 - a hint; the others must get theirs
                _log.warning("release of %s raised %s", name_of(submission.work), type(error).__name__)
