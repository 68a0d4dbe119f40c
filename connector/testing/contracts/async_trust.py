"""Profile `outbound-async`, sixth part: a caller's identity on a trusted user's connection (TRUST)."""

from __future__ import annotations

import pytest

from connector.errors import ConnectorError
from connector.spi import Capability
from connector.testing.async_bench import PATIENCE, AsyncBench
from connector.testing.contracts.async_adapter import AsyncAdapterContract
from connector.testing.plans import assertion_of, plan_of
from connector.testing.requirement import requirement

_SWITCH = (Capability.ASYNC, Capability.IDENTITY_SWITCH)


class AsyncTrustedIdentityContract(AsyncAdapterContract):
    """Asserted and verified, taken back before anybody else gets the connection, by awaiting."""

    @requirement("OUT-ASYNC-060", "After a switch the external system sees the asserted caller.", needs=_SWITCH)
    def test_the_caller_is_asserted_on_the_loop(self, loops: AsyncBench) -> None:
        async def scene() -> None:
            factory = loops.bench.factory()
            connection = await loops.connect(factory, loops.backend.trusted)
            caller = loops.backend.callers[0]
            await connection.switch_identity(assertion_of(caller, factory))
            assert await loops.backend.user_of_async(connection) == (await connection.describe()).user == caller

        loops.run(scene)

    @requirement("OUT-ASYNC-061", "`cleanup` takes the asserted identity back.", needs=_SWITCH)
    def test_cleanup_takes_the_identity_back_on_the_loop(self, loops: AsyncBench) -> None:
        async def scene() -> None:
            factory = loops.bench.factory()
            connection = await loops.connect(factory, loops.backend.trusted)
            for caller in (*loops.backend.callers, *loops.backend.callers):
                await connection.switch_identity(assertion_of(caller, factory))
                await connection.cleanup()
                assert await loops.backend.user_of_async(connection) == loops.backend.trusted.user
                await connection.cleanup()

        loops.run(scene)

    @requirement(
        "OUT-ASYNC-062",
        "An identity that the external system does not accept is refused with ConnectorError.",
        needs=_SWITCH,
    )
    def test_a_stranger_is_refused_on_the_loop(self, loops: AsyncBench) -> None:
        async def scene() -> None:
            factory = loops.bench.factory()
            connection = await loops.connect(factory, loops.backend.trusted)
            with pytest.raises(ConnectorError):
                await connection.switch_identity(assertion_of(loops.backend.stranger, factory))

        loops.run(scene)

    @requirement("OUT-ASYNC-063", "A connection that is not trusted can assert nobody.", needs=_SWITCH)
    def test_an_ordinary_login_can_assert_nobody_on_the_loop(self, loops: AsyncBench) -> None:
        async def scene() -> None:
            factory = loops.bench.factory()
            ordinary = next(login for login in loops.bench.logins if login.user != loops.backend.trusted.user)
            caller = next(caller for caller in loops.backend.callers if caller != ordinary.user)
            connection = await loops.connect(factory, ordinary)
            with pytest.raises(ConnectorError):
                await connection.switch_identity(assertion_of(caller, factory))

        loops.run(scene)

    @requirement(
        "OUT-ASYNC-064", "Through the pool one connection serves all callers of a loop, each as itself.", needs=_SWITCH
    )
    def test_one_connection_of_the_loop_serves_all_callers(self, loops: AsyncBench) -> None:
        async def scene() -> None:
            factory = loops.bench.factory()
            pools = loops.pools(factory, max_size=1)
            for caller in (*loops.backend.callers, *loops.backend.callers):
                plan = plan_of(factory, loops.backend.trusted, asserted=caller)
                _, connections = loops.reference(factory, pools, plan)
                async with loops.backend.borrowed_async(connections) as whoami:
                    assert await whoami() == caller
            assert pools.statistics()[0].created == 1

        loops.run(scene)

    @requirement(
        "OUT-ASYNC-065", "A refused switch destroys the connection, and the next caller is served.", needs=_SWITCH
    )
    def test_a_refused_switch_on_the_loop_spoils_nothing(self, loops: AsyncBench) -> None:
        async def scene() -> None:
            factory = loops.bench.factory()
            pools = loops.pools(factory, max_size=1, wait=PATIENCE)  # it is closed after the refusal has been told
            trusted, caller = loops.backend.trusted, loops.backend.callers[0]
            strangers_plan = plan_of(factory, trusted, asserted=loops.backend.stranger)
            _, strangers = loops.reference(factory, pools, strangers_plan)
            with pytest.raises(Exception):
                async with loops.backend.borrowed_async(strangers) as whoami:
                    await whoami()
            assert pools.statistics()[0].size == 0
            _, connections = loops.reference(factory, pools, plan_of(factory, trusted, asserted=caller))
            async with loops.backend.borrowed_async(connections) as whoami:
                assert await whoami() == caller

        loops.run(scene)
