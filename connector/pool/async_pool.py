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
from collections import deque
from collections.abc import Callable, Iterable
from random import random
from typing import Any, final

from connector.errors import IdentityMismatch, LoginRefused, Reason
from connector.pool.async_adapter_calls import AsyncAdapterCalls
from connector.pool.async_lease import AsyncPooledLease
from connector.pool.bell import Bell, is_running_here
from connector.pool.chores import Chores
from connector.pool.entry import Check, Doom, Entry, Permit
from connector.pool.error_report import ErrorReport
from connector.pool.leaks import LeakKind, log_leak
from connector.pool.operations import PoolOperations
from connector.pool.settings import PoolSettings, Validation, effective_settings
from connector.pool.shell import UnheardRefusal, log
from connector.pool.tracing import Tracing
from connector.pool.upkeep import refill
from connector.pool.waiting import LOOK_AGAIN_AFTER, Waiter
from connector.security.scope import CURRENT_SCOPE, current_scope
from connector.spi import (
    AsyncManagedConnection,
    Capability,
    Clock,
    ManagedConnectionFactory,
    Scope,
    SignOnPlan,
    SystemClock,
)

WRONG_LOOP = Reason(
    "CF-POOL-060",
    "the connection of reference {reference}, lent to {user}, was given back on another event loop than its own",
    "Use and close a connection on the event loop that it was obtained on.",
)


@final
class AsyncManagedConnectionPool(PoolOperations[Bell]):
    """The physical connections of one resource that belong to the running event loop, lent by sign-on plan.

    `take` and the leases are for tasks of that loop; everything else is safe to call from any thread, and what has to
    be closed or validated is then done by the loop, soon.

    Args:
        resource: The resource's global name, for messages.
        factory: Opens the connections; has Capability.ASYNC.
        settings: Sizes, times and policies, for this loop's connections; by default those of `PoolSettings()`.
        capabilities: What the adapter declares that it can do; what is not declared is never asked.
        clock: Where the time comes from.
        jitter: A random number from 0 to below 1, for the ages.
        on_unheard_refusal: Told of a refused login that no borrower hears of; must not raise.

    Made on the loop itself.
    """

    # Mutable state: `_state`, changed under `_lock` only; `_abandoned`, a deque with atomic appends and pops;
    # `_validating`, the chores of `upkeep`, on the loop only.

    _BLOCK = "`async with`"

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
            effective_settings(settings, capabilities),
            clock or SystemClock(),
            reauthenticates=Capability.REAUTHENTICATION in capabilities,
            jitter=jitter,
            on_unheard_refusal=on_unheard_refusal,
        )
        self.loop = self._loop = asyncio.get_running_loop()
        self._adapter = AsyncAdapterCalls(resource, factory, capabilities)
        self._chores = Chores(self.loop)
        self._abandoned: deque[tuple[Entry, SignOnPlan]] = deque()
        self._matches = Capability.MATCHING in capabilities
        self._validates_return = Validation.ON_RETURN in self.settings.validation
        self._notes_good = Validation.ON_CHECKOUT in self.settings.validation
        self._tracing = Tracing(self.settings.leak_trace)
        # Looked up once, since they stand on the way of every lease.
        self._take_free, self._pooled = self._state.take_free, self._state.give_back

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
        scope = CURRENT_SCOPE.get()
        if scope is not None and not scope.open:
            current_scope()  # raises, with the scope's story: whoever has left gets nothing
        owner = id(asyncio.current_task())
        if plan.asserted is None and not self._matches:
            with self._lock:
                entry = self._take_free(plan, owner)
            if entry is None or entry.check is not None or entry.partition.key is not plan.partition:
                entry = await self._take_slowly(plan, owner, timeout, entry)
        else:
            entry = await self._take_slowly(plan, owner, timeout, None)
        if scope is not None:
            entry.scope = scope
            if self not in scope.lenders:
                self._join(scope)
            if not scope.open:  # it ended meanwhile, perhaps before it could tell this pool: nobody acts as it any more
                await self.give_back(entry)
                current_scope()  # raises with the scope's story
        if not entry.returned & self._tracing.mask:
            self._tracing.trace(entry, self._clock.monotonic())
        return AsyncPooledLease(self, entry, plan)

    async def _take_slowly(self, plan: SignOnPlan, owner: int, timeout: float | None, first: Entry | None) -> Entry:
        """Ask, wait, open, make ready; again where a credential is refused of which connections are left that serve on.

        Args:
            plan: Who it is for.
            owner: Who asks.
            timeout: As for `take`.
            first: A free one that is lent already and only has to be made ready.
        """
        limit = self.settings.connection_timeout if timeout is None else timeout
        began = self._clock.monotonic()
        found: Entry | Permit | Waiter[Bell] | None = first
        while True:
            if found is None:
                self._bury_abandoned()
                found = self._ask(plan, owner)
            if isinstance(found, Waiter):
                found = await self._wait(found, limit, began + limit)
            try:
                ready = await self._made_ready(found, plan, owner)
            except LoginRefused as error:
                if not self._serves_on(plan, owner, error):
                    raise
                ready = None
            if ready is not None:
                return ready
            found = None

    def _ask(self, plan: SignOnPlan, owner: int) -> Entry | Permit | Waiter[Bell]:
        chosen = self._matched(plan, owner) if self._matches else None
        return chosen or self._requested(plan, owner, lambda: Bell(self.loop))

    async def _wait(self, waiter: Waiter[Bell], timeout: float, deadline: float) -> Entry | Permit:
        grant = None
        try:
            while grant is None:
                left = deadline - self._clock.monotonic()
                rung = await waiter.signal.wait(min(left, LOOK_AGAIN_AFTER))
                grant = self._looked(waiter, rung, left <= LOOK_AGAIN_AFTER, timeout)
        except BaseException:
            self._stop_waiting(waiter)
            raise
        finally:
            self._count_wait(waiter)
        return self._granted(grant)

    def _stop_waiting(self, waiter: Waiter[Bell]) -> None:
        with self._lock:
            grant, woken = self._state.withdraw(waiter, self._clock.monotonic())
        self._wake(woken)
        # Time was up, or the task was cancelled, at the very instant that it was granted something.
        if isinstance(grant, Entry):
            self._settle(grant)
        elif isinstance(grant, Permit):
            self._spend(grant)

    async def _open(self, permit: Permit, owner: int) -> Entry:
        """Use a permit. Cancelled, the opening goes on, and what it opens is free for the next."""
        opened: asyncio.Future[Entry] = self.loop.create_future()
        self._begin_opening(permit, owner, opened)
        try:
            return await opened
        except asyncio.CancelledError:
            if not opened.cancelled() and opened.exception() is None:
                self._settle(opened.result())  # it came in the very instant of the cancellation
            raise

    def _begin_opening(self, permit: Permit, owner: int, opened: asyncio.Future[Entry]) -> None:
        plan, began = permit.plan, self._clock.monotonic()
        assert plan is not None, "a permit that opens has a plan"
        task = self._chores.begin(self._adapter.open(plan, permit.victim), permit.victim)
        task.add_done_callback(lambda _: self._arrived(task, opened, permit, plan, owner, began))

    def _arrived(
        self,
        task: asyncio.Task[AsyncManagedConnection],
        opened: asyncio.Future[Entry],
        permit: Permit,
        plan: SignOnPlan,
        owner: int,
        began: float,
    ) -> None:
        """An opening has ended, one way or another: the permit becomes an entry, or comes free."""
        if task.cancelled():  # the loop is winding up; it may not even have begun
            if permit.victim is not None:
                self._adapter.abort(permit.victim)
            self._free_permit(permit)
            opened.cancel()
            return
        error = task.exception()
        if error is not None:
            restoring = None
            if isinstance(error, LoginRefused):
                self._refused(plan, error)
                restoring = self._restoring(permit)
                if restoring is not None:
                    self._reopen(restoring, plan, owner, error, opened)
            if restoring is None:
                self._free_permit(permit)
                _fail(opened, error)
            return
        physical = task.result()
        carried: Any = physical  # the state machine carries it, whichever kind it is, and never asks it anything
        entry, leaving = self._became_entry(carried, permit, self._alias_of(plan), owner, began)
        try:
            physical.set_event_listener(ErrorReport(self, entry))
            self._refuse_if_closed()  # it may have been closed while this was being opened
        except Exception as unusable:  # noqa: BLE001 - it is the borrower's, whatever it is
            self._discard(entry, unusable)
            _fail(opened, unusable)
            return
        finally:
            self._close_all(leaving)
        if opened.cancelled():
            self._settle(entry)
        else:
            opened.set_result(entry)

    def _reopen(
        self, restoring: Permit, plan: SignOnPlan, owner: int, error: LoginRefused, opened: asyncio.Future[Entry]
    ) -> None:
        """Open the victim of a refused login again, by its own plan, for whoever waits for `opened`."""
        reopened: asyncio.Future[Entry] = self.loop.create_future()

        def arrived(_: asyncio.Future[Entry]) -> None:
            if reopened.cancelled() or reopened.exception() is not None:
                _fail(opened, error)
            elif opened.cancelled():
                self._settle(reopened.result())
            else:
                opened.set_result(self._restored(reopened.result(), plan, error))

        reopened.add_done_callback(arrived)
        self._begin_opening(restoring, owner, reopened)

    async def _made_ready(self, found: Entry | Permit, plan: SignOnPlan, owner: int) -> Entry | None:
        """As `ManagedConnectionPool._made_ready`: open, validate, sign on anew, assert the caller, or replace."""
        while True:
            if isinstance(found, Permit):
                if found.plan is None:
                    self._spend(found)
                    return None
                found = await self._open(found, owner)
            why = Doom.DISCARDED
            try:
                if found.check is Check.REAUTHENTICATE:
                    await self._reauthenticate(found, plan)
                if found.check is None or await self._is_good(found):
                    await self._adapter.make_ready(found, plan)
                    return found
                why = Doom.INVALID
            except BaseException as error:
                if not self._replaceable(found, error):
                    self._discard(found, error)
                    raise
            found = self._exchanged(found, why)

    async def _reauthenticate(self, entry: Entry, plan: SignOnPlan) -> None:
        try:
            await self._adapter.reauthenticate(entry, plan)
        except LoginRefused as error:
            self._refused(plan, error)
            raise
        self._close_all(self._signed_on_anew(entry, plan))

    async def _is_good(self, entry: Entry) -> bool:
        return self._good_a_moment_ago(entry) or self._noted(entry, await self._adapter.validate(entry))

    # --- coming back --------------------------------------------------------------------------------------------

    async def give_back(self, entry: Entry) -> None:
        """For the lease: the borrower is done. Waits for the clean-up's round trip; raises nothing but cancellation."""
        if entry.doomed is None:
            physical: Any = entry.physical
            try:
                await physical.cleanup()
                if self._validates_return and not self._noted(entry, await self._adapter.validate(entry)):
                    await _until(self._discard(entry, why=Doom.INVALID))
                    return
            except BaseException as error:
                self._adapter.report_unclean(entry, error)
                closing = self._discard(entry, why=Doom.UNCLEAN)
                if not isinstance(error, Exception):
                    raise
                await _until(closing)
                return
            if self._notes_good:
                entry.good_at = self._clock.monotonic()
            with self._lock:
                pooled = self._pooled(entry)
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

    def scope_ended(self, scope: Scope) -> None:
        """For the scope: it has ended, and what was obtained in it should have been closed (POOL-3).

        Nothing can be awaited here: the loop gives the connections back, soon. Those of another task may be in use
        there and are destroyed when they come back. Raises nothing.
        """
        here = is_running_here(self.loop)
        owner = id(asyncio.current_task()) if here else 0
        for entry in self._outlived(scope, owner):
            self._chores.begin(self.give_back(entry), None)

    def _bury_abandoned(self) -> None:
        if not is_running_here(self.loop):
            return  # the loop does it soon: `abandon` has told it
        while self._abandoned:
            entry, plan = self._abandoned.popleft()  # on the loop only, so nobody is faster
            with self._lock:
                report = self._report(LeakKind.ABANDONED, entry, plan, self._clock.monotonic())
                self._state.counts.abandoned += 1
            self._tracing.missed(report)
            log_leak(report, "The connection is destroyed; use it in an `async with` block.")
            self._discard(entry, why=Doom.ABANDONED)

    def _discard(
        self, entry: Entry, cause: BaseException | None = None, why: Doom = Doom.DISCARDED
    ) -> asyncio.Task[None] | None:
        """Destroy a lent entry; answers the chore that closes it, if it is not somebody else's already."""
        if not self._condemned(entry, cause, why):
            return None
        return self._spend(Permit(victim=entry))

    def _settle(self, entry: Entry) -> asyncio.Task[None] | None:
        """Decide on a returned entry; answers the chore that closes it, if it is to be closed."""
        now = self._clock.monotonic()
        with self._lock:
            woken = self._state.settle(entry, now)
        return self._came_back(entry, woken)

    def _came_back(self, entry: Entry, woken: list[Waiter[Bell]] | None) -> asyncio.Task[None] | None:
        """What `settle` or `put_back` has decided; answers as `_settle`."""
        if woken is None:
            return self._spend(Permit(victim=entry))
        self._wake(woken)
        return None

    # --- chores ---------------------------------------------------------------------------------------------------

    def _spend(self, permit: Permit) -> asyncio.Task[None] | None:
        """Close the permit's victim by a chore; when that has ended the permit goes to the next waiter or back."""
        victim = permit.victim
        if victim is None:
            self._free_permit(permit)
            return None

        def closed(task: asyncio.Task[None]) -> None:
            if task.cancelled():  # perhaps before its first step
                self._adapter.abort(victim)
            self._free_permit(permit)

        task = self._chores.begin(self._adapter.close(victim), victim)
        task.add_done_callback(closed)
        return task

    def _close_all(self, leaving: list[Entry]) -> int:
        """Have the loop close what has left: chores begin now if this is the loop, else soon. Answers how many."""
        self._chores.announce(leaving)
        try:
            for entry in leaving:
                if is_running_here(self.loop):
                    self._spend(Permit(victim=entry))
                else:
                    self.loop.call_soon_threadsafe(self._spend, Permit(victim=entry))
        except RuntimeError:  # the loop is closed
            self.abort()
        return len(leaving)

    # --- looking after, from any thread -----------------------------------------------------------------------------

    def upkeep(self) -> float:
        """Have the loop do what is due, as `ManagedConnectionPool.upkeep`. Does not block.

        Answers after how many seconds it is due again.
        """
        self._soon(self._upkeep)
        return self.next_look()

    def _upkeep(self) -> None:
        found, reports = self._look()
        for report in reports:
            self._tracing.missed(report)
        self._close_all(found.leaving)
        if found.to_validate:
            self._chores.begin(self._validate_each(found.to_validate), None)
        self._refill(self._missing())

    def _validate_all(self, entries: list[Entry]) -> tuple[int, int]:
        self._soon(lambda: self._chores.begin(self._validate_each(entries), None))
        return len(entries), 0  # the loop will tell: by the statistics

    async def _validate_each(self, entries: list[Entry]) -> None:
        for entry in entries:
            with self._lock:
                mine = self._state.inspect(entry)
            if not mine:
                continue
            try:
                good = self._noted(entry, await self._adapter.validate(entry))
            except BaseException:  # cancelled: the session is in doubt
                self._discard(entry)
                raise
            if not good:
                self._discard(entry, why=Doom.INVALID)
                continue
            with self._lock:
                woken = self._state.put_back(entry, self._clock.monotonic())
            self._came_back(entry, woken)  # it may have been doomed while it was asked: then it is gone, not free

    def _refill(self, most: int) -> None:
        """Open what is missing to the minimum, one after the other; goes on when one has arrived."""
        with self._lock:
            missing = refill(self._state, self._clock.monotonic()) if most else None
        if missing is None:
            return
        plan, permit = missing
        opened: asyncio.Future[Entry] = self.loop.create_future()

        def arrived(_: asyncio.Future[Entry]) -> None:
            error = None if opened.cancelled() else opened.exception()
            if error is not None:
                self._not_refilled(plan, error)
            elif not opened.cancelled():
                self._settle(opened.result())
                self._refill(most - 1)

        opened.add_done_callback(arrived)
        self._begin_opening(permit, 0, opened)

    def _soon(self, function: Callable[[], object]) -> None:
        """Run a function on the loop: now, if this is it; never, if it has ended."""
        if is_running_here(self.loop):
            function()
            return
        try:
            self.loop.call_soon_threadsafe(function)
        except RuntimeError:  # the loop is closed
            self.abort()

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
        self._wake(woken)
        self._close_all(leaving)

    def abort(self) -> None:
        """The loop has ended: let go of every physical connection, lent ones as well, without awaiting anything.

        Nothing of the pool may be used any more. Does not block; harmless when called twice.
        """
        with self._lock:
            self._state.closed = True
            lent = [entry for entry in list(self._state.entries) if self._state.condemn(entry, Doom.CLOSED)]
        for entry in lent + self._chores.forget():
            self._adapter.abort(entry)

    def _wake(self, waiters: Iterable[Waiter[Bell]]) -> None:
        for waiter in waiters:
            waiter.signal.ring()


async def _until(chore: asyncio.Task[None] | None) -> None:
    """Wait for a chore; cancelled, the chore goes on."""
    if chore is not None:
        await asyncio.wait([chore])


def _fail(opened: asyncio.Future[Entry], error: BaseException) -> None:
    if not opened.cancelled():
        opened.set_exception(error)
    else:
        log.info("opening a connection failed, and its borrower had left: %s", type(error).__name__)
