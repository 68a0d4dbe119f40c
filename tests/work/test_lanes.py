"""FLOW-1: whose work runs next, by the pure rule: limits, one slot kept for each adapter, turns."""

from __future__ import annotations

import pytest

from connector.work.lanes import Lane, Slots


def fill(slots: Slots[str], lane: Lane[str], count: int = 100) -> int:
    """Take as many slots as the lane may; answers how many that was."""
    return sum(slots.try_take(lane) for _ in range(count))


def test_a_single_lane_may_take_all_slots() -> None:
    slots: Slots[str] = Slots(4)
    assert fill(slots, slots.lane(None)) == 4


def test_a_lane_takes_no_more_than_its_own_limit() -> None:
    slots: Slots[str] = Slots(4)
    assert fill(slots, slots.lane(2)) == 2


def test_a_limit_above_the_capacity_is_the_capacity() -> None:
    assert Slots[str](4).lane(9).limit == 4


@pytest.mark.parametrize(("others", "taken"), [(0, 4), (1, 3), (2, 2), (3, 1), (4, 1)])
def test_one_slot_is_kept_for_each_lane_that_holds_none(others: int, taken: int) -> None:
    slots: Slots[str] = Slots(4)
    flooding = slots.lane(None)
    for _ in range(others):
        slots.lane(None)
    assert fill(slots, flooding) == taken


def test_a_lane_that_holds_none_gets_the_slot_that_was_kept_for_it() -> None:
    slots: Slots[str] = Slots(4)
    flooding, quiet = slots.lane(None), slots.lane(None)
    fill(slots, flooding)
    assert slots.try_take(quiet)
    assert not slots.try_take(quiet)


def test_a_slot_that_becomes_free_goes_to_the_lane_that_holds_the_fewest() -> None:
    slots: Slots[str] = Slots(4)
    many, few = slots.lane(None), slots.lane(None)
    assert fill(slots, many) == 3
    assert slots.try_take(few)
    slots.wait(many, "of many")
    slots.wait(few, "of few")
    assert slots.free(many) == "of few"


def test_lanes_that_hold_equally_many_take_turns_and_each_is_first_in_first_out() -> None:
    slots: Slots[str] = Slots(2)
    first, second = slots.lane(None), slots.lane(None)
    assert slots.try_take(first)
    assert slots.try_take(second)
    for number in range(3):
        slots.wait(first, f"a{number}")
        slots.wait(second, f"b{number}")
    served = [slots.free(lane) for lane in (first, second, first, second, first, second)]
    assert served == ["a0", "b0", "a1", "b1", "a2", "b2"]


def test_a_flood_that_came_first_does_not_keep_a_late_comer_waiting() -> None:
    slots: Slots[str] = Slots(1)
    flooding, late = slots.lane(None), slots.lane(None)
    assert slots.try_take(flooding)
    for number in range(1000):
        slots.wait(flooding, f"flood {number}")
    slots.wait(late, "late")
    served = [slots.free(flooding), slots.free(flooding)]
    assert "late" in served


def test_a_lane_at_its_limit_is_passed_over_until_a_slot_of_its_own_becomes_free() -> None:
    slots: Slots[str] = Slots(3)
    limited, other = slots.lane(1), slots.lane(None)
    assert slots.try_take(limited)
    assert fill(slots, other) == 2
    slots.wait(limited, "limited")
    slots.wait(other, "other")
    assert slots.free(other) == "other"
    assert slots.free(limited) == "limited"


def test_what_left_its_lane_is_not_served() -> None:
    slots: Slots[str] = Slots(1)
    lane = slots.lane(None)
    assert slots.try_take(lane)
    slots.wait(lane, "gone")
    slots.wait(lane, "next")
    slots.leave(lane, "gone")
    assert slots.free(lane) == "next"
    assert slots.free(lane) is None


def test_a_lent_slot_serves_another_work_and_is_taken_back_above_the_capacity() -> None:
    slots: Slots[str] = Slots(1)
    lane = slots.lane(None)
    assert slots.try_take(lane)
    slots.wait(lane, "nested")
    assert slots.lend(lane) == "nested"
    slots.take_back(lane, needed=True)
    assert (slots.taken, slots.lent) == (2, 0)
    slots.wait(lane, "next")
    assert slots.free(lane) is None  # two held, one allowed: nothing starts
    assert slots.free(lane) == "next"
