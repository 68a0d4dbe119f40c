"""Sign-on plans and the connection manager that the kit lends by: written out, so that nothing but the adapter and the
real pool is tested.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, final

from connector.errors import ConfigError, Reason
from connector.pool.loop_pools import LoopPools
from connector.pool.pool import ManagedConnectionPool
from connector.spi import (
    AsyncLease,
    AsyncManagedConnection,
    ConnectionRequestInfo,
    Explanation,
    IdentityAssertion,
    Lease,
    ManagedConnection,
    ManagedConnectionFactory,
    PasswordCredential,
    SignOnPlan,
    SignOnSource,
    Subject,
)
from connector.testing.backend import REALM, RESOURCE, Login

THREADS_ONLY = Reason(
    "CF-KIT-003",
    "a test of the conformance kit for threads was asked for a connection for asyncio",
    "Give the kit a handle for threads in `borrowed`, the one for asyncio in `borrowed_async`.",
)
LOOPS_ONLY = Reason(
    "CF-KIT-630",
    "a test of the conformance kit for asyncio was asked for a connection for threads",
    "Give the kit the handle for asyncio in `borrowed_async`; it borrows by awaiting `allocate_async`.",
)

#: The reference that all borrowing is done by.
REFERENCE = "kit/reference"


def subject_of(login: Login, factory: object, *, alias: str | None = None, version: int = 0) -> Subject:
    """A read-only subject that holds one login's credential for one factory, and nothing else."""
    credential = PasswordCredential(login.user, login.password, factory, alias, version)
    return Subject(credentials=[credential], read_only=True)


def assertion_of(caller: str, factory: object) -> IdentityAssertion:
    """The assertion of one caller."""
    return IdentityAssertion(caller, REALM, factory=factory)


def plan_of(
    factory: ManagedConnectionFactory,
    login: Login | None,
    *,
    asserted: str | None = None,
    alias: str | None = None,
    version: int = 0,
) -> SignOnPlan:
    """The plan that sign-on would make.

    Args:
        factory: Whose connections.
        login: Who signs on; None for a null subject.
        asserted: The caller to assert, or None.
        alias: The authentication alias that the credential came from, or None.
        version: The alias's version.
    """
    subject = subject_of(login, factory, alias=alias, version=version) if login is not None else None
    credential = subject.password_credential(factory) if subject is not None else None
    partition = credential.key() if credential is not None else None
    assertion = assertion_of(asserted, factory) if asserted is not None else None
    return SignOnPlan(
        reference=REFERENCE,
        resource=RESOURCE,
        source=SignOnSource.FACTORY_DEFAULT if login is None else SignOnSource.LOGIN_CONFIGURATION,
        rejected=(),
        subject=subject,
        asserted=assertion,
        request=None,
        partition=partition,
        sharing_key=(assertion.key() if assertion is not None else partition, partition),
        version=version,
        user=login.user if login is not None else None,
        explanation=Explanation(f"sign-on of {REFERENCE}", "as the conformance kit says"),
    )


class _OnePlan:
    """What both managers say of the plan that they borrow by."""

    reference = REFERENCE
    resource = RESOURCE

    def __init__(self, plan: SignOnPlan) -> None:
        self._plan = plan

    def current_plan(self, request: ConnectionRequestInfo | None = None) -> SignOnPlan:
        """The plan, for the properties that the call asks for. A user and password in the call don't count here."""
        if request is None or request.key() == ():
            return self._plan
        return replace(self._plan, request=request, partition=(self._plan.partition, request.key()))

    def explain(self, request: ConnectionRequestInfo | None = None, *, caller: Any = None) -> Explanation:
        """What the plan says of itself."""
        return self._plan.explanation


@final
class KitConnectionManager(_OnePlan):
    """Implements `connector.spi.ConnectionManager` for one plan over a real pool. One a thread.

    Args:
        pool: Where connections come from.
        plan: Who borrows.
    """

    def __init__(self, pool: ManagedConnectionPool, plan: SignOnPlan) -> None:
        super().__init__(plan)
        self._pool = pool
        # Mutable: what was lent, in order; changed by the one thread that borrows.
        self.leases: list[Lease] = []

    def allocate(self, request: ConnectionRequestInfo | None = None, *, plan: SignOnPlan | None = None) -> Lease:
        """Borrow from the pool; blocks and raises like `ManagedConnectionPool.take`."""
        lease = self._pool.take(plan or self.current_plan(request))
        self.leases.append(lease)
        return lease

    async def allocate_async(
        self, request: ConnectionRequestInfo | None = None, *, plan: SignOnPlan | None = None
    ) -> AsyncLease:
        """Refused (CF-KIT-003), instead of lending a thread's connection."""
        raise ConfigError(THREADS_ONLY)

    @property
    def physical(self) -> ManagedConnection:
        """The managed connection that was lent last and is still lent. Raises HandleClosed."""
        return self.leases[-1].physical


@final
class AsyncKitConnectionManager(_OnePlan):
    """The same over the pools of event loops. For the tasks of one loop at a time.

    Args:
        pools: Where connections come from.
        plan: Who borrows.
    """

    def __init__(self, pools: LoopPools, plan: SignOnPlan) -> None:
        super().__init__(plan)
        self._pools = pools
        # Mutable: what was lent, in order; changed on the loop that borrows.
        self.leases: list[AsyncLease] = []

    def allocate(self, request: ConnectionRequestInfo | None = None, *, plan: SignOnPlan | None = None) -> Lease:
        """Refused (CF-KIT-630): it would block the loop."""
        raise ConfigError(LOOPS_ONLY)

    async def allocate_async(
        self, request: ConnectionRequestInfo | None = None, *, plan: SignOnPlan | None = None
    ) -> AsyncLease:
        """Borrow from the running loop's pool; waits and raises like `AsyncManagedConnectionPool.take`."""
        lease = await self._pools.take(plan or self.current_plan(request))
        self.leases.append(lease)
        return lease

    @property
    def physical(self) -> AsyncManagedConnection:
        """The managed connection that was lent last and is still lent. Raises HandleClosed."""
        return self.leases[-1].physical
