"""What is the same for threads and for asyncio: events, administration and figures of a pool (POOL-6).

Each decides under the lock and has the rest done outside of it, by the two things that differ: how a connection is
closed, and how a waiter is woken.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TypeVar

from connector.pool.entry import Doom, Entry
from connector.pool.flushing import FlushChoice, FlushMode, FlushReport, foreseen
from connector.pool.leaks import LeakKind, LeakReport, log_leak, owner_name, report_of
from connector.pool.shell import PoolShell, log
from connector.pool.snapshot import contents_of, refused_login, statistics_of
from connector.pool.statistics import PooledConnection, PoolStatistics, RefusedLogin
from connector.pool.upkeep import Look, look, next_look
from connector.spi import Scope, SignOnPlan

S = TypeVar("S")
_EVERYTHING = FlushChoice()

_CLOSED_NOW = "It is closed now."
_CLOSED_LATER = "It may be in use there, and is destroyed when it comes back."
_STAYS_OPEN = "It stays open (auto_close = false)."


class PoolOperations(PoolShell[S]):
    """Events, administration and figures of both kinds of pool. Everything here is safe to call from any thread."""

    @abstractmethod
    def _validate_all(self, entries: list[Entry]) -> tuple[int, int]:
        """Validate free entries, one after the other; answers how many were good, and how many were not."""

    # --- events ---------------------------------------------------------------------------------------------------

    def connection_error(self, entry: Entry, cause: BaseException | None) -> None:
        """For the entry's listener: the adapter reports that its connection is broken.

        A lent one is destroyed when it comes back, a free one now. It may come at any time, several times, and while
        the connection is on its way back: it is destroyed once. By the purge policy others go as well, or are
        validated before they are lent again. Blocks for closing free ones at most.
        """
        with self._lock:
            free = entry.plan is None and not entry.gone
            leaving = self._state.failed(entry)
        if leaving:
            log.info(
                "a %s connection of %s to %s broke: %s; %d free ones are closed",
                "free" if free else "lent",
                entry.user,
                self.resource,
                type(cause).__name__ if cause is not None else "no cause given",
                len(leaving),
            )
            self._close_all(leaving)

    # --- administration -------------------------------------------------------------------------------------------

    def retire(self, alias: str, version: int, *, final: bool = False) -> int:
        """Credentials of `alias` older than `version` are superseded (AUTHD-3); answers how many were closed now.

        By the pool's retire policy connections signed on with them go when the external system has accepted a newer
        one (then free ones are closed, and lent ones when they come back), at once, or not for that reason.

        Args:
            alias: The alias.
            version: The oldest version that is still good.
            final: The alias is gone: what was signed on with it goes now.

        Blocks for closing.
        """
        with self._lock:
            leaving = self._state.retire(alias, version, final=final)
        return self._close_all(leaving)

    def purge(self) -> int:
        """Take out all connections, as `flush` does gracefully; the pool goes on with new ones. Answers how many were
        closed now.
        """
        return self.flush().closed

    def flush(
        self,
        mode: FlushMode = FlushMode.GRACEFULLY,
        chosen: FlushChoice = _EVERYTHING,
        *,
        dry_run: bool = False,
    ) -> FlushReport:
        """Take connections out; see `FlushMode`.

        Args:
            mode: Which of them, and when.
            chosen: Whose; all by default.
            dry_run: Only say what would be done.

        Blocks for closing and, with `INVALID`, for validating.
        """
        self._bury_abandoned()
        with self._lock:
            meant = [entry for entry in self._state.entries if chosen(entry)]
            report = foreseen(meant, mode)
            if dry_run:
                return report
            free = [entry for entry in meant if entry.plan is None]
            if mode in (FlushMode.GRACEFULLY, FlushMode.ALL):
                everything = chosen.is_everything
                leaving = self._state.purge() if everything else self._state.flush(chosen, Doom.PURGED)
            elif mode is FlushMode.IDLE:
                leaving = self._state.flush(lambda entry: entry in free, Doom.PURGED)
            else:
                leaving = []
        closed = self._close_all(leaving)
        if mode is FlushMode.INVALID:
            good, bad = self._validate_all(free)
            return FlushReport(closed=bad, kept=good + len(meant) - len(free))
        if mode is FlushMode.ALL:
            ended = self._end([entry for entry in meant if entry not in leaving])
            return FlushReport(closed=closed, ended=ended, on_return=len(meant) - closed - ended)
        return report

    def _end(self, lent: list[Entry]) -> int:
        """Take lent connections from their borrowers and close them now; answers how many.

        One that is on its way to its borrower or back is closed in a moment anyway, since it is doomed.
        """
        ended = []
        for entry in lent:
            if self._take_from_borrower(entry):
                with self._lock:
                    if self._state.condemn(entry, Doom.PURGED):
                        ended.append(entry)
        return self._close_all(ended)

    def resize(
        self, max_size: int | None = None, min_size: int | None = None, per_identity: int | None = -1
    ) -> tuple[int, int]:
        """Make the pool larger or smaller while it runs; what is not given stays as it is.

        Args:
            max_size: Connections at most; free ones beyond it are closed now, lent ones when they come back.
            min_size: Connections that are kept.
            per_identity: The limit of each identity; None lifts it, -1 leaves it. Who has more already keeps it.

        Answers how many were closed now and how many will be when they come back. Blocks for closing. Raises
        ValueError for sizes that don't fit together.
        """
        with self._lock:
            state = self._state
            leaving, woken = state.resize(
                state.max_size if max_size is None else max_size,
                state.min_size if min_size is None else min_size,
                state.shares.per_identity if per_identity == -1 else per_identity,
                self._clock.monotonic(),
            )
            on_return = sum(1 for entry in state.entries if entry.doomed is Doom.SHRUNK)
        self._wake(woken)
        return self._close_all(leaving), on_return

    def suspend(self) -> None:
        """Lend nothing until `resume`: who comes waits, at most for its time-out; what is lent stays lent.

        For work on the external system: suspend, change over, flush, resume. Does not block.
        """
        with self._lock:
            self._state.suspend()

    def resume(self) -> None:
        """Lend again. Does not block; harmless where it is not suspended."""
        with self._lock:
            woken = self._state.resume_lending(self._clock.monotonic())
        self._wake(woken)

    def forgive(self, plan: SignOnPlan) -> None:
        """The plan's credential was accepted elsewhere, by a test connection: its back-off is over, and connections
        with an older one are retired as if the pool had tried it itself. Blocks for closing free ones.
        """
        alias = self._alias_of(plan)
        with self._lock:
            leaving = self._state.accepted(plan, alias)
            woken = self._state.rouse(self._clock.monotonic())
        self._wake(woken)
        self._close_all(leaving)

    def refused_logins(self) -> tuple[RefusedLogin, ...]:
        """The credentials that were refused and not accepted since; no passwords. Does not block."""
        with self._lock:
            known, now = self._state.refusals.known(), self._clock.monotonic()
            return tuple(refused_login(refusal, self._alias_of(refusal.plan), now) for refusal in known)

    def warm(self, plan: SignOnPlan) -> None:
        """Have `min_size` connections opened for this plan by the next upkeep. Does not block."""
        with self._lock:
            self._state.wanted.extend([(plan, self._alias_of(plan))] * self._state.min_size)

    # --- looking after --------------------------------------------------------------------------------------------

    def _look(self) -> tuple[Look, list[LeakReport]]:
        with self._lock:
            now = self._clock.monotonic()
            found = look(self._state, now)
            reports = [self._report(LeakKind.OVERDUE, entry, plan, now) for entry, plan in found.leaks]
        for report in reports:
            log_leak(report, f"It is still lent; close it sooner, use it in a {self._BLOCK} block.")
        return found, reports

    def next_look(self) -> float:
        """Seconds until the next `upkeep` is due. Does not block."""
        with self._lock:
            return next_look(self._state, self._clock.monotonic())

    def _report(self, kind: LeakKind, entry: Entry, plan: SignOnPlan, now: float) -> LeakReport:
        return report_of(kind, self.resource, entry, plan, now, self._loop)

    def _outlived(self, scope: Scope, owner: int) -> list[Entry]:
        """Report what was lent in a scope that has ended; answers the entries taken from `owner`, to be given back.

        Those of others may be in use there and are doomed. All under the lock: `scope` is this one until the entry has
        been given back, so what is doomed or taken here can't be somebody else's next lease of it.
        """
        closes = self.settings.auto_close
        taken, reports = [], []
        with self._lock:
            now = self._clock.monotonic()
            for entry in self._state.entries:
                if entry.scope is not scope or entry.plan is None:
                    continue
                if entry.held:
                    advice = _CLOSED_NOW if entry.owner == owner else _CLOSED_LATER
                    report = self._report(LeakKind.OUTLIVED, entry, entry.plan, now)
                    reports.append((report, advice if closes else _STAYS_OPEN))
                if closes and entry.owner != owner:
                    entry.doomed = entry.doomed or Doom.OUTLIVED
                elif closes and self._take_from_borrower(entry):
                    taken.append(entry)
            self._state.counts.overstayed += len(reports)
        for report, advice in reports:
            log_leak(report, advice)
        return taken

    def _missing(self) -> int:
        """How many connections one upkeep opens at most: those missing now. What breaks at once waits for the next."""
        with self._lock:
            return len(self._state.wanted)

    # --- figures --------------------------------------------------------------------------------------------------

    def statistics(self) -> PoolStatistics:
        """The figures of this instant. Does not block, except for closing leases that were abandoned."""
        self._bury_abandoned()
        with self._lock:
            return statistics_of(self._state)

    def contents(self) -> tuple[PooledConnection, ...]:
        """The connections of this instant, by user. Does not block, except for closing abandoned ones."""
        self._bury_abandoned()
        with self._lock:
            return contents_of(self._state, self._clock.monotonic(), self._owner_name)

    def _owner_name(self, owner: int) -> str:
        return owner_name(owner, self._loop)
