"""Slowing down who guesses passwords, whether the user exists or not."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from typing import final

from connector.spi import Clock

#: How many pairs are remembered; the oldest make room, each of which cost a check of a wrong password.
_REMEMBERED = 10_000


@final
class Throttle:
    """Counts wrong passwords by address and user name; after so many, that pair is not listened to for a while.

    By the pair, so that a guesser can't lock a user out who comes from elsewhere. What it can't tell apart are users
    behind one proxy, where the server does not say the client's own address. Guesses that are under way together are
    counted when they are refused: as many more as checks may wait can slip through.

    Args:
        failures: How many wrong passwords are let through within the time.
        within: Seconds from the first of them after which the count begins anew.
        clock: Where the time comes from.

    Safe to use from any thread; does not block.
    """

    # Mutable state, under `_lock`: `_counts`, by pair the count and when it ends, the oldest first.

    def __init__(self, failures: int, within: float, clock: Clock) -> None:
        self._failures = failures
        self._within = within
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: OrderedDict[tuple[str, str], tuple[int, float]] = OrderedDict()

    def seconds_left(self, peer: str, user: str) -> int | None:
        """For how long the pair is not listened to, in whole seconds; None where it is."""
        with self._lock:
            count, ends = self._counts.get((peer, user), (0, 0.0))
        left = ends - self._clock.monotonic()
        return math.ceil(left) if count >= self._failures and left > 0 else None

    def failed(self, peer: str, user: str) -> None:
        """One more wrong password."""
        now = self._clock.monotonic()
        with self._lock:
            count, ends = self._counts.pop((peer, user), (0, 0.0))
            if ends <= now:
                count, ends = 0, now + self._within
            self._counts[peer, user] = (count + 1, ends)
            if len(self._counts) > _REMEMBERED:
                self._counts.popitem(last=False)

    def succeeded(self, peer: str, user: str) -> None:
        """The right password: the pair begins anew."""
        with self._lock:
            self._counts.pop((peer, user), None)

    def __repr__(self) -> str:
        return f"<Throttle of {self._failures} failures within {self._within:g} s, {len(self._counts)} pair(s)>"
