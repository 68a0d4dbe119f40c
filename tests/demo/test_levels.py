"""The five levels of security: client and server in processes of their own, over the wire (DEMO-2)."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
from support_wire import require_proton

from demo_story import StepDiffers
from levels import Ascent, Places, places
from security_levels import LEVELS

pytestmark = [pytest.mark.amqp, pytest.mark.slow]


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Places]:
    """Both profiles, open, and no server running yet."""
    require_proton()
    with places(tmp_path / "levels") as there:
        yield there


def test_at_each_level_the_unchanged_client_fails_and_then_succeeds_by_the_documented_commands(made: Places) -> None:
    told: list[str] = []
    ascent = Ascent(made, told.append)
    for number, level in enumerate(LEVELS, 1):
        ascent.climb(number, level)
    story = "\n".join(told)
    assert story.count("weatherCondition") == 5
    for code in ("CF-NAM-001", "CF-AMQP-013", "CF-BUS-012", "CF-BUS-160", "CF-AMQP-421"):
        assert code in story
    assert "22809" not in story  # the ports are this run's own


def test_a_level_that_does_not_refuse_the_unchanged_client_is_told(made: Places) -> None:
    first, second = LEVELS[:2]
    ascent = Ascent(made, lambda _line: None)
    ascent.climb(1, first)
    with pytest.raises(StepDiffers, match="the code of the refusal"):
        ascent.climb(2, dataclasses.replace(second, changes=()))


def test_what_stays_open_is_told_by_check(made: Places) -> None:
    with pytest.raises(StepDiffers, match="what check reports"):
        Ascent(made, lambda _line: None).climb(1, dataclasses.replace(LEVELS[0], still_open={}))


def test_each_level_but_the_first_begins_with_the_unchanged_client() -> None:
    assert [bool(level.refusals) for level in LEVELS] == [False, True, True, True, True]
    for level in LEVELS[1:]:
        assert " request --cf weather/CF " in level.refusals[0].command
