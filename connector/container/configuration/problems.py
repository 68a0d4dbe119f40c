"""Collecting mistakes: each check adds what it finds, `load` raises all of them at once (CONF-1)."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Any

from connector.container.configuration.key_paths import KeyPath, show_key_path
from connector.container.configuration.origins import ENVIRONMENT, OVERRIDES, Origins
from connector.errors import Problem, Reason

# A value under such a key, or one that looks like a URL with a password, is never shown, whatever is wrong with it.
_SECRET_KEY = re.compile(r"pass|secret|token|credential|key|pwd", re.IGNORECASE)
_SECRET_VALUE = re.compile(r"://[^/\s]*@|[?&;](?:password|passwd|pwd|secret|token)=", re.IGNORECASE)
_LONGEST_SHOWN = 60


class ProblemCollector:
    """The mistakes and the warnings found so far, each with its place. Used by one thread while loading.

    Args:
        origins: Who said what.
    """

    def __init__(self, origins: Origins) -> None:
        self.origins = origins
        self._problems: list[Problem] = []
        self._warnings: list[Problem] = []

    def add(self, reason: Reason, path: KeyPath, *, allowed: str, hint: str = "", **inserts: Any) -> None:
        """Note a mistake. The reason's text says what was found; its action is the hint where none is given."""
        self._problems.append(self._problem(reason, path, allowed, hint, inserts))

    def warn(self, reason: Reason, path: KeyPath, *, allowed: str, hint: str = "", **inserts: Any) -> None:
        """Note something that is allowed and worth a finding of `connector check`."""
        self._warnings.append(self._problem(reason, path, allowed, hint, inserts))

    def extend(self, problems: Iterable[Problem]) -> None:
        """Take over ready mistakes (unreadable files, syntax errors)."""
        self._problems.extend(problems)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """The mistakes by file (the main one first, the environment last) and line, each said once."""
        return self._in_order(self._problems)

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """The warnings, in the same order."""
        return self._in_order(self._warnings)

    def describe(self, value: Any, path: KeyPath) -> str:
        """A value in words, without showing what may be a secret."""
        kind = kind_of(value)
        place = self.origins.of(path)
        if place.file == ENVIRONMENT:
            return f"{kind} (from {place.variable})"  # a deployment injects secrets that way
        if isinstance(value, dict | list | tuple) or any(_SECRET_KEY.search(str(part)) for part in path):
            return kind
        text = repr(value)
        if _SECRET_VALUE.search(text):
            return kind
        return f"{kind} {text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + '…'}"

    def _problem(self, reason: Reason, path: KeyPath, allowed: str, hint: str, inserts: dict[str, Any]) -> Problem:
        place = self.origins.of(path)
        return Problem(
            code=reason.code,
            file=place.file,
            line=place.line,
            key_path=show_key_path(path[place.root :]),
            found=reason.text.format(**inserts),
            allowed=allowed,
            hint=hint or reason.action.format(**inserts),
        )

    def _in_order(self, problems: list[Problem]) -> tuple[Problem, ...]:
        main = self.origins.of(()).file

        def order(problem: Problem) -> tuple[bool, bool, str, int, str]:
            without_file = problem.file in (ENVIRONMENT, OVERRIDES)
            return without_file, problem.file != main, problem.file, problem.line or 0, problem.key_path

        # Two checks may come across the same mistake: it is said once.
        return tuple(sorted(dict.fromkeys(problems), key=order))


def kind_of(value: Any) -> str:
    """The kind of a TOML value in words."""
    match value:
        case bool():
            return "the boolean"
        case int():
            return "the integer"
        case float():
            return "the number"
        case str():
            return "the string"
        case dict():
            return "a table"
        case list() | tuple():
            return "a list"
        case _:
            return f"a {type(value).__name__}"


def listed(names: Iterable[str]) -> str:
    """Names for people, sorted."""
    return ", ".join(sorted(names)) or "(none)"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`Did you mean 'x'?` for a name close to a known one, else the empty string. Upper and lower case don't matter."""
    folded = {candidate.casefold(): candidate for candidate in known}
    close = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.6)
    return f"Did you mean {folded[close[0]]!r}?" if close else ""
