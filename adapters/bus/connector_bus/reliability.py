"""How much is done for a message not to be lost (BUS-1)."""

from __future__ import annotations

from enum import StrEnum


class Reliability(StrEnum):
    """What becomes of a message when there is trouble; the weaker, the faster.

    `BEST_EFFORT` and `EXPRESS` are kept in memory only and end with the engine; in a store that several engines share
    they are stored all the same, so that every engine can have them. A best-effort message is moreover dropped, and
    counted, where its destination is full or it would go to an exception destination.

    `RELIABLE` is stored, but its sender does not wait for the disk: a crash may lose the last ones, an orderly stop
    loses none. `ASSURED` is on disk before the send returns.
    """

    BEST_EFFORT = "best-effort"
    EXPRESS = "express"
    RELIABLE = "reliable"
    ASSURED = "assured"

    @property
    def is_persistent(self) -> bool:
        """Whether it is to survive a restart."""
        return self in (Reliability.RELIABLE, Reliability.ASSURED)
