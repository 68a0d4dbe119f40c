"""FLOW-8: messages, rows and sends while the process is killed; `make exactly-once` is the same at length."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.exactly_once import Outcome, demonstrate
from benchmarks.exactly_once_profile import ExactlyOnceProfile
from weather_postgresql import PostgreSQLServer

pytestmark = pytest.mark.postgresql


@pytest.mark.parametrize("transacted", [True, False], ids=["transacted", "not-transacted"])
def test_kills_lose_nothing_and_repeat_nothing_that_is_transacted(
    server: PostgreSQLServer, tmp_path: Path, transacted: bool
) -> None:
    profile = ExactlyOnceProfile(tmp_path, server, transacted=transacted)
    outcome = demonstrate(profile, transacted=transacted, messages=60, kills=3, seed=7)
    assert outcome.is_as_promised, outcome
    assert outcome.handled >= 60


@pytest.mark.parametrize(
    ("wrong", "transacted", "promised"),
    [
        ({}, True, True),
        ({"missing": 1}, True, False),
        ({"missing": 1}, False, False),
        ({"missing_sends": 1}, False, False),
        ({"repeated": 1}, True, False),
        ({"repeated_sends": 1}, True, False),
        ({"repeated": 1, "repeated_sends": 1}, False, True),
        ({"left": 1}, True, False),
        ({"left": 1}, False, False),
    ],
)
def test_the_promise_by_its_table(wrong: dict[str, int], transacted: bool, promised: bool) -> None:
    right = dict.fromkeys(("missing", "repeated", "missing_sends", "repeated_sends", "left"), 0)
    outcome = Outcome(transacted, messages=9, kills=1, early=0, handled=9, seconds=0.0, **{**right, **wrong})
    assert outcome.is_as_promised is promised
