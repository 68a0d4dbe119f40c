"""The index of lines, held against tomllib."""

from __future__ import annotations

import contextlib
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tomlkit
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.container.configuration.document import Document, parse_document
from connector.container.configuration.key_paths import KeyPath
from connector.container.configuration.lines import line_index
from connector.errors import Problem

# What trips scanners: brackets, quotes, comments, equals signs and line ends inside keys and values.
_TRICKY = st.text(alphabet="ab_-=#[]{}\"'\\.,\n\t é", max_size=12)
_KEYS = st.text(alphabet="abcXYZ019_-. /\"'=#[]é", min_size=1, max_size=8)
_SCALARS = st.one_of(
    st.integers(-(10**12), 10**12), st.booleans(), st.floats(allow_nan=False), st.datetimes(), st.dates(), _TRICKY
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=3),
    max_leaves=12,
)
_DOCUMENTS = st.dictionaries(_KEYS, _VALUES, max_size=4)


def _paths(value: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    if path:
        yield path
    if isinstance(value, dict):
        for key, below in value.items():
            yield from _paths(below, (*path, key))
    elif isinstance(value, list):
        for number, below in enumerate(value):
            yield from _paths(below, (*path, number))


def _spellings(key: str) -> set[str]:
    """How a key may be written: bare or literal, or as tomlkit writes it."""
    return {key, tomlkit.key(key).as_string(), tomlkit.string(key).as_string()[1:-1]}


def _check(text: str) -> None:
    lines = text.split("\n")
    index = line_index(text)
    paths = set(_paths(tomllib.loads(text)))
    assert set(index) == paths
    for path, line in index.items():
        key = path[-1]
        if isinstance(key, str):
            assert any(spelling in lines[line - 1] for spelling in _spellings(key)), (path, line, text)


@settings(deadline=None, max_examples=80)
@given(_DOCUMENTS)
def test_every_key_has_a_line_that_holds_it_in_documents_as_tomlkit_writes_them(data: dict[str, Any]) -> None:
    _check(tomlkit.dumps(data))


def _literal(value: Any, depth: int) -> str:
    """A value written by hand: inline tables, arrays over several lines with comments, multi-line strings."""
    match value:
        case bool():
            return "true" if value else "false"
        case dict():
            inside = ", ".join(f"{_key(k)} = {_literal(v, depth + 1)}" for k, v in value.items())
            return "{ " + inside + " }"
        case list():
            inside = "".join(f"\n  # an element ]\n  {_literal(v, depth + 1)}," for v in value)
            return f"[{inside}\n]"
        case str() if "\n" in value and "\\" not in value and '"' not in value:
            return f'"""\n{value}"""'
        case str():
            return str(tomlkit.string(value).as_string())
        case _:
            return str(tomlkit.item(value).as_string())


def _key(key: str) -> str:
    return tomlkit.key(key).as_string()


def _dotted(table: dict[str, Any], prefix: str) -> Iterator[str]:
    for key, value in table.items():
        name = prefix + _key(key)
        if isinstance(value, dict) and value:
            yield from _dotted(value, f"{name} . ")
        else:
            yield f"{name} = {_literal(value, 0)} # = [x]"


def _by_hand(data: dict[str, Any]) -> str:
    """Headers, arrays of tables with tables below them, and dotted keys."""
    text = ["# a comment with = and ["]
    for key, value in data.items():
        name = _key(key)
        if isinstance(value, list) and value and all(isinstance(v, dict) for v in value):
            for element in value:
                text.append(f"[[ {name} ]]")
                below = {k: v for k, v in element.items() if isinstance(v, dict)}
                text += _dotted({k: v for k, v in element.items() if k not in below}, "")
                for inner, table in below.items():
                    text += [f"[ {name} . {_key(inner)} ]", *_dotted(table, "")]
        elif isinstance(value, dict):
            text += [f"  [{name}] # header", *_dotted(value, "")]
        else:
            text.insert(0, f"{name} = {_literal(value, 0)}")
    return "\n".join(text) + "\n"


@settings(deadline=None, max_examples=80)
@given(st.dictionaries(_KEYS, _VALUES | st.lists(st.dictionaries(_KEYS, _VALUES, max_size=3), max_size=3), max_size=4))
def test_every_key_has_a_line_that_holds_it_in_documents_written_by_hand(data: dict[str, Any]) -> None:
    _check(_by_hand(data))


def test_a_key_in_an_inline_table_has_the_line_it_stands_on() -> None:
    index = line_index('stack = [\n  { module = "a", flag = "x" },\n  { module = "b" },\n]\n')
    assert index["stack", 1, "module"] == 3
    assert index["stack",] == 1


def test_a_written_header_counts_more_than_an_implied_mention() -> None:
    assert line_index("[a.b]\nx = 1\n[a]\ny = 1\n")["a",] == 3


def test_text_inside_a_multi_line_string_is_no_key() -> None:
    index = line_index('a = """\nb = 1\n""\\"""""\nc = 2\nd = \'\'\'\n[e]\'\'\'\'\nf = 1')
    assert index == {("a",): 1, ("c",): 4, ("d",): 5, ("f",): 7}


def test_a_date_and_its_time_may_have_a_blank_between_them() -> None:
    assert line_index("a = 1979-05-27 07:32:00Z\nb = [1979-05-27 07:32:00, 1]\n") == {
        ("a",): 1,
        ("b",): 2,
        ("b", 0): 2,
        ("b", 1): 2,
    }


@given(st.text(alphabet="a1=[]{}\"'.,#\n -:", max_size=40))
def test_no_text_at_all_keeps_it_from_coming_to_an_end(text: str) -> None:
    with contextlib.suppress(tomllib.TOMLDecodeError):
        line_index(text)


def test_windows_line_ends_count_once() -> None:
    assert line_index("a = 1\r\n\r\nb = 2\r\n")["b",] == 3


def test_tables_below_an_array_of_tables_belong_to_its_newest_element() -> None:
    index = line_index("[[a]]\n[a.b]\nx = 1\n[[a]]\n[[a.c]]\n[a.c.d]\ny = 1\n")
    assert index["a", 0, "b", "x"] == 3
    assert index["a", 1, "c", 0, "d", "y"] == 7


def test_a_syntax_error_is_a_problem_with_its_line() -> None:
    problem = parse_document('a = 1\nb = "open\n', "x.toml", Path())
    assert isinstance(problem, Problem)
    assert (problem.code, problem.file, problem.line) == ("CF-CONF-004", "x.toml", 2)


def test_a_text_that_ends_too_early_is_a_problem_on_its_last_line() -> None:
    problem = parse_document("a = 1\nb = [\n  1,\n", "x.toml", Path())
    assert isinstance(problem, Problem)
    assert problem.line == 3


def test_a_right_text_is_a_document() -> None:
    assert isinstance(parse_document("a = 1", "x.toml", Path()), Document)
