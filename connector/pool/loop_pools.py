"""One resource's asyncio pools: one for each event loop, made when a loop first asks (POOL-7)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from concurrent.futures import CancelledError, Future
from threading import Lock
from typing import final

from connector.errors import PoolClosed
from connector.pool.async_lease import AsyncPooledLease
from connector.pool.async_pool import AsyncManagedConnectionPool
from connector.pool.bell import is_running_here
from connector.pool.pool import POOL_IS_CLOSED
from connector.pool.settings import PoolSettings
from connector.pool.statistics import PooledConnection, PoolStatistics
from connector.spi import Capability, Clock, ManagedConnectionFactory, SignOnPlan

_log = logging.getLogger("connector.pool")


@final
class LoopPools:
    """The physical connections of one resource for asyncio. Safe to use from any thread.

    A connection can't leave the loop that it was opened on, so the limit of the settings counts for each loop: a
    container has one, on which its handlers run, and an application usually one more. The pool of a loop that has ended
    is found when the next one begins, and its connections are let go.

    Args:
        resource: The resource's global name, for messages.
        factory: Opens the connections; has Capability.ASYNC.
        settings: Limits of each loop's pool.
        capabilities: What the adapter declares that it can do.
        clock: Where the time comes from.
    """

    # Mutable state: `_pools`, replaced and filled under `_lock`, read without it; `_closed`, set once under it.

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
        self._factory = factory
        self._settings = settings
        self._capabilities = capabilities
        self._clock = clock
        self._lock = Lock()
        self._pools: dict[asyncio.AbstractEventLoop, AsyncManagedConnectionPool] = {}
        self._closed = False

    def take(self, plan: SignOnPlan, timeout: float | None = None) -> Awaitable[AsyncPooledLease]:
        """Borrow from the running loop's pool: to be awaited there; see `AsyncManagedConnectionPool.take`.

        Raises PoolClosed (CF-POOL-002) after `close`, RuntimeError where no event loop runs.
        """
        loop = asyncio.get_running_loop()
        pool = self._pools.get(loop)
        if pool is None:
            pool = self._begin(loop)
        return pool.take(plan, timeout)

    def _begin(self, loop: asyncio.AbstractEventLoop) -> AsyncManagedConnectionPool:
        with self._lock:
            if self._closed:
                raise PoolClosed(POOL_IS_CLOSED, resource=self.resource)
            ended = [pool for pool in self._pools.values() if pool.loop.is_closed()]
            made = AsyncManagedConnectionPool(
                self.resource, self._factory, self._settings, capabilities=self._capabilities, clock=self._clock
            )
            living = {known: pool for known, pool in self._pools.items() if not known.is_closed()}
            self._pools = {**living, loop: made}
        for pool in ended:
            pool.abort()
        return made

    def retire(self, alias: str, version: int) -> int:
        """As `AsyncManagedConnectionPool.retire`, on every loop."""
        return sum(pool.retire(alias, version) for pool in self._pools.values())

    def purge(self) -> int:
        """As `AsyncManagedConnectionPool.purge`, on every loop."""
        return sum(pool.purge() for pool in self._pools.values())

    def statistics(self) -> tuple[PoolStatistics, ...]:
        """The figures of each loop's pool. Does not block."""
        return tuple(pool.statistics() for pool in self._pools.values())

    def contents(self) -> tuple[PooledConnection, ...]:
        """The connections of all loops. Does not block."""
        return tuple(line for pool in self._pools.values() for line in pool.contents())

    def close(self, timeout: float = 1.0) -> None:
        """Close all pools; harmless when called twice.

        Blocks up to `timeout` seconds for loops that run on other threads to close their connections. On a loop's own
        thread nothing can be waited for: its connections are closed by the loop, if it goes on. Those of a loop that
        does not run, or does not answer in time, are let go without a word to the external system.
        """
        with self._lock:
            self._closed = True
            pools = list(self._pools.values())
        for pool in pools:
            pool.begin_close()
        waited_for = [(pool, _closing(pool)) for pool in pools if not is_running_here(pool.loop)]
        for pool, closing in waited_for:
            if not self._has_ended(closing, timeout):
                pool.abort()

    def _has_ended(self, closing: Future[None] | None, timeout: float) -> bool:
        if closing is None:
            return False
        try:
            closing.result(timeout)
        except TimeoutError:
            closing.cancel()
            _log.warning("an event loop did not close its connections to %s in time", self.resource)
            return False
        except CancelledError:  # the loop is winding up
            return False
        return True

    def __repr__(self) -> str:
        return f"<LoopPools {self.resource}, {len(self._pools)} loop(s)>"


def _closing(pool: AsyncManagedConnectionPool) -> Future[None] | None:
    """Have a pool closed on its loop; None where the loop does not run."""
    if not pool.loop.is_running():
        return None
    coroutine = pool.close()
    try:
        return asyncio.run_coroutine_threadsafe(coroutine, pool.loop)
    except RuntimeError:  # it has ended just now
        coroutine.close()
        return None
