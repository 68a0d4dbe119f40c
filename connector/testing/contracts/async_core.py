"""Profile `outbound-async`, first part: opening a managed connection on an event loop (POOL-7)."""

from __future__ import annotations

import asyncio

import pytest

from connector.errors import ConnectionFailed, LoginRefused, SignOnError
from connector.spi import AsyncManagedConnection, Capability, PasswordCredential, Subject
from connector.testing.async_bench import AsyncBench
from connector.testing.contracts.async_adapter import AsyncAdapterContract
from connector.testing.contracts.core import DECLINED
from connector.testing.requirement import Facet, requirement

_ASYNC = Capability.ASYNC


class AsyncCoreContract(AsyncAdapterContract):
    """The right user or a refusal, as for threads, by awaiting."""

    @requirement("OUT-ASYNC-001", "A factory opens a connection of the loop that the system answers on.", needs=_ASYNC)
    def test_a_connection_is_opened_on_the_loop(self, loops: AsyncBench) -> None:
        async def scene() -> None:
            factory = loops.bench.factory()
            one = await loops.connect(factory, loops.bench.login)
            other = await loops.connect(factory, loops.bench.login)
            assert isinstance(one, AsyncManagedConnection)
            assert len({one, other}) == 2
            await loops.backend.user_of_async(one)
            await loops.backend.user_of_async(other)

        loops.run(scene)

    @requirement(
        "OUT-ASYNC-002", "`describe` names product and version, and the user where the system has any.", needs=_ASYNC
    )
    def test_describe_on_the_loop_names_product_version_and_user(self, loops: AsyncBench) -> None:
        async def scene() -> None:
            connection = await loops.connect(loops.bench.factory(), loops.bench.login)
            described = await connection.describe()
            assert described.product.strip()
            assert described.version.strip()
            if loops.bench.login is not None:
                assert described.user == loops.bench.login.user

        loops.run(scene)

    @requirement(
        "OUT-ASYNC-003",
        "Connections of two logins, open at once, are each signed on as the subject says.",
        needs=(_ASYNC, Facet.USERS),
    )
    def test_each_connection_of_a_loop_is_its_own_login_s(self, loops: AsyncBench) -> None:
        async def scene() -> None:
            factory = loops.bench.factory()
            opened = await asyncio.gather(*(loops.connect(factory, login) for login in loops.bench.logins))
            seen = await asyncio.gather(*(loops.backend.user_of_async(connection) for connection in opened))
            assert seen == [login.user for login in loops.bench.logins]

        loops.run(scene)

    @requirement(
        "OUT-ASYNC-004", "A credential of another factory, or of none, is never used.", needs=(_ASYNC, Facet.USERS)
    )
    def test_a_foreign_credential_is_never_used_on_the_loop(self, loops: AsyncBench) -> None:
        async def scene() -> None:
            factory, other = loops.bench.factory(), loops.bench.factory()
            foreign, own = loops.bench.logins[:2]
            held = PasswordCredential(foreign.user, foreign.password, other)
            mine = PasswordCredential(own.user, own.password, factory)
            connection = await loops.open(factory, Subject(credentials=[held, mine], read_only=True))
            assert await loops.backend.user_of_async(connection) == own.user
            for owner in (other, None):
                only = PasswordCredential(foreign.user, foreign.password, owner)
                try:
                    connection = await loops.open(factory, Subject(credentials=[only], read_only=True))
                except DECLINED:
                    continue
                assert await loops.backend.user_of_async(connection) != foreign.user

        loops.run(scene)

    @requirement(
        "OUT-ASYNC-005",
        "A null subject means the factory's own defaults: it opens a connection, or declines with SignOnError.",
        needs=_ASYNC,
    )
    def test_a_null_subject_on_the_loop_means_the_factory_s_defaults(self, loops: AsyncBench) -> None:
        async def scene() -> None:
            try:
                connection = await loops.open(loops.bench.factory(), None)
            except SignOnError:
                return
            await loops.backend.user_of_async(connection)

        loops.run(scene)

    @requirement("OUT-ASYNC-006", "A wrong password is refused with LoginRefused.", needs=(_ASYNC, Facet.USERS))
    def test_a_wrong_password_is_refused_on_the_loop(self, loops: AsyncBench) -> None:
        async def scene() -> None:
            with pytest.raises(LoginRefused):
                await loops.connect(loops.bench.factory(), loops.backend.wrong_password())

        loops.run(scene)

    @requirement(
        "OUT-ASYNC-007",
        "A system that nobody answers for raises ConnectionFailed that is worth a retry, not LoginRefused.",
        needs=(_ASYNC, Facet.NETWORK),
    )
    def test_an_unreachable_system_is_no_refusal_on_the_loop(self, loops: AsyncBench) -> None:
        async def scene() -> None:
            with pytest.raises(ConnectionFailed) as failed:
                await loops.connect(loops.bench.factory(loops.backend.unreachable()), loops.bench.login)
            assert not isinstance(failed.value, LoginRefused)
            assert failed.value.retryable

        loops.run(scene)
