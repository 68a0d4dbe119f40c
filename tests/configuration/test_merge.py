from __future__ import annotations

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from connector.container.configuration.merge import merge, nest

_KEYS = st.sampled_from("abcd")
_TABLES = st.recursive(
    st.dictionaries(_KEYS, st.integers() | st.lists(st.integers(), max_size=2), max_size=3),
    lambda inner: st.dictionaries(_KEYS, st.integers() | inner, max_size=3),
    max_leaves=10,
)


def leaves(table: dict[str, Any], path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """Every value that is no table, by its path."""
    found: dict[tuple[str, ...], Any] = {}
    for key, value in table.items():
        found |= leaves(value, (*path, key)) if isinstance(value, dict) else {(*path, key): value}
    return found


@given(_TABLES, _TABLES)
def test_merging_twice_changes_nothing_more(lower: dict[str, Any], upper: dict[str, Any]) -> None:
    once = merge(lower, upper)
    assert merge(once, upper) == once
    assert merge(lower, lower) == lower


@given(_TABLES, _TABLES)
def test_whatever_the_upper_layer_says_holds(lower: dict[str, Any], upper: dict[str, Any]) -> None:
    merged = leaves(merge(lower, upper))
    assert {path: merged[path] for path in leaves(upper)} == leaves(upper)


@given(_TABLES, _TABLES)
def test_what_the_upper_layer_does_not_touch_stays(lower: dict[str, Any], upper: dict[str, Any]) -> None:
    merged, above = leaves(merge(lower, upper)), leaves(upper)
    for path, value in leaves(lower).items():
        replaced = any(path[: len(other)] == other or other[: len(path)] == path for other in above)
        emptied = any(other[: len(path)] == path for other in _empty_tables(upper))
        if not replaced and not emptied:
            assert merged[path] == value


def _empty_tables(table: dict[str, Any], path: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    found = set() if table else {path}
    for key, value in table.items():
        if isinstance(value, dict):
            found |= _empty_tables(value, (*path, key))
    return found - {()}


@given(_TABLES, _TABLES, _TABLES)
def test_nothing_given_is_changed_or_shared(
    lower: dict[str, Any], upper: dict[str, Any], other: dict[str, Any]
) -> None:
    before = copy.deepcopy((lower, upper))
    merged = merge(lower, upper)
    merged |= other
    for value in merged.values():
        if isinstance(value, dict):
            value["new"] = 1
    assert leaves(before[0]) == leaves(lower)
    assert leaves(before[1]) == leaves(upper)


def test_an_empty_table_above_takes_nothing_away() -> None:
    assert merge({"a": {"b": 1}}, {"a": {}}) == {"a": {"b": 1}}


def test_a_table_and_a_value_replace_each_other() -> None:
    assert merge({"a": {"b": 1}}, {"a": 2}) == {"a": 2}
    assert merge({"a": 2}, {"a": {"b": 1}}) == {"a": {"b": 1}}


def test_nesting_makes_one_path() -> None:
    assert nest(("a", "b"), 1) == {"a": {"b": 1}}
