"""Waiting for a connection: order, hand-over, time-outs, interruptions (POOL-2, POOL-7)."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from support_pool import InThread, PoolBench, until

from connector.errors import LoginRefused, PoolClosed, PoolTimeout, Reason
from connector.pool.entry import Permit
from connector.pool.pool import _taken_lock
from connector.pool.settings import PoolSettings
from connector.pool.state import PoolState
from connector.pool.waiting import HAND_OVER_AFTER, Waiter
from connector.spi import ManagedConnection, Scope, SignOnPlan, Subject

REFUSED = Reason("CF-TEST-731", "refused", "")


def waiting(bench: PoolBench, count: int) -> None:
    until(lambda: bench.pool.statistics().waiting == count)


def test_a_time_out_tells_who_holds_what() -> None:
    bench = PoolBench(max_size=3)
    held = [bench.pool.take(plan) for plan in (bench.alice, bench.bob)]
    held.append(InThread(lambda: bench.pool.take(bench.alice)).result())  # type: ignore[arg-type]  # it is a lease
    with pytest.raises(PoolTimeout) as refusal:
        bench.pool.take(bench.factory.plan("carol", reference="jdbc/log"), timeout=0)
    text = str(refusal.value)
    assert refusal.value.code == "CF-POOL-003"
    assert "no connection to eis/fake came free for carol (reference jdbc/log) within 0 s" in text
    assert "3 of 3 in use (alice: 2, bob: 1)" in text
    assert "1 waiting" in text
    assert "raise the pool's max_size" in text
    for lease in held:
        lease.close()
    assert bench.settled()
    assert bench.pool.statistics().timeouts == 1


def test_a_thread_that_holds_all_connections_itself_is_told_so() -> None:
    bench = PoolBench(max_size=2)
    with bench.pool.take(bench.alice), bench.pool.take(bench.bob), pytest.raises(PoolTimeout) as refusal:
        bench.pool.take(bench.alice, timeout=0)
    assert "This thread or task holds all of them itself" in refusal.value.action


def test_the_timeout_of_the_settings_holds_where_the_call_gives_none() -> None:
    bench = PoolBench(max_size=1, connection_timeout=0)
    with bench.pool.take(bench.alice), pytest.raises(PoolTimeout):
        bench.pool.take(bench.alice)


def test_a_waiter_gets_the_very_connection_that_comes_back() -> None:
    bench = PoolBench(max_size=1)
    held = bench.pool.take(bench.alice)
    physical = held.physical
    other = InThread(lambda: bench.pool.take(bench.alice))
    waiting(bench, 1)
    held.close()
    lease: Any = other.result()
    assert lease.physical is physical
    assert physical.cleaned == 1
    assert len(bench.factory.made) == 1
    assert bench.pool.statistics().waits == 1


def test_an_overdue_waiter_is_handed_the_connection_and_nobody_can_overtake_it() -> None:
    bench = PoolBench(max_size=1)
    held = bench.pool.take(bench.alice)
    other = InThread(lambda: bench.pool.take(bench.alice))
    waiting(bench, 1)
    bench.clock.now += HAND_OVER_AFTER
    held.close()
    with pytest.raises(PoolTimeout):  # whatever the scheduler does: it was granted before `close` returned
        bench.pool.take(bench.alice, timeout=0)
    lease: Any = other.result()
    lease.close()
    assert bench.settled()


def test_an_overdue_waiter_of_another_identity_gets_the_place_not_the_connection() -> None:
    bench = PoolBench(max_size=1)
    held = bench.pool.take(bench.alice)
    other = InThread(lambda: bench.pool.take(bench.bob))
    waiting(bench, 1)
    bench.clock.now += HAND_OVER_AFTER
    held.close()
    lease: Any = other.result()
    assert lease.physical.describe().user == "bob"
    assert bench.factory.made[0].destroyed == 1
    assert bench.factory.most == 1


def test_a_young_waiter_is_woken_and_gets_it_if_nobody_is_faster() -> None:
    bench = PoolBench(max_size=1)
    held = bench.pool.take(bench.alice)
    other = InThread(lambda: bench.pool.take(bench.bob))
    waiting(bench, 1)
    held.close()
    lease: Any = other.result()
    assert lease.physical.describe().user == "bob"


def test_a_waiter_gets_the_place_of_a_connection_that_is_destroyed() -> None:
    bench = PoolBench(max_size=1)
    held = bench.pool.take(bench.alice)
    other = InThread(lambda: bench.pool.take(bench.alice))
    waiting(bench, 1)
    bench.clock.now += 1
    held.invalidate()
    lease: Any = other.result()
    assert lease.physical is bench.factory.made[1]
    assert bench.factory.most == 1


def test_overdue_waiters_are_served_in_the_order_in_which_they_came() -> None:
    bench = PoolBench(max_size=1)
    held = bench.pool.take(bench.alice)
    served: list[int] = []

    def borrow(number: int) -> None:
        with bench.pool.take(bench.alice):
            served.append(number)

    others = []
    for number in range(5):
        others.append(InThread(partial(borrow, number)))
        waiting(bench, number + 1)
    bench.clock.now += 1
    held.close()
    for other in others:
        other.result()
    assert served == [0, 1, 2, 3, 4]
    assert bench.settled()


def test_closing_the_pool_ends_every_wait() -> None:
    bench = PoolBench(max_size=1)
    held = bench.pool.take(bench.alice)
    others = [InThread(lambda: bench.pool.take(bench.bob)) for _ in range(3)]
    waiting(bench, 3)
    bench.pool.close()
    for other in others:
        with pytest.raises(PoolClosed):
            other.result()
    held.close()
    assert bench.settled()


def test_waits_are_counted_with_their_time() -> None:
    bench = PoolBench(max_size=1)
    held = bench.pool.take(bench.alice)
    other = InThread(lambda: bench.pool.take(bench.alice))
    waiting(bench, 1)
    bench.clock.now += 1.5
    held.close()
    other.result()
    assert (bench.pool.statistics().waits, bench.pool.statistics().wait_seconds_total) == (1, 1.5)


# --- the same decisions without threads --------------------------------------------------------------------------


class Waiting:
    """A full pool's state with one lent connection and waiters, driven by hand; a signal is a name.

    All further permits are those of connections that are being opened.
    """

    def __init__(self, bench: PoolBench, *plans: SignOnPlan, size: int = 1) -> None:
        self.state: PoolState[str] = PoolState(PoolSettings(size))
        self.permits = [self.state.request(bench.alice, 0, 0.0) for _ in range(size)]
        physical: ManagedConnection = bench.factory.create_managed_connection(None, None)
        permit = self.permits[0]
        assert isinstance(permit, Permit)
        self.entry, _ = self.state.opened(physical, permit, None, 0, 0.0)
        self.waiters = [Waiter(plan, 1, 0.0, f"waiter {number}") for number, plan in enumerate(plans)]
        for waiter in self.waiters:
            assert self.state.request(waiter.plan, 1, 0.0) is None
            self.state.queue.add(waiter)


def test_one_connection_coming_free_wakes_one_waiter() -> None:
    bench = PoolBench()
    case = Waiting(bench, bench.alice, bench.alice, bench.bob)
    assert case.state.settle(case.entry, now=0.0) == case.waiters[:1]


def test_an_overtaken_waiter_keeps_its_place_at_the_head() -> None:
    bench = PoolBench()
    case = Waiting(bench, bench.alice, bench.alice)
    case.state.settle(case.entry, now=0.0)
    assert case.state.take_free(bench.alice, 2) is case.entry  # somebody overtakes
    assert case.state.resume(case.waiters[0], 0.0) == (None, [])
    assert case.state.settle(case.entry, now=HAND_OVER_AFTER) == case.waiters[:1]
    assert case.state.resume(case.waiters[0], HAND_OVER_AFTER) == (case.entry, [])


def test_a_woken_waiter_that_gives_up_passes_the_wake_up_on() -> None:
    bench = PoolBench()
    case = Waiting(bench, bench.alice, bench.bob)
    case.state.settle(case.entry, now=0.0)
    assert case.state.withdraw(case.waiters[0], 0.0) == (None, [case.waiters[1]])


def test_a_woken_waiter_that_is_refused_passes_the_wake_up_on() -> None:
    bench = PoolBench()
    case = Waiting(bench, bench.carol, bench.bob)
    case.state.settle(case.entry, now=0.0)  # wakes carol's, who has not looked yet when her login is refused
    assert case.state.refused(bench.carol, LoginRefused(REFUSED), 0.0) == [case.waiters[1]]


def test_a_woken_waiter_that_is_granted_something_else_passes_the_wake_up_on() -> None:
    bench = PoolBench()
    case = Waiting(bench, bench.alice, bench.bob, size=2)
    unused = case.permits[1]
    assert isinstance(unused, Permit)
    assert case.state.permit_freed(0.0, unused) == case.waiters[:1]  # there is room; it has not looked yet
    assert case.state.settle(case.entry, now=1.0) == [case.waiters[1]]
    assert case.waiters[0].grant is case.entry


def test_a_grant_that_comes_at_the_instant_of_giving_up_is_not_lost() -> None:
    bench = PoolBench()
    case = Waiting(bench, bench.alice)
    case.state.settle(case.entry, now=1.0)
    assert case.state.withdraw(case.waiters[0], 1.0) == (case.entry, [])


def test_a_granted_connection_that_breaks_on_its_way_is_not_handed_out() -> None:
    bench = PoolBench()
    case = Waiting(bench, bench.alice)
    case.state.settle(case.entry, now=1.0)
    assert case.state.failed(case.entry) == []
    found, _ = case.state.resume(case.waiters[0], 1.0)
    assert isinstance(found, Permit)
    assert (found.plan, found.victim) == (bench.alice, case.entry)
    assert case.entry.gone


def test_a_waiter_that_is_interrupted_leaves_the_queue_and_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = PoolBench(max_size=1)
    held = bench.pool.take(bench.alice)

    class Interrupted:
        def acquire(self, timeout: float = -1) -> bool:
            if timeout >= 0:
                raise KeyboardInterrupt
            return True

        def release(self) -> None: ...

    with monkeypatch.context() as patch:
        patch.setattr("connector.pool.pool.Lock", Interrupted)
        with pytest.raises(KeyboardInterrupt):
            bench.pool.take(bench.alice)
    assert bench.pool.statistics().waiting == 0
    held.close()
    assert bench.settled()


def test_who_gives_up_wakes_those_who_can_go_on_instead() -> None:
    bench = PoolBench(max_size=4, per_identity=2, login_backoff=1.0)
    newer = bench.factory.plan("alice", version=2)
    older = bench.pool.take(bench.alice)

    def refuse() -> None:
        raise LoginRefused(REFUSED)

    bench.factory.on_create = refuse
    rotated = InThread(lambda: bench.pool.take(newer))  # refused; it waits for the connection that serves on
    waiting(bench, 1)
    bench.factory.on_create = lambda: None
    with bench.pool.take(bench.bob), bench.pool.take(bench.bob):
        bench.clock.now += 2.0  # it may try again by now, and nothing has told it
        with pytest.raises(PoolTimeout):
            bench.pool.take(bench.bob, timeout=0)
        lease: Any = rotated.result()
    assert lease.plan is newer
    lease.close()
    older.close()
    assert bench.settled()


def test_a_waiter_that_is_rung_twice_wakes_once() -> None:
    bench = PoolBench()
    waiter = Waiter(bench.alice, 1, 0.0, _taken_lock())
    bench.pool._wake([waiter])
    bench.pool._wake([waiter])  # its time was up: it looked before the first ring came, and was signalled again
    assert waiter.signal.acquire(timeout=0)
    assert not waiter.signal.acquire(timeout=0)


def test_one_that_is_refused_wakes_the_next_one_to_be_refused_as_well() -> None:
    bench = PoolBench(max_size=2, login_backoff=1.0)
    newer = bench.factory.plan("alice", version=2)
    older = bench.pool.take(bench.alice)

    def refuse() -> None:
        raise LoginRefused(REFUSED)

    bench.factory.on_create = refuse
    rotated = []
    for number in range(3):  # refused, or spared the attempt; they wait for the connection that serves on
        rotated.append(InThread(lambda: bench.pool.take(newer)))
        waiting(bench, number + 1)
    bench.pool.resize(max_size=1)
    older.invalidate()
    for thread in rotated:
        with pytest.raises(LoginRefused):
            thread.result()
    assert bench.settled()


def test_a_connection_that_is_handed_over_belongs_to_the_former_borrowers_login_no_more() -> None:
    bench = PoolBench()
    case = Waiting(bench, bench.alice)
    case.entry.scope = Scope(Subject.of_user("alice", "home"), "home", "test", "login of alice")
    case.state.settle(case.entry, now=1.0)
    assert case.waiters[0].grant is case.entry
    assert case.entry.scope is None
