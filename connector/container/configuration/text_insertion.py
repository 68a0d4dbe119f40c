"""Putting a value into a TOML text: in place of another one, or into the nearest table that is there (CONF-8). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from connector.container.configuration.key_path_text import value_at
from connector.container.configuration.key_paths import KeyPath, show_key_path
from connector.container.configuration.spans import Header, Piece, Spans
from connector.container.configuration.text_removal import without, without_item
from connector.container.configuration.toml_text import cant_edit, line_end, written_key, written_value

_MISSING: Final = object()


def with_value(text: str, path: KeyPath, value: Any, before: Mapping[str, Any]) -> str:
    """The text with a value at a path. Pure.

    Args:
        text: TOML.
        path: The key.
        value: Plain TOML data.
        before: What the text says.

    Raises ConfigError (CF-CONF-071) where there is no table for it.
    """
    spans = Spans(text)
    piece = spans.pieces.get(path)
    if piece is not None:
        if piece.is_array and isinstance(value, list):
            return _array_changed(text, spans, piece, value_at(before, path), value)
        return text[: piece.value] + written_value(value) + text[piece.end :]
    if isinstance(path[-1], int):  # an element that is written as [[…]]: all of them become one list
        whole = list(value_at(before, path[:-1]))
        whole[path[-1]] = value
        return with_value(text, path[:-1], whole, before)
    if value_at(before, path, _MISSING) is not _MISSING:
        text = without(text, path)  # a table that is written out in several statements
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
        return text[: piece.value] + written_value(new) + text[piece.end :]
    added = new[len(kept) :]
    elements = spans.inside(piece)
    gone = [each for each, element in zip(elements, old, strict=True) if element not in kept]
    if len(gone) == len(elements):
        return text[: piece.value] + written_value(new) + text[piece.end :]
    if added:
        last = elements[-1]
        lines = "\n" in text[piece.value : piece.end]
        gap = _indentation(text, last.start) if lines else " "
        text = text[: last.end] + "".join(f",{gap}{written_value(element)}" for element in added) + text[last.end :]
        spans = Spans(text)
    for each in reversed(gone):
        text = without_item(text, spans, each)
        spans = Spans(text)
    return text


def _indentation(text: str, position: int) -> str:
    line = text.rfind("\n", 0, position) + 1
    blank = text[line:position]
    return f"\n{blank}" if not blank.strip() else " "


def _inserted(text: str, spans: Spans, path: KeyPath, value: Any) -> str:
    """A key that is not there yet, put into the nearest table that is."""
    header: Header | None = None
    rest = path
    depth = len(path)
    while header is None:  # the top of the file always is one
        depth -= 1
        table, rest = path[:depth], path[depth:]
        piece = spans.pieces.get(table)
        if piece is not None:
            return _into_inline(text, spans, piece, rest, value)
        dotted = [p for p in spans.pieces.values() if p.container is None and _is_below(p, table)]
        if dotted and depth:
            # `a.b = 1` makes the table a: no header may open it again, so the new key is written in the same way.
            last = max(dotted, key=lambda found: found.start)
            return _after(text, last, f"{written_key(path[len(last.table) :])} = {written_value(value)}")
        header = next((each for each in spans.headers if each.path == table), None)
    if len(rest) == 1:
        return _into_body(text, spans, header, f"{written_key(rest)} = {written_value(value)}")
    return _new_header(text, spans, path, value)


def _is_below(piece: Piece, table: KeyPath) -> bool:
    """Whether a statement makes the table by its dotted key: the table lies below its header and above its last key."""
    return len(piece.table) < len(table) < len(piece.path) and piece.path[: len(table)] == table


def _into_inline(text: str, spans: Spans, piece: Piece, rest: KeyPath, value: Any) -> str:
    if not piece.is_inline_table:
        raise cant_edit((*piece.path, *rest), f"{show_key_path(piece.path)} is no table")
    nested = value
    for part in reversed(rest[1:]):
        nested = {part: nested}
    statement = f"{written_key(rest[:1])} = {written_value(nested)}"
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
        end = line_end(text, header.end)
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
    return _with_line(text, line_end(text, piece.end), f"{blank if not blank.strip() else ''}{statement}")


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
        raise cant_edit(path, "the list has no such element")
    body = spans.body_of(after)
    end = line_end(text, max([after.end, *(piece.end for piece in body)]))
    name = written_key(tuple(part for part in table if not isinstance(part, int)))
    block = f"[{name}]\n{written_key(path[-1:])} = {written_value(value)}\n"
    lead = "" if not text[:end].strip() else "\n" if text[:end].endswith("\n") else "\n\n"
    return f"{text[:end]}{lead}{block}{text[end:]}"
