"""When an activation that failed is tried again. Pure (CHAIN-6)."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Longer and longer pauses, so that a provider which is away is not hammered, nor by all at one instant.

    Attributes:
        first: Seconds before the first attempt after a failure.
        factor: By how much each further pause is longer.
        longest: Seconds that no pause exceeds, but for the scatter.
        scatter: By which part of it a pause may be longer.
        chance: A number from 0 to 1.
    """

    first: float = 1.0
    factor: float = 2.0
    longest: float = 60.0
    scatter: float = 0.1
    chance: Callable[[], float] = random.random

    def pause(self, failures: int) -> float:
        """Seconds before the next attempt, after so many failures in a row, at least one."""
        # 32 doublings are beyond any longest pause, and no float overflows.
        grown = self.first * self.factor ** min(max(0, failures - 1), 32)
        return min(grown, self.longest) * (1.0 + self.scatter * self.chance())
