"""Key paths as people write them, and what is said differently (CONF-8)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.container.configuration.differences import changed_paths
from connector.container.configuration.key_path_text import joined_where_known, parse_key_path
from connector.container.configuration.key_paths import KeyPath, show_key_path
from connector.container.configuration.merge import merge, nest
from connector.errors import ConfigError

KEYS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8)


@given(st.tuples(KEYS, st.lists(st.one_of(KEYS, st.integers(0, 99)), max_size=4)))
def test_what_is_shown_is_read_again_as_the_same_path(drawn: tuple[str, list[str | int]]) -> None:
    path: KeyPath = (drawn[0], *drawn[1])
    assert parse_key_path(show_key_path(path)) == path


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("container.name", ("container", "name")),
        ('resources."jdbc/ledger".pool', ("resources", "jdbc/ledger", "pool")),
        ("resources.'jdbc/ledger'.pool", ("resources", "jdbc/ledger", "pool")),
        ("resources.jdbc/ledger", ("resources", "jdbc/ledger")),
        ("login.Payroll.stack[0].flag", ("login", "Payroll", "stack", 0, "flag")),
        ('a."b.\\"c"', ("a", 'b."c')),
    ],
)
def test_key_paths_are_read_as_toml_writes_them(text: str, path: KeyPath) -> None:
    assert parse_key_path(text) == path


@pytest.mark.parametrize("text", ["", ".", "a.", ".a", "a..b", 'a."b', "a[x]", "a b", "a[0]b", "[0]", "a=1"])
def test_what_is_no_key_path_is_refused(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_key_path(text)
    assert caught.value.code == "CF-CONF-070"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (("q", "forecast", "uk", "type"), ("q", "forecast.uk", "type")),  # the shell has taken the quotes
        (("q", "plain", "type"), ("q", "plain", "type")),
        (("q", "a", "b"), ("q", "a", "b")),  # as it is written it is there
        (("q", "new", "one"), ("q", "new", "one")),
    ],
)
def test_keys_are_joined_only_where_they_are_known_so(written: KeyPath, meant: KeyPath) -> None:
    data = {"q": {"forecast.uk": {"type": 1}, "plain": {"type": 2}, "a": {"b": 3}, "a.b": 4}}
    assert joined_where_known(written, data) == meant


TABLES = st.recursive(
    st.one_of(st.integers(0, 2), st.booleans(), st.lists(st.integers(0, 1), max_size=2)),
    lambda below: st.dictionaries(st.sampled_from("abc"), below, max_size=3),
    max_leaves=6,
).map(lambda drawn: drawn if isinstance(drawn, dict) else {"x": drawn})


@given(TABLES)
def test_what_is_equal_differs_nowhere(table: dict[str, Any]) -> None:
    assert changed_paths(table, merge(table, {})) == ()


@given(TABLES, st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map(tuple))
def test_one_change_is_found_at_its_path_or_where_it_replaced_something(
    table: dict[str, Any], path: tuple[str, ...]
) -> None:
    changed = merge(table, nest(path, "new"))
    paths = changed_paths(table, changed)
    assert path in paths or any(path[: len(each)] == each for each in paths)
    for each in paths:  # nothing beside it
        assert each[: len(path)] == path or path[: len(each)] == each


@pytest.mark.parametrize(("old", "new"), [(1, True), (1, 1.0), ([1], [True, 1]), ({}, 1), ("1", 1)])
def test_values_of_another_type_are_others(old: Any, new: Any) -> None:
    assert changed_paths({"a": old}, {"a": new}) == (("a",),)
