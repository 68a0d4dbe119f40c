"""Profile `outbound-async`, seventh part: the event loop goes on while the adapter waits for its system (POOL-7)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from connector.spi import Capability, ManagedConnectionFactory
from connector.testing.async_bench import AsyncBench
from connector.testing.contracts.async_adapter import AsyncAdapterContract
from connector.testing.plans import assertion_of
from connector.testing.relay import Relay
from connector.testing.requirement import Facet, requirement

_OVER_A_WIRE = (Capability.ASYNC, Facet.NETWORK)


class AsyncTurnsContract(AsyncAdapterContract):
    """Between adapter and system stands a relay that lets an answer through only after the loop has gone round."""

    @requirement(
        "OUT-ASYNC-008",
        "While it opens, describes, validates, cleans up and destroys, it waits without blocking the loop.",
        needs=_OVER_A_WIRE,
    )
    def test_the_connection_never_blocks_the_loop(self, loops: AsyncBench) -> None:
        async def scene() -> None:
            with self.relayed(loops) as factory:
                connection = await loops.connect(factory, loops.bench.login)
                await connection.describe()
                if Capability.VALIDATION in loops.bench.capabilities:
                    assert await connection.validate()
                await connection.cleanup()
                await connection.destroy()

        loops.run(scene)

    @requirement(
        "OUT-ASYNC-030",
        "The handle for asyncio waits for its connection and for the system without blocking the loop.",
        needs=_OVER_A_WIRE,
    )
    def test_the_handle_never_blocks_the_loop(self, loops: AsyncBench) -> None:
        async def scene() -> None:
            with self.relayed(loops) as factory:
                _, connections = loops.reference(factory, loops.pools(factory))
                for _ in range(2):
                    async with loops.backend.borrowed_async(connections) as whoami:
                        await whoami()

        loops.run(scene)

    @requirement(
        "OUT-ASYNC-066",
        "It asserts a caller without blocking the loop.",
        needs=(*_OVER_A_WIRE, Capability.IDENTITY_SWITCH),
    )
    def test_asserting_never_blocks_the_loop(self, loops: AsyncBench) -> None:
        async def scene() -> None:
            with self.relayed(loops) as factory:
                connection = await loops.connect(factory, loops.backend.trusted)
                await connection.switch_identity(assertion_of(loops.backend.callers[0], factory))
                await connection.cleanup()

        loops.run(scene)

    @contextmanager
    def relayed(self, loops: AsyncBench) -> Iterator[ManagedConnectionFactory]:
        """A factory to the system behind the relay; the block fails where the loop was blocked in it."""
        with Relay(asyncio.get_running_loop(), self.patience) as relay:
            yield loops.bench.factory(loops.backend.relayed(relay))
            assert relay.turns or relay.blocked, "nothing went through the relay that `relayed` was to name"
            assert not relay.blocked, "the event loop stood still while the adapter waited for the system"
