"""Where each key of a TOML text stands: an index from key path to line.

tomllib and tomlkit keep no positions, so this scans the text once more. It is given texts that tomllib has accepted
and therefore checks nothing: it only has to know where keys and values end. A property test holds it against tomllib.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from collections.abc import Iterator, Mapping

from connector.container.configuration.key_paths import KeyPath

_BLANK = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_QUOTED = re.compile(r"\"(?:[^\"\\\n]|\\.)*\"|'[^'\n]*'")
# A multi-line string may end with up to two quotes of its own before the closing three.
_MULTI_LINE = re.compile(r"\"\"\"(?:[^\\]|\\.)*?\"{3,5}(?!\")|'''.*?'{3,5}(?!')", re.DOTALL)
# A date and its time may be separated by one blank.
_PLAIN = re.compile(r"[^\s,\]}#]+(?: \d{2}:[^\s,\]}#]+)?")


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


class _Scanner:
    # Mutable state: `_position` moves on, `lines` fills up, `_elements` counts the elements of arrays of tables.

    def __init__(self, text: str) -> None:
        self.lines: dict[KeyPath, int] = {}
        self._text = text
        self._position = 0
        self._elements: dict[KeyPath, int] = {}
        self._breaks = [match.start() for match in re.finditer("\n", text)]

    def scan(self) -> None:
        table: KeyPath = ()
        while not self._at_end():
            if self._take("[["):
                table = self._header(array=True)
                self._take("]]")
            elif self._take("["):
                table = self._header(array=False)
                self._take("]")
            else:
                self._key_and_value(table)

    def _at_end(self) -> bool:
        self._skip(_BLANK)
        return self._position >= len(self._text)

    def _skip(self, pattern: re.Pattern[str]) -> str | None:
        match = pattern.match(self._text, self._position)
        if match is None:
            return None
        self._position = match.end()
        return match.group()

    def _take(self, token: str) -> bool:
        self._skip(_BLANK)
        found = self._text.startswith(token, self._position)
        if found:
            self._position += len(token)
        return found

    def _line(self) -> int:
        return bisect_right(self._breaks, self._position) + 1

    def _key_parts(self) -> Iterator[tuple[str, int]]:
        """The parts of a dotted key, each with its line."""
        while True:
            self._skip(_BLANK)
            line = self._line()
            quoted = self._skip(_QUOTED)
            # A quoted key has the syntax of a one-line string value: tomllib knows all its escapes.
            yield (tomllib.loads(f"key = {quoted}")["key"] if quoted else self._skip(_BARE_KEY) or ""), line
            if not self._take("."):
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
        self._take("=")
        self._value(path)

    def _value(self, path: KeyPath) -> None:
        if self._take("{"):
            while not (self._take("}") or self._at_end()):
                self._key_and_value(path)
                self._take(",")
        elif self._take("["):
            number = 0
            while not (self._take("]") or self._at_end()):
                self.lines[(*path, number)] = self._line()
                self._value((*path, number))
                self._take(",")
                number += 1
        elif not (self._skip(_MULTI_LINE) or self._skip(_QUOTED) or self._skip(_PLAIN)):
            self._position += 1  # not in a text that tomllib accepts; a wrong line is better than a start that hangs
