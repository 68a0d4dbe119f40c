"""Ages, unused connections and the minimum size (POOL-2)."""

from __future__ import annotations

from typing import Any

import pytest
from support_either_pool import Make
from support_pool import PoolBench

from connector.pool import PoolSettings


def test_a_connection_goes_when_it_is_too_old_earlier_by_its_own_share_of_the_jitter(either: Make) -> None:
    bench = either(aged_timeout=100.0, aged_jitter=0.2)  # half of the jitter, says the bench: 90 seconds
    bench.use(bench.alice)
    bench.clock.now = 89.0
    assert bench.upkeep() == pytest.approx(1.0)
    assert bench.made[0].destroyed == 0
    bench.clock.now = 90.0
    bench.upkeep()
    assert (bench.made[0].destroyed, bench.now.destroyed_for) == (1, {"aged timeout": 1})
    assert bench.settled()


def test_a_lent_one_that_is_too_old_goes_when_it_comes_back(either: Make) -> None:
    bench = either(aged_timeout=10.0)
    loan = bench.take(bench.alice)
    bench.clock.now = 20.0
    bench.upkeep()
    assert bench.made[0].destroyed == 0
    loan.close()
    assert bench.made[0].destroyed == 1
    assert bench.settled()


def test_unused_ones_above_the_minimum_go_and_used_ones_stay(either: Make) -> None:
    bench = either(max_size=4, min_size=1, unused_timeout=10.0)
    bench.use(bench.alice, bench.alice, bench.bob)
    bench.upkeep()
    bench.clock.now += 6.0
    bench.use(bench.bob)
    bench.upkeep()
    bench.clock.now += 5.0
    bench.upkeep()
    assert bench.lives == ["bob"]
    bench.clock.now += 1000.0
    bench.upkeep()
    bench.upkeep()
    assert bench.lives == ["bob"]
    assert bench.settled()


def test_what_is_lost_below_the_minimum_is_opened_again_for_whom_it_was(either: Make) -> None:
    bench = either(min_size=1)
    bench.use(bench.alice)
    bench.breaks(bench.made[0])
    assert bench.lives == []
    bench.upkeep()
    assert bench.lives == ["alice"]
    assert bench.now.free == 1
    assert bench.settled()


def test_the_minimum_is_opened_at_the_start_where_it_is_known_for_whom(either: Make) -> None:
    bench = either(max_size=100, min_size=80)
    bench.go(lambda: bench.pool.warm(bench.alice))
    bench.upkeep()
    assert bench.now.free == 80
    assert bench.settled()


def test_nothing_is_opened_for_a_minimum_that_others_fill(either: Make) -> None:
    bench = either(max_size=4, min_size=1)
    bench.use(bench.alice)
    bench.breaks(bench.made[0])
    bench.use(bench.bob)
    bench.upkeep()
    assert bench.lives == ["bob"]


def test_what_could_not_be_opened_is_tried_again_at_the_next_look(either: Make) -> None:
    bench = either(min_size=1)
    bench.go(lambda: bench.pool.warm(bench.alice))

    def unreachable() -> None:
        raise OSError

    bench.on_open(unreachable)
    bench.upkeep()
    assert bench.now.size == 0
    bench.accept()
    bench.upkeep()
    assert bench.lives == ["alice"]
    assert bench.settled()


def test_a_system_that_ends_each_connection_at_once_costs_one_a_look_not_a_storm(either: Make) -> None:
    bench = either(min_size=1)
    bench.use(bench.alice)
    opened: list[Any] = []

    def ends_at_once(made: Any) -> None:
        opened.append(made)
        assert len(opened) < 10, "a storm"
        listen = made.set_event_listener

        def break_when_listened_to(listener: Any) -> None:
            listen(listener)
            if listener is not None:
                made.connection_error_occurred()

        made.set_event_listener = break_when_listened_to

    bench.on_made(ends_at_once)
    bench.breaks(bench.made[0])
    for looks in range(1, 4):
        bench.upkeep()
        assert len(opened) == looks
    assert bench.settled()


def test_a_closed_pool_is_not_filled_up() -> None:
    bench = PoolBench(min_size=1)
    bench.pool.warm(bench.alice)
    bench.pool.close()
    bench.pool.upkeep()
    assert bench.factory.made == []


def test_a_pool_closed_while_it_is_filled_up_closes_what_comes(caplog: pytest.LogCaptureFixture) -> None:
    bench = PoolBench(min_size=1)
    bench.pool.warm(bench.alice)
    bench.factory.on_made = lambda made: bench.pool.close()
    bench.pool.upkeep()
    assert bench.factory.living == 0
    assert "failed" not in caplog.text
    assert bench.settled()


def test_a_minimum_with_a_superseded_credential_is_not_opened_again(either: Make) -> None:
    bench = either(min_size=1)
    bench.use(bench.alice)
    bench.go(lambda: bench.pool.retire("alice-alias", 2))
    bench.breaks(bench.made[0])
    bench.upkeep()
    assert bench.lives == []


def test_looks_come_in_time_for_the_shortest_of_the_settings() -> None:
    assert PoolSettings(unused_timeout=20.0).upkeep_interval == 10.0
    assert PoolSettings(leak_timeout=4.0).upkeep_interval == 2.0
    assert PoolSettings(reap_time=1.0).upkeep_interval == 1.0


def test_what_a_rotation_takes_out_is_opened_again_by_the_newer_credential() -> None:
    bench = PoolBench(max_size=4, min_size=2)
    old, also = bench.pool.take(bench.alice), bench.pool.take(bench.alice)
    old.close()
    also.close()
    bench.pool.retire("alice-alias", 2)
    bench.pool.take(bench.factory.plan("alice", version=2)).close()
    assert bench.pool.statistics().size == 1
    bench.pool.upkeep()
    assert [line.version for line in bench.pool.contents()] == [2, 2]
    assert bench.settled()


def test_an_error_reported_before_the_pool_listens_is_not_lost() -> None:
    bench = PoolBench()
    bench.factory.on_made = lambda made: made.connection_error_occurred(OSError())
    bench.pool.take(bench.alice).close()
    assert bench.factory.made[0].destroyed == 1
    assert bench.pool.statistics().broken == 1
    assert bench.settled()
