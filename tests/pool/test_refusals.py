"""Refused logins: one probe for each back-off, whatever happens, so that no account is locked (POOL-2, AUTHD-3)."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from support_either_pool import Make, refused
from support_pool import InThread, PoolBench, until

from connector.errors import LoginRefused, PoolTimeout
from connector.pool.refusals import Refusals
from connector.pool.settings import Validation
from connector.spi import Capability


def test_during_the_back_off_the_same_error_comes_at_once_and_nothing_is_tried(either: Make) -> None:
    bench = either()
    attempts = bench.refuse()
    for _ in range(5):
        with pytest.raises(LoginRefused) as refusal:
            bench.take(bench.alice)
        assert refusal.value.code == "CF-TEST-741"
    with pytest.raises(LoginRefused) as spared:
        bench.take(bench.alice)
    assert "Not tried this time" in str(spared.value.__notes__)
    assert (len(attempts), bench.now.spared_logins) == (1, 5)
    assert bench.settled()


def test_the_back_off_doubles_with_each_refusal_up_to_its_limit(either: Make) -> None:
    bench = either(login_backoff=1.0, login_backoff_max=5.0)
    attempts = bench.refuse()
    for pause in (1.0, 2.0, 4.0, 5.0, 5.0):
        with pytest.raises(LoginRefused):
            bench.take(bench.alice)
        tried = len(attempts)
        bench.clock.now += pause - 0.01
        with pytest.raises(LoginRefused):
            bench.take(bench.alice)
        assert len(attempts) == tried
        bench.clock.now += 0.02
    assert len(attempts) == 5


def test_an_accepted_probe_ends_the_back_off(either: Make) -> None:
    bench = either()
    bench.refuse()
    with pytest.raises(LoginRefused):
        bench.take(bench.alice)
    bench.accept()
    bench.clock.now += 1.0
    bench.use(bench.alice, bench.alice)
    assert bench.settled()


def test_other_users_are_not_affected(either: Make) -> None:
    bench = either()
    bench.refuse()
    with pytest.raises(LoginRefused):
        bench.take(bench.alice)
    bench.accept()
    bench.use(bench.bob)


def test_a_corrected_credential_is_tried_at_once(either: Make) -> None:
    bench = either()
    bench.refuse()
    with pytest.raises(LoginRefused):
        bench.take(bench.alice)
    bench.accept()
    bench.use(bench.factory.plan("alice", version=2))


def test_a_test_connection_that_succeeds_ends_the_back_off(either: Make) -> None:
    bench = either()
    bench.refuse()
    with pytest.raises(LoginRefused):
        bench.take(bench.alice)
    bench.accept()
    bench.go(lambda: bench.pool.forgive(bench.alice))
    bench.use(bench.alice)


def test_that_an_old_credential_is_still_accepted_says_nothing_of_the_refused_new_one(either: Make) -> None:
    bench = either()
    newer = bench.factory.plan("alice", version=2)
    bench.refuse()
    with pytest.raises(LoginRefused):
        bench.take(newer)
    bench.accept()
    bench.use(bench.alice)  # a borrower from before the change
    attempts = bench.refuse()
    bench.take(newer).close()  # served by that one, and not tried
    assert attempts == []


def test_a_probe_that_fails_otherwise_lets_the_next_one_try(either: Make) -> None:
    bench = either()
    bench.refuse()
    with pytest.raises(LoginRefused):
        bench.take(bench.alice)
    bench.clock.now += 1.0

    def unreachable() -> None:
        raise OSError

    bench.on_open(unreachable)
    with pytest.raises(OSError):
        bench.take(bench.alice)
    bench.accept()
    bench.use(bench.alice)


def test_while_the_probe_is_under_way_nobody_else_tries() -> None:
    bench = PoolBench(max_size=3)
    bench.factory.on_create = lambda: (_ for _ in ()).throw(refused())
    with pytest.raises(LoginRefused):
        bench.pool.take(bench.alice)
    bench.clock.now += 1.0
    go_on = threading.Event()
    bench.factory.on_create = lambda: go_on.wait(20)
    probe = InThread(lambda: bench.pool.take(bench.alice))
    until(lambda: bench.pool.statistics().changing == 1)
    with pytest.raises(LoginRefused) as refusal:
        bench.pool.take(bench.alice)
    assert "being tried now" in str(refusal.value.__notes__)
    go_on.set()
    lease: Any = probe.result()
    lease.close()


def test_an_attempt_from_before_the_refusal_does_not_end_the_probe() -> None:
    bench = PoolBench()
    refusals = Refusals(1.0, 60.0)
    before = refusals.tried(bench.alice)
    refusals.refused(bench.alice, refused(), 0.0)
    probe = refusals.tried(bench.alice)
    assert probe is not None
    refusals.failed(before)  # it could not reach the system, at last
    assert refusals.blocks(bench.alice, 5.0) is probe
    assert refusals.tried(bench.alice) is None
    refusals.failed(probe)
    assert refusals.blocks(bench.alice, 5.0) is None


def test_old_connections_serve_on_while_the_new_credential_is_refused(either: Make) -> None:
    bench = either()
    bench.use(bench.alice)
    attempts = bench.refuse()
    newer = bench.factory.plan("alice", version=2)
    with bench.take(newer) as first:  # the probe is refused; what was signed on before serves
        assert first.physical is bench.made[0]
    with bench.take(newer):
        pass
    assert len(attempts) == 1
    assert bench.settled()


def test_a_dead_old_connection_is_not_replaced_by_a_login_during_the_back_off(either: Make) -> None:
    bench = either(max_size=4, validation=frozenset({Validation.ON_CHECKOUT}), validation_bypass=0.0)
    bench.use(bench.alice, bench.alice, bench.alice)
    attempts = bench.refuse()
    newer = bench.factory.plan("alice", version=2)
    bench.take(newer).close()
    for made in bench.made:
        made.on_validate = lambda: False  # the system has gone down and come back
    with pytest.raises(LoginRefused):
        bench.take(newer)
    assert len(attempts) == 1
    assert [made.destroyed for made in bench.made] == [1, 1, 1]
    assert bench.settled()


def test_a_granted_old_connection_that_breaks_on_its_way_is_not_replaced_by_a_login_during_the_back_off() -> None:
    bench = PoolBench(max_size=2)
    old = bench.pool.take(bench.alice)
    newer = bench.factory.plan("alice", version=2)
    attempts = []

    def refuse() -> None:
        attempts.append(1)
        raise refused()

    bench.factory.on_create = refuse
    waiter = InThread(lambda: bench.pool.take(newer))
    until(lambda: bench.pool.statistics().waiting == 1)
    bench.clock.now += 0.5
    physical = bench.factory.made[0]
    original = bench.pool._wake

    def break_first(waiters: Any) -> None:
        physical.connection_error_occurred()
        original(waiters)

    bench.pool._wake = break_first  # type: ignore[method-assign]  # between the grant and the waking
    old.close()
    with pytest.raises(LoginRefused):
        waiter.result()
    assert len(attempts) == 1
    assert physical.destroyed == 1
    assert bench.settled()


def test_without_a_back_off_a_refusal_is_told_and_not_tried_again_and_again() -> None:
    bench = PoolBench(max_size=3, login_backoff=0.0)
    held = bench.pool.take(bench.alice)
    attempts: list[int] = []

    def refuse() -> None:
        attempts.append(1)
        assert len(attempts) < 5, "the account is locked"
        raise refused()

    bench.factory.on_create = refuse
    other = InThread(lambda: bench.pool.take(bench.factory.plan("alice", version=2)))
    with pytest.raises(LoginRefused):
        other.result()
    assert len(attempts) == 1
    held.close()


def test_a_waiter_that_outlasts_the_back_off_tries_although_nothing_wakes_it() -> None:
    bench = PoolBench(max_size=3)
    held = bench.pool.take(bench.alice)
    bench.factory.on_create = lambda: (_ for _ in ()).throw(refused())
    other = InThread(lambda: bench.pool.take(bench.factory.plan("alice", version=2)))
    until(lambda: bench.pool.statistics().waiting == 1)
    bench.factory.on_create = lambda: None
    bench.clock.now += 1.0
    lease: Any = other.result()
    assert lease.physical is bench.factory.made[1]
    lease.close()
    held.close()
    assert bench.settled()


def test_one_whose_time_is_up_wakes_who_could_be_served_by_now() -> None:
    bench = PoolBench(max_size=5, per_identity=2)
    held = [bench.pool.take(plan) for plan in (bench.alice, bench.alice, bench.bob)]
    bench.factory.on_create = lambda: (_ for _ in ()).throw(refused("bob"))
    other = InThread(lambda: bench.pool.take(bench.factory.plan("bob", version=2)))
    until(lambda: bench.pool.statistics().waiting == 1)
    bench.factory.on_create = lambda: None
    bench.clock.now += 1.0
    with pytest.raises(PoolTimeout):
        bench.pool.take(bench.alice, timeout=0)  # she has her share; that bob's back-off is over is seen on the way
    lease: Any = other.result()
    for each in (lease, *held):
        each.close()
    assert bench.settled()


def test_a_refused_reauthentication_that_breaks_the_connection_is_not_followed_by_another_login(either: Make) -> None:
    bench = either(max_size=1, capabilities=frozenset({Capability.REAUTHENTICATION}), login_backoff=0.0)
    bench.use(bench.bob)
    attempts: list[int] = []
    bench.on_open(lambda: attempts.append(1))

    def refuse() -> None:
        bench.made[0].connection_error_occurred()
        raise refused()

    bench.made[0].on_reauthenticate = refuse
    with pytest.raises(LoginRefused):
        bench.take(bench.alice)
    assert attempts == []
    assert bench.made[0].destroyed == 1
    assert bench.settled()


def test_what_keeps_the_minimum_does_not_log_in_with_a_refused_credential_again_and_again(either: Make) -> None:
    bench = either(min_size=1)
    bench.use(bench.alice)
    bench.breaks(bench.made[0])
    attempts = bench.refuse()
    for _ in range(5):
        bench.upkeep()
        bench.clock.now += 1000.0
    assert len(attempts) == 1
    bench.accept()
    bench.use(bench.alice)
    assert bench.settled()


@pytest.mark.parametrize("interrupted", [False, True])
def test_a_probe_whose_borrower_is_gone_is_not_lost(interrupted: bool) -> None:
    bench = PoolBench(max_size=1)
    bench.pool.take(bench.bob).close()
    state, newer = bench.pool._state, bench.alice
    state.refusals.refused(newer, refused(), 0.0)
    bench.clock.now = 1.0
    if interrupted:
        bench.factory.made[0].on_destroy = lambda: (_ for _ in ()).throw(KeyboardInterrupt())
    else:
        bench.factory.on_create = lambda: (_ for _ in ()).throw(OSError())
    with pytest.raises((KeyboardInterrupt, OSError)):
        bench.pool.take(newer)
    bench.factory.on_create = lambda: None
    bench.pool.take(newer, timeout=0).close()
    assert bench.settled()


def test_a_refused_newer_credential_takes_not_even_the_last_connection_away(either: Make) -> None:
    bench = either(max_size=1)
    bench.use(bench.alice)
    outcomes = iter([refused()])

    def open_by_turns() -> None:
        error = next(outcomes, None)
        if error is not None:
            raise error

    bench.on_open(open_by_turns)
    bench.use(bench.factory.plan("alice", version=2))  # the pool is full: the only one gives way, and comes back
    assert bench.lives == ["alice"]
    now = bench.pool.statistics()
    assert (now.size, now.failed_logins, now.changing) == (1, 1, 0)
    assert [line.version for line in bench.pool.contents()] == [1]


def test_where_the_old_credential_is_refused_as_well_the_borrower_is_told_and_no_place_is_lost(either: Make) -> None:
    bench = either(max_size=1)
    bench.use(bench.alice)
    attempts = bench.refuse()
    with pytest.raises(LoginRefused):
        bench.take(bench.factory.plan("alice", version=2))
    assert len(attempts) == 2
    now = bench.pool.statistics()
    assert (now.size, now.changing) == (0, 0)
    bench.accept()
    bench.use(bench.bob)


def test_where_the_old_one_fails_otherwise_the_refusal_is_what_is_raised(
    either: Make,
) -> None:
    bench = either(max_size=1)
    bench.use(bench.alice)
    outcomes: list[Exception] = [refused(), RuntimeError("the adapter's own")]

    def open_by_turns() -> None:
        raise outcomes.pop(0)

    bench.on_open(open_by_turns)
    with pytest.raises(LoginRefused):
        bench.take(bench.factory.plan("alice", version=2))
    now = bench.pool.statistics()
    assert (now.size, now.changing) == (0, 0)
