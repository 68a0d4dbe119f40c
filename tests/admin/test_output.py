"""Output for people can't be steered by what others wrote."""

from __future__ import annotations

import json

import pytest

from connector.admin.bus_options import message_body
from connector.admin.output import print_json, print_table, printable


def test_control_characters_become_visible() -> None:
    assert printable("a\x1b[31mb\x9b\x00\tc\n") == "a\\x1b[31mb\\x9b\\x00\tc\n"


def test_what_looks_like_markup_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("name",), [{"name": "[bold]x[/bold] \x1b[2J"}], empty="none")
    shown = capsys.readouterr().out
    assert "[bold]x[/bold] \\x1b[2J" in shown
    assert "\x1b" not in shown


def test_a_long_cell_is_not_folded_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("name", "groups"), [{"name": "x" * 120, "groups": ["a", "b"]}], empty="none")
    assert f"{'x' * 120}  a, b" in capsys.readouterr().out


def test_an_empty_table_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("name",), [], empty="There is nothing.")
    assert capsys.readouterr().out == "There is nothing.\n"


def test_json_is_ascii_on_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"town": "Zürich\x1b\n"})
    shown = capsys.readouterr().out
    assert shown.isascii()
    assert shown.count("\n") == 1
    assert json.loads(shown) == {"town": "Zürich\x1b\n"}


@pytest.mark.parametrize(
    ("text", "body"),
    [('{"a": 1}', {"a": 1}), ("[1]", [1]), ("12", 12), ("plain text", "plain text"), ('{"a":', '{"a":'), (None, None)],
)
def test_a_body_is_json_if_it_parses_and_text_else(text: str | None, body: object) -> None:
    assert message_body(text) == body
