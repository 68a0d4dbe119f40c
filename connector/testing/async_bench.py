"""The asyncio side of one test's bench: a loop for each scene, and everything on it taken down before the loop ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar, final

from connector.pool.loop_pools import LoopPools
from connector.pool.settings import PoolSettings
from connector.spi import AsyncManagedConnection, Capability, ManagedConnectionFactory, SignOnPlan, Subject
from connector.testing.backend import RESOURCE, Backend, Login
from connector.testing.bench import AdapterBench
from connector.testing.plans import AsyncKitConnectionManager, plan_of, subject_of

T = TypeVar("T")

#: How many seconds the kit waits for what should come at once.
PATIENCE = 60.0


@final
class AsyncBench:
    """Runs a test's scenes, each on an event loop of its own, and makes connections and pools on it.

    Args:
        bench: The started adapter.

    Mutable: what the scene that runs has made; changed on its loop.
    """

    def __init__(self, bench: AdapterBench) -> None:
        self.bench = bench
        self._connections: list[AsyncManagedConnection] = []
        self._pools: list[LoopPools] = []

    @property
    def backend(self) -> Backend:
        """The author's."""
        return self.bench.backend

    def run(self, scene: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run a scene on a new event loop. Blocks; raises what it raises, and AssertionError for what the loop's
        exception handler was told.
        """
        reports: list[str] = []

        async def main() -> T:
            asyncio.get_running_loop().set_exception_handler(lambda _, report: reports.append(_told(report)))
            try:
                async with asyncio.timeout(2 * PATIENCE):
                    return await scene()
            finally:
                await self._take_down()

        outcome = asyncio.run(main())
        assert not reports, f"the event loop was told of {reports}"
        return outcome

    async def connect(self, factory: ManagedConnectionFactory, login: Login | None) -> AsyncManagedConnection:
        """A physical connection of this loop signed on as one login; by a null subject without one."""
        return await self.open(factory, subject_of(login, factory) if login is not None else None)

    async def open(self, factory: ManagedConnectionFactory, subject: Subject | None) -> AsyncManagedConnection:
        """A physical connection of this loop for a subject."""
        connection = await factory.create_managed_connection_async(subject, None)
        self._connections.append(connection)
        return connection

    def forget(self, connection: AsyncManagedConnection) -> None:
        """Leave a connection to the test, which aborts it: nothing is asked of it after that."""
        self._connections.remove(connection)

    def pools(
        self,
        factory: ManagedConnectionFactory,
        max_size: int = 2,
        wait: float = 0.0,
        *,
        without: Capability | None = None,
    ) -> LoopPools:
        """The real pools of event loops over a factory; as `AdapterBench.pool`.

        Closed with the scene that makes them; where none runs, with the bench.
        """
        settings = PoolSettings(max_size=max_size, connection_timeout=wait)
        able = self.bench.capabilities - ({without} if without else set())
        pools = LoopPools(RESOURCE, factory, settings, capabilities=able)
        if _is_running():
            self._pools.append(pools)
        else:
            self.bench.at_the_end(pools.close)
        return pools

    def reference(
        self, factory: ManagedConnectionFactory, pools: LoopPools, plan: SignOnPlan | None = None
    ) -> tuple[AsyncKitConnectionManager, Any]:
        """A reference that borrows by one plan, by default by that of the first login: its manager, and what a look-up
        returns.
        """
        manager = AsyncKitConnectionManager(pools, plan or plan_of(factory, self.bench.login))
        return manager, factory.create_connection_factory(manager)

    async def _take_down(self) -> None:
        """What a broken adapter raises here was the matter of the test, which is over."""
        pools, self._pools = self._pools, []
        connections, self._connections = self._connections, []
        for each in pools:
            await asyncio.to_thread(each.close, PATIENCE)  # which has this loop close its connections
        for connection in connections:
            with suppress(Exception):
                async with asyncio.timeout(PATIENCE):
                    await connection.destroy()


def _is_running() -> bool:
    """Whether an event loop runs on this thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _told(report: dict[str, Any]) -> str:
    """What a loop's exception handler is told, without what an error says: that may hold what a report should not."""
    error = report.get("exception")
    return f"{report.get('message')} ({type(error).__name__})" if error is not None else str(report.get("message"))
