"""The table of callers as data: TOML text in, entries out, or all its mistakes.

::

    [callers]
    alice = "alice-db"                                        # the alias
    "bob@partners" = "bob-db"                                 # of another realm
    carol = { user = "carol_db", alias = "shared-password" }  # another user than the alias's, with its password
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from connector.errors import Problem, Reason
from connector_onetoone.callers import EVERYBODY, Named, User
from connector_onetoone.reasons import (
    ENTRY_WRONG,
    EVERYBODY_IN_TABLE,
    KEY_UNKNOWN,
    NAME_WRONG,
    PASSWORD_IN_TABLE,
    TABLE_NOT_TOML,
    TEXT_MISSING,
    mistake,
)

_CALLERS = "callers"
_KEYS = ("alias", "user")
_PASSWORD = re.compile(r"pass|pwd|secret|credential", re.IGNORECASE)
_POSITION = re.compile(r"^(?P<what>.*) \(at (?:line (?P<line>\d+), column \d+|end of document)\)$", re.DOTALL)
_KEY_ON_A_LINE = re.compile(
    r"""\s*(?:\[\s*callers\s*\.\s*)?("(?:[^"\\]|\\.)*"|'[^']*'|[A-Za-z0-9_-]+)\s*(?:=|\.|\])""", re.VERBOSE
)


@dataclass(frozen=True, slots=True)
class Entry:
    """To whom a caller is mapped.

    Attributes:
        alias: The authentication alias.
        user: Another user than the alias's own, or None.
    """

    alias: str
    user: str | None = None


@dataclass(frozen=True, slots=True)
class CallerTable:
    """A table that was understood. Immutable.

    Attributes:
        entries: By caller.
    """

    entries: Mapping[Named, Entry] = field(default_factory=lambda: MappingProxyType({}))

    def entry_of(self, user: User, realm: str) -> Entry | None:
        """The user's entry: that of NAME@REALM, else that of NAME for a user of that realm (`*` for any). Pure."""
        exact = self.entries.get(Named(user.name, user.realm))
        if exact is not None:
            return exact
        return self.entries.get(Named(user.name, None)) if user.is_of(None, realm) else None


def read_table(content: bytes, file: str) -> CallerTable | tuple[Problem, ...]:
    """Understand a table, or tell all its mistakes. Pure.

    Args:
        content: What stands in the file.
        file: Its path, for the mistakes.
    """
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return (mistake(TABLE_NOT_TOML, "(top)", "TOML", file=file, why="bytes that are not UTF-8"),)
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = _POSITION.match(str(error))
        line = int(found["line"]) if found and found["line"] else max(1, text.count("\n"))
        why = found["what"] if found else str(error)
        # The parser may quote a key or a character, never a value.
        return (mistake(TABLE_NOT_TOML, "(top)", "TOML", file=file, line=line, why=why),)
    entries: dict[Named, Entry] = {}
    problems = tuple(_Reader(file, text).read(data, entries))
    return problems or CallerTable(MappingProxyType(entries))


class _Reader:
    """Reads one text, and knows on which line a caller stands."""

    def __init__(self, file: str, text: str) -> None:
        self._file = file
        self._text = text
        self._lines: dict[str, int] | None = None

    def read(self, data: Mapping[str, Any], entries: dict[Named, Entry]) -> Iterator[Problem]:
        """Fill in the entries that are right; answers the mistakes."""
        for key in data:
            if key != _CALLERS:
                yield self._mistake(KEY_UNKNOWN, key, (key,), "[callers]", key=key)
        callers = data.get(_CALLERS, {})
        if not isinstance(callers, dict):
            yield self._mistake(ENTRY_WRONG, _CALLERS, (_CALLERS,), "a table")
            return
        for caller, told in callers.items():
            named = Named.read(caller)
            if caller == EVERYBODY:
                yield self._mistake(EVERYBODY_IN_TABLE, caller, (_CALLERS, caller), "callers by their names")
            elif named is None:
                yield self._mistake(NAME_WRONG, caller, (_CALLERS, caller), "NAME or NAME@REALM", name=caller)
            entry = {"alias": told} if isinstance(told, str) else told
            wrong = tuple(self._wrong(caller, entry))
            yield from wrong
            if named is not None and not wrong:
                entries[named] = Entry(entry["alias"], entry.get("user"))

    def _wrong(self, caller: str, entry: Any) -> Iterator[Problem]:
        if not isinstance(entry, dict):
            yield self._mistake(ENTRY_WRONG, caller, (_CALLERS, caller), "an alias, or a table")
            return
        for key in entry:
            if key not in _KEYS:
                reason = PASSWORD_IN_TABLE if _PASSWORD.search(key) else KEY_UNKNOWN
                yield self._mistake(reason, caller, (_CALLERS, caller, key), "alias, user", key=key)
        for key in _KEYS:
            value = entry.get(key)
            if (key == "alias" or key in entry) and not (isinstance(value, str) and value):
                yield self._mistake(TEXT_MISSING, caller, (_CALLERS, caller, key), "a text")

    def _mistake(self, reason: Reason, on: str, path: tuple[str, ...], allowed: str, **inserts: object) -> Problem:
        if self._lines is None:
            self._lines = _lines_of(self._text)
        shown = ".".join(part if re.fullmatch(r"[A-Za-z0-9_-]+", part) else f'"{part}"' for part in path)
        return mistake(reason, shown, allowed, file=self._file, line=self._lines.get(on), **inserts)


def _lines_of(text: str) -> dict[str, int]:
    """The first line on which each key stands; looked up only where there is a mistake to place."""
    lines: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        found = _KEY_ON_A_LINE.match(line)
        if found is not None:
            try:
                (key,) = tomllib.loads(f"{found[1]} = 0")
            except (tomllib.TOMLDecodeError, ValueError):
                continue
            lines.setdefault(key, number)
    return lines
