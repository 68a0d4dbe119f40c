"""Where each key of a TOML text stands: an index from key path to line.

tomllib and tomlkit keep no positions, so this scans the text once more. It is given texts that tomllib has accepted
and therefore checks nothing: it only has to know where keys and values end. A property test holds it against tomllib.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from collections.abc import Iterator, Mapping

from connector.container.configuration.cursor import BARE_KEY, BLANK, QUOTED, Cursor
from connector.container.configuration.key_paths import KeyPath


def line_index(text: str) -> Mapping[KeyPath, int]:
    """The line, counted from 1, of every table, key and array element of a TOML text.

    A table that is written out (`[a]`) stands where its header is, one that is only implied (`[a.b]`, `a.b = 1`) where
    it is first mentioned, an array of tables at its first element. Pure; the text must be one that tomllib accepts.

    Args:
        text: The TOML text.
    """
    scanner = _Scanner(text.replace("\r\n", "\n"))
    scanner.scan()
    return scanner.lines


class _Scanner(Cursor):
    # Mutable state: the position moves on, `lines` fills up, `_elements` counts the elements of arrays of tables.

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.lines: dict[KeyPath, int] = {}
        self._elements: dict[KeyPath, int] = {}
        self._breaks = [match.start() for match in re.finditer("\n", text)]

    def scan(self) -> None:
        table: KeyPath = ()
        while not self.at_end():
            if self.take("[["):
                table = self._header(array=True)
                self.take("]]")
            elif self.take("["):
                table = self._header(array=False)
                self.take("]")
            else:
                self._key_and_value(table)

    def _line(self) -> int:
        return bisect_right(self._breaks, self.position) + 1

    def _key_parts(self) -> Iterator[tuple[str, int]]:
        """The parts of a dotted key, each with its line."""
        while True:
            self.skip(BLANK)
            line = self._line()
            quoted = self.skip(QUOTED)
            # A quoted key has the syntax of a one-line string value: tomllib knows all its escapes.
            yield (tomllib.loads(f"key = {quoted}")["key"] if quoted else self.skip(BARE_KEY) or ""), line
            if not self.take("."):
                return

    def _header(self, *, array: bool) -> KeyPath:
        parts = list(self._key_parts())
        path: KeyPath = ()
        for part, line in parts[:-1]:
            path = self._into_last_element((*path, part), line)
        key, line = parts[-1]
        path = (*path, key)
        if not array:
            self.lines[path] = line  # the written header counts more than an earlier implied mention
            return path
        self.lines.setdefault(path, line)
        number = self._elements.get(path, 0)
        self._elements[path] = number + 1
        self.lines[(*path, number)] = line
        return (*path, number)

    def _into_last_element(self, path: KeyPath, line: int) -> KeyPath:
        """A header below an array of tables means the array's newest element."""
        self.lines.setdefault(path, line)
        return (*path, self._elements[path] - 1) if path in self._elements else path

    def _key_and_value(self, table: KeyPath) -> None:
        path = table
        for part, line in self._key_parts():
            path = (*path, part)
            self.lines.setdefault(path, line)
        self.take("=")
        self._value(path)

    def _value(self, path: KeyPath) -> None:
        self.skip(BLANK)
        if self.take("{"):
            while not (self.take("}") or self.at_end()):
                self._key_and_value(path)
                self.take(",")
        elif self.take("["):
            number = 0
            while not (self.take("]") or self.at_end()):
                self.lines[(*path, number)] = self._line()
                self._value((*path, number))
                self.take(",")
                number += 1
        else:
            self.skip_scalar()
