"""The pool's state against a model, in every order of events that threads could produce (POOL-1).

The machine plays the shell: whatever the shell does outside the lock (opening, closing, validating, waking up) is
pending here until a rule carries it out, so that hypothesis interleaves it with everything else.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from support_pool import FakeConnection, FakeFactory

from connector.errors import LoginRefused, Reason
from connector.pool.entry import Check, Doom, Entry, Permit
from connector.pool.lending import Found
from connector.pool.refusals import Refusal
from connector.pool.settings import PoolSettings, PurgePolicy, RetirePolicy, Validation
from connector.pool.state import PoolState
from connector.pool.upkeep import look, refill
from connector.pool.waiting import HAND_OVER_AFTER, Waiter
from connector.spi import SignOnPlan

REFUSED = Reason("CF-TEST-721", "refused", "")
USERS = st.sampled_from(["alice", "bob", "carol"])
DOOR = "door"  # the system user of asserted callers


class PoolMachine(RuleBasedStateMachine):
    """Model: which entries are lent to whom, what is being opened and closed, who sleeps and who is awake.

    A rule draws before it changes anything, and once only: where an example's data are used up it ends in the middle of
    a rule, and `teardown` is called all the same. What was half done then would be missing for ever.
    """

    @initialize(
        max_size=st.integers(1, 4),
        per_identity=st.sampled_from([None, None, 1, 2]),
        reauthenticates=st.booleans(),
        retire=st.sampled_from(RetirePolicy),
        purge=st.sampled_from(PurgePolicy),
        aged=st.sampled_from([None, 3.0]),
        validation=st.sampled_from([frozenset(), frozenset(Validation)]),
        used=st.lists(USERS, max_size=4),
    )
    def start(
        self,
        max_size: int,
        per_identity: int | None,
        reauthenticates: bool,
        retire: RetirePolicy,
        purge: PurgePolicy,
        aged: float | None,
        validation: frozenset[Validation],
        used: list[str],
    ) -> None:
        self.now = 0.0
        self.factory = FakeFactory()
        configured = PoolSettings(
            max_size,
            min_size=min(1, max_size),
            per_identity=per_identity,
            aged_timeout=aged,
            unused_timeout=2.0,
            background_validation=1.0,
            validation=validation,
            retire_policy=retire,
            purge_policy=purge,
            leak_timeout=1.0,
        )
        self.state: PoolState[None] = PoolState(configured, reauthenticates=reauthenticates, jitter=lambda: 0.5)
        self.lent: list[tuple[Entry, SignOnPlan]] = []
        self.inspected: list[Entry] = []
        self.opening: list[Permit] = []
        self.closing: list[Entry] = []
        self.asleep: list[Waiter[None]] = []
        self.awake: list[Waiter[None]] = []
        self.gone: dict[Entry, None] = {}
        self.version = 1
        for user in used:  # without any rule at all, so that the rules begin where connections are free and lent
            self.serve(user, old=False, asserted=False, owner=1)

    def plan(self, user: str, *, old: bool = False, asserted: bool = False) -> SignOnPlan:
        version = 1 if old else self.version
        if asserted:
            return self.factory.plan(DOOR, version=version, asserted=user)
        return self.factory.plan(user, version=version)

    # --- what borrowers do -------------------------------------------------------------------------------------

    @rule(user=USERS, old=st.booleans(), asserted=st.booleans(), owner=st.integers(1, 2))
    def borrow(self, user: str, old: bool, asserted: bool, owner: int) -> None:
        self.borrow_by(self.plan(user, old=old, asserted=asserted), owner)

    @rule(user=USERS, old=st.booleans(), asserted=st.booleans(), owner=st.integers(1, 2))
    def serve(self, user: str, old: bool, asserted: bool, owner: int) -> None:
        """Borrow, open what has to be opened, give back: what happens nearly always, in one."""
        lent, opening = len(self.lent), len(self.opening)
        self.borrow(user, old, asserted, owner)
        if len(self.opening) > opening:
            self.open_by(self.opening.pop())
        if len(self.lent) > lent:
            self.give_back_this(len(self.lent) - 1)

    def borrow_by(self, plan: SignOnPlan, owner: int) -> None:
        if self.state.closed:
            assert self.state.take_free(plan, owner) is None
            return
        found: Found | None = None
        if not self.state.shares.counts_leases(plan):
            found = self.state.take_free(plan, owner)
        found = found or self.state.request(plan, owner, self.now)
        if found is None:
            waiter: Waiter[None] = Waiter(plan, owner, self.now, None)
            self.state.queue.add(waiter)
            self.asleep.append(waiter)
        else:
            self.received(plan, found)
            self.woke(self.state.rouse_shares(self.now))

    @precondition(lambda self: self.state.entries)
    @rule(user=USERS, data=st.data())
    def match(self, user: str, data: st.DataObject) -> None:
        plan = self.plan(user)
        candidates = self.state.candidates(plan)
        if candidates:
            taken = self.state.take_this(data.draw(st.sampled_from(candidates)), plan, 1)
            if taken is not None:
                self.received(plan, taken)

    @precondition(lambda self: self.lent)
    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        self.give_back_this(data.draw(st.integers(0, len(self.lent) - 1)))

    def give_back_this(self, at: int) -> None:
        entry, _ = self.lent.pop(at)
        if entry.check is Check.REAUTHENTICATE or not self.state.give_back(entry):
            self.settled(entry, self.state.settle(entry, self.now))

    @precondition(lambda self: self.lent)
    @rule(data=st.data())
    def invalidate(self, data: st.DataObject) -> None:
        entry, _ = self.lent.pop(data.draw(st.integers(0, len(self.lent) - 1)))
        assert self.state.condemn(entry, Doom.DISCARDED)
        self.left(entry)
        self.closing.append(entry)

    @precondition(lambda self: self.lent)
    @rule(data=st.data())
    def exchange(self, data: st.DataObject) -> None:
        entry, plan = self.lent.pop(data.draw(st.integers(0, len(self.lent) - 1)))
        self.received(plan, self.state.exchange(entry, self.now))

    @precondition(lambda self: self.awake)
    @rule(data=st.data())
    def wake_up(self, data: st.DataObject) -> None:
        waiter = self.awake.pop(data.draw(st.integers(0, len(self.awake) - 1)))
        self.looked(waiter)

    @precondition(lambda self: self.asleep)
    @rule(data=st.data())
    def look_unasked(self, data: st.DataObject) -> None:
        waiter = self.asleep.pop(data.draw(st.integers(0, len(self.asleep) - 1)))
        self.looked(waiter)

    @precondition(lambda self: self.asleep or self.awake)
    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        waiter = data.draw(st.sampled_from(self.asleep + self.awake))
        (self.asleep if waiter in self.asleep else self.awake).remove(waiter)
        grant, woken = self.state.withdraw(waiter, self.now)
        self.woke(woken)
        if isinstance(grant, Entry):
            self.lent.append((grant, waiter.plan))  # its thread returns it unused, by `settle`
        elif isinstance(grant, Permit):
            self.received(waiter.plan, grant)

    # --- what the shell carries out ----------------------------------------------------------------------------

    @precondition(lambda self: self.opening)
    @rule(data=st.data(), outcome=st.sampled_from(["opened", "opened", "failed", "refused"]), owner=st.integers(1, 2))
    def open(self, data: st.DataObject, outcome: str, owner: int) -> None:
        permit = self.opening.pop(data.draw(st.integers(0, len(self.opening) - 1)))
        if outcome == "opened":
            self.open_by(permit, owner)
            return
        assert permit.plan is not None
        if outcome == "refused":
            self.woke(self.state.refused(permit.plan, LoginRefused(REFUSED), self.now))
        self.woke(self.state.permit_freed(self.now, permit))

    def open_by(self, permit: Permit, owner: int = 1) -> None:
        plan = permit.plan
        assert plan is not None
        entry, leaving = self.state.opened(FakeConnection(plan.user), permit, f"{plan.user}-alias", owner, self.now)
        self.lent.append((entry, plan))
        self.flushed(leaving)
        self.woke(self.state.rouse_shares(self.now))

    @precondition(lambda self: any(entry.check is Check.REAUTHENTICATE for entry, _ in self.lent))
    @rule(outcome=st.sampled_from(["taken", "refused", "broken"]))
    def reauthenticate(self, outcome: str) -> None:
        at = next(at for at, (entry, _) in enumerate(self.lent) if entry.check is Check.REAUTHENTICATE)
        entry, plan = self.lent[at]
        if outcome == "taken":
            physical: Any = entry.physical
            physical.user = plan.user
            self.flushed(self.state.reauthenticated(entry, f"{plan.user}-alias", self.now))
            return
        del self.lent[at]
        if outcome == "refused":
            self.woke(self.state.refused(plan, LoginRefused(REFUSED), self.now))
        assert self.state.condemn(entry, Doom.DISCARDED)
        self.left(entry)
        self.closing.append(entry)

    @precondition(lambda self: self.closing)
    @rule()
    def closed(self) -> None:
        self.woke(self.state.permit_freed(self.now, Permit(victim=self.closing.pop())))

    # --- what befalls ------------------------------------------------------------------------------------------

    @precondition(lambda self: self.state.entries or self.gone)
    @rule(data=st.data())
    def breaks(self, data: st.DataObject) -> None:
        every = [*self.state.entries, *self.gone]
        self.flushed(self.state.failed(data.draw(st.sampled_from(every))))

    @rule(user=USERS, final=st.booleans())
    def credential_changes(self, user: str, final: bool) -> None:
        self.version += 1
        self.flushed(self.state.retire(f"{user}-alias", self.version, final=final))

    @rule(users=st.sets(USERS))
    def flush(self, users: set[str]) -> None:
        if users:
            self.flushed(self.state.flush(lambda entry: entry.user in users, Doom.PURGED))
        else:
            self.flushed(self.state.purge())

    @rule(max_size=st.integers(1, 5), per_identity=st.sampled_from([None, 1, 3]))
    def resize(self, max_size: int, per_identity: int | None) -> None:
        if self.state.shares.per_identity is None and per_identity is not None:
            per_identity = None  # leases that were never counted would make the model's limit wrong
        elif self.state.shares.per_identity is not None:
            per_identity = max(per_identity or 0, self.state.shares.per_identity)
        leaving, woken = self.state.resize(max_size, 0, per_identity, self.now)
        self.flushed(leaving)
        self.woke(woken)

    @precondition(lambda self: self.state.counts.created > 3 and not self.state.suspended)
    @rule()
    def suspend(self) -> None:
        self.state.suspend()

    @precondition(lambda self: self.state.suspended)
    @rule()
    def resume(self) -> None:
        self.woke(self.state.resume_lending(self.now))

    @rule(seconds=st.sampled_from([HAND_OVER_AFTER / 4, HAND_OVER_AFTER, 1.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def upkeep(self) -> None:
        found = look(self.state, self.now)
        self.flushed(found.leaving)
        for entry in found.to_validate:
            if self.state.inspect(entry):
                self.inspected.append(entry)
        missing = refill(self.state, self.now)
        if missing is not None:
            self.opening.append(missing[1])

    @precondition(lambda self: self.inspected)
    @rule(good=st.booleans())
    def validated(self, good: bool) -> None:
        entry = self.inspected.pop()
        self.state.validated(entry, good, self.now)
        if good:
            self.settled(entry, self.state.put_back(entry, self.now))
        elif self.state.condemn(entry, Doom.INVALID):
            self.left(entry)
            self.closing.append(entry)

    @precondition(lambda self: self.state.counts.created > 12)
    @rule()
    def close(self) -> None:
        leaving, woken = self.state.close()
        self.flushed(leaving)
        self.woke(woken)

    # --- the model's bookkeeping -------------------------------------------------------------------------------

    def looked(self, waiter: Waiter[None]) -> None:
        granted = isinstance(waiter.grant, Entry)
        grant, woken = self.state.resume(waiter, self.now)
        if grant is None:
            if not self.state.closed:
                self.asleep.append(waiter)
        elif not isinstance(grant, LoginRefused):
            self.received(waiter.plan, grant, granted=granted)
        self.woke(woken)

    def may_serve(self, entry: Entry, plan: SignOnPlan) -> bool:
        """Whether an entry's credential is new enough for a plan, or nothing newer is to be had now."""
        return (
            entry.version >= plan.version
            or self.state.versions.old_ones_serve
            or bool(self.state.refusals.blocks(plan, self.now))
            or self.state._is_on_trial(plan)
        )

    def received(self, plan: SignOnPlan, found: Found, *, granted: bool = False) -> None:
        """Somebody has got something; `granted`: it was decided earlier, when its waiter was woken."""
        if isinstance(found, Refusal):
            assert found.version == plan.version, "a credential is refused that was not tried"
        elif isinstance(found, Entry):
            assert isinstance(found.physical, FakeConnection)
            assert found.doomed is None, "a doomed connection is lent"
            if found.check is not Check.REAUTHENTICATE:
                assert found.physical.user == plan.user, "a connection is lent to a foreign identity"
                assert granted or self.may_serve(found, plan), "a connection is lent with a superseded credential"
            self.lent.append((found, plan))
        else:
            if found.victim is not None and found.victim not in self.gone:  # `woke` has noted those of grants
                self.left(found.victim)
            assert found.victim not in self.closing, "a connection would be closed twice"
            if found.plan is not None:
                self.opening.append(found)
                return
            assert self.state.refusals.blocks(plan, self.now), "a broken one is not replaced, and nothing is refused"
            assert found.victim is not None
            self.closing.append(found.victim)
            self.borrow_by(plan, 1)  # the shell asks again

    def settled(self, entry: Entry, woken: list[Waiter[None]] | None) -> None:
        if woken is None:
            self.left(entry)
            self.closing.append(entry)
        else:
            self.woke(woken)

    def flushed(self, leaving: list[Entry]) -> None:
        for entry in leaving:
            self.left(entry)
        self.closing.extend(leaving)

    def left(self, entry: Entry) -> None:
        assert entry not in self.gone, "a connection would be closed twice"
        assert entry.gone
        assert not self.state.condemn(entry, Doom.DISCARDED)
        self.gone[entry] = None

    def woke(self, woken: list[Waiter[None]]) -> None:
        for waiter in woken:
            self.asleep.remove(waiter)  # ValueError: woken twice
            if isinstance(waiter.grant, Entry) and waiter.grant.check is not Check.REAUTHENTICATE:
                assert self.may_serve(waiter.grant, waiter.plan), "a superseded credential is granted"
            self.awake.append(waiter)

    def granted(self, kind: type[Any]) -> list[Any]:
        return [waiter.grant for waiter in self.awake if isinstance(waiter.grant, kind)]

    # --- invariants --------------------------------------------------------------------------------------------

    @invariant()
    def every_permit_is_accounted_for(self) -> None:
        in_flight = len(self.opening) + len(self.closing) + len(self.granted(Permit))
        assert self.state.permits == len(self.state.entries) + in_flight
        going = in_flight + sum(1 for entry in self.state.entries if entry.doomed is not None)
        assert 0 <= self.state.permits <= max(self.state.max_size, going + self.state.max_size)
        counts = self.state.counts
        assert len(self.state.entries) == counts.created - counts.destroyed
        assert counts.destroyed == sum(counts.destroyed_for.values())

    @invariant()
    def lent_and_free_are_disjoint_and_all(self) -> None:
        lent = {entry for entry, _ in self.lent} | set(self.granted(Entry)) | set(self.inspected)
        free = {entry for entry in self.state.entries if entry.plan is None}
        assert not lent & free
        assert {entry for entry in lent if not entry.gone} | free == set(self.state.entries)
        assert self.state.shares.free_count() == len(free)
        for partition in self.state.shares.partitions.values():
            assert all(entry.partition is partition for entry in partition.free)
            returns = [entry.returned for entry in partition.free]
            assert returns == sorted(returns), "the least recently used one is not the first"

    @invariant()
    def nobody_has_more_than_its_share(self) -> None:
        live: Counter[Any] = Counter(entry.partition.key for entry in self.state.entries)
        permits = [*self.opening, *self.granted(Permit)]
        live.update(permit.partition.key for permit in permits if permit.partition is not None)
        closing = [*self.closing, *(permit.victim for permit in permits if permit.victim is not None)]
        replacing = Counter(permit.victim.partition.key for permit in permits if permit.victim is not None)
        live.update(entry.partition.key for entry in closing)
        assert live == {key: partition.live for key, partition in self.state.shares.partitions.items()}
        limit = self.state.shares.per_identity
        if limit is None:
            return
        door = self.plan("alice", asserted=True).partition
        assert all(count - replacing[key] <= limit for key, count in live.items() if key != door)
        counted = Counter(entry.counted for entry in [*self.state.entries, *closing] if entry.counted is not None)
        counted.update(permit.counted for permit in permits if permit.counted is not None)
        assert counted == self.state.shares._at_work

    @invariant()
    def nobody_sleeps_beside_what_could_serve(self) -> None:
        queued = set(self.state.queue.members)
        assert set(self.asleep) <= queued, "a waiter is forgotten"
        looking = [waiter for waiter in self.awake if waiter in queued]
        assert len(looking) == self.state.queue.signalled
        if self.state.suspended:
            return
        available = self.state.shares.free_count() + max(self.state.max_size - self.state.permits, 0)
        if self.state.refusals:
            return  # a back-off ends with time, which wakes nobody: `teardown` shows that nobody waits for ever
        could = [waiter for waiter in self.asleep if self.state._way(waiter.plan, waiter.owner, self.now) is not None]
        assert not could or len(looking) >= available

    @invariant()
    def after_close_nothing_is_free_and_nobody_sleeps(self) -> None:
        if self.state.closed:
            assert self.state.shares.free_count() == 0
            assert not self.asleep

    def teardown(self) -> None:
        """When everybody has come to an end, nothing is left over."""
        if self.state.suspended:
            self.woke(self.state.resume_lending(self.now))
        self.now += 1000.0  # no back-off is left
        while self.lent or self.opening or self.closing or self.awake or self.inspected:
            self.wind_up()
        while self.asleep:  # who waited for a back-off to end looks again, as its time-out makes it
            waiting = len(self.asleep)
            for _ in range(waiting):
                self.awake.append(self.asleep.pop(0))
                while self.lent or self.opening or self.closing or self.awake:
                    self.wind_up()
            assert len(self.asleep) < waiting, "everything is free, and none of those who wait is served"
        assert self.state.permits == self.state.shares.free_count() == len(self.state.entries)

    def wind_up(self) -> None:
        while self.inspected:
            entry = self.inspected.pop()
            self.settled(entry, self.state.put_back(entry, self.now))
        while self.lent:
            entry, _ = self.lent.pop(0)
            self.settled(entry, self.state.settle(entry, self.now))
        while self.opening:
            self.woke(self.state.permit_freed(self.now, self.opening.pop()))
        while self.closing:
            self.closed()
        for waiter in list(self.awake):
            self.awake.remove(waiter)
            self.looked(waiter)


class Ended(BaseException):
    """An example ends, as hypothesis ends one whose data are used up."""


class Draws:
    """So many draws, each of the simplest value, then the example ends."""

    def __init__(self, left: int) -> None:
        self._left = left

    def draw(self, strategy: Any) -> Any:
        if not self._left:
            raise Ended
        self._left -= 1
        return strategy.elements[0] if hasattr(strategy, "elements") else 0


#: The rules that draw in their middle, with what else they are called with.
DRAWING: list[tuple[str, dict[str, Any]]] = [
    ("match", {"user": "alice"}),
    ("give_back", {}),
    ("invalidate", {}),
    ("exchange", {}),
    ("wake_up", {}),
    ("look_unasked", {}),
    ("give_up", {}),
    ("open", {"outcome": "opened", "owner": 1}),
    ("open", {"outcome": "refused", "owner": 1}),
    ("breaks", {}),
]


@pytest.mark.parametrize(("name", "given"), DRAWING)
@pytest.mark.parametrize("draws", [0, 1, 2])
def test_wherever_an_example_ends_the_model_still_comes_to_its_end(
    name: str, given: dict[str, Any], draws: int
) -> None:
    machine = PoolMachine()
    machine.start(
        3, None, False, RetirePolicy.RETIRE_ON_RETURN, PurgePolicy.FAILING_CONNECTION, None, frozenset(), ["alice"]
    )
    for user in ("bob", "carol", "alice", "alice", "bob"):  # two open, one has the free one, two wait
        machine.borrow(user, False, False, 1)
    machine.open_by(machine.opening.pop())
    machine.give_back_this(0)
    assert machine.lent, "the scene: something can be drawn for each of the rules"
    assert machine.opening
    assert machine.awake
    assert machine.asleep
    assert machine.state.candidates(machine.plan("alice"))
    with suppress(Ended):
        getattr(machine, name)(data=Draws(draws), **given)
    machine.teardown()


PoolMachine.TestCase.settings = settings(
    max_examples=150,
    stateful_step_count=50,
    deadline=None,
    phases=[p for p in Phase if p is not Phase.explain],
    suppress_health_check=[HealthCheck.too_slow],
)
TestPoolState = PoolMachine.TestCase
