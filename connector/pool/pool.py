"""The managed-connection pool for threads: carries out what `state` decides (POOL-1, POOL-2, POOL-4, POOL-6, POOL-7).

One lock guards the state; it is held for decisions only, some hundred nanoseconds, never while an adapter is called,
anybody is woken or anything is logged. Opening, switching, cleaning up and closing happen outside of it, by the thread
that needs the outcome; whatever they raise, `KeyboardInterrupt` included, the permit finds its way back.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable
from contextlib import ExitStack
from threading import TIMEOUT_MAX, Lock, get_ident
from typing import NoReturn, final

from connector.errors import LoginRefused, PoolClosed, Reason
from connector.pool.adapter_calls import AdapterCalls
from connector.pool.entry import Doom, Entry, Permit
from connector.pool.lease import PooledLease
from connector.pool.settings import PoolSettings
from connector.pool.snapshot import contents_of, statistics_of
from connector.pool.state import PoolState
from connector.pool.statistics import PooledConnection, PoolStatistics
from connector.pool.timeout import timed_out
from connector.pool.waiting import Waiter
from connector.spi import Capability, Clock, ManagedConnection, ManagedConnectionFactory, SignOnPlan, SystemClock

POOL_IS_CLOSED = Reason(
    "CF-POOL-002",
    "the connection pool of {resource} is closed",
    "Its container has stopped or is stopping; look the resource up in a running container.",
)
_log = logging.getLogger("connector.pool")


@final
class ManagedConnectionPool:
    """The physical connections of one resource, lent by sign-on plan. Safe to use from any thread.

    Args:
        resource: The resource's global name, for messages.
        factory: Opens the connections.
        settings: Limits; by default those of `PoolSettings()`.
        capabilities: What the adapter declares that it can do; what is not declared is never asked.
        clock: Where the time comes from.
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
    ) -> None:
        self.resource = resource
        self.settings = settings or PoolSettings()
        self._clock = clock or SystemClock()
        self._adapter = AdapterCalls(resource, factory, capabilities)
        self._lock = Lock()
        self._state: PoolState[Lock] = PoolState(self.settings.max_size)
        self._abandoned: deque[tuple[Entry, SignOnPlan]] = deque()

    # --- borrowing ----------------------------------------------------------------------------------------------

    def take(self, plan: SignOnPlan, timeout: float | None = None) -> PooledLease:
        """Borrow a connection that is signed on as the plan says, with its caller asserted.

        Args:
            plan: Who it is for.
            timeout: Seconds to wait for one to come free; None is the pool's `connection_timeout`, 0 is not at all.

        Blocks up to that long, plus the time that connecting or switching the identity takes; a free connection of
        the plan's own partition is lent without calling the adapter. Raises PoolTimeout (CF-POOL-003), PoolClosed
        (CF-POOL-002), LoginRefused as soon as the external system refuses the credential (also where another thread
        tried it), IdentityMismatch (CF-POOL-005) where the adapter can't assert a caller, and what the adapter raises
        for a connection that can't be opened or switched.
        """
        thread = get_ident()
        with self._lock:
            entry = self._state.take_free(plan, thread)
        if entry is None:
            entry = self._take_slowly(plan, thread, timeout)
        if entry.partition.key is not plan.partition or plan.asserted is not None:
            entry = self._made_ready(entry, plan, thread)
        return PooledLease(self, entry, plan)

    def _take_slowly(self, plan: SignOnPlan, thread: int, timeout: float | None) -> Entry:
        self._bury_abandoned()
        with self._lock:
            self._refuse_if_closed()
            found: Entry | Permit | Waiter[Lock] | None = self._state.request(plan, thread)
            if found is None:
                found = Waiter(plan, thread, self._clock.monotonic(), Lock())
                found.signal.acquire()
                self._state.queue.add(found)
        if isinstance(found, Waiter):
            found = self._wait(found, self.settings.connection_timeout if timeout is None else timeout)
        return self._open(plan, found, thread) if isinstance(found, Permit) else found

    def _wait(self, waiter: Waiter[Lock], timeout: float) -> Entry | Permit:
        deadline = waiter.since + timeout
        grant = None
        try:
            while grant is None:
                self._bury_abandoned()  # what was abandoned while the lock was taken may be what is waited for
                left = min(max(deadline - self._clock.monotonic(), 0.0), TIMEOUT_MAX)
                rung = waiter.signal.acquire(timeout=left)
                self._bury_abandoned()
                with self._lock:
                    grant = self._state.resume(waiter)
                    if grant is None:
                        self._refuse_if_closed()
                        if not rung:
                            self._refuse_late(waiter, timeout)
        except BaseException:
            self._stop_waiting(waiter)
            raise
        finally:
            waited = self._clock.monotonic() - waiter.since
            with self._lock:
                self._state.waits += 1
                self._state.wait_seconds += waited
        if isinstance(grant, LoginRefused):
            # The same reason and details, but an error of this thread's own: a traceback belongs to one thread, and an
            # explanation to one caller, who may be another one that the same user opens connections for.
            raise LoginRefused(grant.reason, **grant.details) from grant
        return grant

    def _refuse_late(self, waiter: Waiter[Lock], timeout: float) -> NoReturn:
        self._state.timeouts += 1
        raise timed_out(self.resource, self._state, waiter.plan, waiter.thread, timeout)

    def _stop_waiting(self, waiter: Waiter[Lock]) -> None:
        with self._lock:
            grant, woken = self._state.withdraw(waiter)
        _wake(woken)
        # Time was up, or the thread was interrupted, at the very instant that it was granted something.
        if isinstance(grant, Entry):
            self._settle(grant)
        elif isinstance(grant, Permit):
            self._spend(grant)

    def _open(self, plan: SignOnPlan, permit: Permit, thread: int) -> Entry:
        try:
            if permit.victim is not None:
                self._adapter.close(permit.victim)
            self._refuse_if_closed()
            alias = self._adapter.alias_of(plan)
            physical = self._adapter.open(plan)
        except BaseException as error:
            if isinstance(error, LoginRefused):
                with self._lock:
                    woken = self._state.refused(plan, error)
                _wake(woken)
            self._free_permit()
            raise
        with self._lock:
            entry = self._state.opened(physical, plan, alias, thread)
        try:
            physical.set_event_listener(_ErrorReport(self, entry))
            self._refuse_if_closed()  # it may have been closed while this was being opened
        except BaseException as error:
            self.discard(entry, error)
            raise
        return entry

    def _made_ready(self, entry: Entry, plan: SignOnPlan, thread: int) -> Entry:
        """Assert the plan's caller; a pooled connection that turns out to be dead is replaced, once (POOL-4)."""
        while True:
            try:
                self._adapter.make_ready(entry, plan)
                return entry
            except BaseException as error:
                stale = entry.returned > 0 and entry.doomed is Doom.BROKEN
                if not stale or not isinstance(error, Exception):
                    self.discard(entry, error)
                    raise
            # Nothing of the caller was sent on it yet, so nobody need know; a new one (returned == 0) isn't replaced.
            with self._lock:
                permit = self._state.exchange(entry)
            entry = self._open(plan, permit, thread)

    # --- coming back --------------------------------------------------------------------------------------------

    def give_back(self, entry: Entry) -> None:
        """For the lease: the borrower is done. Blocks for the clean-up's round trip, and raises nothing of it."""
        if entry.doomed is None:
            try:
                entry.physical.cleanup()
            except BaseException as error:
                self._adapter.report_unclean(entry, error)
                self.discard(entry)
                if not isinstance(error, Exception):
                    raise
                return
            with self._lock:
                pooled = self._state.give_back(entry)
            if pooled:
                return
        self._settle(entry)

    def discard(self, entry: Entry, cause: BaseException | None = None) -> None:
        """For the lease: destroy a lent connection instead of pooling it. Blocks for closing it."""
        with self._lock:
            mine = self._state.condemn(entry)
        if mine:
            if cause is not None:
                # The type only: the text is the adapter's and may say more than a log should hold.
                _log.info("a connection of %s to %s is destroyed: %s", entry.user, self.resource, type(cause).__name__)
            self._spend(Permit(entry))

    def abandon(self, entry: Entry, plan: SignOnPlan) -> None:
        """For the lease's finaliser: nobody closed it. May run anywhere, even while this thread holds the lock."""
        self._abandoned.append((entry, plan))
        # If the lock can't be had, this thread may hold it itself. Then it is left to others: whoever can't be served
        # at once buries the abandoned before it looks, and again before it sleeps.
        if self._lock.acquire(blocking=False):
            self._lock.release()
            self._bury_abandoned()

    def _bury_abandoned(self) -> None:
        while self._abandoned:
            try:
                entry, plan = self._abandoned.popleft()
            except IndexError:  # another thread was faster
                return
            _log.warning(
                "a connection to %s was never given back by %s (reference %s), it is destroyed; "
                "use it in a `with` block",
                self.resource,
                plan.effective_user,
                plan.reference,
            )
            with self._lock:
                self._state.abandoned += 1
            self.discard(entry)

    def _settle(self, entry: Entry) -> None:
        now = self._clock.monotonic()
        with self._lock:
            woken = self._state.settle(entry, now)
        if woken is None:
            self._spend(Permit(entry))
        else:
            _wake(woken)
        self._bury_abandoned()

    def _spend(self, permit: Permit) -> None:
        """Close the permit's victim; the permit goes to the next waiter or back."""
        try:
            if permit.victim is not None:
                self._adapter.close(permit.victim)
        finally:
            self._free_permit()

    def _free_permit(self) -> None:
        now = self._clock.monotonic()
        with self._lock:
            woken = self._state.permit_freed(now)
        _wake(woken)

    def _spend_all(self, leaving: list[Entry]) -> int:
        with ExitStack() as all_of_them:  # goes on when one is interrupted
            for entry in leaving:
                all_of_them.callback(self._spend, Permit(entry))
        return len(leaving)

    # --- events and administration --------------------------------------------------------------------------------

    def connection_error(self, entry: Entry, cause: BaseException | None) -> None:
        """For the entry's listener: the adapter reports that its connection is broken.

        A lent one is destroyed when it comes back, a free one now, by this thread, which blocks for closing it only.
        It may come at any time, several times, and while the connection is on its way back: it is destroyed once.
        """
        with self._lock:
            leaves = self._state.connection_error(entry)
        if leaves:
            _log.info(
                "a free connection of %s to %s broke: %s",
                entry.user,
                self.resource,
                type(cause).__name__ if cause is not None else "no cause given",
            )
            self._spend(Permit(entry))

    def retire(self, alias: str, version: int) -> int:
        """Take out the connections signed on with credentials of `alias` older than `version` (AUTHD-3).

        Free ones are closed now, lent ones when they come back. Answers how many were closed now. Blocks for closing.
        """
        with self._lock:
            leaving = self._state.retire(alias, version)
        return self._spend_all(leaving)

    def purge(self) -> int:
        """Take out all connections: free ones now, lent ones when they come back. Answers how many were closed now.

        Blocks for closing them. The pool goes on with new ones.
        """
        self._bury_abandoned()
        with self._lock:
            leaving = self._state.flush(lambda _: True, Doom.PURGED)
        return self._spend_all(leaving)

    def close(self) -> None:
        """Close the pool: free connections now, lent ones when they come back; who waits gets PoolClosed.

        Harmless when called twice. Blocks for closing the free connections.
        """
        self._bury_abandoned()
        with self._lock:
            leaving, woken = self._state.close()
        _wake(woken)
        self._spend_all(leaving)

    def statistics(self) -> PoolStatistics:
        """The figures of this instant. Does not block, except for closing leases that were abandoned."""
        self._bury_abandoned()
        with self._lock:
            return statistics_of(self._state)

    def contents(self) -> tuple[PooledConnection, ...]:
        """The connections of this instant, by user. Does not block, except for closing abandoned ones."""
        self._bury_abandoned()
        with self._lock:
            return contents_of(self._state)

    def _refuse_if_closed(self) -> None:
        if self._state.closed:
            raise PoolClosed(POOL_IS_CLOSED, resource=self.resource)

    def __repr__(self) -> str:
        with self._lock:
            return f"<ManagedConnectionPool {self.resource}, {len(self._state.entries)} of {self._state.max_size}>"


@final
class _ErrorReport:
    """The listener of one connection: knows which entry it is, so that the pool needs no index."""

    __slots__ = ("_pool", "_entry")

    def __init__(self, pool: ManagedConnectionPool, entry: Entry) -> None:
        self._pool = pool
        self._entry = entry

    def connection_error_occurred(self, connection: ManagedConnection, cause: BaseException | None) -> None:
        self._pool.connection_error(self._entry, cause)


def _wake(waiters: Iterable[Waiter[Lock]]) -> None:
    for waiter in waiters:
        waiter.signal.release()
