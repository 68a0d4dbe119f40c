"""Profile `outbound-async`, third part: the handle for asyncio over the framework's real pools (POOL-7)."""

from __future__ import annotations

import asyncio

import pytest

from connector.spi import AsyncManagedConnection, Capability
from connector.testing.async_bench import PATIENCE, AsyncBench
from connector.testing.backend import Login, UserName
from connector.testing.contracts.async_adapter import AsyncAdapterContract
from connector.testing.plans import plan_of
from connector.testing.requirement import Facet, requirement

_ASYNC = Capability.ASYNC
_ROUNDS = 5


class AsyncPoolContract(AsyncAdapterContract):
    """Handles come back, and tasks don't meet."""

    @requirement(
        "OUT-ASYNC-020", "A handle that was closed gives its connection back, and it serves the next.", needs=_ASYNC
    )
    def test_a_connection_of_the_loop_serves_again(self, loops: AsyncBench) -> None:
        async def scene() -> None:
            factory = loops.bench.factory()
            pools = loops.pools(factory)
            manager, connections = loops.reference(factory, pools)
            for _ in range(3):
                async with loops.backend.borrowed_async(connections) as whoami:
                    await whoami()
                assert manager.leases[-1].closed
            (figures,) = pools.statistics()
            assert (figures.created, figures.in_use, figures.free) == (1, 0, 1)

        loops.run(scene)

    @requirement("OUT-ASYNC-021", "A handle that was closed is dead.", needs=_ASYNC)
    def test_a_closed_handle_is_dead(self, loops: AsyncBench) -> None:
        async def scene() -> None:
            factory = loops.bench.factory()
            _, connections = loops.reference(factory, loops.pools(factory))
            async with loops.backend.borrowed_async(connections) as whoami:
                await whoami()
            with pytest.raises(Exception):
                await whoami()

        loops.run(scene)

    @requirement("OUT-ASYNC-022", "An exception in the application's block gives it back as well.", needs=_ASYNC)
    def test_an_exception_gives_the_loop_s_connection_back(self, loops: AsyncBench) -> None:
        async def scene() -> None:
            factory = loops.bench.factory()
            pools = loops.pools(factory)
            manager, connections = loops.reference(factory, pools)
            with pytest.raises(KeyError, match="of the application"):
                async with loops.backend.borrowed_async(connections) as whoami:
                    await whoami()
                    raise KeyError("of the application")
            assert all(lease.closed for lease in manager.leases)
            assert pools.statistics()[0].in_use == 0

        loops.run(scene)

    @requirement(
        "OUT-ASYNC-023",
        "Tasks that work at the same time each have a connection and a user of their own.",
        needs=_ASYNC,
    )
    def test_tasks_do_not_meet(self, loops: AsyncBench) -> None:
        logins = loops.bench.logins[:2] if loops.bench.login is not None else (None, None)

        async def scene() -> None:
            factory = loops.bench.factory()
            pools = loops.pools(factory, wait=PATIENCE)
            both_have_one = asyncio.Barrier(2)

            async def work(login: Login | None) -> tuple[AsyncManagedConnection, list[UserName]]:
                manager, connections = loops.reference(factory, pools, plan_of(factory, login))
                async with loops.backend.borrowed_async(connections) as whoami:
                    await both_have_one.wait()
                    return manager.physical, [await whoami() for _ in range(_ROUNDS)]

            async with asyncio.timeout(PATIENCE):
                (one, seen), (other, seen_there) = await asyncio.gather(*(work(login) for login in logins))
            assert one is not other
            if None not in logins:
                assert [seen, seen_there] == [[login.user] * _ROUNDS for login in logins if login is not None]

        loops.run(scene)

    @requirement(
        "OUT-ASYNC-024", "Nothing that one borrower left in the session reaches the next.", needs=(_ASYNC, Facet.STATE)
    )
    def test_a_session_of_the_loop_comes_clean_to_the_next(self, loops: AsyncBench) -> None:
        async def scene() -> None:
            factory = loops.bench.factory()
            manager, connections = loops.reference(factory, loops.pools(factory, max_size=1))
            async with loops.backend.borrowed_async(connections) as whoami:
                await whoami()
                await loops.backend.soil_async(manager.physical)
            async with loops.backend.borrowed_async(connections) as whoami:
                await whoami()
                assert not await loops.backend.is_soiled_async(manager.physical)

        loops.run(scene)
