"""The managed-connection pool for threads: carries out what `state` decides (POOL-1 to POOL-7).

One lock guards the state; it is held for decisions only, some hundred nanoseconds, never while an adapter is called,
anybody is woken or anything is logged. Opening, switching, cleaning up and closing happen outside of it, by the thread
that needs the outcome; whatever they raise, `KeyboardInterrupt` included, the permit finds its way back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from random import random
from threading import Lock, get_ident
from typing import final

from connector.errors import LoginRefused
from connector.pool.entry import Doom, Entry, Permit
from connector.pool.leaks import LeakKind, log_leak
from connector.pool.lease import PooledLease
from connector.pool.openings import Openings
from connector.pool.settings import PoolSettings, Validation
from connector.pool.shell import UnheardRefusal
from connector.pool.tracing import Tracing
from connector.pool.upkeep import refill
from connector.pool.waiting import LOOK_AGAIN_AFTER, Waiter
from connector.security.scope import CURRENT_SCOPE, current_scope
from connector.spi import Capability, Clock, ManagedConnectionFactory, Scope, SignOnPlan


@final
class ManagedConnectionPool(Openings):
    """The physical connections of one resource, lent by sign-on plan. Safe to use from any thread.

    Args:
        resource: The resource's global name, for messages.
        factory: Opens the connections.
        settings: Sizes, times and policies; by default those of `PoolSettings()`.
        capabilities: What the adapter declares that it can do; what is not declared is never asked.
        clock: Where the time comes from.
        jitter: A random number from 0 to below 1, for the ages.
        on_unheard_refusal: Told of a refused login that no borrower hears of; must not raise.
    """

    # Mutable state: `_state`, changed under `_lock` only; `_abandoned`, a deque with atomic appends and pops.

    def __init__(
        self,
        resource: str,
        factory: ManagedConnectionFactory,
        settings: PoolSettings | None = None,
        *,
        capabilities: frozenset[Capability] = frozenset(),
        clock: Clock | None = None,
        jitter: Callable[[], float] = random,
        on_unheard_refusal: UnheardRefusal | None = None,
    ) -> None:
        super().__init__(
            resource,
            factory,
            settings,
            capabilities=capabilities,
            clock=clock,
            jitter=jitter,
            on_unheard_refusal=on_unheard_refusal,
        )
        self._abandoned: deque[tuple[Entry, SignOnPlan]] = deque()
        self._matches = Capability.MATCHING in capabilities
        self._validates_return = Validation.ON_RETURN in self.settings.validation
        self._notes_good = Validation.ON_CHECKOUT in self.settings.validation
        self._tracing = Tracing(self.settings.leak_trace)
        # A `with` on a lock costs twice what taking and releasing it does, and a lease has two of them: a fifth of its
        # time. A bare `acquire()` before a `try` could be interrupted (KeyboardInterrupt) in between, and would leave
        # the lock taken; the step of a `for` can't, since the interpreter looks for interrupts after calls and at the
        # end of loops only. So on the way of a lease the lock is taken by the step of an endless iterator.
        self._acquiring = iter(self._lock.acquire, None)
        self._release = self._lock.release
        # Looked up once, since they stand on the way of every lease.
        self._take_free, self._pooled = self._state.take_free, self._state.give_back
        self._waiting = self._state.queue.members

    # --- borrowing ----------------------------------------------------------------------------------------------

    def take(self, plan: SignOnPlan, timeout: float | None = None) -> PooledLease:
        """Borrow a connection that is signed on as the plan says, with its caller asserted.

        Args:
            plan: Who it is for.
            timeout: Seconds to wait for one to come free; None is the pool's `connection_timeout`, 0 is not at all.

        Blocks up to that long, plus the time that connecting, validating or switching the identity takes; a free
        connection of the plan's own partition is lent without calling the adapter. Raises PoolTimeout (CF-POOL-003),
        PoolClosed (CF-POOL-002), ScopeError for a caller who has left, LoginRefused as soon as the external system
        refuses the credential (also where another thread tried it, or did so a moment ago), IdentityMismatch
        (CF-POOL-005) where the adapter can't assert a caller, and what the adapter raises for a connection that can't
        be opened, signed on anew or switched.
        """
        scope = CURRENT_SCOPE.get()
        if scope is not None and not scope.open:
            current_scope()  # raises, with the scope's story: whoever has left gets nothing
        thread = get_ident()
        asserted = plan.asserted is not None
        if not (self._matches or (asserted and self._state.shares.per_identity is not None)):
            entry = None
            for _ in self._acquiring:  # as `with self._lock`, see there
                try:
                    entry = self._take_free(plan, thread)
                finally:
                    self._release()
                break
            if entry is None or asserted or entry.check is not None or entry.partition.key is not plan.partition:
                entry = self._take_slowly(plan, thread, timeout, entry)
        else:
            entry = self._take_slowly(plan, thread, timeout, None)
        if scope is not None:
            entry.scope = scope
            if self not in scope.lenders:
                self._join(scope)
            if not scope.open:  # it ended meanwhile, perhaps before it could tell this pool: nobody acts as it any more
                self.give_back(entry)
                current_scope()  # raises with the scope's story
        if not entry.returned & self._tracing.mask:
            self._tracing.trace(entry, self._clock.monotonic())
        lease = _new_lease(PooledLease)
        lease.plan = plan
        lease._pool = self
        lease._held = entry.held = [entry]
        return lease

    def _take_slowly(self, plan: SignOnPlan, thread: int, timeout: float | None, first: Entry | None) -> Entry:
        """Ask, wait, open, make ready; again where a credential is refused of which connections are left that serve on.

        Args:
            plan: Who it is for.
            thread: Who asks.
            timeout: As for `take`.
            first: A free one that is lent already and only has to be made ready.
        """
        limit = self.settings.connection_timeout if timeout is None else timeout
        began = self._clock.monotonic()
        found: Entry | Permit | Waiter[Lock] | None = first
        while True:
            if found is None:
                self._bury_abandoned()
                found = self._ask(plan, thread)
            if isinstance(found, Waiter):
                found = self._wait(found, limit, began + limit)
            try:
                ready = self._made_ready(found, plan, thread)
            except LoginRefused as error:
                if not self._serves_on(plan, thread, error):
                    raise
                ready = None
            if ready is not None:
                return ready
            found = None

    def _ask(self, plan: SignOnPlan, thread: int) -> Entry | Permit | Waiter[Lock]:
        chosen = self._matched(plan, thread) if self._matches else None
        return chosen or self._requested(plan, thread, _taken_lock)

    def _wait(self, waiter: Waiter[Lock], timeout: float, deadline: float) -> Entry | Permit:
        grant = None
        try:
            while grant is None:
                self._bury_abandoned()  # what was abandoned while the lock was taken may be what is waited for
                left = max(deadline - self._clock.monotonic(), 0.0)
                rung = waiter.signal.acquire(timeout=min(left, LOOK_AGAIN_AFTER))
                self._bury_abandoned()
                grant = self._looked(waiter, rung, left <= LOOK_AGAIN_AFTER, timeout)
        except BaseException:
            self._stop_waiting(waiter)
            raise
        finally:
            self._count_wait(waiter)
        return self._granted(grant)

    def _stop_waiting(self, waiter: Waiter[Lock]) -> None:
        with self._lock:
            grant, woken = self._state.withdraw(waiter, self._clock.monotonic())
        self._wake(woken)
        # Time was up, or the thread was interrupted, at the very instant that it was granted something.
        if isinstance(grant, Entry):
            self._settle(grant)
        elif isinstance(grant, Permit):
            self._spend(grant)

    # --- coming back --------------------------------------------------------------------------------------------

    def give_back(self, entry: Entry) -> None:
        """For the lease: the borrower is done. Blocks for the clean-up's round trip, and raises nothing of it."""
        if not entry.special or entry.doomed is None:
            try:
                entry.physical.cleanup()
                if self._validates_return and not self._noted(entry, self._adapter.validate(entry)):
                    self.discard(entry, why=Doom.INVALID)
                    return
            except BaseException as error:
                self._adapter.report_unclean(entry, error)
                self.discard(entry, why=Doom.UNCLEAN)
                if not isinstance(error, Exception):
                    raise
                return
            if self._notes_good:
                entry.good_at = self._clock.monotonic()
            if not (entry.special or self._waiting):  # else there is something to decide, which `_settle` does
                pooled = False
                for _ in self._acquiring:  # as `with self._lock`, see there
                    try:
                        pooled = self._pooled(entry)
                    finally:
                        self._release()
                    break
                if pooled:
                    return
        self._settle(entry)

    def abandon(self, entry: Entry, plan: SignOnPlan) -> None:
        """For the lease's finaliser: nobody closed it. May run anywhere, even while this thread holds the lock."""
        self._abandoned.append((entry, plan))
        # If the lock can't be had, this thread may hold it itself. Then it is left to others: whoever can't be served
        # at once buries the abandoned before it looks, and again before it sleeps.
        if self._lock.acquire(blocking=False):
            self._lock.release()
            self._bury_abandoned()

    def scope_ended(self, scope: Scope) -> None:
        """For the scope: it has ended, and what was obtained in it should have been closed (POOL-3).

        Leases of this thread are closed now, which blocks for their clean-up; those that another thread obtained may
        be in use there: their connections are destroyed when they come back. Raises nothing of what adapters raise.
        """
        with ExitStack() as all_of_them:  # goes on when one is interrupted
            for entry in self._outlived(scope, get_ident()):
                all_of_them.callback(self.give_back, entry)

    def _bury_abandoned(self) -> None:
        while self._abandoned:
            try:
                entry, plan = self._abandoned.popleft()
            except IndexError:  # another thread was faster
                return
            with self._lock:
                report = self._report(LeakKind.ABANDONED, entry, plan, self._clock.monotonic())
                self._state.counts.abandoned += 1
            self._tracing.missed(report)
            log_leak(report, "The connection is destroyed; use it in a `with` block.")
            self.discard(entry, why=Doom.ABANDONED)

    # --- looking after ------------------------------------------------------------------------------------------

    def upkeep(self) -> float:
        """Do what is due: ages, unused ones, validation in the background, leaks, the minimum size (POOL-2).

        Called from time to time by the container's housekeeper. Blocks for the external system; raises nothing.
        Answers after how many seconds it is due again.
        """
        self._bury_abandoned()
        found, reports = self._look()
        for report in reports:
            self._tracing.missed(report)
        self._close_all(found.leaving)
        self._validate_all(found.to_validate)
        for _ in range(self._missing()):
            if not self._refill():
                break
        return self.next_look()

    def _validate_all(self, entries: list[Entry]) -> tuple[int, int]:
        good = bad = 0
        for entry in entries:
            with self._lock:
                mine = self._state.inspect(entry)
            if not mine:
                good += 1  # in use meanwhile: whoever has it will notice
                continue
            try:
                is_good = self._noted(entry, self._adapter.validate(entry))
            except BaseException as error:  # interrupted: the session is in doubt
                self.discard(entry, error)
                raise
            if is_good:
                with self._lock:
                    woken = self._state.put_back(entry, self._clock.monotonic())
                self._came_back(entry, woken)  # it may have been doomed while it was asked: then it is gone, not free
            else:
                self.discard(entry, why=Doom.INVALID)
            good, bad = good + is_good, bad + (not is_good)
        return good, bad

    def _refill(self) -> bool:
        """Open one of the connections that are missing to the minimum; False if none is, or it can't be done now."""
        with self._lock:
            missing = refill(self._state, self._clock.monotonic())
        if missing is None:
            return False
        plan, permit = missing
        try:
            self._settle(self._open(permit, 0))
        except Exception as error:  # noqa: BLE001 - whatever the adapter raises: nobody waits for it
            self._not_refilled(plan, error)
            return False
        return True

    def close(self) -> None:
        """Close the pool: free connections now, lent ones when they come back; who waits gets PoolClosed.

        Harmless when called twice. Blocks for closing the free connections.
        """
        self._bury_abandoned()
        with self._lock:
            leaving, woken = self._state.close()
        self._wake(woken)
        self._close_all(leaving)


#: The lease is made here, without its constructor's call: that one call is a twentieth of a lease.
_new_lease = PooledLease.__new__


def _taken_lock() -> Lock:
    signal = Lock()
    signal.acquire()
    return signal
