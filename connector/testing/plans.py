"""Sign-on plans and the connection manager that the kit lends by: written out, so that nothing but the adapter and the
real pool is tested.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, final

from connector.errors import ConfigError, Reason
from connector.pool.pool import ManagedConnectionPool
from connector.spi import (
    AsyncLease,
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
    "the conformance kit lends connections to threads only, it has no profile for asyncio yet",
    "Test the asyncio side of the adapter in its own tests.",
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


@final
class KitConnectionManager:
    """Implements `connector.spi.ConnectionManager` for one plan over a real pool. One a thread.

    Args:
        pool: Where connections come from.
        plan: Who borrows.
    """

    reference = REFERENCE
    resource = RESOURCE

    def __init__(self, pool: ManagedConnectionPool, plan: SignOnPlan) -> None:
        self._pool = pool
        self._plan = plan
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
        """Refused: the kit has no profile for asyncio yet, and says so instead of lending a thread's connection."""
        raise ConfigError(THREADS_ONLY)

    def current_plan(self, request: ConnectionRequestInfo | None = None) -> SignOnPlan:
        """The plan, for the properties that the call asks for. A user and password in the call don't count here."""
        if request is None or request.key() == ():
            return self._plan
        return replace(self._plan, request=request, partition=(self._plan.partition, request.key()))

    def explain(self, request: ConnectionRequestInfo | None = None, *, caller: Any = None) -> Explanation:
        """What the plan says of itself."""
        return self._plan.explanation

    @property
    def physical(self) -> ManagedConnection:
        """The managed connection that was lent last and is still lent. Raises HandleClosed."""
        return self.leases[-1].physical
