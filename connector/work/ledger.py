"""The work manager's state: which works are queued and running, and how many threads serve them.

Theory of operation
-------------------
Every change happens here, under one lock, in one step that answers what to do outside (start a thread, run the work,
reject it).  The queue itself is a `SimpleQueue` of the manager, and a queued work may be withdrawn at any time (start
timeout, shutdown): its record then stays in the queue as a dead entry that `claim` refuses.

A *slot* is the right to run one short work.  There are `max_threads` of them.  A worker that waits for a nested work
lends its slot out meanwhile, else nested works would starve each other for ever; so there can be more threads than
slots, and a thread that finds itself one too many when its work ends goes home.
"""

from __future__ import annotations

import threading
from enum import Enum
from typing import final

from connector.work.submission import Station, Submission


class Acceptance(Enum):
    """What to do with a new submission."""

    QUEUE = "queue it"
    QUEUE_AND_SPAWN = "queue it and start a thread"
    OWN_THREAD = "start a thread of its own"
    NO_SLOT = "reject it: no free slot"
    STOPPED = "reject it: stopping"


@final
class WorkLedger:
    """Counts and decides; does no I/O, starts no thread, calls nobody. Safe to use from any thread.

    Args:
        max_threads: How many short works may run at once.
    """

    # Mutable state, changed under `_lock`: `_live` (queued and running submissions), each submission's `station`,
    # `_pooled` (live ones that need a slot), `_lent` (those whose slot is lent out), `_threads`, `_stopping`.

    def __init__(self, max_threads: int) -> None:
        self._max = max_threads
        self._lock = threading.Lock()
        self._live: dict[Submission, None] = {}
        self._pooled = 0
        self._lent = 0
        self._threads = 0
        self._stopping = False
        self._drained = threading.Event()

    def accept(self, submission: Submission, *, immediate: bool) -> Acceptance:
        """Take a new submission in, or say why not."""
        with self._lock:
            if self._stopping:
                return Acceptance.STOPPED
            if submission.long_running:
                self._live[submission] = None
                return Acceptance.OWN_THREAD
            if immediate and self._pooled - self._lent >= self._max:
                return Acceptance.NO_SLOT
            self._live[submission] = None
            self._pooled += 1
            return Acceptance.QUEUE_AND_SPAWN if self._needs_thread() else Acceptance.QUEUE

    def claim(self, submission: Submission, now: float) -> bool:
        """Move a queued submission to RUNNING; False if it was withdrawn, or is too late (`withdraw` it then)."""
        with self._lock:
            if submission.station is not Station.QUEUED or now > submission.deadline:
                return False
            submission.station = Station.RUNNING
            return True

    def withdraw(self, submission: Submission) -> bool:
        """Move a queued submission to REJECTED; False if it has started or was withdrawn already."""
        with self._lock:
            if submission.station is not Station.QUEUED:
                return False
            submission.station = Station.REJECTED
            self._forget(submission)
            return True

    def complete(self, submission: Submission) -> bool:
        """Move a running submission to COMPLETED; answers whether its thread is one too many and should end."""
        with self._lock:
            submission.station = Station.COMPLETED
            self._forget(submission)
            if submission.long_running or self._threads - self._lent <= self._max:
                return False
            self._threads -= 1
            return True

    def lend_slot(self) -> bool:
        """The running worker begins to wait for another work; answers whether a thread has to be started for it."""
        with self._lock:
            self._lent += 1
            return self._needs_thread()

    def return_slot(self) -> None:
        """The worker has stopped waiting: it goes on at once, even where that makes one thread too many for a while."""
        with self._lock:
            self._lent -= 1

    def stop(self) -> tuple[tuple[Submission, ...], tuple[Submission, ...]]:
        """Accept nothing any more; answers what is queued and what is running, oldest first."""
        with self._lock:
            self._stopping = True
            queued = tuple(s for s in self._live if s.station is Station.QUEUED)
            running = tuple(s for s in self._live if s.station is Station.RUNNING)
            if not self._live:
                self._drained.set()
            return queued, running

    def wait_drained(self, timeout: float) -> tuple[Submission, ...]:
        """After `stop`: block until nothing is live, at most `timeout` seconds; answers what still is."""
        self._drained.wait(timeout)
        with self._lock:
            return tuple(self._live)

    def _needs_thread(self) -> bool:
        """Under the lock: whether a work is waiting for a thread that may exist; counts the thread if so."""
        if self._threads - self._lent < min(self._pooled - self._lent, self._max):
            self._threads += 1
            return True
        return False

    def _forget(self, submission: Submission) -> None:
        """Under the lock."""
        del self._live[submission]
        if not submission.long_running:
            self._pooled -= 1
        if self._stopping and not self._live:
            self._drained.set()
