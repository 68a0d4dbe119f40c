"""One reference's connection manager: current scope → sign-on plan → pool (SIGN, POOL-1)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import final

from connector.errors import (
    ConfigError,
    ConnectorError,
    IdentityMismatch,
    LoginRefused,
    Reason,
    SecurityError,
    SignOnError,
    TransactionError,
)
from connector.outbound.caller_plans import CallerPlans
from connector.outbound.enlistment import connections_of
from connector.outbound.lease_sources import AsyncLeaseSource, LeaseSource
from connector.security.login_outcome import ModuleResult
from connector.security.scope import CURRENT_SCOPE, current_scope, current_subject
from connector.signon.reference import ResAuth, ResourceReference, SignOnTarget
from connector.signon.resolver import AuthenticationDataSource, SignOnResolver
from connector.spi import AsyncLease, Capability, ConnectionRequestInfo, Explanation, Lease, SignOnPlan, Subject
from connector.transactions.current import CURRENT_UNIT
from connector.transactions.unit import Unit

NO_ASYNC_SIDE = Reason(
    "CF-OUT-003",
    "reference {reference!r}: the adapter of resource {resource!r} has no connections for asyncio.",
    "Get the connection on another thread (asyncio.to_thread), or use an adapter with the capability 'async'.",
)
ASYNC_WITHIN_UNIT = Reason(
    "CF-OUT-021",
    "reference {reference!r}: connections for asyncio can't take part in unit of work {unit}.",
    "Use get_connection() on another thread (`await asyncio.to_thread(…)` carries unit and caller), or"
    " suspend the unit.",
)


@final
class ReferenceConnectionManager:
    """Implements `connector.spi.ConnectionManager` for one reference. Safe to use from any thread.

    Which plan is the caller's `caller_plans` says; here is what becomes of it.

    Args:
        reference: Whose.
        target: The resource that the reference is bound to.
        resolver: Makes plans.
        pool: The resource's managed connections.
        auth_data: Whose generation makes plans stale.
        subject_of: Makes the subject of a user name, for `explain` of somebody who isn't logged in; without it a name
            stands for a user without groups, `name@realm` giving the realm.
        async_pool: The resource's managed connections for asyncio; None where its adapter has none.
        container: The name of the container whose callers count, where the sign-on depends on the caller; None for any.
            A login at one container is none at another, whose realm may have the same name.
        require_own: Raises TransactionError for a unit of work that the resource must not take part in.

    May import login modules.
    """

    def __init__(
        self,
        reference: ResourceReference,
        target: SignOnTarget,
        resolver: SignOnResolver,
        pool: LeaseSource,
        auth_data: AuthenticationDataSource,
        *,
        subject_of: Callable[[str], Subject] | None = None,
        async_pool: AsyncLeaseSource | None = None,
        container: str | None = None,
        require_own: Callable[[Unit], None] | None = None,
    ) -> None:
        self._reference = reference
        self._target = target
        self._resolver = resolver
        self._pool = pool
        self._async_pool = async_pool
        self._require_own = require_own
        self._plans = CallerPlans(reference, target, resolver, auth_data, container)
        self._auth_data = auth_data
        self._subject_of = subject_of or _user_without_groups
        # What the resource does within a unit of work: nothing, or takes part, perhaps in two phases.
        self._takes_part = bool(target.capabilities & {Capability.LOCAL_TRANSACTION, Capability.TWO_PHASE})
        self._two_phase = Capability.TWO_PHASE in target.capabilities

    @property
    def reference(self) -> str:
        """The reference's name."""
        return self._reference.name

    @property
    def resource(self) -> str:
        """The global name of the resource."""
        return self._target.resource

    @property
    def target(self) -> SignOnTarget:
        """The resource as sign-on sees it."""
        return self._target

    def allocate(self, request: ConnectionRequestInfo | None = None, *, plan: SignOnPlan | None = None) -> Lease:
        """Borrow a connection signed on for the caller on the running thread or task.

        Within a unit of work the connection takes part in it and stays with it; a shareable reference gets the one that
        the unit has for the same resource and user already (`connector.outbound.enlistment`).

        Blocks up to the pool's connection timeout, plus the time that login modules and connecting take.

        Args:
            request: What the application passed in the call.
            plan: Borrow by this very plan again, whoever the caller is now: to replace the broken connection of an
                open handle.

        Raises:
            TransactionError: the unit of work in force has ended, can only be rolled back, or can't take it in.
            ScopeError: the caller's login or work has ended, or is another container's (CF-OUT-022).
            SignOnError: there is nothing to sign on with.
            IdentityMismatch: the given plan is of another reference, or its authentication data has changed since.
            PoolTimeout, PoolClosed, LoginRefused, ConnectionFailed: as the pool raises them.
        """
        if self._takes_part and (unit := CURRENT_UNIT.get()) is not None:
            return self._allocate_within(unit, request, plan)
        try:
            if plan is not None:
                current_scope()  # a leftover task may not go on by an old plan either
                self._plans.check_still_good(plan)
                return self._pool.take(plan)
            # The way of nearly all leases, written out: the pool itself refuses a caller who has left.
            kept = self._plans.for_everybody
            if kept is not None and request is None and kept[0] == self._auth_data.generation:
                plan = kept[1]
            else:
                plan = self._plans.current(request)
            try:
                return self._pool.take(plan)
            except LoginRefused:
                # While it waited its credential may have been superseded, and then the newest one has not been tried.
                if not self._plans.is_superseded(plan):
                    raise
            plan = self._plans.current(request)
            return self._pool.take(plan)
        except ConnectorError as error:
            self.refused(plan, error)
            raise

    def _allocate_within(self, unit: Unit, request: ConnectionRequestInfo | None, plan: SignOnPlan | None) -> Lease:
        """As `allocate`, within a unit of work."""
        try:
            if self._require_own is not None:
                self._require_own(unit)
            pinned = plan is not None
            if plan is not None:
                current_scope()
                self._plans.check_still_good(plan)
            else:
                plan = self._plans.current(request)
            connections = connections_of(unit)
            shareable, two_phase = self._reference.shareable, self._two_phase
            try:
                return connections.lease(plan, self._pool.take, shareable=shareable, two_phase=two_phase)
            except LoginRefused:
                if pinned or not self._plans.is_superseded(plan):
                    raise
            plan = self._plans.current(request)
            return connections.lease(plan, self._pool.take, shareable=shareable, two_phase=two_phase)
        except ConnectorError as error:
            self.refused(plan, error)
            raise

    async def allocate_async(
        self, request: ConnectionRequestInfo | None = None, *, plan: SignOnPlan | None = None
    ) -> AsyncLease:
        """Borrow a connection of the running event loop, signed on for the caller on the running task (POOL-7).

        The same as `allocate`, step by step; waits instead of blocking. Login modules, which may block, are asked on
        another thread, under the same caller. Cancelled, it leaves nothing behind in the pool.

        Args:
            request: What the application passed in the call.
            plan: Borrow by this very plan again, as for `allocate`.

        Raises:
            ConfigError: the adapter has no asyncio side (CF-OUT-003).
            TransactionError: a unit of work is in force, and the adapter's connections would take part (CF-OUT-021).
            ScopeError, SignOnError, IdentityMismatch, PoolTimeout, PoolClosed, LoginRefused, ConnectionFailed: as
                `allocate`.
        """
        try:
            if self._async_pool is None:
                raise ConfigError(NO_ASYNC_SIDE, reference=self.reference, resource=self.resource)
            unit = CURRENT_UNIT.get()
            if unit is not None and self._takes_part:
                raise TransactionError(ASYNC_WITHIN_UNIT, reference=self.reference, unit=unit.id)
            if plan is not None:
                current_scope()
                self._plans.check_still_good(plan)
                return await self._async_pool.take(plan)
            plan = self._plans.kept(request) or await self._made_plan(request)
            try:
                return await self._async_pool.take(plan)
            except LoginRefused:
                if not self._plans.is_superseded(plan):
                    raise
            plan = await self._made_plan(request)
            return await self._async_pool.take(plan)
        except ConnectorError as error:
            self.refused(plan, error)
            raise

    async def _made_plan(self, request: ConnectionRequestInfo | None) -> SignOnPlan:
        """The plan of the running task's caller, where it may have to be made."""
        if self._reference.res_auth is ResAuth.APPLICATION:
            return self._plans.current(request)  # no login module is asked, so nothing can block
        return await asyncio.to_thread(self._plans.current, request)  # which carries the caller along

    def forgive(self, plan: SignOnPlan) -> None:
        """A test connection has shown that the plan's credential is good: who waits for a back-off may try again."""
        self._pool.forgive(plan)
        if self._async_pool is not None:
            self._async_pool.forgive(plan)

    def refused(self, plan: SignOnPlan | None, error: ConnectorError) -> None:
        """Explain a connection that could not be had; record it in the audit log if that is about identity or access.

        Whoever is the caller now is the one whom it was refused to. Does not raise.

        Args:
            plan: The plan that did not lead to a connection; None if there was none. What sign-on itself refuses it has
                recorded already.
            error: Why; it gets the plan's explanation where it has none of its own.
        """
        if plan is not None and error.explanation is None:
            error.explanation = plan.explanation
        denied = isinstance(error, SecurityError | LoginRefused | IdentityMismatch)
        recorded = plan is None and isinstance(error, SignOnError)
        if recorded or not (denied or isinstance(error, ConfigError)):
            return
        scope = CURRENT_SCOPE.get()  # not `current_scope`: one who has left is the one to be named
        caller = scope.subject if scope is not None else None
        self._resolver.record_refusal(self._reference, caller, error, denied=denied)

    def current_plan(self, request: ConnectionRequestInfo | None = None) -> SignOnPlan:
        """The plan that `allocate` would use now.

        Blocks only where login modules have to be asked. Raises ScopeError and SignOnError.
        """
        return self._plans.current(request)

    def explain(
        self,
        request: ConnectionRequestInfo | None = None,
        *,
        caller: str | Subject | None = None,
        suppose: Mapping[str, ModuleResult] | None = None,
    ) -> Explanation:
        """How the sign-on would come about, without connecting and without any secret (SIGN-8).

        Blocks where login modules have to be asked: nothing is taken from the kept plans.

        Args:
            request: What the application would pass in the call.
            caller: For whom: a user name, a subject, or None for the caller on the running thread or task.
            suppose: What login modules, by name, are to have answered without being asked.

        Raises:
            ScopeError: the caller on this thread or task has left.
            ConfigError: something is supposed of a module that is not in the login configuration.
        """
        if caller is None:
            subject = current_subject()
        else:
            subject = self._subject_of(caller) if isinstance(caller, str) else caller
        return self._resolver.explain(self._reference, self._target, request, subject, suppose=suppose)

    def __repr__(self) -> str:
        return f"<ReferenceConnectionManager {self.reference!r} to {self.resource!r}>"


def _user_without_groups(name: str) -> Subject:
    user, _, realm = name.partition("@")
    return Subject.of_user(user, realm)
