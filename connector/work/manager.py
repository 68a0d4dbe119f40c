"""The container's work manager: `do_work`, `start_work`, `schedule_work` on threads (FLOW-1, FLOW-2).

Theory of operation
-------------------
A submission goes QUEUED → RUNNING → COMPLETED, or QUEUED → REJECTED; `ledger` decides each step under its lock,
`workers` runs what it lets through, `notices` tells listener and submitter.

=================  ===================  ==============================================
method             blocks until         a start timeout is told by
=================  ===================  ==============================================
`do_work`          the work has ended   WorkRejected, and the listener
`start_work`       it has started       WorkRejected, and the listener
`schedule_work`    it is accepted       the listener; WorkRejected for IMMEDIATE only
=================  ===================  ==============================================
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from typing import Any, final

from connector.errors import Reason, WorkRejected
from connector.security.domain import SecurityDomain
from connector.spi import (
    INDEFINITE,
    Clock,
    SystemClock,
    Work,
    WorkContext,
    WorkErrorCode,
    WorkEventKind,
    WorkLike,
    WorkListener,
    WorkManager,
)
from connector.work.adapter_view import AdapterWorkManager
from connector.work.contexts import SUPPORTED, is_long_running
from connector.work.event_loop import EventLoopThread
from connector.work.execution import WorkExecution, name_of
from connector.work.ledger import Acceptance, WorkLedger
from connector.work.notices import reject, tell
from connector.work.submission import Awaited, Submission
from connector.work.workers import WorkerThreads

_log = logging.getLogger("connector.work")

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
    "the work {work} was to start at once, and all {count} threads are busy.",
    "Allow a start timeout, or raise the number of threads.",
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

    Safe to use from any thread. A nested work (one submitted by a running work) gets a thread and a context of its own
    and inherits nothing; while its submitter waits, the submitter's slot is lent out, so nesting can't starve itself.

    Args:
        identity: Who validates and asserts callers.
        container: The container's name.
        realm: The application's realm.
        max_threads: How many short works may run at once; long-running ones have threads of their own.
        clock: The time.
        loop: The container's event loop; also the start timeouts' timer.
    """

    # Mutable state: all of it is in the ledger.

    def __init__(
        self,
        identity: SecurityDomain,
        *,
        container: str,
        realm: str,
        max_threads: int = 16,
        clock: Clock | None = None,
        loop: EventLoopThread,
    ) -> None:
        self._container = container
        self._max_threads = max_threads
        self._clock = clock or SystemClock()
        self._loop = loop
        self._ledger = WorkLedger(max_threads)
        execution = WorkExecution(identity, container=container, realm=realm, loop=loop)
        self._workers = WorkerThreads(container, self._ledger, execution, self._clock)

    def for_adapter(self, adapter: str) -> WorkManager:
        """The same work manager as one adapter sees it: its name stands in the origin of its works' scopes."""
        return AdapterWorkManager(self, adapter)

    def is_context_supported(self, context_type: type[WorkContext]) -> bool:
        """Whether contexts of exactly this type can be set up; a subclass is another type. Does not block."""
        return context_type in SUPPORTED

    def do_work(
        self,
        work: WorkLike,
        *,
        contexts: Sequence[WorkContext] = (),
        start_timeout: float = INDEFINITE,
        listener: WorkListener | None = None,
        submitter: str = "the container",
    ) -> Any:
        """Run and wait for the end; answers what `run` returned (FLOW-1).

        Blocks until completion, without limit. Raises WorkRejected (not started within `start_timeout` seconds,
        stopping, on the event loop's thread, not a work), WorkCompletedWithError with the cause. An interrupt ends the
        wait, not the work.
        """
        submission = self._waiting_submission(work, contexts, start_timeout, listener, Awaited.END, submitter)
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
        submitter: str = "the container",
    ) -> float:
        """Run and wait for the start; answers the seconds from acceptance to start (FLOW-1).

        Blocks until the start, at most `start_timeout` seconds. Raises WorkRejected like `do_work`. How the work ends
        is told to the listener only.
        """
        submission = self._waiting_submission(work, contexts, start_timeout, listener, Awaited.START, submitter)
        if submission.start_delay is None and submission.error is not None:
            raise submission.error
        return submission.start_delay or 0.0

    def schedule_work(
        self,
        work: WorkLike,
        *,
        contexts: Sequence[WorkContext] = (),
        start_timeout: float = INDEFINITE,
        listener: WorkListener | None = None,
        submitter: str = "the container",
    ) -> None:
        """Run some time; returns once it is accepted (FLOW-1).

        Does not block. Raises WorkRejected where it isn't accepted; a later rejection is told to the listener only.
        """
        self._submit(work, contexts, start_timeout, listener, Awaited.NOTHING, submitter)

    def shutdown(self, timeout: float = 5.0) -> tuple[WorkLike, ...]:
        """End: accept nothing more, reject what is queued, tell running works to `release`, wait for them.

        Blocks at most `timeout` seconds and answers the works that still run then, oldest first; they are left on
        their daemon threads. Raises nothing; harmless when called again.
        """
        queued, running = self._ledger.stop()
        for submission in queued:
            if self._ledger.withdraw(submission):
                work = name_of(submission.work)
                reject(submission, WorkRejected(CANCELLED, error_code=WorkErrorCode.UNDEFINED, work=work))
        if running:
            # On a thread of its own: a `release` that blocks against its contract must not stop the shutdown.
            threading.Thread(target=_release, args=(running,), name="connector-work-release", daemon=True).start()
        left = self._ledger.wait_drained(timeout)
        self._workers.stop()
        return tuple(submission.work for submission in left)

    # --- submitting ------------------------------------------------------------------------------------------------

    def _waiting_submission(
        self,
        work: WorkLike,
        contexts: Sequence[WorkContext],
        start_timeout: float,
        listener: WorkListener | None,
        awaited: Awaited,
        submitter: str,
    ) -> Submission:
        if self._loop.is_current:
            raise WorkRejected(WOULD_BLOCK_LOOP, error_code=WorkErrorCode.UNDEFINED, work=name_of(work))
        with self._workers.waiting():
            submission = self._submit(work, contexts, start_timeout, listener, awaited, submitter)
            submission.wait()
        return submission

    def _submit(
        self,
        work: WorkLike,
        contexts: Sequence[WorkContext],
        start_timeout: float,
        listener: WorkListener | None,
        awaited: Awaited,
        submitter: str,
    ) -> Submission:
        submission = Submission(
            work,
            contexts,
            listener,
            awaited=awaited,
            submitter=submitter,
            long_running=bool(contexts) and is_long_running(contexts),
            accepted_at=self._clock.monotonic(),
            start_timeout=INDEFINITE if start_timeout == 0 else start_timeout,  # IMMEDIATE is judged at once, here
        )
        refusal = self._unfit(work, start_timeout)
        acceptance = None if refusal else self._ledger.accept(submission, immediate=start_timeout == 0)
        if acceptance is Acceptance.STOPPED:
            refusal = WorkRejected(
                STOPPED, error_code=WorkErrorCode.UNDEFINED, work=name_of(work), container=self._container
            )
        elif acceptance is Acceptance.NO_SLOT:
            refusal = WorkRejected(
                NO_FREE_THREAD,
                error_code=WorkErrorCode.START_TIMED_OUT,
                work=name_of(work),
                count=self._max_threads,
            )
        if refusal is not None:
            reject(submission, refusal)
            raise refusal
        try:
            tell(submission, WorkEventKind.ACCEPTED)
        finally:  # an interrupt of the main thread in the listener must not leave it accepted and never run
            self._dispatch(submission, acceptance, start_timeout)
        return submission

    def _dispatch(self, submission: Submission, acceptance: Acceptance | None, start_timeout: float) -> None:
        if 0 < start_timeout < INDEFINITE:
            submission.call_off = self._loop.call_later(start_timeout, lambda: self._workers.expire(submission))
        if acceptance is Acceptance.OWN_THREAD:
            self._workers.run_apart(submission)
        else:
            self._workers.queue(submission, spawn=acceptance is Acceptance.QUEUE_AND_SPAWN)

    def _unfit(self, work: object, start_timeout: float) -> WorkRejected | None:
        if not isinstance(work, Work) and not callable(work):
            return WorkRejected(NOT_A_WORK, error_code=WorkErrorCode.UNDEFINED, kind=type(work).__name__)
        if not start_timeout >= 0:  # a NaN as well
            return WorkRejected(
                WRONG_TIMEOUT, error_code=WorkErrorCode.START_TIMED_OUT, work=name_of(work), seconds=start_timeout
            )
        return None


def _release(running: tuple[Submission, ...]) -> None:
    for submission in running:
        if isinstance(submission.work, Work):
            try:
                submission.work.release()
            except Exception as error:  # noqa: BLE001 - a hint; the others must get theirs
                _log.warning("release of %s raised %s", name_of(submission.work), type(error).__name__)
