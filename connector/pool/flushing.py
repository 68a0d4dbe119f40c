"""What an operator can have taken out of a pool, and what became of it (POOL-6)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

from connector.pool.entry import Entry


class FlushMode(Enum):
    """Which of the chosen connections go, and when."""

    IDLE = "idle"  # free ones, now; nothing else
    INVALID = "invalid"  # free ones that fail validation, now
    GRACEFULLY = "gracefully"  # free ones now, lent ones when they come back: nobody's work is interrupted
    ALL = "all"  # all of them now: work in progress on lent ones fails


@dataclass(frozen=True, slots=True)
class FlushChoice:
    """Which connections are meant; what is None does not matter, so that without any all are.

    Attributes:
        user: Signed on as this user, or lent to work as it.
        alias: Signed on by this authentication alias.
        below_version: Signed on with an older version of its credential than this one.
    """

    user: str | None = None
    alias: str | None = None
    below_version: int | None = None

    @property
    def is_everything(self) -> bool:
        """Whether all connections are meant."""
        return self.user is None and self.alias is None and self.below_version is None

    def __call__(self, entry: Entry) -> bool:
        """Whether an entry is meant."""
        acting = entry.plan.effective_user if entry.plan is not None else entry.user
        return (
            (self.user is None or self.user in (entry.user, acting))
            and (self.alias is None or entry.alias == self.alias)
            and (self.below_version is None or entry.version < self.below_version)
        )


@dataclass(frozen=True, slots=True)
class FlushReport:
    """What a flush did, or would do.

    Attributes:
        closed: Free connections that were closed.
        on_return: Lent ones that are closed when they come back.
        ended: Lent ones that were taken from their borrowers and closed.
        kept: Chosen ones that stay: found good, or lent where only free ones were meant.
    """

    closed: int = 0
    on_return: int = 0
    ended: int = 0
    kept: int = 0

    def __add__(self, other: FlushReport) -> FlushReport:
        return FlushReport(
            self.closed + other.closed,
            self.on_return + other.on_return,
            self.ended + other.ended,
            self.kept + other.kept,
        )

    def to_dict(self) -> dict[str, Any]:
        """The same for programs."""
        return asdict(self)


def foreseen(entries: list[Entry], mode: FlushMode) -> FlushReport:
    """What a flush of these entries would do; of `INVALID` nobody knows before they are asked, so all are kept."""
    free = sum(1 for entry in entries if entry.plan is None)
    lent = len(entries) - free
    if mode is FlushMode.IDLE:
        return FlushReport(closed=free, kept=lent)
    if mode is FlushMode.INVALID:
        return FlushReport(kept=free + lent)
    if mode is FlushMode.GRACEFULLY:
        return FlushReport(closed=free, on_return=lent)
    return FlushReport(closed=free, ended=lent)
