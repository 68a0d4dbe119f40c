"""Of which leases the place where they were obtained is recorded (POOL-3)."""

from __future__ import annotations

from typing import Final, final

from connector.pool.entry import Entry
from connector.pool.leaks import LeakReport
from connector.pool.settings import LeakTrace
from connector.pool.trace import Trace

#: One lease in so many is traced; a power of two.
SAMPLE: Final = 128


@final
class Tracing:
    """A pool's decision which leases to trace. Safe to read from any thread.

    An entry is looked at when it is lent: it is traced if its number of return has none of the mask's bits. So each
    hundred and twenty-eighth lease is, and the first of each connection; the way of the others costs one comparison.

    Args:
        which: The setting.

    Attributes:
        mask: See above; 0 traces all.
    """

    # Mutable state: `mask`, replaced as a whole.
    __slots__ = ("mask", "_on")

    def __init__(self, which: LeakTrace) -> None:
        self._on = which is not LeakTrace.OFF
        self.mask = 0 if which is LeakTrace.ALWAYS else SAMPLE - 1

    def trace(self, entry: Entry, now: float) -> None:
        """Record on a lent entry the calls that led here, unless tracing is off."""
        if self._on:
            entry.trace = Trace.here(now)
            entry.special = True

    def missed(self, report: LeakReport) -> None:
        """A leak was found: where it had no trace all leases are traced from now on, so that the next one has."""
        if self._on and not report.obtained:
            self.mask = 0
