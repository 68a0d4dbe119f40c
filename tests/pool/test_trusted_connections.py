"""Asserting a caller on a trusted connection, and taking it back (TRUST-1, TRUST-3, POOL-4)."""

from __future__ import annotations

import pytest
from support_pool import FakeConnection, PoolBench

from connector.errors import ConnectionFailed, IdentityMismatch, Reason
from connector.spi import Capability, SignOnPlan

BACKEND_GONE = Reason("CF-TEST-711", "the fake backend is gone", "Try again.")


def as_caller(bench: PoolBench, caller: str) -> SignOnPlan:
    return bench.factory.plan("system", asserted=caller)


def test_one_physical_connection_serves_many_callers_each_as_itself() -> None:
    bench = PoolBench()
    seen = []
    for caller in ("alice", "bob", "alice"):
        with bench.pool.take(as_caller(bench, caller)) as lease:
            seen.append(lease.physical.describe().user)
    assert seen == ["alice", "bob", "alice"]
    assert len(bench.factory.made) == 1


def test_the_identity_is_taken_back_on_return() -> None:
    bench = PoolBench()
    bench.pool.take(as_caller(bench, "alice")).close()
    assert bench.factory.made[0].acting == "system"


def test_a_plan_without_caller_gets_the_connection_as_the_system_user() -> None:
    bench = PoolBench()
    bench.pool.take(as_caller(bench, "alice")).close()
    with bench.pool.take(bench.factory.plan("system")) as lease:
        assert lease.physical.describe().user == "system"


@pytest.mark.parametrize("error", [RuntimeError("refused"), KeyboardInterrupt()])
def test_a_switch_that_fails_destroys_the_connection_and_is_raised(error: BaseException) -> None:
    bench = PoolBench(max_size=1)
    bench.pool.take(as_caller(bench, "alice")).close()

    def fail() -> None:
        raise error

    bench.factory.made[0].on_switch = fail
    with pytest.raises(type(error)) as raised:
        bench.pool.take(as_caller(bench, "bob"))
    assert raised.value is error
    assert bench.factory.made[0].destroyed == 1
    bench.pool.take(as_caller(bench, "bob"), timeout=0).close()
    assert bench.settled()


def breaks_on_switch(made: FakeConnection) -> None:
    def report_and_raise() -> None:
        made.connection_error_occurred()
        raise ConnectionFailed(BACKEND_GONE)

    made.on_switch = report_and_raise


def test_a_dead_pooled_connection_is_replaced_unnoticed() -> None:
    bench = PoolBench(max_size=1)
    bench.pool.take(as_caller(bench, "alice")).close()
    breaks_on_switch(bench.factory.made[0])
    with bench.pool.take(as_caller(bench, "bob")) as lease:
        assert lease.physical is bench.factory.made[1]
        assert lease.physical.describe().user == "bob"
    assert bench.factory.made[0].destroyed == 1
    assert bench.settled()


def test_a_new_connection_that_dies_is_not_replaced_again_and_again() -> None:
    bench = PoolBench(max_size=1)
    bench.factory.on_made = breaks_on_switch
    with pytest.raises(ConnectionFailed):
        bench.pool.take(as_caller(bench, "alice"))
    assert len(bench.factory.made) == 1
    assert bench.settled()


def test_a_switch_that_reports_an_error_without_raising_does_not_count_as_done() -> None:
    bench = PoolBench()

    def reports_only(made: FakeConnection) -> None:
        made.on_switch = made.connection_error_occurred

    bench.factory.on_made = reports_only
    with pytest.raises(ConnectionFailed) as refusal:
        bench.pool.take(as_caller(bench, "alice"))
    assert refusal.value.code == "CF-POOL-006"
    assert bench.settled()


def test_an_adapter_that_does_not_declare_the_switch_is_never_asked_for_it() -> None:
    bench = PoolBench(capabilities=frozenset({Capability.VALIDATION}))
    with pytest.raises(IdentityMismatch) as refusal:
        bench.pool.take(as_caller(bench, "alice"))
    assert refusal.value.code == "CF-POOL-005"
    assert bench.factory.made[0].acting == "system"
    assert bench.settled()


def test_statistics_count_the_effective_user_while_lent_and_the_system_user_while_free() -> None:
    bench = PoolBench()
    with bench.pool.take(as_caller(bench, "alice")):
        assert bench.pool.statistics().by_identity == {"alice": 1}
    assert bench.pool.statistics().by_identity == {"system": 1}
