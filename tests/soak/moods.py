"""How the adapter misbehaves: one mood for each call, as hypothesis says."""

from __future__ import annotations

from enum import Enum
from itertools import count
from typing import Final

from connector.errors import LoginRefused, Reason

REFUSED = Reason("CF-TEST-740", "the login was refused", "")


class Trouble(Exception):
    """What the adapter raises now and then."""


class Interrupt(BaseException):
    """What comes to a thread from outside, as Ctrl+C does."""


class Mood(Enum):
    """How one call goes."""

    FINE = "fine"
    SLOW = "slow"  # others get their turn meanwhile
    RAISES = "raises"
    BREAKS = "breaks"  # reports the error, then raises
    BREAKS_QUIETLY = "breaks quietly"  # reports it only
    REFUSES = "refuses"  # the login, where it is one
    INTERRUPTED = "interrupted"  # threads only
    ODD = "odd"  # validation says no, matching chooses what is no candidate


_BAD: Final = tuple(mood for mood in Mood if mood not in (Mood.FINE, Mood.SLOW))


def _climate(bad: int) -> tuple[Mood, ...]:
    """256 moods for one byte, the first the best, so that hypothesis shrinks towards a friendly adapter."""
    slow = 96
    fine = 256 - slow - bad * len(_BAD)
    return (Mood.FINE,) * fine + (Mood.SLOW,) * slow + tuple(mood for mood in _BAD for _ in range(bad))


CLIMATES: Final = {"calm": _climate(0), "mixed": _climate(2), "rough": _climate(10)}


class Moods:
    """The moods of one adapter, one after the other, over and over. Safe to use from any thread.

    Attributes:
        calm: Whether it behaves from now on.
    """

    def __init__(self, climate: str, script: bytes) -> None:
        table = CLIMATES[climate]
        self._script = tuple(table[byte] for byte in script)
        self._calls = count()  # `next` is atomic
        self.calm = False

    def next(self) -> Mood:
        if self.calm:
            return Mood.FINE
        return self._script[next(self._calls) % len(self._script)]


def refusal() -> LoginRefused:
    return LoginRefused(REFUSED)
