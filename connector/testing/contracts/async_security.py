"""Profile `outbound-async`, fifth part: the password is nowhere to be seen, identities never share (AUTHD-4)."""

from __future__ import annotations

import pytest

from connector.errors import LoginRefused
from connector.spi import Capability, ManagedConnectionFactory
from connector.testing.async_bench import AsyncBench
from connector.testing.backend import Login
from connector.testing.contracts.async_adapter import AsyncAdapterContract
from connector.testing.disclosure import disclosures, watched_logs
from connector.testing.plans import plan_of, subject_of
from connector.testing.requirement import Facet, requirement

_ASYNC = Capability.ASYNC


class AsyncSecurityContract(AsyncAdapterContract):
    """As `OutboundSecurityContract`, on an event loop."""

    @requirement(
        "OUT-ASYNC-040",
        "The password is in no text and no pickle of factory, connection or handle.",
        needs=(_ASYNC, Facet.USERS),
    )
    def test_the_loop_s_objects_show_no_password(self, loops: AsyncBench) -> None:
        async def scene() -> None:
            factory, login = loops.bench.factory(), loops.bench.logins[0]
            manager, connections = loops.reference(factory, loops.pools(factory), plan_of(factory, login))
            async with loops.backend.borrowed_async(connections) as whoami:
                await whoami()
                connection = manager.physical
                described = await connection.describe()
                held = (factory, connections, connection, described, manager.leases[-1], loops.bench.adapter)
                shown = {type(value).__name__: found for value in held if (found := disclosures(value, login.password))}
            assert not shown

        loops.run(scene)

    @requirement("OUT-ASYNC-041", "The password is in no log record, at any level.", needs=(_ASYNC, Facet.USERS))
    def test_the_loop_s_log_records_show_no_password(self, loops: AsyncBench) -> None:
        login, wrong = loops.bench.logins[0], loops.backend.wrong_password()

        async def scene() -> None:
            factory = loops.bench.factory()
            with pytest.raises(LoginRefused):
                await loops.connect(factory, wrong)
            _, connections = loops.reference(factory, loops.pools(factory), plan_of(factory, login))
            async with loops.backend.borrowed_async(connections) as whoami:
                await whoami()

        with watched_logs(login.password) as right, watched_logs(wrong.password) as refused:
            loops.run(scene)
        assert right == []
        assert refused == []

    @requirement(
        "OUT-ASYNC-042",
        "A refusal shows the password nowhere: not in its text, pickle or causes, nor in a frame of its traceback.",
        needs=(_ASYNC, Facet.USERS),
    )
    def test_a_refusal_on_the_loop_shows_no_password(self, loops: AsyncBench) -> None:
        wrong = loops.backend.wrong_password()
        shown = disclosures(_failure_of(loops, loops.bench.factory(), wrong), wrong.password)
        assert not shown

    @requirement(
        "OUT-ASYNC-043", "A failure to connect shows it nowhere either.", needs=(_ASYNC, Facet.NETWORK, Facet.USERS)
    )
    def test_a_failure_to_connect_on_the_loop_shows_no_password(self, loops: AsyncBench) -> None:
        login = loops.bench.logins[0]
        error = _failure_of(loops, loops.bench.factory(loops.backend.unreachable()), login)
        shown = disclosures(error, login.password)
        assert not shown

    @requirement(
        "OUT-ASYNC-044", "Two identities never share a connection, however small the pool.", needs=(_ASYNC, Facet.USERS)
    )
    def test_two_identities_of_a_loop_never_share(self, loops: AsyncBench) -> None:
        async def scene() -> None:
            factory = loops.bench.factory()
            pools = loops.pools(factory, max_size=1, without=Capability.REAUTHENTICATION)
            for login in (*loops.bench.logins, *loops.bench.logins):
                _, connections = loops.reference(factory, pools, plan_of(factory, login))
                async with loops.backend.borrowed_async(connections) as whoami:
                    assert await whoami() == login.user

        loops.run(scene)

    @requirement(
        "OUT-ASYNC-045",
        "A refused login leaves nothing in the pool, and takes no place of it.",
        needs=(_ASYNC, Facet.USERS),
    )
    def test_a_refused_login_leaves_nothing_on_the_loop(self, loops: AsyncBench) -> None:
        async def scene() -> None:
            factory = loops.bench.factory()
            pools = loops.pools(factory, max_size=1)
            with pytest.raises(LoginRefused):
                await pools.take(plan_of(factory, loops.backend.wrong_password()))
            (figures,) = pools.statistics()
            assert (figures.size, figures.changing, figures.failed_logins) == (0, 0, 1)
            await (await pools.take(plan_of(factory, loops.bench.logins[0]))).close()

        loops.run(scene)

    @requirement(
        "OUT-ASYNC-046",
        "`reauthenticate` makes another user of the connection in place, and a wrong password leaves nobody.",
        needs=(_ASYNC, Facet.USERS, Capability.REAUTHENTICATION),
    )
    def test_a_connection_of_the_loop_can_be_signed_on_anew(self, loops: AsyncBench) -> None:
        async def scene() -> None:
            factory = loops.bench.factory()
            first, second = loops.bench.logins[:2]
            connection = await loops.connect(factory, first)
            await connection.reauthenticate(subject_of(second, factory), None)
            assert await loops.backend.user_of_async(connection) == second.user
            with pytest.raises(LoginRefused):
                await connection.reauthenticate(subject_of(loops.backend.wrong_password(), factory), None)
            try:
                left = await loops.backend.user_of_async(connection)
            except Exception:
                return  # it is no more, which is best
            assert left not in {login.user for login in loops.bench.logins}

        loops.run(scene)


def _failure_of(loops: AsyncBench, factory: ManagedConnectionFactory, login: Login) -> BaseException:
    """What opening a connection raises, whatever it is."""

    async def scene() -> BaseException:
        try:
            await loops.connect(factory, login)
        except Exception as error:
            return error
        pytest.fail("a connection was opened")

    return loops.run(scene)
