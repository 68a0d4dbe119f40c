"""What becomes of a pool when the external system has answered a sign-on: a connection is open, is somebody else's now,
or the credential was refused.

Part of the state machine of `lending`, whose theory of operation holds here as well.
"""

from __future__ import annotations

from typing import TypeVar

from connector.errors import LoginRefused
from connector.pool.entry import Doom, Entry, Permit
from connector.pool.moves import Moves
from connector.pool.waiting import Waiter
from connector.spi import ManagedConnection, SignOnPlan

S = TypeVar("S")


class SignOns(Moves[S]):
    """What follows from accepted and refused sign-ons; `PoolState` is all of it. Not safe for threads by itself."""

    __slots__ = ()

    def opened(
        self, physical: ManagedConnection, permit: Permit, alias: str | None, owner: int, now: float
    ) -> tuple[Entry, list[Entry]]:
        """A permit was used: the connection becomes an entry, lent by the permit's plan.

        Answers also what is to be closed, now that the newer credential is known to be good.
        """
        plan, partition = permit.plan, permit.partition
        assert plan is not None, "this permit is only waiting for its victim to be closed"
        assert partition is not None, "this permit is only waiting for its victim to be closed"
        self._victim_closed(permit)
        entry = Entry(physical, partition, plan, alias, owner, now)
        entry.counted = permit.counted
        entry.special = permit.counted is not None
        entry.check = self._first_check
        aged = self.settings.aged_timeout
        if aged is not None:
            entry.expires = now + aged * (1.0 - self.settings.aged_jitter * self._jitter())
        self.entries[entry] = None
        self.counts.created += 1
        if self.closed:
            entry.doomed = Doom.CLOSED
        elif self.versions.slipped_by(alias, entry.version):
            entry.doomed = Doom.SUPERSEDED
        elif permit.generation != self.generation:
            entry.doomed = Doom.PURGED
        elif self._surplus() > 0:
            entry.doomed = Doom.SHRUNK
        return entry, self.accepted(plan, alias)

    def reauthenticated(self, entry: Entry, alias: str | None, now: float) -> list[Entry]:
        """A moved entry has been signed on anew by the plan that it is lent by; answers what is to be closed."""
        plan = entry.plan
        assert plan is not None, "only a lent entry can be signed on anew"
        entry.user, entry.alias, entry.version, entry.origin = plan.user, alias, plan.version, plan
        # The system has answered just now; but on its next way out it is validated like any other.
        entry.check, entry.good_at, entry.probe = self._first_check, now, None
        self.counts.reauthenticated += 1
        if self.versions.slipped_by(alias, entry.version) and entry.doomed is None:
            entry.doomed = Doom.SUPERSEDED
        return self.accepted(plan, alias)

    def accepted(self, plan: SignOnPlan, alias: str | None) -> list[Entry]:
        """The external system has taken the plan's credential; answers what is to be closed now."""
        self.refusals.forget(plan)
        if alias is None:
            return []
        leaving = self._take_out(alias, self.versions.accepted(alias, plan.version))
        missing = min(self.min_size - len(self.entries), len(leaving))
        self.wanted.extend([(plan, alias)] * missing)  # nothing where none is missing
        return leaving

    def restoring(self, permit: Permit) -> Permit | None:
        """What a permit is good for whose login was refused after its victim had been closed for it.

        Where the victim was signed on with an older credential of the same user, the right to open that one again: a
        newer credential that is refused takes nothing away. Else None: the permit is to be freed.
        """
        plan, victim = permit.plan, permit.victim
        if plan is None or victim is None or victim.version >= plan.version:
            return None
        # By whom it was signed on, not where it stands: one that was to be signed on anew has been moved before that,
        # and opened again it would be its former user's.
        if victim.origin.partition != plan.partition or victim.partition.key != plan.partition:
            return None
        if (
            self.closed
            or permit.generation != self.generation
            or self.versions.slipped_by(victim.alias, victim.version)
        ):
            return None
        self._victim_closed(permit)
        return Permit(victim.origin, permit.partition, None, permit.counted, permit.generation)

    def lend_on(self, entry: Entry, plan: SignOnPlan) -> None:
        """A connection that was opened again by its former plan serves the one that was refused."""
        entry.plan = plan

    def refused(self, plan: SignOnPlan, error: LoginRefused, now: float) -> list[Waiter[S]]:
        """The external system refused the plan's credential: those who wait to try the same one fail at once.

        Otherwise each of them would try it in turn, and the account would be locked. Who waits where connections of
        that user are left (`still_served`) goes on waiting. Answers whom to wake; the permit is still to be freed.
        """
        self.counts.failed_logins += 1
        self.refusals.refused(plan, error, now)
        alike = [
            waiter
            for waiter in self._waiters
            if waiter.plan.partition == plan.partition
            and waiter.plan.version <= plan.version
            and not self.still_served(waiter.plan, waiter.owner)
        ]
        woken = [asleep for waiter in alike for asleep in self.queue.grant(waiter, error)]
        return woken + self.rouse(now)
