"""Editing a TOML text so that comments and layout stay: the statement that is meant changes, no other does (CONF-8).

Theory of operation
-------------------
`spans` tells where each statement and value stands. An edit replaces, inserts or removes exactly that piece of text;
new values are written by tomlkit. Each result is parsed and compared with what the edit means on the parsed values:
where it differs the text is one that this can't edit, and the edit is refused instead of damaging the file.
"""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from connector.container.configuration.key_path_text import value_at
from connector.container.configuration.key_paths import KeyPath, show_key_path
from connector.container.configuration.spans import Spans
from connector.container.configuration.text_insertion import with_value
from connector.container.configuration.text_removal import without
from connector.container.configuration.toml_text import cant_edit
from connector.errors import ConfigError, Reason

NOTHING_THERE = Reason(
    "CF-CONF-072",
    "the key {key} is not set.",
    "See `connector config get` for what is.",
)

_MISSING: Final = object()


@dataclass(frozen=True, slots=True)
class SetValue:
    """Give a key a value; tables on the way are made.

    Attributes:
        path: The key.
        value: Plain TOML data.
    """

    path: KeyPath
    value: Any = field(repr=False)


@dataclass(frozen=True, slots=True)
class Unset:
    """Take a key away, with everything below it.

    Attributes:
        path: The key.
    """

    path: KeyPath


Edit: TypeAlias = SetValue | Unset


def edited(text: str, edits: Sequence[Edit]) -> str:
    """The text with the edits made one after the other. Pure.

    Args:
        text: TOML.
        edits: What to change.

    Raises:
        ConfigError: CF-CONF-072 where there is nothing to unset, CF-CONF-071 where the edit can't be made.
    """
    for edit in edits:
        before = tomllib.loads(text)
        wanted = applied(before, edit)
        if (
            isinstance(edit, Unset)
            and value_at(wanted, edit.path[:-1]) == []
            and edit.path[:-1] not in Spans(text).pieces
        ):
            wanted = applied(before, Unset(edit.path[:-1]))  # the last [[…]] takes the list with it
        changed = (
            with_value(text, edit.path, edit.value, before) if isinstance(edit, SetValue) else without(text, edit.path)
        )
        try:
            found = tomllib.loads(changed)
        except tomllib.TOMLDecodeError:
            found = {}
        if pruned(found) != pruned(wanted):
            raise cant_edit(edit.path, "the file is written in a way that this can't change safely")
        text = changed
    return text


def applied(data: Mapping[str, Any], edit: Edit) -> dict[str, Any]:
    """What an edit means on parsed values. Pure: neither argument is changed.

    Raises ConfigError (CF-CONF-071, -072).
    """
    changed: dict[str, Any] = copy.deepcopy(dict(data))
    here: Any = changed
    *way, last = edit.path
    for number, part in enumerate(way):
        _check_kind(edit, here, number)
        below = value_at(here, (part,), _MISSING)
        if below is _MISSING:
            if isinstance(edit, Unset):
                raise ConfigError(NOTHING_THERE, key=show_key_path(edit.path))
            if isinstance(part, int):
                raise cant_edit(edit.path, f"{show_key_path(edit.path[: number + 1])} does not exist")
            below = here[part] = {}
        if not isinstance(below, dict | list):
            raise cant_edit(edit.path, f"{show_key_path(edit.path[: number + 1])} is no table")
        here = below
    _check_kind(edit, here, len(way))
    there = value_at(here, (last,), _MISSING) is not _MISSING
    if isinstance(edit, SetValue):
        if isinstance(last, int) and not there:
            raise cant_edit(edit.path, "the list has no such element; set the whole list")
        here[last] = copy.deepcopy(edit.value)
    elif not there:
        raise ConfigError(NOTHING_THERE, key=show_key_path(edit.path))
    else:
        del here[last]
    return changed


def _check_kind(edit: Edit, here: Any, number: int) -> None:
    """Elements of lists have numbers, keys of tables names."""
    if isinstance(here, list) is not isinstance(edit.path[number], int):
        kind = "a list" if isinstance(here, list) else "no list"
        raise cant_edit(edit.path, f"{show_key_path(edit.path[:number])} is {kind}")


def pruned(value: Any) -> Any:
    """Without empty tables: a table that was there by what is below it only goes with the last of that."""
    if isinstance(value, dict):
        below = {key: pruned(each) for key, each in value.items()}
        return {key: each for key, each in below.items() if each != {}}
    if isinstance(value, list):
        return [pruned(each) for each in value]
    return value
