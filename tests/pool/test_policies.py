"""What a broken connection means for the others, and a superseded credential for its own (POOL-4, AUTHD-3)."""

from __future__ import annotations

import pytest
from support_either_pool import Make, refused
from support_pool import PoolBench

from connector.errors import LoginRefused
from connector.pool.settings import PurgePolicy, RetirePolicy
from connector.spi import Capability


def test_by_default_a_broken_connection_takes_nobody_with_it(either: Make) -> None:
    bench = either(max_size=3)
    bench.use(bench.alice, bench.alice, bench.bob)
    bench.breaks(bench.made[0])
    assert [made.destroyed for made in bench.made] == [1, 0, 0]
    assert bench.settled()


def test_the_whole_pool_goes_with_a_broken_connection_lent_ones_when_they_come_back(either: Make) -> None:
    bench = either(max_size=4, purge_policy=PurgePolicy.ENTIRE_POOL)
    lent = bench.take(bench.alice)
    bench.use(bench.alice, bench.bob)
    bench.breaks(bench.made[1])
    assert [made.destroyed for made in bench.made] == [0, 1, 1]
    lent.close()
    assert bench.made[0].destroyed == 1
    assert bench.settled()


def test_one_outage_purges_once_however_many_lent_ones_report_it(either: Make) -> None:
    bench = either(max_size=4, purge_policy=PurgePolicy.ENTIRE_POOL)
    lent = [bench.take(bench.alice) for _ in range(3)]
    bench.breaks(bench.made[0])
    bench.use(bench.bob)  # the system is back
    for late in bench.made[1:3]:
        bench.breaks(late)
    assert bench.lives.count("bob") == 1
    for loan in lent:
        loan.close()
    assert bench.lives == ["bob"]
    assert bench.now.broken == 3
    assert bench.settled()


def test_what_was_being_opened_when_the_pool_was_purged_goes_as_well(either: Make) -> None:
    bench = either(max_size=3)
    bench.on_made(lambda made: bench.pool.purge())
    loan = bench.take(bench.alice)
    loan.close()
    assert bench.lives == []
    assert bench.settled()


def test_the_others_are_validated_before_they_are_lent_again(either: Make) -> None:
    bench = either(max_size=4, purge_policy=PurgePolicy.VALIDATE_ALL)
    bench.use(bench.alice, bench.alice, bench.alice)
    bench.breaks(bench.made[0])
    bench.made[2].on_validate = lambda: False
    with bench.take(bench.alice) as loan:
        assert loan.physical is bench.made[3]
    bench.upkeep()
    assert [made.validated for made in bench.made] == [0, 1, 1, 0]
    bench.use(bench.alice, bench.alice)
    assert bench.made[1].validated == 1
    assert bench.settled()


# --- superseded credentials ---------------------------------------------------------------------------------------


def test_superseded_ones_serve_until_the_newer_credential_has_been_accepted(either: Make) -> None:
    bench = either(max_size=4)
    lent = bench.take(bench.alice)
    bench.use(bench.alice, bench.bob)
    bench.go(lambda: bench.pool.retire("alice-alias", 2))
    assert bench.lives == ["alice", "alice", "bob"]
    bench.use(bench.factory.plan("alice", version=2))
    assert [made.destroyed for made in bench.made] == [0, 1, 0, 0]
    lent.close()
    assert bench.made[0].destroyed == 1
    assert bench.settled()


def test_a_newer_credential_that_is_refused_evicts_nothing(either: Make) -> None:
    bench = either(max_size=4)
    bench.use(bench.alice, bench.alice)
    bench.go(lambda: bench.pool.retire("alice-alias", 2))
    bench.refuse()
    bench.use(bench.factory.plan("alice", version=2))
    assert bench.lives == ["alice", "alice"]


@pytest.mark.parametrize("policy", RetirePolicy)
def test_an_alias_that_is_gone_takes_its_connections_with_it(either: Make, policy: RetirePolicy) -> None:
    bench = either(retire_policy=policy)
    bench.use(bench.alice)
    bench.go(lambda: bench.pool.retire("alice-alias", 2, final=True))
    assert bench.lives == []
    assert bench.settled()


def test_new_only_leaves_old_ones_to_serve_whoever_has_the_newer_credential(either: Make) -> None:
    bench = either(retire_policy=RetirePolicy.NEW_ONLY)
    bench.use(bench.alice)
    bench.go(lambda: bench.pool.retire("alice-alias", 2))
    newer = bench.factory.plan("alice", version=2)
    with bench.take(newer) as loan, bench.take(newer) as other:
        assert loan.physical is bench.made[0]
        assert other.physical is bench.made[1]
    assert bench.lives == ["alice", "alice"]


def test_purge_now_does_not_wait_for_the_newer_one_to_be_accepted(either: Make) -> None:
    bench = either(retire_policy=RetirePolicy.PURGE_NOW)
    bench.use(bench.alice)
    bench.go(lambda: bench.pool.retire("alice-alias", 2))
    assert bench.lives == []


def test_a_refused_newer_credential_fails_who_holds_the_only_old_one() -> None:
    bench = PoolBench()
    held = bench.pool.take(bench.alice)
    bench.factory.on_create = lambda: (_ for _ in ()).throw(refused())
    with pytest.raises(LoginRefused):  # waiting for itself would be of no use
        bench.pool.take(bench.factory.plan("alice", version=2))
    held.close()
    assert bench.settled()


def test_signing_on_anew_in_place_accepts_the_newer_credential_as_well(either: Make) -> None:
    bench = either(max_size=2, capabilities=frozenset({Capability.REAUTHENTICATION}))
    bench.use(bench.alice, bench.bob)
    bench.go(lambda: bench.pool.retire("alice-alias", 2))
    bench.use(bench.factory.plan("alice", version=2))
    assert bench.now.reauthenticated == 1
    assert bench.settled()
