"""All of a pool's state: lending, and what befalls it otherwise — failures, newer credentials, an operator's wishes.

Pure decisions like those of `lending`, whose theory of operation holds here as well: whoever makes an entry leave
answers the free ones, to be closed outside of the lock, and dooms the lent ones, which are closed when they come back.
"""

from __future__ import annotations

from collections import deque
from typing import TypeVar, final

from connector.pool.entry import Check, Doom, Entry
from connector.pool.lending import LendingState
from connector.pool.settings import PurgePolicy, check_sizes
from connector.pool.waiting import Waiter

S = TypeVar("S")


@final
class PoolState(LendingState[S]):
    """All mutable state of one pool, the statistics included; not safe for threads by itself."""

    __slots__ = ()

    def failed(self, entry: Entry) -> list[Entry]:
        """An entry reported that it is broken. A lent one is doomed; answers the free ones that are to be closed: it,
        or by the purge policy others as well.
        """
        if entry.gone or entry.doomed is Doom.BROKEN:
            return []
        self.counts.broken += 1
        # One that is doomed already, or suspected, broke in the same outage as the one that made it so: what has been
        # opened since is not to blame.
        news, known = entry.doomed is None, entry.check is Check.SUSPECT
        entry.doomed = Doom.BROKEN
        leaving = [entry] if entry.plan is None and self.condemn(entry, Doom.BROKEN) else []
        policy = self.settings.purge_policy
        if policy is PurgePolicy.ENTIRE_POOL and news:
            leaving += self.purge()
        elif policy is PurgePolicy.VALIDATE_ALL and not known:
            for other in self.entries:
                if other.check is not Check.REAUTHENTICATE:
                    other.check = Check.SUSPECT
        return leaving

    def purge(self) -> list[Entry]:
        """Let all go, and what is being opened as well; answers as `flush` does."""
        self.generation += 1
        return self.flush(lambda _: True, Doom.PURGED)

    def retire(self, alias: str, version: int, *, final: bool = False) -> list[Entry]:
        """Credentials of `alias` older than `version` are superseded (AUTHD-3); answers entries to be closed now.

        Args:
            alias: The alias.
            version: The oldest version that is still good.
            final: There is no newer one: the alias is gone, and whatever was signed on with it goes.
        """
        return self._take_out(alias, self.versions.retire(alias, version, final=final))

    def close(self) -> tuple[list[Entry], list[Waiter[S]]]:
        """No more lending; answers the entries to be closed and whom to wake."""
        self.closed = True
        self.wanted.clear()
        return self.flush(lambda _: True, Doom.CLOSED), self.queue.drain()

    # --- operating ----------------------------------------------------------------------------------------------

    def resize(
        self, max_size: int, min_size: int, per_identity: int | None, now: float
    ) -> tuple[list[Entry], list[Waiter[S]]]:
        """Make the pool larger or smaller; answers free entries to be closed and whom to wake.

        What is lent beyond the new size is closed when it comes back. Raises ValueError for sizes that don't fit.
        """
        check_sizes(max_size, min_size, per_identity)
        self.max_size, self.min_size, self.shares.per_identity = max_size, min_size, per_identity
        self.wanted = deque(self.wanted, maxlen=max(64, min_size))
        leaving: list[Entry] = []
        while self._surplus() > len(leaving) and (victim := self.shares.least_recently_used()) is not None:
            self.condemn(victim, Doom.SHRUNK)
            leaving.append(victim)
        surplus = self._surplus() - len(leaving)
        for entry in [entry for entry in self.entries if entry.doomed is None][: max(surplus, 0)]:
            entry.doomed = Doom.SHRUNK
        return leaving, self.rouse(now)

    def suspend(self) -> None:
        """Lend nothing until `resume_lending`; what is lent may come back, and stays."""
        self.suspended = True
        self._lendable = {}

    def resume_lending(self, now: float) -> list[Waiter[S]]:
        """Lend again; answers whom to wake."""
        self.suspended = False
        self._lendable = self.shares.partitions
        return self.rouse(now)

    def inspect(self, entry: Entry) -> bool:
        """Lend a free entry to the pool itself, to be validated; `put_back` or `condemn` ends it. False: not free."""
        if entry.gone or entry.plan is not None or self.suspended:
            return False
        entry.partition.free.remove(entry)
        entry.plan, entry.owner, entry.held = entry.origin, 0, None
        return True

    def validated(self, entry: Entry, good: bool, now: float) -> None:
        """A connection was asked whether it is still good."""
        self.counts.validated += 1
        if not good:
            self.counts.invalid += 1
            return
        entry.good_at = now
        entry.check = self._first_check

    def put_back(self, entry: Entry, now: float) -> list[Waiter[S]] | None:
        """An inspected entry is good: free again where it stood, since nobody has used it. Answers as `settle`.

        Somebody may wait for it meanwhile, or it may be doomed: then it comes back as after use.
        """
        if self._waiters or entry.doomed is not None:
            return self.settle(entry, now)
        entry.plan = None
        free = entry.partition.free
        free.insert(next((at for at, other in enumerate(free) if other.returned > entry.returned), len(free)), entry)
        return []
