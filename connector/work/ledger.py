"""The work manager's state: which works are queued and running, and how many threads serve them.

Theory of operation
-------------------
Every change happens here, under one lock, in one step that answers what to do outside (start a thread, hand the work
to one, reject it).  `lanes` decides who may start; here is what is around it: the station of each work, the threads.

::

    NEW ── accept, enqueue ──> QUEUED ──> HANDED ──> RUNNING ──> COMPLETED
     │                           │          │
     └───────────────────────────┴──────────┴── withdraw, stop ──> REJECTED

A work is HANDED together with a slot and a thread: a new one, one that is idle, or the one that has just become free.
A handed work may still be withdrawn (start timeout, shutdown); its thread finds that out by `claim`, and goes on with
whatever `drop` answers.  A work without a deadline counts as RUNNING as soon as it is handed: nothing but a shutdown
could come between, and its thread need not ask.

There are two executors, for short and for long-running works, each with slots of its own.  An executor never has more
idle threads than slots; that for long-running works keeps none.
"""

from __future__ import annotations

import threading
from enum import Enum
from typing import Final, final

from connector.spi import INDEFINITE
from connector.work.account import Account
from connector.work.lanes import Slots
from connector.work.limits import WorkLimits
from connector.work.statistics import WorkStatistics
from connector.work.submission import Station, Submission


class Acceptance(Enum):
    """What became of a new submission."""

    QUEUED = "it waits for its turn"
    TELL_FIRST = "tell its listener that it is accepted, then enqueue it: else it might start before that is told"
    HANDED = "hand it to an idle thread"
    SPAWN = "start a thread for it"
    NO_SLOT = "reject it: no slot is free for it"
    STOPPED = "reject it: stopping"


class Idle(Enum):
    """What a thread does that has no work."""

    WAIT = "wait for the next one"
    END = "go home: there are enough others"


@final
class _Executor:
    """Slots and the threads that use them; changed under the ledger's lock."""

    __slots__ = ("slots", "keeps_idle", "threads", "busy")

    def __init__(self, capacity: int, *, keeps_idle: bool) -> None:
        self.slots: Slots[Submission] = Slots(capacity)
        self.keeps_idle = keeps_idle
        self.threads = 0
        self.busy = 0  # threads that have a work

    def engage(self) -> bool:
        """A thread for one more work; answers whether it has to be started."""
        self.busy += 1
        if self.busy > self.threads:
            self.threads = self.busy
            return True
        return False

    def disengage(self) -> Idle:
        """The thread has no work any more."""
        self.busy -= 1
        if self.keeps_idle and self.threads - self.slots.lent <= self.slots.capacity:
            return _WAIT
        self.threads -= 1
        return Idle.END


# Looked up on an enum's class a member costs six times as much as a global name, in Python 3.11.
_HANDED: Final = Station.HANDED
_RUNNING: Final = Station.RUNNING
_COMPLETED: Final = Station.COMPLETED
_TO_IDLE: Final = Acceptance.HANDED
_SPAWN: Final = Acceptance.SPAWN
_WAIT: Final = Idle.WAIT


@final
class WorkLedger:
    """Counts and decides; does no I/O, starts no thread, calls nobody. Safe to use from any thread.

    Args:
        limits: How many works may run at once.
    """

    # Mutable state, changed under `_lock`: `_accounts`, with their lanes and counts; the two executors; each
    # submission's `station` and `waits`; `_live` (works that are handed or running); `_stopping`.

    def __init__(self, limits: WorkLimits) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._short = _Executor(limits.max_threads, keeps_idle=True)
        self._long = _Executor(limits.max_long_running, keeps_idle=False)
        self._accounts: dict[str, Account] = {}
        self._live: dict[Submission, None] = {}
        self._stopping = False
        self._drained = threading.Event()

    def account(self, adapter: str) -> Account:
        """The account of an adapter; the first time one with lanes of its own is opened."""
        with self._lock:
            account = self._accounts.get(adapter)
            if account is None:
                own = self._limits.of(adapter)
                short, long = self._short.slots.lane(own.max_threads), self._long.slots.lane(own.max_long_running)
                account = self._accounts[adapter] = Account(adapter, short, long)
            return account

    def statistics(self) -> tuple[WorkStatistics, ...]:
        """Each adapter's figures at one instant, by its name."""
        with self._lock:
            return tuple(account.statistics() for _, account in sorted(self._accounts.items()))

    def accept(self, submission: Submission, *, immediate: bool) -> Acceptance:
        """Take a new submission in, or say why not."""
        lane = submission.lane
        executor = self._long if lane is submission.account.long else self._short
        with self._lock:
            if self._stopping:
                return self._refused(submission, Acceptance.STOPPED)
            if executor.slots.try_take(lane):
                submission.station = _RUNNING if submission.deadline == INDEFINITE else _HANDED
                self._live[submission] = None
                if executor.busy < executor.threads:  # as `engage`, which costs a call
                    executor.busy += 1
                    return _TO_IDLE
                return _SPAWN if executor.engage() else _TO_IDLE
            if immediate:
                return self._refused(submission, Acceptance.NO_SLOT)
            if submission.listener is not None:
                return Acceptance.TELL_FIRST
            executor.slots.wait(lane, submission)
            submission.station = Station.QUEUED
            return Acceptance.QUEUED

    def enqueue(self, submission: Submission) -> Acceptance:
        """Go on with one that was accepted, to be told first: QUEUED, HANDED or SPAWN; STOPPED by a stop meanwhile."""
        lane = submission.lane
        executor = self._executor(submission)
        with self._lock:
            if self._stopping:
                return self._refused(submission, Acceptance.STOPPED)
            if executor.slots.try_take(lane):
                self._hand(submission)
                return _SPAWN if executor.engage() else _TO_IDLE
            executor.slots.wait(lane, submission)
            submission.station = Station.QUEUED
            return Acceptance.QUEUED

    def refuse(self, submission: Submission) -> None:
        """Note the rejection of one that was unfit: it is not to be accepted."""
        with self._lock:
            self._refused(submission, Acceptance.STOPPED)

    def claim(self, submission: Submission, now: float) -> bool:
        """Move a handed submission to RUNNING, by its thread; not to be asked where it is that already.

        False if it was withdrawn, or is too late (`withdraw` it then): go on with what `drop` answers.
        """
        with self._lock:
            if submission.station is not _HANDED or now > submission.deadline:
                return False
            submission.station = _RUNNING
            return True

    def withdraw(self, submission: Submission) -> bool:
        """Move a submission that has not started to REJECTED; False if it has started or was withdrawn already."""
        with self._lock:
            return self._withdraw(submission)

    def drop(self, submission: Submission) -> Submission | Idle:
        """The thread of a handed submission that was withdrawn gives its slot back; answers what it does next."""
        with self._lock:
            executor = self._executor(submission)
            following = executor.slots.free(submission.lane)
            if following is None:
                return executor.disengage()
            self._hand(following)
            return following

    def complete(self, submission: Submission) -> Submission | Idle:
        """Move a running submission to COMPLETED; answers what its thread does next: another work, or none."""
        with self._lock:
            submission.station = _COMPLETED
            account = submission.account
            account.completed += 1
            if submission.error is not None:
                account.failed += 1
            del self._live[submission]
            if self._stopping and not self._live:
                self._drained.set()
            if submission.waits:  # somebody whom the work left behind still waits: the slot is lent already
                executor = self._executor(submission)
                executor.slots.take_back(submission.lane, needed=False)
                return executor.disengage()
            lane = submission.lane
            executor = self._long if lane is account.long else self._short
            following = executor.slots.free(lane)
            if following is None:
                return executor.disengage()
            following.station = _RUNNING if following.deadline == INDEFINITE else _HANDED
            self._live[following] = None
            return following

    def lend_slot(self, submission: Submission) -> tuple[Submission, bool] | None:
        """A running work begins to wait for another one: its slot is free meanwhile.

        Answers the work that takes it, if any, and whether a thread has to be started for that.
        """
        with self._lock:
            if submission.station is not _RUNNING:  # it has ended: whoever waits was left behind by it
                return None
            submission.waits += 1
            if submission.waits > 1:
                return None
            executor = self._executor(submission)
            return self._handed_over(executor, executor.slots.lend(submission.lane))

    def return_slot(self, submission: Submission) -> None:
        """The wait is over: the work goes on at once, even where that makes one too many for a while."""
        with self._lock:
            if submission.station is not _RUNNING or not submission.waits:
                return
            submission.waits -= 1
            if not submission.waits:
                self._executor(submission).slots.take_back(submission.lane, needed=True)

    def no_thread(self, submission: Submission) -> tuple[bool, tuple[Submission, bool] | None]:
        """No thread could be started for a handed submission.

        Answers whether it is now REJECTED by that (it may have been withdrawn before), and what takes its slot, as
        `lend_slot` does.
        """
        executor = self._executor(submission)
        with self._lock:
            executor.threads -= 1
            executor.busy -= 1
            if submission.station is _RUNNING:
                submission.station = _HANDED
            withdrawn = self._withdraw(submission)
            return withdrawn, self._handed_over(executor, executor.slots.free(submission.lane))

    def stop(self) -> tuple[tuple[Submission, ...], tuple[Submission, ...]]:
        """Accept nothing any more; answers what was queued and is now REJECTED, and what runs, oldest first."""
        with self._lock:
            self._stopping = True
            queued = [submission for submission in self._live if submission.station is _HANDED]
            for account in self._accounts.values():
                queued += [*account.short.waiting, *account.long.waiting]
            for submission in queued:
                self._withdraw(submission)
            if not self._live:
                self._drained.set()
            return tuple(queued), tuple(self._live)

    def wait_drained(self, timeout: float) -> tuple[Submission, ...]:
        """After `stop`: block until nothing runs, at most `timeout` seconds; answers what still does."""
        self._drained.wait(timeout)
        with self._lock:
            return tuple(self._live)

    # --- under the lock ------------------------------------------------------------------------------------------

    def _executor(self, submission: Submission) -> _Executor:
        return self._long if submission.lane is submission.account.long else self._short

    def _hand(self, submission: Submission) -> None:
        submission.station = _RUNNING if submission.deadline == INDEFINITE else _HANDED
        self._live[submission] = None

    def _handed_over(self, executor: _Executor, following: Submission | None) -> tuple[Submission, bool] | None:
        if following is None:
            return None
        self._hand(following)
        return following, executor.engage()

    def _withdraw(self, submission: Submission) -> bool:
        if submission.station is Station.QUEUED:
            self._executor(submission).slots.leave(submission.lane, submission)
        elif submission.station is _HANDED:
            del self._live[submission]
            if self._stopping and not self._live:
                self._drained.set()
        else:
            return False
        self._refused(submission, Acceptance.STOPPED)
        return True

    def _refused(self, submission: Submission, why: Acceptance) -> Acceptance:
        submission.station = Station.REJECTED
        submission.account.rejected += 1
        return why
