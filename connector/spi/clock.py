"""Time as a service, so that tests never sleep (architecture rule 7)."""

from __future__ import annotations

import time
from typing import Protocol, final


class Clock(Protocol):
    """Where a component takes the time from. Safe to use from any thread; never blocks, never raises."""

    def monotonic(self) -> float:
        """Seconds that never go back: for deadlines and ages."""
        ...

    def time(self) -> float:
        """Seconds since 1970, UTC: for time stamps that people read."""
        ...


@final
class SystemClock:
    """The machine's own clock."""

    __slots__ = ()

    monotonic = staticmethod(time.monotonic)
    time = staticmethod(time.time)
