"""What the ledger keeps about one adapter: its lanes and its counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from connector.work.lanes import Lane
from connector.work.statistics import WorkStatistics

if TYPE_CHECKING:
    from connector.work.submission import Submission


#: A rule may name a foreign realm: there are not more of them than a deployer has maps.
_MOST_ORIGINS: Final = 256


@final
class Account:
    """One adapter's lanes and counts; changed by the ledger only, under its lock, but for the texts it remembers.

    Attributes:
        adapter: The adapter's name; empty for the container itself.
        submitter: The same in words, for the origin of scopes.
        short: Its lane for short works.
        long: Its lane for long-running works.
        completed: How many have ended.
        failed: How many of them with an error.
        rejected: How many were never run.
    """

    __slots__ = ("adapter", "submitter", "short", "long", "completed", "failed", "rejected", "_origins")

    def __init__(self, adapter: str, short: Lane[Submission], long: Lane[Submission]) -> None:
        self.adapter = adapter
        self.submitter = f"adapter {adapter}" if adapter else "the container"
        self.short = short
        self.long = long
        self._origins: dict[str, str] = {}
        self.completed = self.failed = self.rejected = 0

    def origin(self, rule: str) -> str:
        """Where the identity of a work's scope comes from, in words. Rules are few; they are the inflow's."""
        origin = self._origins.get(rule)
        if origin is None:
            origin = f"work of {self.submitter}, {rule}"
            if len(self._origins) < _MOST_ORIGINS:
                self._origins[rule] = origin
        return origin

    def statistics(self) -> WorkStatistics:
        """The counts as an immutable object."""
        return WorkStatistics(
            self.adapter,
            active=self.short.taken + self.short.lent,
            queued=len(self.short.waiting),
            long_running=self.long.taken + self.long.lent,
            long_running_queued=len(self.long.waiting),
            completed=self.completed,
            failed=self.failed,
            rejected=self.rejected,
        )
