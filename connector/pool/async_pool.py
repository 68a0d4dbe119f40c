"""The managed-connection pool of one event loop: carries out what `state` decides, for tasks (POOL-7).

Theory of operation
-------------------
The same decisions as for threads (`state`, `waiting`), carried out by awaiting. Three things are asyncio's own:

* *Cancellation* comes at any `await`. What must not be left half done is a *chore*: a task of the pool's own that goes
  on when the borrower is cancelled. Opening is one (the connection then serves the next borrower), closing is one (the
  permit comes free when it ends, however it ends, by the task's callback). Clean-up and switching identity run in the
  borrower's task, since a task for each return would cost more than all the rest; cancelled there, the session is in
  doubt and a chore closes it.
* *Waiters* wait on a `Bell`; withdrawing one hands back what it was granted at the last instant.
* *The loop may end* under the pool: then nothing can be awaited, and connections are aborted.

Borrowing and returning happen on the loop. Administration and broken-connection events may come from any thread, so
the state has a lock, held for decisions only; whatever then has to be closed is posted to the loop.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterable
from threading import Lock
from typing import Any, NoReturn, final

from connector.errors import IdentityMismatch, LoginRefused, PoolClosed, Reason
from connector.pool.async_adapter_calls import AsyncAdapterCalls
from connector.pool.async_lease import AsyncPooledLease
from connector.pool.bell import Bell, is_running_here
from connector.pool.chores import Chores
from connector.pool.entry import Doom, Entry, Permit
from connector.pool.pool import POOL_IS_CLOSED
from connector.pool.settings import PoolSettings
from connector.pool.snapshot import contents_of, statistics_of
from connector.pool.state import PoolState
from connector.pool.statistics import PooledConnection, PoolStatistics
from connector.pool.timeout import timed_out
from connector.pool.waiting import Waiter
from connector.spi import (
    AsyncManagedConnection,
    Capability,
    Clock,
    ManagedConnection,
    ManagedConnectionFactory,
    SignOnPlan,
    SystemClock,
)

WRONG_LOOP = Reason(
    "CF-POOL-060",
    "the connection of reference {reference}, lent to {user}, was given back on another event loop than its own",
    "Use and close a connection on the event loop that it was obtained on.",
)
_log = logging.getLogger("connector.pool")


@final
class AsyncManagedConnectionPool:
    """The physical connections of one resource that belong to the running event loop, lent by sign-on plan.

    `take` and the leases are for tasks of that loop; everything else is safe to call from any thread.

    Args:
        resource: The resource's global name, for messages.
        factory: Opens the connections; has Capability.ASYNC.
        settings: Limits, for this loop's connections; by default those of `PoolSettings()`.
        capabilities: What the adapter declares that it can do; what is not declared is never asked.
        clock: Where the time comes from.

    Made on the loop itself.
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
        self.loop = asyncio.get_running_loop()
        self._clock = clock or SystemClock()
        self._adapter = AsyncAdapterCalls(resource, factory, capabilities)
        self._lock = Lock()
        self._state: PoolState[Bell] = PoolState(self.settings.max_size)
        self._chores = Chores(self.loop)
        self._abandoned: deque[tuple[Entry, SignOnPlan]] = deque()

    # --- borrowing ----------------------------------------------------------------------------------------------

    async def take(self, plan: SignOnPlan, timeout: float | None = None) -> AsyncPooledLease:
        """Borrow a connection that is signed on as the plan says, with its caller asserted.

        Args:
            plan: Who it is for.
            timeout: Seconds to wait for one to come free; None is the pool's `connection_timeout`, 0 is not at all.

        Waits up to that long, plus the time that connecting or switching the identity takes; a free connection of the
        plan's own partition is lent without calling the adapter or leaving the task's turn. Cancelled, it leaves no
        permit and no connection behind. Raises what `ManagedConnectionPool.take` raises.
        """
        owner = id(asyncio.current_task())
        with self._lock:
            entry = self._state.take_free(plan, owner)
        if entry is None:
            entry = await self._take_slowly(plan, owner, timeout)
        if entry.partition.key is not plan.partition or plan.asserted is not None:
            entry = await self._made_ready(entry, plan, owner)
        return AsyncPooledLease(self, entry, plan)

    async def _take_slowly(self, plan: SignOnPlan, owner: int, timeout: float | None) -> Entry:
        self._bury_abandoned()
        with self._lock:
            self._refuse_if_closed()
            found: Entry | Permit | Waiter[Bell] | None = self._state.request(plan, owner)
            if found is None:
                found = Waiter(plan, owner, self._clock.monotonic(), Bell(self.loop))
                self._state.queue.add(found)
        if isinstance(found, Waiter):
            found = await self._wait(found, self.settings.connection_timeout if timeout is None else timeout)
        return await self._open(plan, found, owner) if isinstance(found, Permit) else found

    async def _wait(self, waiter: Waiter[Bell], timeout: float) -> Entry | Permit:
        deadline = waiter.since + timeout
        grant = None
        try:
            while grant is None:
                rung = await waiter.signal.wait(deadline - self._clock.monotonic())
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
            # An error of this task's own, as for threads: traceback and explanation belong to one borrower.
            raise LoginRefused(grant.reason, **grant.details) from grant
        return grant

    def _refuse_late(self, waiter: Waiter[Bell], timeout: float) -> NoReturn:
        self._state.timeouts += 1
        raise timed_out(self.resource, self._state, waiter.plan, waiter.thread, timeout)

    def _stop_waiting(self, waiter: Waiter[Bell]) -> None:
        with self._lock:
            grant, woken = self._state.withdraw(waiter)
        _wake(woken)
        # Time was up, or the task was cancelled, at the very instant that it was granted something.
        if isinstance(grant, Entry):
            self._settle(grant)
        elif isinstance(grant, Permit):
            self._spend(grant)

    async def _open(self, plan: SignOnPlan, permit: Permit, owner: int) -> Entry:
        """Use a permit. Cancelled, the opening goes on, and what it opens is free for the next."""
        opened: asyncio.Future[Entry] = self.loop.create_future()
        task = self._chores.begin(self._adapter.open(plan, permit.victim), permit.victim)
        task.add_done_callback(lambda _: self._arrived(task, opened, permit, plan, owner))
        try:
            return await opened
        except asyncio.CancelledError:
            if not opened.cancelled() and opened.exception() is None:
                self._settle(opened.result())  # it came in the very instant of the cancellation
            raise

    def _arrived(
        self,
        task: asyncio.Task[AsyncManagedConnection],
        opened: asyncio.Future[Entry],
        permit: Permit,
        plan: SignOnPlan,
        owner: int,
    ) -> None:
        """An opening has ended, one way or another: the permit becomes an entry, or comes free."""
        if task.cancelled():  # the loop is winding up; it may not even have begun
            if permit.victim is not None:
                self._adapter.abort(permit.victim)
            self._free_permit()
            opened.cancel()
            return
        error = task.exception()
        if error is not None:
            if isinstance(error, LoginRefused):
                with self._lock:
                    woken = self._state.refused(plan, error)
                _wake(woken)
            self._free_permit()
            _fail(opened, error)
            return
        physical = task.result()
        carried: Any = physical  # the state machine carries it, whichever kind it is, and never asks it anything
        with self._lock:
            entry = self._state.opened(carried, plan, self._adapter.alias_of(plan), owner)
        try:
            physical.set_event_listener(_ErrorReport(self, entry))
            self._refuse_if_closed()  # it may have been closed while this was being opened
        except Exception as unusable:  # noqa: BLE001 - it is the borrower's, whatever it is
            self._discard(entry, unusable)
            _fail(opened, unusable)
            return
        if opened.cancelled():
            self._settle(entry)
        else:
            opened.set_result(entry)

    async def _made_ready(self, entry: Entry, plan: SignOnPlan, owner: int) -> Entry:
        """Assert the plan's caller; a pooled connection that turns out to be dead is replaced, once (POOL-4)."""
        while True:
            try:
                await self._adapter.make_ready(entry, plan)
                return entry
            except BaseException as error:
                stale = entry.returned > 0 and entry.doomed is Doom.BROKEN
                if not stale or not isinstance(error, Exception):
                    self._discard(entry, error)
                    raise
            # Nothing of the caller was sent on it yet, so nobody need know; a new one (returned == 0) isn't replaced.
            with self._lock:
                permit = self._state.exchange(entry)
            entry = await self._open(plan, permit, owner)

    # --- coming back --------------------------------------------------------------------------------------------

    async def give_back(self, entry: Entry) -> None:
        """For the lease: the borrower is done. Waits for the clean-up's round trip; raises nothing but cancellation."""
        if entry.doomed is None:
            physical: Any = entry.physical
            try:
                await physical.cleanup()
            except BaseException as error:
                self._adapter.report_unclean(entry, error)
                closing = self._discard(entry)
                if not isinstance(error, Exception):
                    raise
                await _until(closing)
                return
            with self._lock:
                pooled = self._state.give_back(entry)
            if pooled:
                return
        await _until(self._settle(entry))

    async def destroy(self, entry: Entry, cause: BaseException | None = None) -> None:
        """For the lease: destroy a lent connection instead of pooling it. Waits for closing it."""
        await _until(self._discard(entry, cause))

    def abandon(self, entry: Entry, plan: SignOnPlan) -> None:
        """For the lease's finaliser: nobody closed it. May run anywhere, on any thread, at any time."""
        self._abandoned.append((entry, plan))
        try:
            self.loop.call_soon_threadsafe(self._bury_abandoned)
        except RuntimeError:  # the loop is closed: there is nobody left to wait for the permit
            self._adapter.abort(entry)

    def require_own_loop(self, plan: SignOnPlan) -> None:
        """For the lease. Raises IdentityMismatch (CF-POOL-060) where another event loop runs than the pool's."""
        if asyncio.get_running_loop() is not self.loop:
            raise IdentityMismatch(WRONG_LOOP, reference=plan.reference, user=plan.effective_user or "the default user")

    def _bury_abandoned(self) -> None:
        while self._abandoned:
            entry, plan = self._abandoned.popleft()  # on the loop only, so nobody is faster
            _log.warning(
                "a connection to %s was never given back by %s (reference %s), it is destroyed; "
                "use it in an `async with` block",
                self.resource,
                plan.effective_user,
                plan.reference,
            )
            with self._lock:
                self._state.abandoned += 1
            self._discard(entry)

    def _discard(self, entry: Entry, cause: BaseException | None = None) -> asyncio.Task[None] | None:
        """Destroy a lent entry; answers the chore that closes it, if it is not somebody else's already."""
        with self._lock:
            mine = self._state.condemn(entry)
        if not mine:
            return None
        if cause is not None:
            # The type only: the text is the adapter's and may say more than a log should hold.
            _log.info("a connection of %s to %s is destroyed: %s", entry.user, self.resource, type(cause).__name__)
        return self._spend(Permit(entry))

    def _settle(self, entry: Entry) -> asyncio.Task[None] | None:
        """Decide on a returned entry; answers the chore that closes it, if it is to be closed."""
        now = self._clock.monotonic()
        with self._lock:
            woken = self._state.settle(entry, now)
        if woken is None:
            return self._spend(Permit(entry))
        _wake(woken)
        return None

    # --- chores ---------------------------------------------------------------------------------------------------

    def _spend(self, permit: Permit) -> asyncio.Task[None] | None:
        """Close the permit's victim by a chore; when that has ended the permit goes to the next waiter or back."""
        victim = permit.victim
        if victim is None:
            self._free_permit()
            return None

        def closed(task: asyncio.Task[None]) -> None:
            if task.cancelled():  # perhaps before its first step
                self._adapter.abort(victim)
            self._free_permit()

        task = self._chores.begin(self._adapter.close(victim), victim)
        task.add_done_callback(closed)
        return task

    def _free_permit(self) -> None:
        now = self._clock.monotonic()
        with self._lock:
            woken = self._state.permit_freed(now)
        _wake(woken)

    def _close_all(self, leaving: list[Entry]) -> int:
        """Have the loop close what has left: chores begin now if this is the loop, else soon. Answers how many."""
        self._chores.announce(leaving)
        try:
            for entry in leaving:
                if is_running_here(self.loop):
                    self._spend(Permit(entry))
                else:
                    self.loop.call_soon_threadsafe(self._spend, Permit(entry))
        except RuntimeError:  # the loop is closed
            self.abort()
        return len(leaving)

    # --- events and administration, from any thread -----------------------------------------------------------------

    def connection_error(self, entry: Entry, cause: BaseException | None) -> None:
        """For the entry's listener: the adapter reports that its connection is broken.

        A lent one is destroyed when it comes back, a free one soon. Does not block; it may come at any time and several
        times: the connection is destroyed once.
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
            self._close_all([entry])

    def retire(self, alias: str, version: int) -> int:
        """Take out the connections signed on with credentials of `alias` older than `version` (AUTHD-3).

        Free ones are closed soon, by their loop, lent ones when they come back. Answers how many were free. Does not
        block.
        """
        with self._lock:
            leaving = self._state.retire(alias, version)
        return self._close_all(leaving)

    def purge(self) -> int:
        """Take out all connections, as `retire` does; the pool goes on with new ones. Answers how many were free."""
        with self._lock:
            leaving = self._state.flush(lambda _: True, Doom.PURGED)
        return self._close_all(leaving)

    async def close(self) -> None:
        """Close the pool: free connections now, lent ones when they come back; who waits gets PoolClosed.

        For its own loop. Harmless when called twice. Waits for what is being opened and closed; that goes on where the
        wait is cancelled.
        """
        self.begin_close()
        self._bury_abandoned()
        await self._chores.done()

    def begin_close(self) -> None:
        """As `close`, from any thread, and without waiting for anything."""
        with self._lock:
            leaving, woken = self._state.close()
        _wake(woken)
        self._close_all(leaving)

    def abort(self) -> None:
        """The loop has ended: let go of every physical connection, lent ones as well, without awaiting anything.

        Nothing of the pool may be used any more. Does not block; harmless when called twice.
        """
        with self._lock:
            self._state.closed = True
            lent = [entry for entry in list(self._state.entries) if self._state.condemn(entry)]
        for entry in lent + self._chores.forget():
            self._adapter.abort(entry)

    def statistics(self) -> PoolStatistics:
        """The figures of this instant. Does not block."""
        with self._lock:
            return statistics_of(self._state)

    def contents(self) -> tuple[PooledConnection, ...]:
        """The connections of this instant, by user. Does not block."""
        with self._lock:
            return contents_of(self._state)

    def _refuse_if_closed(self) -> None:
        if self._state.closed:
            raise PoolClosed(POOL_IS_CLOSED, resource=self.resource)

    def __repr__(self) -> str:
        with self._lock:
            return f"<AsyncManagedConnectionPool {self.resource}, {len(self._state.entries)} of {self._state.max_size}>"


@final
class _ErrorReport:
    """The listener of one connection: knows which entry it is, so that the pool needs no index."""

    __slots__ = ("_pool", "_entry")

    def __init__(self, pool: AsyncManagedConnectionPool, entry: Entry) -> None:
        self._pool = pool
        self._entry = entry

    def connection_error_occurred(
        self, connection: AsyncManagedConnection | ManagedConnection, cause: BaseException | None
    ) -> None:
        self._pool.connection_error(self._entry, cause)


async def _until(chore: asyncio.Task[None] | None) -> None:
    """Wait for a chore; cancelled, the chore goes on."""
    if chore is not None:
        await asyncio.wait([chore])


def _fail(opened: asyncio.Future[Entry], error: BaseException) -> None:
    if not opened.cancelled():
        opened.set_exception(error)
    else:
        _log.info("opening a connection failed, and its borrower had left: %s", type(error).__name__)


def _wake(waiters: Iterable[Waiter[Bell]]) -> None:
    for waiter in waiters:
        waiter.signal.ring()
