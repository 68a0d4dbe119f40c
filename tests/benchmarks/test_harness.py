"""The bench harness: interleaved rounds, medians, ratios, and a goal for every entry."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def harness(monkeypatch: pytest.MonkeyPatch) -> object:
    """The module; `benchmarks` is no part of the installed package."""
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module("benchmarks.harness")


def test_both_sides_are_measured_in_turn_and_the_first_round_does_not_count(harness) -> None:  # type: ignore[no-untyped-def]
    order: list[str] = []
    ours, theirs = iter([99.0, 1.0, 2.0, 6.0]), iter([99.0, 4.0, 8.0, 10.0])

    def side(name: str, figures: object) -> float:
        order.append(name)
        return next(figures)  # type: ignore[call-overload, no-any-return]

    result = harness.compare(
        "lease", "peer", lambda: side("ours", ours), lambda: side("theirs", theirs), goal=0.25, unit="us", rounds=3
    )
    assert order == ["theirs", "ours", "ours", "theirs", "theirs", "ours", "ours", "theirs"]
    assert (result.ours.median, result.theirs.median, result.ratio) == (2.0, 8.0, 0.25)
    assert result.met


def test_a_goal_may_ask_for_more_instead_of_less(harness) -> None:  # type: ignore[no-untyped-def]
    fair = harness.against_limit("fairness", [0.9, 0.96, 0.99], 1.0, unit="share", goal=0.95, better="higher")
    assert fair.met
    assert not harness.against_limit("fairness", [0.9], 1.0, unit="share", goal=0.95, better="higher").met
    assert fair.to_dict()["peer"] == "limit"


def test_the_published_results_have_a_goal_a_peer_and_figures_for_every_entry() -> None:
    results = json.loads((ROOT / "benchmarks" / "results.json").read_text())
    assert {"machine", "results"} <= set(results)
    assert {entry["name"] for entry in results["results"]} >= {"lease", "fairness", "import", "start to ready"}
    for entry in results["results"]:
        assert entry["goal"] > 0
        assert entry["better"] in {"lower", "higher"}
        assert {"min", "median", "max", "unit"} <= set(entry["ours"]) & set(entry["theirs"])
        assert entry["ratio"] == pytest.approx(entry["ours"]["median"] / entry["theirs"]["median"])


def test_every_entry_of_the_runner_is_a_module_that_can_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    runner = importlib.import_module("benchmarks.run")
    assert all((ROOT / "benchmarks" / f"{name}.py").exists() for name in runner.ENTRIES)
    assert "benchmarks.harness" in sys.modules
