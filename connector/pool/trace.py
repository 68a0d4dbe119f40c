"""Where a lease was obtained: recorded cheaply, written out only when somebody asks (POOL-3)."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from types import CodeType, FrameType
from typing import Final, final

#: How many calls are remembered: an ORM's session alone takes a dozen until it asks for a connection, and whoever looks
#: for a leak wants to see the code before that.
DEPTH: Final = 24

#: What is left out at the inner end: the framework's own frames say nothing about who asked.
_OURS: Final = str(Path(__file__).resolve().parent.parent) + os.sep  # not `connector_of_mine` beside it


@final
class Trace:
    """The calls that led to a lease, and when. Holds code and line numbers: no variables, so nothing secret or large.

    Attributes:
        since: When it was obtained, by the pool's clock.
    """

    __slots__ = ("since", "_calls")

    def __init__(self, since: float, calls: tuple[tuple[CodeType, int], ...]) -> None:
        self.since = since
        self._calls = calls

    @classmethod
    def here(cls, now: float) -> Trace:
        """Record the calls that led here, the framework's own left out. Costs some microseconds, does not block."""
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and frame.f_code.co_filename.startswith(_OURS):
            frame = frame.f_back
        calls: list[tuple[CodeType, int]] = []
        while frame is not None and len(calls) < DEPTH:
            calls.append((frame.f_code, frame.f_lineno))
            frame = frame.f_back
        return cls(now, tuple(calls))

    def lines(self) -> tuple[str, ...]:
        """The calls as `file:line in function`, the innermost first."""
        return tuple(f"{code.co_filename}:{line} in {code.co_qualname}" for code, line in self._calls)

    def __repr__(self) -> str:
        return f"<Trace {next(iter(self.lines()), 'of nobody')}>"


def shown(lines: Iterable[str]) -> str:
    """The calls in one line for a log; says so where none were recorded."""
    return " < ".join(lines) or 'not recorded; leak_trace = "always" records it'
