"""What is the same for threads and for asyncio on the way of a lease: decide under the lock, note, count, refuse.

The two kinds of pool differ in how they open, wait and close: by blocking, or by awaiting. All that lies between is
here, once.
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from threading import Lock
from typing import Generic, TypeVar

from connector.errors import ConnectorError, LoginRefused, PoolClosed, Reason
from connector.pool.choosing import alias_of, chosen_by
from connector.pool.entry import Check, Doom, Entry, Permit
from connector.pool.refusals import Refusal, again
from connector.pool.settings import PoolSettings
from connector.pool.state import PoolState
from connector.pool.timeout import timed_out
from connector.pool.waiting import Grant, Waiter
from connector.security.scope import join_scope
from connector.spi import Clock, ManagedConnection, ManagedConnectionFactory, Scope, SignOnPlan

POOL_IS_CLOSED = Reason(
    "CF-POOL-002",
    "the connection pool of {resource} is closed",
    "Its container has stopped or is stopping; look the resource up in a running container.",
)
log = logging.getLogger("connector.pool")

S = TypeVar("S")

#: Told of a plan whose credential was refused while no borrower hears of it, outside of the lock; must not raise.
UnheardRefusal = Callable[[SignOnPlan, LoginRefused], None]


class PoolShell(ABC, Generic[S]):
    """The common part of both kinds of pool.

    Args:
        resource: The resource's global name, for messages.
        factory: The resource's managed connection factory.
        settings: Sizes, times and policies.
        clock: Where the time comes from.
        reauthenticates: Whether the adapter can sign a connection on anew in place.
        jitter: A random number from 0 to below 1.
        on_unheard_refusal: See `UnheardRefusal`; None for the log alone.
    """

    # Mutable state: `_state`, changed under `_lock` only.

    #: What an abandoned or overdue lease should have been used in.
    _BLOCK = "`with`"
    #: The loop that it belongs to; None for threads.
    _loop: asyncio.AbstractEventLoop | None = None

    def __init__(
        self,
        resource: str,
        factory: ManagedConnectionFactory,
        settings: PoolSettings,
        clock: Clock,
        *,
        reauthenticates: bool,
        jitter: Callable[[], float],
        on_unheard_refusal: UnheardRefusal | None = None,
    ) -> None:
        self.resource = resource
        self.settings = settings
        self._factory = factory
        self._clock = clock
        self._on_unheard_refusal = on_unheard_refusal
        self._lock = Lock()
        self._state: PoolState[S] = PoolState(settings, reauthenticates=reauthenticates, jitter=jitter)

    # --- what differs ---------------------------------------------------------------------------------------------

    @abstractmethod
    def _close_all(self, leaving: list[Entry]) -> int:
        """Close the connections of entries that have left, then let their permits go; answers how many."""

    @abstractmethod
    def _wake(self, waiters: Iterable[Waiter[S]]) -> None:
        """Wake waiters."""

    def _bury_abandoned(self) -> None:
        """Destroy what the garbage collector has found."""

    # --- on the way of a lease --------------------------------------------------------------------------------------

    def _requested(self, plan: SignOnPlan, owner: int, signal: Callable[[], S]) -> Entry | Permit | Waiter[S]:
        """What a borrower gets, or its place in the queue, with a signal made for it."""
        with self._lock:
            self._refuse_if_closed()
            now = self._clock.monotonic()
            found = self._state.request(plan, owner, now)
            if found is None:
                waiter = Waiter(plan, owner, now, signal())
                self._state.queue.add(waiter)
                return waiter
            woken = self._state.rouse_shares(now)
        self._wake(woken)
        if isinstance(found, Refusal):
            raise again(found.error, found, now)
        return found

    def _matched(self, plan: SignOnPlan, owner: int) -> Entry | None:
        """Let the adapter choose among the free connections of the partition (Capability.MATCHING)."""
        while True:
            with self._lock:
                candidates = self._state.candidates(plan)
            chosen = chosen_by(self._factory, candidates, plan)
            if chosen is None:
                return None
            with self._lock:
                taken = self._state.take_this(chosen, plan, owner)
                still_free = chosen.plan is None and not chosen.gone
            if taken is not None or still_free:  # where it is free and not to be had, nothing is lent for now
                return taken

    def _looked(self, waiter: Waiter[S], rung: bool, late: bool, timeout: float) -> Grant | None:
        """A waiter looks, whether woken or not; None: it sleeps on. Raises where its wait has ended in vain.

        Args:
            waiter: The waiter.
            rung: Whether it was woken.
            late: Whether its time is up.
            timeout: What its time was.
        """
        with self._lock:
            if not (rung or late) and waiter.signalled:
                return None  # somebody is about to wake it, which must not find it gone to sleep a second time
            now = self._clock.monotonic()
            grant, woken = self._state.resume(waiter, now)
            vain: ConnectorError | None = None
            if grant is None and self._state.closed:
                vain = PoolClosed(POOL_IS_CLOSED, resource=self.resource)
            elif grant is None and late and not rung:
                vain = self._too_late(waiter, timeout, now)
        self._wake(woken)  # also where this one fails: they are marked, and would never be woken again
        if vain is not None:
            raise vain
        return grant

    def _granted(self, grant: Grant) -> Entry | Permit:
        """What a wait has ended with; raises LoginRefused where that is a refusal."""
        if isinstance(grant, LoginRefused):
            raise again(grant)
        if isinstance(grant, Refusal):
            raise again(grant.error, grant, self._clock.monotonic())
        return grant

    def _too_late(self, waiter: Waiter[S], timeout: float, now: float) -> ConnectorError:
        self._state.counts.timeouts += 1
        refusal = self._state.refusals.blocks(waiter.plan, now)
        if refusal is not None:  # it waited for those that are left: that no other could be opened is the real cause
            return again(refusal.error, refusal, now)
        return timed_out(self.resource, self._state, waiter.plan, waiter.owner, timeout)

    def _count_wait(self, waiter: Waiter[S]) -> None:
        waited = self._clock.monotonic() - waiter.since
        with self._lock:
            self._state.counts.waits += 1
            self._state.counts.wait_seconds += waited

    def _alias_of(self, plan: SignOnPlan) -> str | None:
        return alias_of(self._factory, plan)

    def _became_entry(
        self, physical: ManagedConnection, permit: Permit, alias: str | None, owner: int, began: float
    ) -> tuple[Entry, list[Entry]]:
        """A connection has been opened; answers also what is to be closed now."""
        with self._lock:
            now = self._clock.monotonic()
            self._state.counts.openings += 1
            self._state.counts.opening_seconds += now - began
            opened = self._state.opened(physical, permit, alias, owner, now)
            woken = self._state.rouse_shares(now)
        self._wake(woken)
        return opened

    def _refused(self, plan: SignOnPlan, error: LoginRefused) -> None:
        """The external system has refused the plan's credential."""
        with self._lock:
            woken = self._state.refused(plan, error, self._clock.monotonic())
        self._wake(woken)

    def _restoring(self, permit: Permit) -> Permit | None:
        with self._lock:
            return self._state.restoring(permit)

    def _restored(self, entry: Entry, plan: SignOnPlan, error: LoginRefused) -> Entry:
        """The victim of a refused login is back: it serves the borrower, and the refusal is reported."""
        with self._lock:
            self._state.lend_on(entry, plan)
        self._tell_served(plan, error)
        return entry

    def _serves_on(self, plan: SignOnPlan, owner: int, error: LoginRefused) -> bool:
        """Whether a plan whose credential was refused is still served; reports it, since no borrower is told."""
        with self._lock:
            # Without a back-off asking again would only try again, as fast as the system refuses.
            remembered = self._state.refusals.blocks(plan, self._clock.monotonic()) is not None
            served = remembered and self._state.still_served(plan, owner)
        if served:
            self._tell_served(plan, error)
        return served

    def _tell_served(self, plan: SignOnPlan, error: LoginRefused) -> None:
        log.warning(
            "%s refused the credential of %s (version %d); connections that were signed on before serve on. "
            "Correct the authentication data, or put the new password in force there.",
            self.resource,
            plan.user,
            plan.version,
        )
        self._unheard(plan, error)

    def _unheard(self, plan: SignOnPlan, error: BaseException) -> None:
        if self._on_unheard_refusal is not None and isinstance(error, LoginRefused):
            self._on_unheard_refusal(plan, error)

    def _signed_on_anew(self, entry: Entry, plan: SignOnPlan) -> list[Entry]:
        alias = self._alias_of(plan)
        with self._lock:
            return self._state.reauthenticated(entry, alias, self._clock.monotonic())

    @staticmethod
    def _replaceable(entry: Entry, error: BaseException) -> bool:
        """Whether an entry that could not be made ready is replaced, and nobody need know (POOL-4): it broke unused.

        A new one (returned == 0) isn't, else an outage would make a loop of it; nor is one whose login was refused.
        """
        if not isinstance(error, Exception) or isinstance(error, LoginRefused):
            return False
        return entry.returned > 0 and entry.doomed is Doom.BROKEN

    def _exchanged(self, entry: Entry, why: Doom) -> Permit:
        with self._lock:
            return self._state.exchange(entry, self._clock.monotonic(), why)

    def _good_a_moment_ago(self, entry: Entry) -> bool:
        if not entry.returned:
            return True  # opened just now for this very borrower; asked again, a system that says no would make a loop
        recently = self._clock.monotonic() - entry.good_at < self.settings.validation_bypass
        return entry.check is Check.VALIDATE and recently

    def _noted(self, entry: Entry, good: bool) -> bool:
        with self._lock:
            self._state.validated(entry, good, self._clock.monotonic())
        return good

    def _condemned(self, entry: Entry, cause: BaseException | None, why: Doom) -> bool:
        """Take a lent entry out; True: its connection is this caller's to close."""
        with self._lock:
            mine = self._state.condemn(entry, entry.doomed or why)
        if mine and cause is not None:
            # The type only: the text is the adapter's and may say more than a log should hold.
            log.info("a connection of %s to %s is destroyed: %s", entry.user, self.resource, type(cause).__name__)
        return mine

    def _free_permit(self, permit: Permit) -> None:
        with self._lock:
            woken = self._state.permit_freed(self._clock.monotonic(), permit)
        self._wake(woken)

    def _not_refilled(self, plan: SignOnPlan, error: BaseException) -> None:
        """A connection to keep the minimum could not be opened: nobody waits for it, the next upkeep tries again.

        Not where the credential was refused: refused at each upkeep, with nobody asking, the account would be locked.
        """
        if self._state.closed:
            return
        log.warning("keeping min_size connections to %s failed: %s", self.resource, type(error).__name__)
        self._unheard(plan, error)
        if not isinstance(error, LoginRefused):
            alias = self._alias_of(plan)
            with self._lock:
                self._state.wanted.append((plan, alias))

    @staticmethod
    def _take_from_borrower(entry: Entry) -> bool:
        """End an entry's lease from outside; False where its borrower was faster, or it has none."""
        try:
            return entry.held is not None and entry.held.pop() is entry
        except IndexError:
            return False

    def _join(self, scope: Scope) -> None:
        """Be told when the scope ends."""
        join_scope(scope, self)

    @abstractmethod
    def scope_ended(self, scope: Scope) -> None:
        """The scope has ended; see `connector.spi.scope.Lender`."""

    def _refuse_if_closed(self) -> None:
        if self._state.closed:
            raise PoolClosed(POOL_IS_CLOSED, resource=self.resource)

    def __repr__(self) -> str:
        with self._lock:
            return f"<{type(self).__name__} {self.resource}, {len(self._state.entries)} of {self._state.max_size}>"
