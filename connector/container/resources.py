"""Resources at run time: each with its adapter, factory, sign-on target and pool (CONF-2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, final

from connector.container.configuration.pool_section import pool_settings
from connector.container.configuration.settings import ResourceSettings
from connector.container.plugins.descriptor import AdapterDescriptor
from connector.container.refused_logins import unheard_refusals
from connector.errors import ConnectorError
from connector.outbound.manager import ReferenceConnectionManager
from connector.pool.loop_pools import LoopPools
from connector.pool.pool import ManagedConnectionPool
from connector.pool.statistics import RefusedLogin
from connector.security.authdata import AuthDataService
from connector.signon.reference import ResourceReference, SignOnTarget
from connector.signon.resolver import SignOnResolver
from connector.spi import (
    AuditLog,
    Capability,
    Clock,
    ManagedConnectionFactory,
    ResourceAdapter,
    Secret,
    SignOnPlan,
    SignOnSource,
    Subject,
)
from connector.transactions.service import Transactions


@dataclass(frozen=True, slots=True)
class Resource:
    """One connection-factory resource.

    Attributes:
        name: Its global name.
        adapter: The adapter's name.
        factory: The managed connection factory.
        target: What sign-on needs to know of it.
        pool: Its managed connections.
        async_pools: Those for asyncio, one pool for each event loop; None where the adapter has none.
        operating: Held by whoever resizes or suspends, so that all of its pools agree in the end.
    """

    name: str
    adapter: str
    factory: ManagedConnectionFactory
    target: SignOnTarget
    pool: ManagedConnectionPool
    async_pools: LoopPools | None = None
    operating: Lock = field(default_factory=Lock, repr=False, compare=False)

    @property
    def pools(self) -> tuple[ManagedConnectionPool | LoopPools, ...]:
        """All of its pools, of every kind."""
        return (self.pool,) if self.async_pools is None else (self.pool, self.async_pools)

    def retire(self, alias: str, version: int, *, final: bool) -> None:
        """Credentials of an alias older than a version are superseded, for every kind (AUTHD-3); `final`: all of them,
        since the alias is gone.
        """
        for pool in self.pools:
            pool.retire(alias, version, final=final)

    def refused_logins(self) -> tuple[RefusedLogin, ...]:
        """The credentials that the external system refuses, of every kind of pool."""
        return tuple(refused for pool in self.pools for refused in pool.refused_logins())


def make_resource(
    name: str,
    configured: ResourceSettings,
    adapter: ResourceAdapter,
    descriptor: AdapterDescriptor,
    clock: Clock,
    audit: AuditLog,
) -> Resource:
    """Make one resource from its validated configuration; does not connect. Raises what the adapter raises."""
    properties = dict(configured.properties)
    factory = adapter.create_managed_connection_factory(name, properties)
    password = properties.get("password")
    capabilities = descriptor.capabilities & factory.effective_capabilities(descriptor.capabilities)
    target = SignOnTarget(
        resource=name,
        factory=factory,
        component_alias=configured.component_alias,
        user=properties.get("user"),
        password=password if isinstance(password, Secret) else None,
        mechanisms=frozenset(descriptor.mechanisms),
        capabilities=capabilities,
    )
    settings = pool_settings(configured.pool)
    unheard = unheard_refusals(name, factory, audit)
    pool = ManagedConnectionPool(
        name, factory, settings, capabilities=capabilities, clock=clock, on_unheard_refusal=unheard
    )
    async_pools = None
    if Capability.ASYNC in capabilities:
        async_pools = LoopPools(
            name, factory, settings, capabilities=capabilities, clock=clock, on_unheard_refusal=unheard
        )
    return Resource(name, configured.adapter, factory, target, pool, async_pools)


def fill(resource: Resource, manager: ReferenceConnectionManager) -> None:
    """Have `min_size` connections opened by the housekeeper, where the resource signs on without a caller.

    Where it doesn't, for example since its connections are signed on by references only, they are kept as they come.
    """
    plan = own_plan(manager)
    if plan is not None:
        resource.pool.warm(plan)


def own_plan(manager: ReferenceConnectionManager) -> SignOnPlan | None:
    """How a resource signs on without a caller, by its direct look-up's manager; None where it doesn't, or can't."""
    try:
        plan = manager.current_plan()
    except ConnectorError:
        return None
    return plan if plan.source in (SignOnSource.COMPONENT_ALIAS, SignOnSource.RESOURCE_PROPERTIES) else None


@final
class ReferenceBinder:
    """Binds references to resources: the one place where connection managers are made.

    Args:
        resources: All connection-factory resources by global name.
        resolver: The sign-on.
        auth_data: The authentication data.
        subject_of: Makes the subject of a user who isn't logged in, for `explain`.
        container: The container's name.
        transactions: Its units of work.
    """

    def __init__(
        self,
        resources: Mapping[str, Resource],
        resolver: SignOnResolver,
        auth_data: AuthDataService,
        subject_of: Callable[[str], Subject],
        *,
        container: str,
        transactions: Transactions,
    ) -> None:
        self._container = container
        self._transactions = transactions
        self._resources = resources
        self._resolver = resolver
        self._auth_data = auth_data
        self._subject_of = subject_of

    def connect(self, reference: ResourceReference) -> tuple[ReferenceConnectionManager, Any]:
        """The connection manager and the connection factory of one reference. Does not connect."""
        resource = self._resources[reference.resource]
        manager = ReferenceConnectionManager(
            reference,
            resource.target,
            self._resolver,
            resource.pool,
            self._auth_data,
            subject_of=self._subject_of,
            async_pool=resource.async_pools,
            container=self._container,
            require_own=self._transactions.require_own,
        )
        return manager, resource.factory.create_connection_factory(manager)
