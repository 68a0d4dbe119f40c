"""Editing a TOML text so that comments and layout stay: the statement that is meant changes, no other does (CONF-8).

Theory of operation
-------------------
`spans` tells where each statement and value stands. An edit replaces, inserts or removes exactly that piece of text;
new values are written by tomlkit. Each result is parsed and compared with what the edit means on the parsed values:
where it differs the text is one that this can't edit, and the edit is refused instead of damaging the file.
"""

from __future__ import annotations

import copy
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import tomlkit

from connector.container.configuration.key_path_text import value_at
from connector.container.configuration.key_paths import KeyPath, show_key_path
from connector.container.configuration.spans import Header, Piece, Spans
from connector.errors import ConfigError, Reason

CANT_EDIT = Reason(
    "CF-CONF-071",
    "the key {key} can't be changed by command: {why}.",
    "Change it in the file by hand, then run `connector config reload`.",
)
NOTHING_THERE = Reason(
    "CF-CONF-072",
    "the key {key} is not set.",
    "See `connector config get` for what is.",
)

_MISSING: Final = object()
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


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
        changed = _set(text, edit.path, edit.value, before) if isinstance(edit, SetValue) else _unset(text, edit.path)
        try:
            found = tomllib.loads(changed)
        except tomllib.TOMLDecodeError:
            found = {}
        if _pruned(found) != _pruned(wanted):
            raise _cant(edit.path, "the file is written in a way that this can't change safely")
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
                raise _cant(edit.path, f"{show_key_path(edit.path[: number + 1])} does not exist")
            below = here[part] = {}
        if not isinstance(below, dict | list):
            raise _cant(edit.path, f"{show_key_path(edit.path[: number + 1])} is no table")
        here = below
    _check_kind(edit, here, len(way))
    there = value_at(here, (last,), _MISSING) is not _MISSING
    if isinstance(edit, SetValue):
        if isinstance(last, int) and not there:
            raise _cant(edit.path, "the list has no such element; set the whole list")
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
        raise _cant(edit.path, f"{show_key_path(edit.path[:number])} is {kind}")


# --- set -------------------------------------------------------------------------------------------------------------


def _set(text: str, path: KeyPath, value: Any, before: Mapping[str, Any]) -> str:
    spans = Spans(text)
    piece = spans.pieces.get(path)
    if piece is not None:
        if piece.is_array and isinstance(value, list):
            return _array_changed(text, spans, piece, value_at(before, path), value)
        return text[: piece.value] + _written(value) + text[piece.end :]
    if isinstance(path[-1], int):  # an element that is written as [[…]]: all of them become one list
        whole = list(value_at(before, path[:-1]))
        whole[path[-1]] = value
        return _set(text, path[:-1], whole, before)
    if value_at(before, path, _MISSING) is not _MISSING:
        text = _unset(text, path)  # a table that is written out in several statements
        spans = Spans(text)
    return _inserted(text, spans, path, value)


def _array_changed(text: str, spans: Spans, piece: Piece, old: Any, new: list[Any]) -> str:
    """An array with elements taken out and put at its end, the others with their comments where they are; else whole.

    What is inserted or re-ordered elsewhere has no place that comments would keep: then the array is written anew.
    """
    kept = list(old)
    for element in old:
        if kept.count(element) > new.count(element):
            kept.remove(element)
    if not old or new[: len(kept)] != kept or len(set(map(repr, old))) != len(old):
        return text[: piece.value] + _written(new) + text[piece.end :]
    added = new[len(kept) :]
    elements = spans.inside(piece)
    gone = [each for each, element in zip(elements, old, strict=True) if element not in kept]
    if len(gone) == len(elements):
        return text[: piece.value] + _written(new) + text[piece.end :]
    if added:
        last = elements[-1]
        lines = "\n" in text[piece.value : piece.end]
        gap = _indentation(text, last.start) if lines else " "
        text = text[: last.end] + "".join(f",{gap}{_written(element)}" for element in added) + text[last.end :]
        spans = Spans(text)
    for each in reversed(gone):
        text = _without_item(text, spans, each)
        spans = Spans(text)
    return text


def _indentation(text: str, position: int) -> str:
    line = text.rfind("\n", 0, position) + 1
    blank = text[line:position]
    return f"\n{blank}" if not blank.strip() else " "


def _inserted(text: str, spans: Spans, path: KeyPath, value: Any) -> str:
    """A key that is not there yet, put into the nearest table that is."""
    for depth in range(len(path) - 1, -1, -1):
        table, rest = path[:depth], path[depth:]
        piece = spans.pieces.get(table)
        if piece is not None:
            return _into_inline(text, spans, piece, rest, value)
        dotted = [p for p in spans.pieces.values() if p.container is None and _is_below(p, table)]
        if dotted and depth:
            # `a.b = 1` makes the table a: no header may open it again, so the new key is written in the same way.
            last = max(dotted, key=lambda found: found.start)
            return _after(text, last, f"{_key(path[len(last.table) :])} = {_written(value)}")
        header = next((each for each in spans.headers if each.path == table), None)
        if header is not None:
            break
    assert header is not None  # the top of the file always is
    if len(rest) == 1:
        return _into_body(text, spans, header, f"{_key(rest)} = {_written(value)}")
    return _new_header(text, spans, path, value)


def _is_below(piece: Piece, table: KeyPath) -> bool:
    """Whether a statement makes the table by its dotted key: the table lies below its header and above its last key."""
    return len(piece.table) < len(table) < len(piece.path) and piece.path[: len(table)] == table


def _into_inline(text: str, spans: Spans, piece: Piece, rest: KeyPath, value: Any) -> str:
    if not piece.is_inline_table:
        raise _cant((*piece.path, *rest), f"{show_key_path(piece.path)} is no table")
    nested = value
    for part in reversed(rest[1:]):
        nested = {part: nested}
    statement = f"{_key(rest[:1])} = {_written(nested)}"
    inside = spans.inside(piece)
    if not inside:
        return f"{text[: piece.value]}{{ {statement} }}{text[piece.end :]}"
    end = inside[-1].end
    return f"{text[:end]}, {statement}{text[end:]}"


def _into_body(text: str, spans: Spans, header: Header, statement: str) -> str:
    body = spans.body_of(header)
    if body:
        return _after(text, body[-1], statement)
    if header.path:
        end = _line_end(text, header.end)
        return _with_line(text, end, statement)
    # At the top, above the first header and what is written above it, but below a comment that opens the file.
    first = spans.headers[1].start if len(spans.headers) > 1 else len(text)
    start = text.rfind("\n", 0, first) + 1
    while start and text[text.rfind("\n", 0, start - 1) + 1 : start].lstrip().startswith("#"):
        start = text.rfind("\n", 0, start - 1) + 1
    if start == 0 and first:
        start = text.rfind("\n", 0, first) + 1
    ending = "" if not text[start:] or text[start:].startswith(("\n", "\r\n")) else "\n"
    joint = "" if not start or text[:start].endswith("\n") else "\n"
    return f"{text[:start]}{joint}{statement}\n{ending}{text[start:]}"


def _after(text: str, piece: Piece, statement: str) -> str:
    blank = text[text.rfind("\n", 0, piece.start) + 1 : piece.start]
    return _with_line(text, _line_end(text, piece.end), f"{blank if not blank.strip() else ''}{statement}")


def _with_line(text: str, end: int, line: str) -> str:
    """A line put in where another one ends."""
    if end and text[end - 1] == "\n":
        return f"{text[:end]}{line}\n{text[end:]}"
    return f"{text[:end]}\n{line}\n"


def _new_header(text: str, spans: Spans, path: KeyPath, value: Any) -> str:
    """A table of its own for the key, after the last one that shares the longest beginning with it."""
    table = path[:-1]
    shared = 0
    after = spans.headers[-1]
    for header in spans.headers[1:]:
        common = 0
        while common < min(len(header.path), len(table)) and header.path[common] == table[common]:
            common += 1
        if common >= shared and common:
            shared, after = common, header
    if isinstance(next((part for part in reversed(table[shared:]) if isinstance(part, int)), None), int):
        raise _cant(path, "the list has no such element")
    body = spans.body_of(after)
    end = _line_end(text, max([after.end, *(piece.end for piece in body)]))
    name = _key(tuple(part for part in table if not isinstance(part, int)))
    block = f"[{name}]\n{_key(path[-1:])} = {_written(value)}\n"
    lead = "" if not text[:end].strip() else "\n" if text[:end].endswith("\n") else "\n\n"
    return f"{text[:end]}{lead}{block}{text[end:]}"


# --- unset -----------------------------------------------------------------------------------------------------------


def _unset(text: str, path: KeyPath) -> str:
    spans = Spans(text)
    piece = spans.pieces.get(path)
    if piece is not None and piece.container is not None:
        return _without_item(text, spans, piece)
    cuts: list[tuple[int, int]] = []
    for number, header in enumerate(spans.headers):
        if number and header.path[: len(path)] == path:
            body = spans.body_of(header)
            cuts.append((_line_start(text, header.start), _line_end(text, max([header.end, *(p.end for p in body)]))))
        else:
            found = [p for p in spans.body_of(header) if p.path[: len(path)] == path]
            cuts.extend((_line_start(text, p.start), _line_end(text, p.end)) for p in found)
    for start, end in reversed(cuts):
        if text[:start].endswith("\n\n") and text[end:].startswith("\n"):
            end += 1  # the blank line after what is gone; the one before it stays
        text = text[:start] + text[end:]
    return text


def _without_item(text: str, spans: Spans, piece: Piece) -> str:
    """An inline table or array without one of its items, and without the comma that parted it from its neighbour."""
    assert piece.container is not None
    inside = spans.inside(spans.pieces[piece.container])
    number = inside.index(piece)
    if number + 1 < len(inside):
        comma = _comma(text, piece.end)
        start, end = piece.start, comma + 1
        if not text[_line_start(text, start) : start].strip():
            # On lines of their own: with it goes the rest of its line, which is its comment.
            rest = _line_end(text, end)
            if inside[number + 1].start >= rest:
                return text[: _line_start(text, start)] + text[rest:]
        return text[:start] + text[end:].lstrip(" \t")
    if number:
        start = inside[number - 1].end
        comma = _comma(text, start)
        if "\n" in text[comma : piece.start]:
            # Its own line goes; the comma before it may stay in an array, and not in an inline table (no lines there).
            end = piece.end
            follower = re.match(r"[ \t]*,", text[end:])
            end += follower.end() if follower else 0
            ending = re.match(r"[ \t]*(?:#[^\n]*)?\r?\n", text[end:])
            if ending and not text[_line_start(text, piece.start) : piece.start].strip():
                return text[: _line_start(text, piece.start)] + text[end + ending.end() :]
            return text[: piece.start].rstrip(" \t") + text[end:]
        return text[:start] + text[piece.end :]
    end = piece.end
    follower = re.match(r"[ \t\r\n]*,", text[end:])
    return text[: piece.start] + text[end + (follower.end() if follower else 0) :].lstrip(" \t")


def _comma(text: str, position: int) -> int:
    """Where the comma after an item stands; between them there are blanks and comments only."""
    while text[position] != ",":
        position = text.index("\n", position) if text[position] == "#" else position + 1
    return position


# --- text ------------------------------------------------------------------------------------------------------------


def _line_start(text: str, position: int) -> int:
    return text.rfind("\n", 0, position) + 1


def _line_end(text: str, position: int) -> int:
    """Behind the end of the line, with its comment."""
    found = text.find("\n", position)
    return len(text) if found < 0 else found + 1


def _key(path: KeyPath) -> str:
    return ".".join(part if _BARE_KEY.fullmatch(part) else tomlkit.item(part).as_string() for part in map(str, path))


def _written(value: Any) -> str:
    """A value on one line, as TOML."""
    if isinstance(value, Mapping):
        inner = ", ".join(f"{_key((key,))} = {_written(below)}" for key, below in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_written(element) for element in value)}]"
    return str(tomlkit.item(value).as_string())


def _pruned(value: Any) -> Any:
    """Without empty tables: a table that was there by what is below it only goes with the last of that."""
    if isinstance(value, dict):
        below = {key: _pruned(each) for key, each in value.items()}
        return {key: each for key, each in below.items() if each != {}}
    if isinstance(value, list):
        return [_pruned(each) for each in value]
    return value


def _cant(path: KeyPath, why: str) -> ConfigError:
    return ConfigError(CANT_EDIT, key=show_key_path(path), why=why)
