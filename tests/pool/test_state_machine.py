"""The pool's state against a model, in every order of events that threads could produce (POOL-1).

The machine plays the shell: whatever the shell does outside the lock (opening, closing, waking up) is pending here
until a rule carries it out, so that hypothesis interleaves it with everything else.
"""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from support_pool import FakeConnection, FakeFactory

from connector.errors import LoginRefused, Reason
from connector.pool.entry import Doom, Entry, Permit
from connector.pool.state import PoolState
from connector.pool.waiting import HAND_OVER_AFTER, Waiter
from connector.spi import SignOnPlan

REFUSED = Reason("CF-TEST-721", "refused", "")
USERS = st.sampled_from(["alice", "bob", "carol"])


class PoolMachine(RuleBasedStateMachine):
    """Model: which entries are lent to whom, what is being opened and closed, who sleeps and who is awake."""

    @initialize(max_size=st.integers(1, 4))
    def start(self, max_size: int) -> None:
        self.now = 0.0
        self.factory = FakeFactory()
        self.state: PoolState[None] = PoolState(max_size)
        self.lent: list[tuple[Entry, SignOnPlan]] = []
        self.opening: list[tuple[SignOnPlan, Permit]] = []
        self.closing: list[Entry] = []
        self.asleep: list[Waiter[None]] = []
        self.awake: list[Waiter[None]] = []
        self.gone: dict[Entry, None] = {}
        self.version = 1

    # --- what borrowers do -------------------------------------------------------------------------------------

    @rule(user=USERS, old=st.booleans())
    def borrow(self, user: str, old: bool) -> None:
        plan = self.factory.plan(user, version=1 if old else self.version)
        if self.state.closed:
            assert self.state.take_free(plan, 0) is None
            return
        found = self.state.request(plan, 0)
        if found is None:
            waiter: Waiter[None] = Waiter(plan, 0, self.now, None)
            self.state.queue.add(waiter)
            self.asleep.append(waiter)
        else:
            self.received(plan, found)

    @precondition(lambda self: self.lent)
    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        entry, _ = self.lent.pop(data.draw(st.integers(0, len(self.lent) - 1)))
        if not self.state.give_back(entry):
            woken = self.state.settle(entry, self.now)
            if woken is None:
                self.left(entry)
                self.closing.append(entry)
            else:
                self.woke(woken)

    @precondition(lambda self: self.lent)
    @rule(data=st.data())
    def invalidate(self, data: st.DataObject) -> None:
        entry, _ = self.lent.pop(data.draw(st.integers(0, len(self.lent) - 1)))
        assert self.state.condemn(entry)
        self.left(entry)
        self.closing.append(entry)

    @precondition(lambda self: self.lent)
    @rule(data=st.data())
    def exchange(self, data: st.DataObject) -> None:
        entry, plan = self.lent.pop(data.draw(st.integers(0, len(self.lent) - 1)))
        self.received(plan, self.state.exchange(entry))

    @precondition(lambda self: self.awake)
    @rule(data=st.data())
    def wake_up(self, data: st.DataObject) -> None:
        waiter = self.awake.pop(data.draw(st.integers(0, len(self.awake) - 1)))
        grant = self.state.resume(waiter)
        if grant is None:
            if not self.state.closed:
                self.asleep.append(waiter)
        elif not isinstance(grant, LoginRefused):
            self.received(waiter.plan, grant)

    @precondition(lambda self: self.asleep or self.awake)
    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        waiter = data.draw(st.sampled_from(self.asleep + self.awake))
        (self.asleep if waiter in self.asleep else self.awake).remove(waiter)
        grant, woken = self.state.withdraw(waiter)
        self.woke(woken)
        if isinstance(grant, Entry):
            self.lent.append((grant, waiter.plan))  # its thread returns it unused, by `settle`
        elif isinstance(grant, Permit):
            self.received(waiter.plan, grant)

    # --- what the shell carries out ----------------------------------------------------------------------------

    @precondition(lambda self: self.opening)
    @rule(data=st.data(), outcome=st.sampled_from(["opened", "opened", "failed", "refused"]))
    def open(self, data: st.DataObject, outcome: str) -> None:
        plan, _ = self.opening.pop(data.draw(st.integers(0, len(self.opening) - 1)))
        if outcome == "opened":
            alias = f"{plan.user}-alias"
            entry = self.state.opened(FakeConnection(plan.user), plan, alias, 0)
            self.lent.append((entry, plan))
            return
        if outcome == "refused":
            self.woke(self.state.refused(plan, LoginRefused(REFUSED)))
        self.woke(self.state.permit_freed(self.now))

    @precondition(lambda self: self.closing)
    @rule()
    def closed(self) -> None:
        self.closing.pop()
        self.woke(self.state.permit_freed(self.now))

    # --- what befalls ------------------------------------------------------------------------------------------

    @precondition(lambda self: self.state.entries or self.gone)
    @rule(data=st.data())
    def breaks(self, data: st.DataObject) -> None:
        every = [*self.state.entries, *self.gone]
        entry = data.draw(st.sampled_from(every))
        if self.state.connection_error(entry):
            self.left(entry)
            self.closing.append(entry)

    @rule(user=USERS)
    def credential_changes(self, user: str) -> None:
        self.version += 1
        self.flushed(self.state.retire(f"{user}-alias", self.version))

    @rule()
    def purge(self) -> None:
        self.flushed(self.state.flush(lambda _: True, Doom.PURGED))

    @rule(seconds=st.sampled_from([HAND_OVER_AFTER / 4, HAND_OVER_AFTER, 1.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: self.state.created > 5)
    @rule()
    def close(self) -> None:
        leaving, woken = self.state.close()
        self.flushed(leaving)
        self.woke(woken)

    # --- the model's bookkeeping -------------------------------------------------------------------------------

    def received(self, plan: SignOnPlan, found: Entry | Permit) -> None:
        if isinstance(found, Entry):
            assert isinstance(found.physical, FakeConnection)
            assert found.physical.user == plan.user, "a connection is lent to a foreign identity"
            assert found.version >= plan.version, "a connection is lent with a superseded credential"
            assert found.doomed is None, "a doomed connection is lent"
            self.lent.append((found, plan))
        else:
            if found.victim is not None:
                self.left(found.victim)
            self.opening.append((plan, found))

    def flushed(self, leaving: list[Entry]) -> None:
        for entry in leaving:
            self.left(entry)
        self.closing.extend(leaving)

    def left(self, entry: Entry) -> None:
        assert entry not in self.gone, "a connection would be closed twice"
        assert entry.gone
        assert not self.state.condemn(entry)
        self.gone[entry] = None

    def woke(self, woken: list[Waiter[None]]) -> None:
        for waiter in woken:
            self.asleep.remove(waiter)  # ValueError: woken twice
            self.awake.append(waiter)

    def granted(self, kind: type[Any]) -> list[Any]:
        return [waiter.grant for waiter in self.awake if isinstance(waiter.grant, kind)]

    # --- invariants --------------------------------------------------------------------------------------------

    @invariant()
    def every_permit_is_accounted_for(self) -> None:
        in_flight = len(self.opening) + len(self.closing) + len(self.granted(Permit))
        assert self.state.permits == len(self.state.entries) + in_flight
        assert 0 <= self.state.permits <= self.state.max_size
        assert len(self.state.entries) == self.state.created - self.state.destroyed

    @invariant()
    def lent_and_free_are_disjoint_and_all(self) -> None:
        lent = {entry for entry, _ in self.lent} | set(self.granted(Entry))
        free = {entry for entry in self.state.entries if entry.plan is None}
        assert not lent & free
        assert {entry for entry in lent if not entry.gone} | free == set(self.state.entries)
        assert self.state.free_count() == len(free)

    @invariant()
    def nobody_sleeps_beside_a_free_connection(self) -> None:
        available = self.state.free_count() + self.state.max_size - self.state.permits
        queued = set(self.state.queue.members)
        assert set(self.asleep) <= queued, "a waiter is forgotten"
        looking = [waiter for waiter in self.awake if waiter in queued]
        assert len(looking) == self.state.queue.signalled
        assert len(looking) >= min(available, len(queued))

    @invariant()
    def after_close_nothing_is_free_and_nobody_sleeps(self) -> None:
        if self.state.closed:
            assert self.state.free_count() == 0
            assert not self.asleep

    def teardown(self) -> None:
        """When everybody has come to an end, nothing is left over."""
        while self.lent or self.opening or self.closing or self.awake:
            for entry, _ in list(self.lent):
                self.lent.pop(0)
                woken = self.state.settle(entry, self.now)
                if woken is None:
                    self.left(entry)
                    self.closing.append(entry)
                else:
                    self.woke(woken)
            while self.opening:
                self.opening.pop()
                self.woke(self.state.permit_freed(self.now))
            while self.closing:
                self.closed()
            for waiter in list(self.awake):
                self.awake.remove(waiter)
                grant = self.state.resume(waiter)
                if isinstance(grant, Entry | Permit):
                    self.received(waiter.plan, grant)
                elif grant is None and not self.state.closed:
                    self.asleep.append(waiter)
        assert not self.asleep, "a waiter waits for ever"
        assert self.state.permits == self.state.free_count() == len(self.state.entries)


PoolMachine.TestCase.settings = settings(
    max_examples=100, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestPoolState = PoolMachine.TestCase
