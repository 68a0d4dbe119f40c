"""The five levels of security: client and server in processes of their own, over the wire (DEMO-2)."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from support_clients import client_named
from support_climb import ADMIT, EXPORT, STRANGERS, Climb, climbed
from support_pages import blocks
from support_wire import require_proton

from demo_story import StepDiffers
from levels import Ascent, Places, places
from security_levels import ADMINISTRATOR, ASK, LEVELS, SERVER, server

pytestmark = [pytest.mark.amqp, pytest.mark.slow]

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial-securing.md"
#: How the tutorial shows one line of an answer.
LOOKED_FOR = re.compile(r"(?: 2>&1)? \| grep (?:-A1 )?(\S+)$")
#: What the climb asks besides: other days, what is still open, and what strangers need.
BESIDES = {
    *(ASK.replace("DAY", day) for day in ("Tuesday", "Friday", "Tue")),
    f"{SERVER}  check --json --fail-on never",
    f"{SERVER} {ADMINISTRATOR} check --json --fail-on never",
    server(EXPORT),
    server(ADMIT),
}
#: What an unchanged client of another make is told at the levels that concern it.
REFUSALS = {
    LEVELS[2].name: {"rhea": "refused", "jms": "Server offered: [PLAIN]"},
    LEVELS[3].name: {"rhea": "CF-BUS-160", "jms": "CF-BUS-160"},
    LEVELS[4].name: {"rhea": "refused", "jms": "refused JMSException"},
}


@pytest.fixture(scope="module")
def climb(tmp_path_factory: pytest.TempPathFactory) -> Climb:
    """One way up, from bottom to top."""
    require_proton()
    return climbed(tmp_path_factory.mktemp("climb") / "levels")


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Places]:
    """Both profiles, open, and no server running yet."""
    require_proton()
    with places(tmp_path / "levels") as there:
        yield there


def test_at_each_level_the_unchanged_client_fails_and_then_succeeds_by_the_documented_commands(climb: Climb) -> None:
    story = "\n".join(climb.story)
    assert story.count("weatherCondition") == 5
    for code in ("CF-NAM-001", "CF-AMQP-013", "CF-BUS-012", "CF-BUS-160", "CF-AMQP-421"):
        assert code in story
    assert "22809" not in story  # the ports are this run's own


def test_the_tutorial_has_the_commands_that_lead_up_in_their_order_and_no_other_was_needed(climb: Climb) -> None:
    typed = iter(climb.places.lines)
    besides: set[str] = set()
    commands = [
        line
        for block in blocks(TUTORIAL)
        if block.language == "console"
        for line in re.findall(r"^\$ (.*)$", block.text, re.MULTILINE)
    ]
    assert len(commands) > 40
    for command in commands:
        shows = LOOKED_FOR.search(command)
        plain = LOOKED_FOR.sub("", command)
        line, done = next(typed)
        while line.replace("DAY", "Tuesday") != plain:
            besides.add(line)
            assert besides <= BESIDES, f"typed instead of: {command}"
            line, done = next(typed)
        if shows is None:
            assert done.returncode == 0, command
        else:
            assert shows[1] in done.stdout, command
    assert {line for line, _ in typed} <= BESIDES


def test_the_tutorial_has_the_files_that_the_climb_began_with(climb: Climb) -> None:
    told = {}
    for block in blocks(TUTORIAL):
        file = re.match(r"# (?:file|append): (\S+)\n", block.text)
        if file is not None:
            told[file[1]] = block.text[file.end() :].strip()
    begun_with = {name: text.strip() for name, text in climb.begun_with.items()}
    # `connector init` has written the beginning of this one.
    appended = climb.places.with_ports(told.pop("server/connector.toml"))
    assert begun_with.pop("server/connector.toml").endswith(appended)
    assert told == begun_with


@pytest.mark.parametrize("name", STRANGERS)
def test_unchanged_clients_of_other_makes_are_refused_at_each_level_that_concerns_them_and_then_succeed(
    climb: Climb, name: str
) -> None:
    client_named(name)  # says what is missing
    for concerned, says in REFUSALS.items():
        assert says[name] in climb.unchanged[concerned, name].refusal, concerned
    # Java prints a map in its own way.
    sunny = ['{"weatherCondition":"Sunny"}'], ["{weatherCondition=Sunny}"]
    for level in LEVELS:
        assert climb.learnt[level.name, name].succeeded().messages in sunny, level.name


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
