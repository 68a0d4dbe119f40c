"""Where the pieces of a TOML text stand, to the character: what an edit needs to change one and no other.

Given a text that tomllib has accepted; it checks nothing. `lines` knows in which line a key stands, this knows where
its statement and its value begin and end. A property test holds edits made with it against tomllib.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass

from connector.container.configuration.cursor import BARE_KEY, BLANK, QUOTED, Cursor
from connector.container.configuration.key_paths import KeyPath


@dataclass(frozen=True, slots=True)
class Header:
    """`[path]` or `[[path]]`, or the top of the file, which has none.

    Attributes:
        path: What it opens; with the element's number at its end for an array of tables.
        start: Where its line begins.
        end: Where its closing bracket ends; equal to `start` for the top.
    """

    path: KeyPath
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Piece:
    """A key with its value, or an element of an array.

    Attributes:
        path: The whole path.
        table: The path of the header or inline table or array that it is written in.
        start: Where its key begins; for an element its value.
        value: Where its value begins.
        end: Where its value ends.
        container: The path of the inline table or array that it stands in; None in the open.
        opening: The value's first character.
    """

    path: KeyPath
    table: KeyPath
    start: int
    value: int
    end: int
    container: KeyPath | None
    opening: str

    @property
    def is_inline_table(self) -> bool:
        """Whether the value is `{…}`."""
        return self.opening == "{"

    @property
    def is_array(self) -> bool:
        """Whether the value is `[…]`."""
        return self.opening == "["


class Spans(Cursor):
    """The pieces of one text.

    Args:
        text: A text that tomllib accepts.

    Attributes:
        headers: In order; the first is the top of the file.
        pieces: All keys and elements by path; an array of tables has none itself.
    """

    # Mutable while scanning: the position moves on, the other three fill up.

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._elements: dict[KeyPath, int] = {}
        self.headers = [Header((), 0, 0)]
        self.pieces: dict[KeyPath, Piece] = {}
        while not self.at_end():
            start = self.position
            if self.take("[["):
                self._header(start, array=True)
            elif self.take("["):
                self._header(start, array=False)
            else:
                self._key_and_value(self.headers[-1].path, None)

    def body_of(self, header: Header) -> list[Piece]:
        """The statements in the open below a header, in order."""
        number = self.headers.index(header)
        end = self.headers[number + 1].start if number + 1 < len(self.headers) else len(self.text)
        found = [p for p in self.pieces.values() if p.container is None and header.end <= p.start < end]
        return sorted(found, key=lambda piece: piece.start)

    def inside(self, container: Piece) -> list[Piece]:
        """What stands directly in an inline table or array, in order."""
        found = [piece for piece in self.pieces.values() if piece.container == container.path]
        return sorted(found, key=lambda piece: piece.start)

    def _header(self, start: int, *, array: bool) -> None:
        parts = list(self._key_parts())
        path: KeyPath = ()
        for part in parts[:-1]:
            path = (*path, part)
            if path in self._elements:
                path = (*path, self._elements[path] - 1)
        path = (*path, parts[-1])
        if array:
            number = self._elements.get(path, 0)
            self._elements[path] = number + 1
            path = (*path, number)
        self.take("]]" if array else "]")
        self.headers.append(Header(path, start, self.position))

    def _key_and_value(self, table: KeyPath, container: KeyPath | None) -> None:
        start = self.position
        path = (*table, *self._key_parts())
        self.take("=")
        self.skip(BLANK)
        self._value(path, table, start, container)

    def _value(self, path: KeyPath, table: KeyPath, start: int, container: KeyPath | None) -> None:
        value = self.position
        opening = self.text[value : value + 1]
        if self.take("{"):
            while not (self.take("}") or self.at_end()):
                self._key_and_value(path, path)
                self.take(",")
        elif self.take("["):
            number = 0
            while not (self.take("]") or self.at_end()):
                self._value((*path, number), path, self.position, path)
                self.take(",")
                number += 1
        else:
            self.skip_scalar()
        self.pieces[path] = Piece(path, table, start, value, self.position, container, opening)

    def _key_parts(self) -> Iterator[str]:
        while True:
            self.skip(BLANK)
            quoted = self.skip(QUOTED)
            yield str(tomllib.loads(f"key = {quoted}")["key"]) if quoted else self.skip(BARE_KEY) or ""
            if not self.take("."):
                return
