"""How the seconds that a stop may take are shared out: five for all of it, whatever hangs (issue A)."""

from __future__ import annotations

from typing import final

from connector.spi import Clock

#: Seconds within which a stop has come to its end, with a second to spare for what doesn't wait by this clock: an
#: adapter's own `stop`.
STOP_TIMEOUT = 4.0
#: Seconds that are kept back from waiting for handlers, for the steps after it: adapters, works, the event loop.
AFTER_HANDLERS = 1.5
#: Seconds that are kept back from waiting for works, for the event loop.
AFTER_WORKS = 0.3


@final
class StopDeadline:
    """One deadline for all steps of a stop: each gets what those before it have left.

    Several parts that hang, each waited for by a timeout of its own, would add up to any number of seconds.

    Args:
        clock: The time.

    Mutable state: `_end`, set once, by the thread that stops the container.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._end: float | None = None

    def left(self, keep: float = 0.0) -> float:
        """Seconds that the running step may wait; the first call begins the count. Does not block.

        Args:
            keep: Seconds that have to be left for the steps after it.

        Never negative; zero still lets a step see what has ended already.
        """
        now = self._clock.monotonic()
        if self._end is None:
            self._end = now + STOP_TIMEOUT
        return max(0.0, self._end - keep - now)
