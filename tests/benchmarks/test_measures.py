"""What the entries compute from what they have measured, and the fakes that they measure with."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Finds a module of the bench, which is no part of the installed package."""
    monkeypatch.syspath_prepend(str(ROOT))
    return lambda name: importlib.import_module(f"benchmarks.{name}")


@pytest.mark.parametrize(
    ("figures", "share", "expected"),
    [
        ([5.0], 0.99, 5.0),
        ([3.0, 1.0, 2.0], 0.5, 2.0),
        ([3.0, 1.0, 2.0], 0.0, 1.0),
        ([float(number) for number in range(1, 101)], 0.99, 99.0),
        ([float(number) for number in range(1, 102)], 0.99, 100.0),
        ([1.0, 2.0], 1.0, 2.0),
    ],
)
def test_a_percentile_is_a_figure_that_was_measured(
    bench: Any, figures: list[float], share: float, expected: float
) -> None:
    assert bench("harness").percentile(figures, share) == expected


def test_a_thread_that_gets_nothing_shows_in_the_share(bench: Any) -> None:
    crowd = bench("crowd").Crowd
    assert crowd([90, 100], [], 1.0).share == 0.9
    assert crowd([0, 100], [], 1.0).share == 0.0
    assert crowd([40, 60], [], 1.0).microseconds_each == 10_000.0


def test_a_crowd_counts_what_was_borrowed_and_given_back(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    module = bench("crowd")
    monkeypatch.setattr(module, "HOLD", 0.0)
    given_back: list[None] = []

    class Lease:
        def close(self) -> None:
            given_back.append(None)

    for hold in (True, False):
        given_back.clear()
        outcome = module.crowd(Lease, 0.0, hold=hold)
        assert len(given_back) == sum(outcome.counts)
        assert len(outcome.waits) == (sum(outcome.counts) if hold else 0)


def test_every_one_of_the_callers_is_served_as_a_user_of_its_own(bench: Any) -> None:
    manager, pool = bench("one_to_one").one_to_one_manager(bench("identities").SETTINGS)
    bench("identities").serve(manager, callers=50)

    assert pool.statistics().created == 50
    assert len(pool.contents()) == 20
    assert len({entry.user for entry in pool.contents()}) == 20


def test_a_caller_who_was_not_served_is_no_figure(bench: Any) -> None:
    manager, pool = bench("one_to_one").one_to_one_manager(bench("identities").SETTINGS)
    pool.close()

    with pytest.raises(Exception, match="CF-POOL-002"):
        bench("identities").serve(manager, callers=3)


def test_what_the_entries_come_to_is_noted_afterwards(bench: Any) -> None:
    result = bench("harness").against_limit("identities", [1.0], 20.0, unit="MB")
    assert result.noting("all served").note == "all served"
    assert result.noting("all served").ratio == result.ratio
