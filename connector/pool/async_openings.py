"""How a pool of an event loop opens connections, makes them ready, and closes them: by chores of its own.

What must not be left half done where a borrower is cancelled is a task of the pool's (`chores`); the permit comes free
by that task's callback, however it ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from connector.errors import LoginRefused
from connector.pool.async_adapter_calls import AsyncAdapterCalls
from connector.pool.bell import Bell, is_running_here
from connector.pool.chores import Chores
from connector.pool.entry import Check, Doom, Entry, Permit
from connector.pool.error_report import ErrorReport
from connector.pool.operations import PoolOperations
from connector.pool.settings import PoolSettings, effective_settings
from connector.pool.shell import UnheardRefusal, log
from connector.pool.waiting import Waiter
from connector.spi import (
    AsyncManagedConnection,
    Capability,
    Clock,
    ManagedConnectionFactory,
    SignOnPlan,
    SystemClock,
)


class AsyncOpenings(PoolOperations[Bell]):
    """The part of `AsyncManagedConnectionPool` that calls the adapter; see there for the arguments."""

    def __init__(
        self,
        resource: str,
        factory: ManagedConnectionFactory,
        settings: PoolSettings | None,
        *,
        capabilities: frozenset[Capability],
        clock: Clock | None,
        jitter: Callable[[], float],
        on_unheard_refusal: UnheardRefusal | None,
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

    def _soon(self, function: Callable[[], object]) -> None:
        """Run a function on the loop: now, if this is it; never, if it has ended."""
        if is_running_here(self.loop):
            function()
            return
        try:
            self.loop.call_soon_threadsafe(function)
        except RuntimeError:  # the loop is closed
            self.abort()

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


async def until_done(chore: asyncio.Task[None] | None) -> None:
    """Wait for a chore; cancelled, the chore goes on."""
    if chore is not None:
        await asyncio.wait([chore])


def _fail(opened: asyncio.Future[Entry], error: BaseException) -> None:
    if not opened.cancelled():
        opened.set_exception(error)
    else:
        log.info("opening a connection failed, and its borrower had left: %s", type(error).__name__)
