"""Opening connections: failures, refused logins, interruptions; no permit is ever lost (POOL-1, POOL-2)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, NoReturn

import pytest
from support_pool import FakeConnection, InThread, PoolBench, until

from connector.errors import ConnectionFailed, LoginRefused, PoolClosed, PoolTimeout, Reason

REFUSED = Reason("CF-TEST-701", "the fake system refused {user}", "Correct the password.")
UNREACHABLE = Reason("CF-TEST-702", "the fake system can't be reached", "Start it.")


def raising(error: BaseException) -> Callable[[], NoReturn]:
    def fail() -> NoReturn:
        raise error

    return fail


def nothing() -> None: ...


@pytest.mark.parametrize("error", [ConnectionFailed(UNREACHABLE), OSError("no route"), KeyboardInterrupt()])
def test_what_the_adapter_raises_reaches_the_borrower_and_the_place_is_free_again(error: BaseException) -> None:
    bench = PoolBench(max_size=1)
    bench.factory.on_create = raising(error)
    for _ in range(3):
        with pytest.raises(type(error)) as raised:
            bench.pool.take(bench.alice, timeout=0)
        assert raised.value is error
    bench.factory.on_create = nothing
    bench.pool.take(bench.alice, timeout=0).close()
    assert bench.settled()


def test_after_a_failure_the_next_waiter_tries() -> None:
    bench = PoolBench(max_size=1)
    go_on = threading.Event()

    def unreachable() -> None:
        bench.factory.on_create = nothing
        go_on.wait(20)
        raise ConnectionFailed(UNREACHABLE)

    bench.factory.on_create = unreachable
    first = InThread(lambda: bench.pool.take(bench.alice))
    until(lambda: bench.pool.statistics().changing == 1)
    second = InThread(lambda: bench.pool.take(bench.alice))
    until(lambda: bench.pool.statistics().waiting == 1)
    go_on.set()
    with pytest.raises(ConnectionFailed):
        first.result()
    lease: Any = second.result()
    lease.close()
    assert bench.settled()


def test_a_refused_login_fails_those_who_wait_for_the_same_identity_at_once_and_nobody_else() -> None:
    bench = PoolBench(max_size=1)
    attempts: list[str] = []
    go_on = threading.Event()

    def refuse() -> None:
        attempts.append("alice")
        bench.factory.on_create = nothing
        go_on.wait(20)
        raise LoginRefused(REFUSED, user="alice", explanation="of the first caller")

    bench.factory.on_create = refuse
    first = InThread(lambda: bench.pool.take(bench.alice))
    until(lambda: bench.pool.statistics().changing == 1)
    alike = [InThread(lambda: bench.pool.take(bench.alice)) for _ in range(3)]
    bob = InThread(lambda: bench.pool.take(bench.bob))
    until(lambda: bench.pool.statistics().waiting == 4)
    go_on.set()
    with pytest.raises(LoginRefused) as original:
        first.result()
    for other in alike:
        with pytest.raises(LoginRefused) as refusal:
            other.result()
        assert refusal.value.code == "CF-TEST-701"
        assert str(refusal.value) == str(original.value)
        assert refusal.value is not original.value
        assert refusal.value.__cause__ is original.value
        assert refusal.value.explanation is None  # the first caller's need not be theirs
    lease: Any = bob.result()
    assert lease.physical.describe().user == "bob"
    lease.close()
    assert attempts == ["alice"]
    assert bench.pool.statistics().failed_logins == 1
    assert bench.settled()


def test_a_refused_old_credential_does_not_fail_those_who_wait_with_a_newer_one() -> None:
    bench = PoolBench(max_size=1)
    go_on = threading.Event()

    def refuse() -> None:
        bench.factory.on_create = nothing
        go_on.wait(20)
        raise LoginRefused(REFUSED, user="alice")

    bench.factory.on_create = refuse
    first = InThread(lambda: bench.pool.take(bench.alice))
    until(lambda: bench.pool.statistics().changing == 1)
    newer = InThread(lambda: bench.pool.take(bench.factory.plan("alice", version=2)))
    until(lambda: bench.pool.statistics().waiting == 1)
    go_on.set()
    with pytest.raises(LoginRefused):
        first.result()
    lease: Any = newer.result()
    lease.close()
    assert bench.settled()


def test_a_pool_that_is_closed_while_a_connection_is_opened_closes_it_again() -> None:
    bench = PoolBench()
    bench.factory.on_made = lambda made: bench.pool.close()
    with pytest.raises(PoolClosed) as refusal:
        bench.pool.take(bench.alice)
    assert refusal.value.code == "CF-POOL-002"
    assert bench.factory.made[0].destroyed == 1
    assert bench.settled()


def test_a_credential_retired_while_a_connection_is_opened_is_retired_when_it_comes_back() -> None:
    bench = PoolBench()
    bench.factory.on_made = lambda made: bench.pool.retire("alice-alias", 2, final=True)
    lease = bench.pool.take(bench.alice)
    bench.factory.on_made = lambda made: None
    lease.close()
    assert bench.factory.made[0].destroyed == 1
    assert bench.settled()


def test_a_connection_that_refuses_its_listener_is_destroyed() -> None:
    bench = PoolBench(max_size=1)

    def unlistenable(made: FakeConnection) -> None:
        setattr(made, "set_event_listener", lambda listener: raising(RuntimeError("no"))())  # noqa: B010 - a method

    bench.factory.on_made = unlistenable
    with pytest.raises(RuntimeError, match="no"):
        bench.pool.take(bench.alice)
    bench.factory.on_made = lambda made: None
    bench.pool.take(bench.alice, timeout=0).close()
    assert bench.factory.made[0].destroyed == 1
    assert bench.settled()


def test_an_interruption_while_the_foreign_connection_is_closed_loses_no_place() -> None:
    bench = PoolBench(max_size=1)
    bench.pool.take(bench.bob).close()
    bench.factory.made[0].on_destroy = raising(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        bench.pool.take(bench.alice)
    bench.pool.take(bench.alice, timeout=0).close()
    assert bench.settled()


def test_places_are_counted_while_connections_are_being_opened() -> None:
    bench = PoolBench(max_size=1)
    go_on = threading.Event()
    bench.factory.on_create = lambda: go_on.wait(20)
    first = InThread(lambda: bench.pool.take(bench.alice))
    until(lambda: bench.pool.statistics().changing == 1)
    with pytest.raises(PoolTimeout) as refusal:
        bench.pool.take(bench.bob, timeout=0)
    assert "0 of 1 in use (by nobody), 1 being opened or closed" in refusal.value.text
    go_on.set()
    lease: Any = first.result()
    lease.close()
    assert bench.settled()
