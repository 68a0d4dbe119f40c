"""Which plans may be kept, for whom and for how long."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support_signon import ALICE, BOB, application, resolver, target

from connector.outbound.plan_cache import PlanCache, keying
from connector.spi import Dependency, SignOnPlan, Subject

PLAN = resolver().resolve(application(), target(), None, None)
CACHEABLE = frozenset({Dependency.ALIAS, Dependency.CALLER, Dependency.GROUPS})


def _plan() -> SignOnPlan:
    return replace(PLAN)


@pytest.mark.parametrize("dependencies", [frozenset(), frozenset({Dependency.ALIAS})])
def test_what_does_not_depend_on_the_caller_is_one_for_everybody(dependencies: frozenset[Dependency]) -> None:
    key_of = keying(dependencies)

    assert key_of is not None
    assert key_of(ALICE) == key_of(BOB) == key_of(None)


@given(st.frozensets(st.sampled_from(Dependency)))
def test_callers_are_told_apart_by_all_that_is_declared_or_nothing_is_kept(
    dependencies: frozenset[Dependency],
) -> None:
    key_of = keying(dependencies)
    assert (key_of is None) == (not dependencies <= CACHEABLE)
    if key_of is None:
        return
    if dependencies & {Dependency.CALLER, Dependency.GROUPS}:
        others = [
            None,
            Subject(read_only=True),
            Subject.unauthenticated(),
            Subject.server("alice", "weather"),
            Subject.of_user("alice", "partners", ["clerks"]),
            BOB,
        ]
        assert len({key_of(caller) for caller in [ALICE, *others]}) == 7
    if Dependency.GROUPS in dependencies:
        assert key_of(ALICE) != key_of(Subject.of_user("alice", "weather", ["auditors"]))
    assert key_of(ALICE) == key_of(Subject.of_user("alice", "weather", ["clerks"]))


def test_a_plan_is_good_for_its_generation_only() -> None:
    cache, plan = PlanCache(), _plan()
    cache.put("alice", 1, plan)

    assert cache.get("alice", 1) is plan
    assert cache.get("alice", 2) is None


def test_a_plan_that_a_refresh_has_overtaken_is_not_kept() -> None:
    """It was made of the old authentication data while another thread already saw the new ones."""
    cache, old, new = PlanCache(), _plan(), _plan()
    cache.put("bob", 2, new)

    assert cache.put("alice", 1, old) is old
    assert cache.get("alice", 1) is None
    assert cache.get("alice", 2) is None
    assert cache.get("bob", 2) is new


def test_two_threads_that_make_the_same_plan_end_with_one() -> None:
    cache, first, second = PlanCache(), _plan(), _plan()

    assert cache.put("alice", 1, first) is first
    assert cache.put("alice", 1, second) is first


@given(st.lists(st.integers(0, 30), max_size=200), st.integers(2, 12))
def test_it_never_grows_beyond_its_limit_and_keeps_what_was_just_used(callers: list[int], limit: int) -> None:
    cache = PlanCache(limit)
    for caller in callers:
        if cache.get(caller, 1) is None:
            cache.put(caller, 1, PLAN)
        assert cache.get(caller, 1) is PLAN
        assert len(cache) <= limit


def test_a_caller_who_keeps_coming_is_never_forgotten() -> None:
    cache, plan = PlanCache(limit=4), _plan()
    cache.put("regular", 1, plan)

    for passer_by in range(100):
        cache.put(passer_by, 1, PLAN)
        assert cache.get("regular", 1) is plan


@pytest.mark.parametrize("rounds", [1, 3])
def test_ten_thousand_callers_who_come_round_in_the_same_order_are_all_still_known(rounds: int) -> None:
    cache = PlanCache()
    for caller in range(10_000):
        cache.put(caller, 1, PLAN)

    for _ in range(rounds):
        assert sum(cache.get(caller, 1) is PLAN for caller in range(10_000)) == 10_000
    assert len(cache) == 10_000


def test_a_few_callers_more_than_the_limit_do_not_drive_everybody_out() -> None:
    """Whoever is forgotten when all come round in one order must not be just the one who comes next."""
    cache = PlanCache(limit=100, random=Random(7))
    hits = 0
    for turn in range(20):
        for caller in range(110):
            known = cache.get(caller, 1) is PLAN
            hits += known and turn >= 10
            if not known:
                cache.put(caller, 1, PLAN)

    assert hits > 10 * 110 * 0.6
    assert len(cache) == 100


def test_passers_by_do_not_drive_out_those_who_come_back() -> None:
    cache, misses = PlanCache(limit=100, random=Random(7)), 0
    for number in range(2000):
        regular = f"regular {number % 20}"
        if cache.get(regular, 1) is None:
            cache.put(regular, 1, PLAN)
            misses += 1
        cache.put(number, 1, PLAN)

    assert misses < 100  # of 2000


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2)), max_size=120), st.integers(1, 5))
def test_whatever_is_asked_the_answer_is_the_plan_of_that_caller_and_generation(
    asked: list[tuple[int, int]], limit: int
) -> None:
    cache, made = PlanCache(limit), {}
    for caller, generation in asked:
        plan = cache.get(caller, generation)
        if plan is None:
            plan = made[caller, generation] = cache.put(caller, generation, _plan())
        assert plan is made[caller, generation]
