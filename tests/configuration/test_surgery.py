"""Edits of TOML texts keep what they don't mean: comments, layout, and every other line (CONF-8)."""

from __future__ import annotations

import tomllib
from textwrap import dedent
from typing import Any

import pytest
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st
from support_toml_texts import KEYS, VALUES, toml_texts

from connector.container.configuration.key_path_text import value_at
from connector.container.configuration.surgery import Edit, SetValue, Unset, applied, edited, pruned
from connector.errors import ConfigError

PROFILE = dedent("""\
    # The profile, by hand.

    [container]
    name = "shop"          # never change it
    security = true

    [resources."jdbc/orders"]  # the shop's own
    adapter = "sql"
    pool = { max_size = 2, connection_timeout = "5s" }   # small on purpose

    # --- the bus ---
    [buses.shop.roles]
    connector = [
      "user:boss",   # may do everything
      "group:clients",
      "Server",      # never take it out
    ]

    [buses.shop.destinations."orders.in"]
    type = "queue"

    [applications]
    shop = "shop.toml"
    """)


def changed_lines(edit: Edit, text: str = PROFILE) -> tuple[list[str], list[str]]:
    """The lines that an edit takes away, and those that it puts in."""
    old, new = text.splitlines(), edited(text, [edit]).splitlines()
    return [line for line in old if line not in new], [line for line in new if line not in old]


def test_a_value_is_replaced_and_its_comment_stays() -> None:
    gone, come = changed_lines(SetValue(("container", "name"), "market"))
    assert gone == ['name = "shop"          # never change it']
    assert come == ['name = "market"          # never change it']


def test_a_key_in_an_inline_table_is_replaced_in_its_place() -> None:
    _, come = changed_lines(SetValue(("resources", "jdbc/orders", "pool", "max_size"), 20))
    assert come == ['pool = { max_size = 20, connection_timeout = "5s" }   # small on purpose']


def test_a_new_key_of_an_inline_table_goes_to_its_end() -> None:
    _, come = changed_lines(SetValue(("resources", "jdbc/orders", "pool", "min_size"), 1))
    assert come == ['pool = { max_size = 2, connection_timeout = "5s", min_size = 1 }   # small on purpose']


def test_a_holder_is_added_to_a_list_without_losing_the_comments_of_the_others() -> None:
    connectors = ["user:boss", "group:clients", "Server", "user:alice"]
    text = edited(PROFILE, [SetValue(("buses", "shop", "roles", "connector"), connectors)])
    assert '  "user:boss",   # may do everything\n' in text
    assert "# never take it out" in text
    assert tomllib.loads(text)["buses"]["shop"]["roles"]["connector"] == connectors


def test_a_holder_is_taken_out_of_a_list_with_its_line() -> None:
    gone, come = changed_lines(SetValue(("buses", "shop", "roles", "connector"), ["user:boss", "Server"]))
    assert (gone, come) == (['  "group:clients",'], [])


def test_a_new_destination_gets_a_table_after_its_neighbours() -> None:
    text = edited(PROFILE, [SetValue(("buses", "shop", "destinations", "bills", "type"), "queue")])
    neighbour = '[buses.shop.destinations."orders.in"]\ntype = "queue"\n'
    assert f'{neighbour}\n[buses.shop.destinations.bills]\ntype = "queue"\n\n[applications]' in text


def test_a_table_that_is_only_implied_gets_its_header() -> None:
    text = edited(PROFILE, [SetValue(("buses", "shop", "security"), False)])
    assert tomllib.loads(text)["buses"]["shop"]["security"] is False
    assert "[buses.shop]\nsecurity = false\n" in text


def test_a_table_is_unset_with_all_that_is_below_it_and_nothing_else() -> None:
    gone, come = changed_lines(Unset(("buses", "shop", "destinations")))
    assert gone == ['[buses.shop.destinations."orders.in"]', 'type = "queue"']
    assert come == []


def test_what_is_not_set_can_not_be_unset() -> None:
    with pytest.raises(ConfigError) as caught:
        edited(PROFILE, [Unset(("buses", "shop", "color"))])
    assert caught.value.code == "CF-CONF-072"


def test_a_value_has_no_keys_below_it() -> None:
    with pytest.raises(ConfigError) as caught:
        edited(PROFILE, [SetValue(("container", "name", "x"), 1)])
    assert caught.value.code == "CF-CONF-071"


@st.composite
def edits_for(draw: Any, text: str) -> Edit:
    """An edit of a key that is there, mostly, or of one that is not."""
    path: tuple[str | int, ...] = ()
    here: Any = tomllib.loads(text)
    while isinstance(here, dict | list) and here:
        if path and draw(st.integers(0, 3)) == 0:
            break
        part = draw(st.sampled_from(sorted(here) if isinstance(here, dict) else range(len(here))))
        path, here = (*path, part), here[part]
    if not path or draw(st.integers(0, 2)) == 0:
        path = (*path, *draw(st.lists(KEYS, min_size=1, max_size=2)))
    return Unset(path) if draw(st.integers(0, 2)) == 0 else SetValue(path, draw(VALUES))


@settings(max_examples=200, phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink])
@given(st.data(), toml_texts())
def test_any_sequence_of_edits_means_on_the_text_what_it_means_on_the_values(data: st.DataObject, text: str) -> None:
    expected: dict[str, Any] = tomllib.loads(text)
    for _ in range(data.draw(st.integers(1, 4))):
        edit = data.draw(edits_for(text))
        try:
            expected = applied(tomllib.loads(text), edit)
        except ConfigError:
            with pytest.raises(ConfigError):
                edited(text, [edit])
            continue
        before, text = text, edited(text, [edit])
        if "[[" in before and value_at(expected, edit.path[:-1]) == []:
            continue  # whether the list itself is left depends on how it is written
        assert pruned(tomllib.loads(text)) == pruned(expected)
        if isinstance(edit, SetValue):
            _no_comment_is_lost(before, text, edit)


def _no_comment_is_lost(before: str, after: str, edit: Edit) -> None:
    """Comments above statements and on headers stay, whatever value is set where nothing was."""
    missing = object()
    here = value_at(tomllib.loads(before), edit.path, missing)
    assume(here is missing)
    left = after.splitlines()
    for line in before.splitlines():
        if line.startswith("# above ") or line in {"# the file", "# a table"}:
            assert line in left
            left.remove(line)
