"""A newer credential that may be wrong: it is tried where there is room, and reported (AUTHD-3)."""

from __future__ import annotations

import pytest
from support_pool import InThread, PoolBench, until

from connector.errors import LoginRefused, Reason
from connector.pool import ManagedConnectionPool
from connector.spi import SignOnPlan

REFUSED = Reason("CF-TEST-731", "refused", "")


def refuse() -> None:
    raise LoginRefused(REFUSED)


def served_again_and_again(bench: PoolBench, plan: SignOnPlan, back_offs: int) -> None:
    """One lease before each back-off ends, one after."""
    for _ in range(back_offs):
        bench.pool.take(plan).close()
        bench.pool.take(plan).close()
        bench.clock.now += 100.0


@pytest.mark.parametrize("size", [2, 3, 6])
def test_a_wrong_newer_credential_leaves_a_full_pool_its_connections_but_one_to_try_it_in(size: int) -> None:
    bench = PoolBench(max_size=size)
    for lease in [bench.pool.take(bench.alice) for _ in range(size)]:
        lease.close()
    bench.pool.retire("alice-alias", 2)
    bench.factory.on_create = refuse

    served_again_and_again(bench, bench.factory.plan("alice", version=2), back_offs=10)

    # The system refuses every login here, also the old one's, which is tried once to bring back what gave way.
    assert bench.pool.statistics().size == size - 1
    assert bench.pool.statistics().failed_logins <= 11
    assert bench.settled()


def test_where_there_is_room_a_wrong_newer_credential_takes_nothing_from_those_who_wait() -> None:
    bench = PoolBench(max_size=2)
    lease = bench.pool.take(bench.alice)
    bench.pool.retire("alice-alias", 2)
    newer = bench.factory.plan("alice", version=2)
    bench.factory.on_create = refuse
    waiting = InThread(lambda: bench.pool.take(newer).close())
    until(lambda: bench.pool.statistics().waiting == 1)
    bench.clock.now += 100.0  # the back-off is over, and the waiter is overdue

    lease.close()

    waiting.result()
    assert bench.factory.made[0].destroyed == 0
    assert bench.settled()


def test_a_connection_test_that_proves_the_newer_credential_retires_the_older_ones() -> None:
    bench = PoolBench(max_size=3)
    newer = bench.factory.plan("alice", version=2)
    bench.pool.take(bench.alice).close()
    lent = bench.pool.take(bench.alice)
    free = bench.pool.take(bench.alice)
    free.close()
    bench.pool.retire("alice-alias", 2)

    bench.pool.forgive(newer)

    assert [made.destroyed for made in bench.factory.made] == [0, 1]
    lent.close()
    assert [made.destroyed for made in bench.factory.made] == [1, 1]


def test_an_older_credential_that_is_accepted_does_not_end_the_back_off_of_a_newer_one() -> None:
    bench = PoolBench(max_size=3)
    newer = bench.factory.plan("alice", version=2)
    with bench.pool.take(bench.alice):
        bench.factory.on_create = refuse
        second = InThread(lambda: bench.pool.take(newer, timeout=0))
        with pytest.raises(LoginRefused):
            second.result()
        bench.factory.on_create = lambda: None
        bench.pool.take(bench.alice).close()  # by a plan from before the change

    assert [(one.version, one.failures) for one in bench.pool.refused_logins()] == [(2, 1)]


def test_a_refused_login_that_no_borrower_hears_of_is_told_once_each_time_that_it_is_tried() -> None:
    bench = PoolBench()
    told: list[tuple[str | None, int, str]] = []

    def tell(plan: SignOnPlan, error: LoginRefused) -> None:
        told.append((plan.user, plan.version, error.code))

    pool = ManagedConnectionPool("eis/fake", bench.factory, clock=bench.clock, on_unheard_refusal=tell)
    pool.take(bench.alice).close()
    bench.factory.on_create = refuse
    newer = bench.factory.plan("alice", version=2)

    for _ in range(5):
        pool.take(newer).close()
    assert told == [("alice", 2, "CF-TEST-731")]
    bench.clock.now += 100.0
    pool.take(newer).close()
    assert len(told) == 2
    [known] = pool.refused_logins()
    assert (known.alias, known.version, known.failures, known.retry_in) == ("alice-alias", 2, 2, 2.0)

    with pytest.raises(LoginRefused):
        pool.take(bench.bob)
    assert len(told) == 2  # bob heard of it himself
