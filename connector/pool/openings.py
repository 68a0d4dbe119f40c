"""How a pool for threads opens connections, makes them ready, and closes them: by the thread that needs the outcome.

Outside of the lock. Whatever an adapter raises here, `KeyboardInterrupt` included, the permit finds its way back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from threading import Lock

from connector.errors import LoginRefused
from connector.pool.adapter_calls import AdapterCalls
from connector.pool.entry import Check, Doom, Entry, Permit
from connector.pool.error_report import ErrorReport
from connector.pool.operations import PoolOperations
from connector.pool.settings import PoolSettings, effective_settings
from connector.pool.shell import UnheardRefusal
from connector.pool.waiting import Waiter
from connector.spi import Capability, Clock, ManagedConnectionFactory, SignOnPlan, SystemClock


class Openings(PoolOperations[Lock]):
    """The part of `ManagedConnectionPool` that calls the adapter; see there for the arguments."""

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
        self._adapter = AdapterCalls(resource, factory, capabilities)

    def _open(self, permit: Permit, thread: int) -> Entry:
        plan = permit.plan
        assert plan is not None, "a permit that opens has a plan"
        began = self._clock.monotonic()
        try:
            if permit.victim is not None:
                self._adapter.close(permit.victim)
            self._refuse_if_closed()
            alias = self._alias_of(plan)
            physical = self._adapter.open(plan)
        except BaseException as error:
            if isinstance(error, LoginRefused):
                self._refused(plan, error)
                restoring = self._restoring(permit)
                if restoring is not None:
                    return self._reopened(restoring, plan, thread, error)
            self._free_permit(permit)
            raise
        entry, leaving = self._became_entry(physical, permit, alias, thread, began)
        try:
            try:
                physical.set_event_listener(ErrorReport(self, entry))
                self._refuse_if_closed()  # it may have been closed while this was being opened
            finally:
                self._close_all(leaving)  # which may be interrupted: then the new one is lost to its borrower as well
        except BaseException as error:
            self.discard(entry, error)
            raise
        return entry

    def _reopened(self, restoring: Permit, plan: SignOnPlan, thread: int, error: LoginRefused) -> Entry:
        """Open the victim of a refused login again, by its own plan; raises the refusal where that fails as well."""
        try:
            entry = self._open(restoring, thread)
        except Exception:  # noqa: BLE001 - whatever the adapter raises there: the refusal is what the borrower asked for
            raise error from None
        return self._restored(entry, plan, error)

    def _made_ready(self, found: Entry | Permit, plan: SignOnPlan, thread: int) -> Entry | None:
        """Do what has to be done before lending: open it; validate it, sign it on anew, assert the caller.

        A pooled connection that turns out to be dead is replaced, and nobody need know: nothing of the caller was sent
        on it yet (POOL-4). None where it has gone and the plan's credential is not to be tried now: ask again.
        """
        while True:
            if isinstance(found, Permit):
                if found.plan is None:
                    self._spend(found)
                    return None
                found = self._open(found, thread)
            why = Doom.DISCARDED
            try:
                if found.check is Check.REAUTHENTICATE:
                    self._reauthenticate(found, plan)
                if found.check is None or self._is_good(found):
                    self._adapter.make_ready(found, plan)
                    return found
                why = Doom.INVALID
            except BaseException as error:
                if not self._replaceable(found, error):
                    self.discard(found, error)
                    raise
            found = self._exchanged(found, why)

    def _reauthenticate(self, entry: Entry, plan: SignOnPlan) -> None:
        """Sign a moved entry on as the plan says; raises what the adapter raises, after noting a refusal."""
        try:
            self._adapter.reauthenticate(entry, plan)
        except LoginRefused as error:
            self._refused(plan, error)
            raise
        self._close_all(self._signed_on_anew(entry, plan))

    def _is_good(self, entry: Entry) -> bool:
        return self._good_a_moment_ago(entry) or self._noted(entry, self._adapter.validate(entry))

    def discard(self, entry: Entry, cause: BaseException | None = None, why: Doom = Doom.DISCARDED) -> None:
        """For the lease: destroy a lent connection instead of pooling it. Blocks for closing it."""
        if self._condemned(entry, cause, why):
            self._spend(Permit(victim=entry))

    def _settle(self, entry: Entry) -> None:
        now = self._clock.monotonic()
        with self._lock:
            woken = self._state.settle(entry, now)
        self._came_back(entry, woken)
        self._bury_abandoned()

    def _came_back(self, entry: Entry, woken: list[Waiter[Lock]] | None) -> None:
        """What `settle` or `put_back` has decided."""
        if woken is None:
            self._spend(Permit(victim=entry))
        else:
            self._wake(woken)

    def _spend(self, permit: Permit) -> None:
        """Close the permit's victim; the permit goes to the next waiter or back."""
        try:
            if permit.victim is not None:
                self._adapter.close(permit.victim)
        finally:
            self._free_permit(permit)

    def _close_all(self, leaving: list[Entry]) -> int:
        with ExitStack() as all_of_them:  # goes on when one is interrupted
            for entry in leaving:
                all_of_them.callback(self._spend, Permit(victim=entry))
        return len(leaving)

    def _wake(self, waiters: Iterable[Waiter[Lock]]) -> None:
        for waiter in waiters:
            # One whose time is up looks before its ring has come, and may be signalled again: two rings count once.
            with suppress(RuntimeError):
                waiter.signal.release()
