"""FLOW-1: any order of submissions, nested waits, start timeouts, threads that can't be started, and a stop.

The machine plays the threads: what the ledger hands out is in a thread's hands, and is claimed, run, and completed when
the machine says so. Time is a number. Invariants: every work ends once, completed or rejected; nothing starts above a
limit; nothing waits that may start; no adapter that holds no slot is passed over by more than one turn of each other.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from connector.spi import INDEFINITE
from connector.work.lanes import Lane, Slots
from connector.work.ledger import Acceptance, Idle, WorkLedger
from connector.work.limits import AdapterLimits, WorkLimits
from connector.work.submission import Awaited, Station, Submission

ADAPTERS = ("amqp", "bus", "sql")
OWN_LIMIT = 2  # of the adapter amqp


@dataclass
class Threads:
    """What the threads of both executors have in hand."""

    handed: list[Submission] = field(default_factory=list)  # not claimed yet
    running: list[Submission] = field(default_factory=list)  # claimed


class LedgerMachine(RuleBasedStateMachine):
    """See the module."""

    @initialize(threads=st.integers(1, 5), long_running=st.integers(1, 4))
    def begin(self, threads: int, long_running: int) -> None:
        limits = WorkLimits(threads, long_running, {"amqp": AdapterLimits(OWN_LIMIT, 1)})
        self.limits = limits
        self.ledger = WorkLedger(limits)
        self.accounts = [self.ledger.account(name) for name in ADAPTERS]
        self.threads = Threads()
        self.queued: list[Submission] = []
        self.ended: dict[Submission, str] = {}
        self.passed_over: dict[Lane[Submission], int] = {}
        self.returned = False  # a lender has taken its slot back, maybe above the limits
        self.stopped = False
        self.now = 0.0

    # --- what happens ---------------------------------------------------------------------------------------------

    @rule(
        adapter=st.integers(0, 2),
        long=st.booleans(),
        timeout=st.sampled_from([0.0, 1.0, 5.0, float("inf")]),
        told=st.booleans(),
    )
    def submit(self, adapter: int, long: bool, timeout: float, told: bool) -> None:
        account = self.accounts[adapter]
        submission = Submission(
            lambda: None,
            (),
            (lambda _event: None) if told else None,
            Awaited.NOTHING,
            account,
            account.long if long else account.short,
            self.now,
            self.now + timeout if timeout else INDEFINITE,
        )
        free = self.slots(submission).may_take(submission.lane)
        acceptance = self.ledger.accept(submission, immediate=timeout == 0)
        assert (acceptance is Acceptance.STOPPED) == self.stopped
        assert (acceptance is Acceptance.NO_SLOT) == (timeout == 0 and not free and not self.stopped)
        if acceptance is Acceptance.TELL_FIRST:
            acceptance = self.ledger.enqueue(submission)
        if acceptance in (Acceptance.STOPPED, Acceptance.NO_SLOT):
            self.end(submission, "rejected")
        elif acceptance is Acceptance.QUEUED:
            self.queued.append(submission)
        else:
            self.hand(submission)

    @precondition(lambda self: self.threads.handed)
    @rule(data=st.data())
    def a_thread_takes_up_what_it_was_handed(self, data: st.DataObject) -> None:
        submission = data.draw(st.sampled_from(self.threads.handed))
        self.threads.handed.remove(submission)
        if submission.deadline == INDEFINITE and submission not in self.ended:
            self.threads.running.append(submission)
            return
        late = self.now > submission.deadline
        if self.ledger.claim(submission, self.now):
            assert submission not in self.ended
            assert not late
            self.threads.running.append(submission)
            return
        assert late or submission in self.ended
        if self.ledger.withdraw(submission):
            self.end(submission, "rejected")
        self.follow(self.ledger.drop(submission))

    @precondition(lambda self: self.threads.handed)
    @rule(data=st.data())
    def no_thread_can_be_started(self, data: st.DataObject) -> None:
        submission = data.draw(st.sampled_from(self.threads.handed))
        self.threads.handed.remove(submission)
        refused, following = self.ledger.no_thread(submission)
        assert refused == (submission not in self.ended)
        if refused:
            self.end(submission, "rejected")
        if following is not None:
            self.hand(following[0])

    @precondition(lambda self: self.threads.running)
    @rule(data=st.data())
    def a_work_ends(self, data: st.DataObject) -> None:
        submission = data.draw(st.sampled_from(self.threads.running))
        self.threads.running.remove(submission)
        self.end(submission, "completed")
        self.follow(self.ledger.complete(submission))

    @precondition(lambda self: self.threads.running)
    @rule(data=st.data())
    def a_work_waits_for_another_one(self, data: st.DataObject) -> None:
        following = self.ledger.lend_slot(data.draw(st.sampled_from(self.threads.running)))
        if following is not None:
            self.hand(following[0])

    @precondition(lambda self: self.threads.running or self.ended)
    @rule(data=st.data())
    def a_wait_is_over(self, data: st.DataObject) -> None:
        submission = data.draw(st.sampled_from([*self.threads.running, *self.ended]))
        self.returned |= submission.waits == 1 and submission in self.threads.running
        self.ledger.return_slot(submission)

    @precondition(lambda self: self.queued)
    @rule(data=st.data())
    def a_start_timer_rings(self, data: st.DataObject) -> None:
        submission = data.draw(st.sampled_from(self.queued))
        assert self.ledger.withdraw(submission)
        assert not self.ledger.withdraw(submission)
        self.queued.remove(submission)
        self.end(submission, "rejected")

    @rule(seconds=st.sampled_from([0.5, 2.0, 10.0]))
    def time_goes_by(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: not self.stopped)
    @rule()
    def stop(self) -> None:
        handed = [one for one in self.threads.handed if one not in self.ended]
        timed = [one for one in handed if one.deadline < INDEFINITE]
        cancelled, running = self.ledger.stop()
        assert set(cancelled) == {*self.queued, *timed}
        assert set(running) == {*self.threads.running, *handed} - set(timed)
        for submission in cancelled:
            self.end(submission, "rejected")
        self.queued.clear()
        self.stopped = True

    # --- the model's side -----------------------------------------------------------------------------------------

    def slots(self, submission: Submission) -> Slots[Submission]:
        executor = self.ledger._long if submission.long_running else self.ledger._short
        return executor.slots

    def hand(self, submission: Submission) -> None:
        """A work was given a slot: it may have one."""
        lane, slots = submission.lane, self.slots(submission)
        assert submission.station is (Station.RUNNING if submission.deadline == INDEFINITE else Station.HANDED)
        assert slots.taken <= slots.capacity
        assert lane.taken <= lane.limit
        self.threads.handed.append(submission)
        if submission in self.queued:
            self.queued.remove(submission)
        self.passed_over.pop(lane, None)
        for other in self.starving(slots):
            self.passed_over[other] = self.passed_over.get(other, 0) + 1

    def starving(self, slots: Slots[Submission]) -> list[Lane[Submission]]:
        lanes = [account.long if slots is self.ledger._long.slots else account.short for account in self.accounts]
        return [lane for lane in lanes if lane.waiting and not lane.taken]

    def follow(self, following: Submission | Idle) -> None:
        if isinstance(following, Submission):
            self.hand(following)

    def end(self, submission: Submission, how: str) -> None:
        assert submission not in self.ended, "a work ends once"
        self.ended[submission] = how

    # --- what holds always ----------------------------------------------------------------------------------------

    @invariant()
    def nothing_waits_that_may_start(self) -> None:
        for account in self.accounts:
            for executor, lane in ((self.ledger._short, account.short), (self.ledger._long, account.long)):
                assert not (lane.waiting and executor.slots.may_take(lane))

    @invariant()
    def whoever_holds_no_slot_is_passed_over_once_by_each_other_at_most(self) -> None:
        for slots in (self.ledger._short.slots, self.ledger._long.slots):
            starving = self.starving(slots)
            assert all(self.passed_over.get(lane, 0) < len(ADAPTERS) for lane in starving)
            if not self.returned and slots.capacity >= len(ADAPTERS):
                assert not starving, "one slot is kept for each"

    @invariant()
    def slots_are_held_by_what_is_handed_or_runs(self) -> None:
        live = [*self.threads.handed, *self.threads.running]
        for executor, long in ((self.ledger._short, False), (self.ledger._long, True)):
            mine = [one for one in live if one.long_running == long]
            lent = sum(1 for one in mine if one.waits)
            assert executor.busy == len(mine) <= executor.threads
            assert executor.slots.lent == lent
            assert executor.slots.taken == len(mine) - lent
            idle = executor.threads - executor.busy
            assert idle <= (executor.slots.capacity + lent if executor.keeps_idle else 0)

    @invariant()
    def the_counts_are_those_of_what_happened(self) -> None:
        statistics = self.ledger.statistics()
        assert [one.adapter for one in statistics] == sorted(ADAPTERS)
        for how in ("completed", "rejected"):
            assert sum(getattr(one, how) for one in statistics) == list(self.ended.values()).count(how)
        assert sum(one.queued + one.long_running_queued for one in statistics) == len(self.queued)

    @invariant()
    def a_stopped_ledger_is_drained_once_nothing_runs(self) -> None:
        if self.stopped:
            begun = [one for one in self.threads.handed if one not in self.ended]
            assert self.ledger._drained.is_set() == (not self.threads.running and not begun)
            assert not self.queued


LedgerMachine.TestCase.settings = settings(
    max_examples=150,
    stateful_step_count=60,
    deadline=None,
    phases=[phase for phase in Phase if phase is not Phase.explain],
    suppress_health_check=[HealthCheck.too_slow],
)
TestLedger = LedgerMachine.TestCase
