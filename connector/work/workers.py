"""The threads that run works (FLOW-1, FLOW-4).

A thread is clean after a work because it was never dirty: each work gets a `contextvars.Context` of its own, empty at
the start, and the scope in it is closed at the end, so that a thread or task that the work left behind is refused
(`connector.security.scope`).
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from contextvars import Context
from queue import SimpleQueue
from typing import Any, final

from connector.errors import Reason, WorkRejected
from connector.spi import Clock, WorkErrorCode, WorkEventKind
from connector.work.execution import WorkExecution, name_of
from connector.work.ledger import WorkLedger
from connector.work.notices import reject, tell
from connector.work.submission import Awaited, Submission

START_TIMED_OUT = Reason(
    "CF-WORK-005",
    "the work {work} was not started within its start timeout.",
    "Allow more time, or raise the number of threads.",
)


@final
class WorkerThreads:
    """Daemon threads over one queue, started when the ledger asks for one. Safe to use from any thread.

    Args:
        container: The container's name, for the threads' names.
        ledger: Who decides what runs.
        execution: How it is run.
        clock: The time.
    """

    # Mutable state: all of it is in the ledger; `_here.holds_slot` marks the threads of the queue.

    def __init__(self, container: str, ledger: WorkLedger, execution: WorkExecution, clock: Clock) -> None:
        self._container = container
        self._ledger = ledger
        self._execution = execution
        self._clock = clock
        self._queue: SimpleQueue[Submission | None] = SimpleQueue()
        self._here = threading.local()

    def queue(self, submission: Submission, *, spawn: bool) -> None:
        """Have an accepted submission run in its turn; with `spawn` a thread is started for it. Does not block."""
        self._queue.put(submission)
        if spawn:
            self._start("work", self._serve)

    def run_apart(self, submission: Submission) -> None:
        """Have an accepted submission run on a thread of its own. Does not block."""
        self._start("long-work", self._run_claimed, submission)

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """Around a wait for another work: a worker lends its slot out meanwhile, so that nesting can't starve."""
        if not getattr(self._here, "holds_slot", False):
            yield
            return
        if self._ledger.lend_slot():
            self._start("work", self._serve)
        try:
            yield
        finally:
            self._ledger.return_slot()

    def expire(self, submission: Submission) -> None:
        """Reject a submission that didn't start in time, unless it has started or was rejected meanwhile."""
        if self._ledger.withdraw(submission):
            work = name_of(submission.work)
            reject(submission, WorkRejected(START_TIMED_OUT, error_code=WorkErrorCode.START_TIMED_OUT, work=work))

    def stop(self) -> None:
        """Let every thread end after its work. Does not block."""
        self._queue.put(None)  # handed on from thread to thread

    def _serve(self) -> None:
        """One thread, until `stop`, or until it is one too many."""
        self._here.holds_slot = True
        while (submission := self._queue.get()) is not None:
            if self._run_claimed(submission):
                return
        self._queue.put(None)

    def _run_claimed(self, submission: Submission) -> bool:
        """Run a submission unless it was withdrawn; answers whether this thread should end."""
        now = self._clock.monotonic()
        if not self._ledger.claim(submission, now):
            self.expire(submission)
            return False
        if submission.call_off is not None:
            submission.call_off()
        submission.start_delay = now - submission.accepted_at
        tell(submission, WorkEventKind.STARTED)
        submission.reached(Awaited.START)
        Context().run(self._execution.execute, submission)
        tell(submission, WorkEventKind.COMPLETED)  # before it counts as ended: a shutdown waits for the listener too
        one_too_many = self._ledger.complete(submission)
        submission.reached(Awaited.END)  # after it: the submitter finds the slot free
        return one_too_many

    def _start(self, kind: str, target: Any, *arguments: Any) -> None:
        # Daemon: a work that never ends must not keep the process from ending; shutdown waits for the others.
        threading.Thread(target=target, args=arguments, name=f"{self._container}-{kind}", daemon=True).start()
