"""What other pools' test-suites play, and where it is played here.

psycopg_pool
------------
concurrent filling          test_threads::test_under_contention_every_borrower_acts_as_itself_and_nothing_is_lost
wait ready                  test_upkeep::test_the_minimum_is_opened_at_the_start_where_it_is_known_for_whom
grow                        test_scenarios::test_it_grows_with_what_is_asked_for_and_no_further
shrink                      test_upkeep::test_unused_ones_above_the_minimum_go_and_used_ones_stay
spike                       test_scenarios::test_after_a_spike_it_goes_back_to_its_minimum
uniform use                 test_lending::test_the_connection_used_last_is_lent_first
resize                      test_operating::test_made_smaller_it_closes_free_ones_now_and_lent_ones_when_they_come_back
max lifetime with jitter    test_upkeep::test_a_connection_goes_when_it_is_too_old_earlier_by_its_own_share_of_the_jitter
idle check                  test_validation::test_unused_connections_are_asked_in_the_background
check back-off              test_refusals::test_the_back_off_doubles_with_each_refusal_up_to_its_limit
getconn check               test_validation::test_a_dead_connection_is_replaced_on_checkout
reset                       test_trusted_connections::test_the_identity_is_taken_back_on_return
bad-state reset             test_return::test_a_failed_clean_up_destroys_the_connection_and_is_logged_not_raised
reconnect                   test_scenarios::test_after_an_outage_it_serves_as_soon_as_the_system_is_back
reconnect failure           test_upkeep::test_what_could_not_be_opened_is_tried_again_at_the_next_look
refill on check             test_upkeep::test_what_is_lost_below_the_minimum_is_opened_again_for_whom_it_was
cancellation in queue       test_async_cancellation::test_a_cancelled_waiter_leaves_the_queue_and_the_next_is_served
cancelled waiter reclaimed  test_async_cancellation::test_a_waiter_cancelled_in_the_instant_of_its_grant_hands_the_connection_on
closed put                  test_return::test_close_takes_free_connections_now_and_lent_ones_when_they_come_back_and_may_be_called_twice
stats on connect            test_scenarios::test_openings_are_counted_and_timed_failed_ones_are_not
post-connect hook raises    test_opening::test_a_connection_that_refuses_its_listener_is_destroyed

HikariCP
--------
leak detection with stack   test_leaks::test_a_lease_that_lasts_too_long_is_reported_once_with_where_and_how_long
connection state reset      test_return::test_an_interrupted_clean_up_destroys_the_connection_and_goes_on_interrupting
saturated pool              test_waiting::test_a_time_out_tells_who_holds_what
time-out under load         test_waiting::test_overdue_waiters_are_served_in_the_order_in_which_they_came
house-keeping               test_housekeeper::test_each_is_looked_after_when_it_is_due
suspend and resume          test_operating::test_what_comes_back_while_it_is_suspended_serves_after_it
evict                       test_lease::test_an_invalidated_connection_is_destroyed_instead_of_pooled
soft evict                  test_operating::test_gracefully_flushes_lent_ones_when_they_come_back
credential change           test_policies::test_superseded_ones_serve_until_the_newer_credential_has_been_accepted
login retried in a loop     test_refusals::test_during_the_back_off_the_same_error_comes_at_once_and_nothing_is_tried
fast fail                   test_validation::test_a_system_that_always_says_no_costs_one_replacement_not_a_loop
minimum idle                test_upkeep::test_unused_ones_above_the_minimum_go_and_used_ones_stay
keep-alive                  test_validation::test_asked_in_the_background_a_connection_keeps_its_place_in_the_order_of_use
close while connecting      test_opening::test_a_pool_that_is_closed_while_a_connection_is_opened_closes_it_again

Does not apply: psycopg_pool's worker threads and its growing from them (whoever needs a connection opens it), its
reconnect time-out and callback (the error goes to whoever asked; the housekeeper logs), HikariCP's transaction isolation
(a session's state is for the adapter's clean-up, which its kit tests) and its read-only pool proxies.
"""  # noqa: E501 - the names of tests are as long as they are

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support_either_pool import Make

NAMED = re.findall(r"(test_\w+)::(test_\w+)", __doc__ or "")


@pytest.mark.parametrize(("module", "test"), NAMED)
def test_the_named_test_exists(module: str, test: str) -> None:
    assert f"\ndef {test}(" in Path(__file__).with_name(f"{module}.py").read_text(encoding="utf-8")


def test_it_grows_with_what_is_asked_for_and_no_further(either: Make) -> None:
    bench = either(max_size=4)
    for most in (1, 2, 3):
        bench.use(*[bench.alice] * most)
        bench.use(bench.alice)
        assert len(bench.made) == most
    assert bench.settled()


def test_after_a_spike_it_goes_back_to_its_minimum(either: Make) -> None:
    bench = either(max_size=8, min_size=2, unused_timeout=10.0)
    bench.use(*[bench.alice] * 8)
    for _ in range(3):
        bench.upkeep()
        bench.clock.now += 5.0
    assert (bench.now.size, bench.now.destroyed_for) == (2, {"unused timeout": 6})
    assert bench.settled()


def test_after_an_outage_it_serves_as_soon_as_the_system_is_back(either: Make) -> None:
    bench = either(max_size=3)
    bench.use(bench.alice, bench.alice)

    def unreachable() -> None:
        raise OSError

    bench.on_open(unreachable)
    for physical in list(bench.made):
        bench.breaks(physical)
    for _ in range(5):
        with pytest.raises(OSError):
            bench.take(bench.alice)
    bench.accept()
    bench.use(bench.alice, bench.alice, bench.alice)
    assert bench.settled()


def test_openings_are_counted_and_timed_failed_ones_are_not(either: Make) -> None:
    bench = either()

    def slow() -> None:
        bench.clock.now += 2.0

    bench.on_open(slow)
    bench.use(bench.alice)
    bench.refuse(also=slow)
    with pytest.raises(Exception, match="CF-TEST-741"):
        bench.take(bench.bob)
    assert (bench.now.opening.count, bench.now.opening.seconds) == (1, 2.0)
    assert (bench.now.created, bench.now.failed_logins) == (1, 1)
