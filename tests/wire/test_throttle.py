"""Whoever guesses passwords waits longer and longer, and nobody else does (CHAIN-5)."""

from __future__ import annotations

from connector_bus.chains.throttle import FORGOTTEN_AFTER, LONGEST_WAIT, REMEMBERED, Throttle


def guess(throttle: Throttle, times: int, user: str = "alice") -> None:
    for _ in range(times):
        throttle.failed("here", user, 0.0)


def test_a_few_mistakes_are_forgiven_and_then_each_one_waits_twice_as_long() -> None:
    throttle, waits = Throttle(), []
    for _ in range(10):
        waits.append(throttle.wait("here", "alice", 0.0))
        guess(throttle, 1)
    assert waits == [0, 0, 0, 0, 0.5, 1, 2, 4, 8, 8]
    assert max(waits) == LONGEST_WAIT


def test_others_wait_for_nothing() -> None:
    throttle = Throttle()
    guess(throttle, 10)
    assert throttle.wait("here", "bob", 0.0) == throttle.wait("there", "alice", 0.0) == 0


def test_the_right_password_and_a_minute_of_peace_make_good() -> None:
    throttle = Throttle()
    guess(throttle, 10)
    assert throttle.wait("here", "alice", FORGOTTEN_AFTER) == 0
    throttle.failed("here", "alice", FORGOTTEN_AFTER)
    assert throttle.wait("here", "alice", FORGOTTEN_AFTER) == 0
    guess(throttle, 10, "bob")
    throttle.succeeded("here", "bob")
    assert throttle.wait("here", "bob", 0.0) == 0


def test_a_thousand_names_fill_no_memory() -> None:
    throttle = Throttle()
    for number in range(REMEMBERED + 5):
        guess(throttle, 1, str(number))
    assert len(throttle._failures) == REMEMBERED
