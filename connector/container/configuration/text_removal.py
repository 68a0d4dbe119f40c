"""Taking a key, a table or an element out of a TOML text, and nothing else with it (CONF-8). Pure."""

from __future__ import annotations

import re

from connector.container.configuration.key_paths import KeyPath
from connector.container.configuration.spans import Piece, Spans
from connector.container.configuration.toml_text import line_end, line_start


def without(text: str, path: KeyPath) -> str:
    """The text without a key and everything below it; the key must be there."""
    spans = Spans(text)
    piece = spans.pieces.get(path)
    if piece is not None and piece.container is not None:
        return without_item(text, spans, piece)
    cuts: list[tuple[int, int]] = []
    for number, header in enumerate(spans.headers):
        if number and header.path[: len(path)] == path:
            body = spans.body_of(header)
            cuts.append((line_start(text, header.start), line_end(text, max([header.end, *(p.end for p in body)]))))
        else:
            found = [p for p in spans.body_of(header) if p.path[: len(path)] == path]
            cuts.extend((line_start(text, p.start), line_end(text, p.end)) for p in found)
    for start, end in reversed(cuts):
        if text[:start].endswith("\n\n") and text[end:].startswith("\n"):
            end += 1  # the blank line after what is gone; the one before it stays
        text = text[:start] + text[end:]
    return text


def without_item(text: str, spans: Spans, piece: Piece) -> str:
    """An inline table or array without one of its items, and without the comma that parted it from its neighbour."""
    assert piece.container is not None
    inside = spans.inside(spans.pieces[piece.container])
    number = inside.index(piece)
    if number + 1 < len(inside):
        comma = _comma(text, piece.end)
        start, end = piece.start, comma + 1
        if not text[line_start(text, start) : start].strip():
            # On lines of their own: with it goes the rest of its line, which is its comment.
            rest = line_end(text, end)
            if inside[number + 1].start >= rest:
                return text[: line_start(text, start)] + text[rest:]
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
            if ending and not text[line_start(text, piece.start) : piece.start].strip():
                return text[: line_start(text, piece.start)] + text[end + ending.end() :]
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
