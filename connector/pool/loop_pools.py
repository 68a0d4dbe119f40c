"""One resource's asyncio pools: one for each event loop, made when a loop first asks (POOL-7)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from concurrent.futures import CancelledError, Future
from dataclasses import replace
from threading import Lock
from typing import final

from connector.errors import PoolClosed
from connector.pool.async_lease import AsyncPooledLease
from connector.pool.async_pool import AsyncManagedConnectionPool
from connector.pool.bell import is_running_here
from connector.pool.flushing import FlushChoice, FlushMode, FlushReport
from connector.pool.settings import PoolSettings
from connector.pool.shell import POOL_IS_CLOSED, UnheardRefusal
from connector.pool.statistics import PooledConnection, PoolStatistics, RefusedLogin
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
        on_unheard_refusal: Told of a refused login that no borrower hears of; must not raise.
    """

    # Mutable state: `_pools`, replaced and filled under `_lock`, read without it; `_settings`, `_suspended` and
    # `_closed`, changed under it.

    def __init__(
        self,
        resource: str,
        factory: ManagedConnectionFactory,
        settings: PoolSettings | None = None,
        *,
        capabilities: frozenset[Capability] = frozenset(),
        clock: Clock | None = None,
        on_unheard_refusal: UnheardRefusal | None = None,
    ) -> None:
        self.resource = resource
        self._factory = factory
        self._settings = settings
        self._capabilities = capabilities
        self._clock = clock
        self._on_unheard_refusal = on_unheard_refusal
        self._lock = Lock()
        self._pools: dict[asyncio.AbstractEventLoop, AsyncManagedConnectionPool] = {}
        self._closed = False
        self._suspended = False

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
                self.resource,
                self._factory,
                self._settings,
                capabilities=self._capabilities,
                clock=self._clock,
                on_unheard_refusal=self._on_unheard_refusal,
            )
            if self._suspended:
                made.suspend()
            living = {known: pool for known, pool in self._pools.items() if not known.is_closed()}
            self._pools = {**living, loop: made}
        for pool in ended:
            pool.abort()
        return made

    def upkeep(self) -> float:
        """Have each loop look after its pool, as `AsyncManagedConnectionPool.upkeep`; those of ended loops are let go.

        Does not block. Answers after how many seconds it is due again.
        """
        pauses = [pool.upkeep() for pool in self._pools.values()]
        return min(pauses, default=(self._settings or PoolSettings()).upkeep_interval)

    def flush(self, mode: FlushMode, chosen: FlushChoice, *, dry_run: bool = False) -> FlushReport:
        """As `AsyncManagedConnectionPool.flush`, on every loop; together."""
        reports = [pool.flush(mode, chosen, dry_run=dry_run) for pool in self._pools.values()]
        return sum(reports, FlushReport())

    def resize(self, max_size: int | None, min_size: int | None, per_identity: int | None = -1) -> tuple[int, int]:
        """As `AsyncManagedConnectionPool.resize`, on every loop, those that begin later included."""
        with self._lock:
            settings = self._settings or PoolSettings()
            self._settings = replace(
                settings,
                max_size=settings.max_size if max_size is None else max_size,
                min_size=settings.min_size if min_size is None else min_size,
                per_identity=settings.per_identity if per_identity == -1 else per_identity,
            )
            pools = list(self._pools.values())
        outcomes = [pool.resize(max_size, min_size, per_identity) for pool in pools]
        return sum(closed for closed, _ in outcomes), sum(on_return for _, on_return in outcomes)

    def suspend(self) -> None:
        """Lend nothing on any loop until `resume`, on those that begin later neither. Does not block."""
        with self._lock:
            self._suspended = True
            pools = list(self._pools.values())
        for pool in pools:
            pool.suspend()

    def resume(self) -> None:
        """Lend again. Does not block."""
        with self._lock:
            self._suspended = False
            pools = list(self._pools.values())
        for pool in pools:
            pool.resume()

    def forgive(self, plan: SignOnPlan) -> None:
        """As `AsyncManagedConnectionPool.forgive`, on every loop."""
        for pool in self._pools.values():
            pool.forgive(plan)

    def refused_logins(self) -> tuple[RefusedLogin, ...]:
        """As `AsyncManagedConnectionPool.refused_logins`, of all loops."""
        return tuple(refused for pool in self._pools.values() for refused in pool.refused_logins())

    def retire(self, alias: str, version: int, *, final: bool = False) -> int:
        """As `AsyncManagedConnectionPool.retire`, on every loop."""
        return sum(pool.retire(alias, version, final=final) for pool in self._pools.values())

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
