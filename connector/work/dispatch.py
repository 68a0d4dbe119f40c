"""The way of a work into the manager: checked, accepted or refused, handed to a thread, waited for (FLOW-1)."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from typing import Final, final

from connector.errors import Reason, WorkRejected
from connector.spi import INDEFINITE, Clock, Work, WorkContext, WorkErrorCode, WorkEventKind, WorkLike, WorkListener
from connector.work.account import Account
from connector.work.contexts import ContextTable
from connector.work.event_loop import EventLoopThread
from connector.work.execution import WorkExecution, name_of
from connector.work.ledger import Acceptance, WorkLedger
from connector.work.notices import Rejections, tell
from connector.work.running import RUNNING
from connector.work.submission import Awaited, Station, Submission
from connector.work.workers import WorkerThreads

_log = logging.getLogger("connector.work")

# Looked up on an enum's class a member costs six times as much as a global name, in Python 3.11.
_TO_IDLE: Final = Acceptance.HANDED
_SPAWN: Final = Acceptance.SPAWN
_QUEUED: Final = Acceptance.QUEUED

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
class WorkDispatch:
    """Takes works in, for all adapters. Safe to use from any thread.

    Args:
        container: The container's name.
        ledger: Who decides.
        execution: How a work is run.
        table: The work contexts that can be set up.
        clock: The time.
        loop: The container's event loop, where nobody may wait; also the start timeouts' timer.
    """

    # Mutable state: all of it is in the ledger.

    def __init__(
        self,
        container: str,
        ledger: WorkLedger,
        execution: WorkExecution,
        table: ContextTable,
        clock: Clock,
        loop: EventLoopThread,
    ) -> None:
        self._container = container
        self._ledger = ledger
        self._now = clock.monotonic
        self._loop = loop
        self._table = table
        self._rejections = Rejections(container)
        self._short = WorkerThreads(f"{container}-work", ledger, execution, self._rejections, clock)
        self._long = WorkerThreads(f"{container}-long-work", ledger, execution, self._rejections, clock)

    def supports(self, context_type: type[WorkContext]) -> bool:
        """Whether contexts of exactly this type can be set up."""
        return context_type in self._table.types

    def submit_and_wait(
        self,
        awaited: Awaited,
        account: Account,
        work: WorkLike,
        contexts: Sequence[WorkContext],
        start_timeout: float,
        listener: WorkListener | None,
    ) -> Submission:
        """`submit`, and block until the work has come where it is awaited, or was rejected: then it never started.

        A work that waits here for another one lends its slot meanwhile. Raises WorkRejected on the event loop's thread.
        """
        if self._loop.is_current:
            raise WorkRejected(WOULD_BLOCK_LOOP, error_code=WorkErrorCode.UNDEFINED, work=name_of(work))
        running = RUNNING.get()
        if running is not None:
            running[0].begin_wait(running[1])
        try:
            submission = self.submit(awaited, account, work, contexts, start_timeout, listener)
            try:
                submission.signal.acquire()
            except BaseException:  # an interrupt: the work goes on, and whether it ever starts is still to be told
                threading.Thread(target=_tell_rejection, args=(submission,), daemon=True).start()
                raise
        finally:
            if running is not None:
                running[0].end_wait(running[1])
        if submission.start_delay is None:
            tell(submission, WorkEventKind.REJECTED)
        return submission

    def submit(
        self,
        awaited: Awaited,
        account: Account,
        work: WorkLike,
        contexts: Sequence[WorkContext],
        start_timeout: float,
        listener: WorkListener | None,
    ) -> Submission:
        """Have a work accepted. Does not block, but for the listener. Raises WorkRejected where it is not accepted."""
        immediate = start_timeout == 0
        security = self._table.only_caller(contexts) if contexts else None
        long_running = bool(contexts) and security is None and self._table.is_long_running(contexts)
        now = self._now()
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
        if security is not None:
            submission.security = security
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
        if listener is None:  # the short way of most works
            if acceptance is _TO_IDLE:
                threads.queue.put(submission)
                return submission
            if acceptance is _QUEUED and start_timeout == INDEFINITE and threads is self._short:
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
        if acceptance is not _QUEUED:
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

    def reject_all(self, queued: Sequence[Submission]) -> Sequence[threading.Event]:
        """Have told of works that were queued at the stop. Does not block; answers events for when it has been."""
        for submission in queued:
            self._reject_cancelled(submission)
        return self._rejections.flush()

    def stop(self) -> None:
        """Let every thread end once it has nothing to do any more. Does not block."""
        self._short.stop()
        self._long.stop()
        self._rejections.stop()

    def _reject_cancelled(self, submission: Submission) -> None:
        error = WorkRejected(CANCELLED, error_code=WorkErrorCode.UNDEFINED, work=name_of(submission.work))
        self._rejections.reject(submission, error)


def _tell_rejection(submission: Submission) -> None:
    submission.signal.acquire()
    if submission.start_delay is None:
        tell(submission, WorkEventKind.REJECTED)
