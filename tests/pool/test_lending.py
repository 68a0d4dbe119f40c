"""Who gets which connection (POOL-1, POOL-2)."""

from __future__ import annotations

import dataclasses

import pytest
from support_pool import PoolBench
from support_secrets import MARKER

from connector.errors import IdentityMismatch, PoolTimeout
from connector.pool import PoolSettings


def user_of(bench: PoolBench, user: str) -> str | None:
    with bench.pool.take(bench.factory.plan(user)) as lease:
        return lease.physical.describe().user


def test_a_returned_connection_is_lent_again() -> None:
    bench = PoolBench()
    with bench.pool.take(bench.alice) as first:
        physical = first.physical
    with bench.pool.take(bench.alice) as second:
        assert second.physical is physical
    assert len(bench.factory.made) == 1


def test_on_a_hit_the_adapter_is_asked_for_nothing_but_the_clean_up() -> None:
    bench = PoolBench()
    bench.pool.take(bench.alice).close()
    physical = bench.factory.made[0]
    called: list[str] = []
    watched = ["describe", "validate", "reauthenticate", "switch_identity", "destroy", "set_event_listener"]
    for name in watched:
        setattr(physical, name, lambda *arguments, name=name: called.append(name))
    bench.factory.on_create = lambda: called.append("create")
    bench.pool.take(bench.alice).close()
    assert called == []
    assert physical.cleaned == 2


def test_a_free_connection_never_serves_another_user() -> None:
    bench = PoolBench()
    assert user_of(bench, "alice") == "alice"
    assert user_of(bench, "bob") == "bob"
    assert user_of(bench, "alice") == "alice"
    assert [made.user for made in bench.factory.made] == ["alice", "bob"]


def test_equal_partitions_of_different_plans_share_free_connections() -> None:
    bench = PoolBench()
    user_of(bench, "alice")
    user_of(bench, "alice")
    assert len(bench.factory.made) == 1


def test_different_request_info_makes_different_partitions() -> None:
    bench = PoolBench()
    other = dataclasses.replace(bench.alice, partition=(bench.alice.partition, "database=b"))
    bench.pool.take(bench.alice).close()
    bench.pool.take(other).close()
    assert len(bench.factory.made) == 2


def test_the_connection_used_last_is_lent_first() -> None:
    bench = PoolBench()
    one, two = bench.pool.take(bench.alice), bench.pool.take(bench.alice)
    last = two.physical
    one.close()
    two.close()
    with bench.pool.take(bench.alice) as lease:
        assert lease.physical is last


def test_one_limit_holds_for_all_identities_together() -> None:
    bench = PoolBench(max_size=2)
    with bench.pool.take(bench.alice), bench.pool.take(bench.bob):
        with pytest.raises(PoolTimeout):
            bench.pool.take(bench.factory.plan("carol"), timeout=0)
    assert bench.settled()


def test_in_a_full_pool_the_least_recently_used_foreign_connection_gives_way() -> None:
    bench = PoolBench(max_size=2)
    user_of(bench, "alice")
    user_of(bench, "bob")
    user_of(bench, "alice")  # bob's is now the one that was not used for longest
    assert user_of(bench, "carol") == "carol"
    assert [made.user for made in bench.factory.made if not made.destroyed] == ["alice", "carol"]
    assert bench.pool.statistics().replaced == 1
    assert bench.settled()


def test_a_foreign_connection_is_closed_before_its_replacement_is_opened() -> None:
    bench = PoolBench(max_size=1)
    for number in range(50):
        user_of(bench, f"user{number}")
    assert bench.factory.most == 1
    assert bench.settled()


def test_callers_that_have_gone_leave_nothing_behind() -> None:
    bench = PoolBench(max_size=2)
    for number in range(1000):
        user_of(bench, f"user{number}")
    assert bench.pool.statistics().by_identity == {"user998": 1, "user999": 1}
    assert bench.settled()


def test_a_connection_with_a_superseded_credential_gives_way_to_its_successor_in_a_full_pool() -> None:
    bench = PoolBench(max_size=1)
    bench.pool.take(bench.alice).close()
    with bench.pool.take(bench.factory.plan("alice", version=2)) as lease:
        assert lease.physical is bench.factory.made[1]
    assert bench.factory.made[0].destroyed == 1
    assert bench.pool.statistics().size == 1


def test_a_plan_from_before_a_change_is_served_by_a_newer_connection() -> None:
    bench = PoolBench()
    bench.pool.take(bench.factory.plan("alice", version=2)).close()
    with bench.pool.take(bench.alice) as lease:
        assert lease.physical is bench.factory.made[0]


def test_a_connection_in_the_wrong_partition_is_destroyed_not_lent() -> None:
    bench = PoolBench()
    bench.pool.take(bench.alice).close()
    # A defect that must not happen, made by hand: alice's entry stands where bob's are looked for.
    state = bench.pool._state
    state.shares.partitions[bench.bob.partition] = state.shares.partitions[bench.alice.partition]
    with pytest.raises(IdentityMismatch) as refusal:
        bench.pool.take(bench.bob)
    assert refusal.value.code == "CF-POOL-004"
    assert [made.destroyed for made in bench.factory.made] == [1]


@pytest.mark.parametrize(("size", "wait"), [(0, 1.0), (-1, 1.0), (1, -0.1), (1, float("nan"))])
def test_impossible_settings_are_refused(size: int, wait: float) -> None:
    with pytest.raises(ValueError, match=r"max_size|connection_timeout"):
        PoolSettings(size, connection_timeout=wait)


def test_the_pool_and_its_parts_show_no_secret() -> None:
    bench = PoolBench()
    with bench.pool.take(bench.alice) as lease:
        shown = [repr(bench.pool), repr(lease), repr(bench.pool.statistics()), repr(bench.pool.contents())]
        shown.append(repr(bench.pool._state.entries))
    assert not [text for text in shown if MARKER in text]
    assert repr(bench.pool) == "<ManagedConnectionPool eis/fake, 1 of 2>"
    assert repr(lease) == "<PooledLease of ref as alice, closed>"
