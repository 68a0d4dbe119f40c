"""What a connection manager needs of the pools that it borrows from: a port, so that the two rooms stay apart."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol

from connector.spi import AsyncLease, Lease, SignOnPlan


class LeaseSource(Protocol):
    """What a connection manager needs of a pool."""

    def forgive(self, plan: SignOnPlan) -> None:
        """The plan's credential was accepted elsewhere: a back-off after a refusal is over."""
        ...

    def take(self, plan: SignOnPlan) -> Lease:
        """Lend a connection by a plan; see `connector.pool.pool.ManagedConnectionPool.take`."""
        ...


class AsyncLeaseSource(Protocol):
    """What a connection manager needs of the asyncio pools."""

    def forgive(self, plan: SignOnPlan) -> None:
        """As `LeaseSource.forgive`."""
        ...

    def take(self, plan: SignOnPlan) -> Awaitable[AsyncLease]:
        """Lend a connection of the running loop by a plan; see `connector.pool.loop_pools.LoopPools.take`."""
        ...
