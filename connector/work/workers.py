"""The threads that run works (FLOW-1, FLOW-4).

A thread is clean after a work because it was never dirty: each work gets a `contextvars.Context` of its own, empty at
the start, and the scope in it is closed at the end, so that a thread or task that the work left behind is refused
(`connector.security.scope`).
"""

from __future__ import annotations

import logging
import threading
from contextvars import Context
from queue import SimpleQueue
from typing import Final, final

from connector.errors import Reason, WorkRejected
from connector.spi import Clock, WorkErrorCode, WorkEventKind
from connector.work.execution import WorkExecution, name_of
from connector.work.ledger import Idle, WorkLedger
from connector.work.notices import Rejections, tell
from connector.work.submission import Awaited, Station, Submission

_log = logging.getLogger("connector.work")

START_TIMED_OUT = Reason(
    "CF-WORK-005",
    "the work {work} was not started within its start timeout.",
    "Allow more time, or raise the number of threads (`[work]` of connector.toml).",
)
NO_THREAD = Reason(
    "CF-WORK-008",
    "no thread could be started for the work {work}.",
    "The operating system refuses this process further threads: raise its limit, or lower those of `[work]`.",
)


# Looked up on an enum's class a member costs six times as much as a global name, in Python 3.11.
_RUNNING: Final = Station.RUNNING
_START: Final = Awaited.START
_END: Final = Awaited.END
_WAIT: Final = Idle.WAIT
_HOME: Final = Idle.END


@final
class WorkerThreads:
    """Daemon threads over one queue, started when the ledger asks for one. Safe to use from any thread.

    Args:
        name: The threads' name.
        ledger: Who decides what runs.
        execution: How it is run.
        rejections: Who tells of works that are not run.
        clock: The time.
    """

    # Mutable state: all of it is in the ledger; `queue` holds what idle threads are to take up.

    def __init__(
        self, name: str, ledger: WorkLedger, execution: WorkExecution, rejections: Rejections, clock: Clock
    ) -> None:
        self._name = name
        self._ledger = ledger
        self._execute = execution.execute
        self._rejections = rejections
        self._now = clock.monotonic
        self.queue: SimpleQueue[Submission | None] = SimpleQueue()

    def hand(self, submission: Submission, *, spawn: bool) -> None:
        """Have a submission run that the ledger has handed: by an idle thread, or with `spawn` by a new one.

        Does not block.
        """
        if not spawn:
            self.queue.put(submission)
            return
        following: tuple[Submission, bool] | None = (submission, True)
        while following is not None:
            submission, spawn = following
            if not spawn:
                self.queue.put(submission)
                return
            try:
                # Daemon: a work that never ends must not keep the process from ending; shutdown waits for the others.
                threading.Thread(target=self._serve, args=([submission],), name=self._name, daemon=True).start()
            except RuntimeError:
                refused, following = self._ledger.no_thread(submission)
                if refused:
                    self._reject(submission, NO_THREAD, WorkErrorCode.INTERNAL)
            else:
                return

    def begin_wait(self, submission: Submission) -> None:
        """A running work begins to wait for another one: it lends its slot, so that nesting can't starve itself."""
        following = self._ledger.lend_slot(submission)
        if following is not None:
            self.hand(following[0], spawn=following[1])

    def end_wait(self, submission: Submission) -> None:
        """It goes on."""
        self._ledger.return_slot(submission)

    def expire(self, submission: Submission) -> None:
        """Reject a submission that didn't start in time, unless it has started or was rejected meanwhile."""
        if self._ledger.withdraw(submission):
            self._reject(submission, START_TIMED_OUT, WorkErrorCode.START_TIMED_OUT)

    def stop(self) -> None:
        """Let every thread end after its work. Does not block."""
        self.queue.put(None)  # handed on from thread to thread

    def _reject(self, submission: Submission, reason: Reason, code: WorkErrorCode) -> None:
        self._rejections.reject(submission, WorkRejected(reason, error_code=code, work=name_of(submission.work)))

    def _serve(self, first: list[Submission]) -> None:
        """One thread, until `stop`, or until it is one too many. Empties the list, which it keeps."""
        following: Submission | Idle | None = first.pop()
        while following is not None:
            if following is _HOME:
                return
            # The names are not kept while the thread is idle: they would keep the work, and all it holds, alive.
            following = self.queue.get() if following is _WAIT else self._run(following)
        self.queue.put(None)

    def _run(self, submission: Submission) -> Submission | Idle:
        """Run a submission unless it was withdrawn; answers what the thread does next."""
        now = self._now()
        if submission.station is not _RUNNING and not self._ledger.claim(submission, now):
            self.expire(submission)
            return self._ledger.drop(submission)
        if submission.call_off is not None:
            submission.call_off()
        submission.start_delay = now - submission.accepted_at
        listener = submission.listener
        if listener is not None:
            tell(submission, WorkEventKind.STARTED)
        if submission.awaited is _START:
            submission.signal.release()
        Context().run(self._execute, self, submission)
        if listener is not None:  # before it counts as ended: a shutdown waits for the listener too
            tell(submission, WorkEventKind.COMPLETED)
        following = self._ledger.complete(submission)
        if submission.awaited is _END:  # after it: the submitter finds the slot free
            submission.signal.release()
        return following
