"""The outbound walk from asyncio: the running task's caller, plans kept or made elsewhere, refusals (POOL-7)."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from support_async_pool import FakeAsyncFactory, Gate, run, until
from support_secrets import MARKER
from support_signon import ALICE, BOB, AuthData, CallerModule, application, call, calling, container_managed, resolver

from connector.errors import (
    ConfigError,
    ConnectorError,
    IdentityMismatch,
    LoginRefused,
    Reason,
    ScopeError,
    SignOnError,
)
from connector.outbound.manager import ReferenceConnectionManager
from connector.pool import ManagedConnectionPool
from connector.pool.loop_pools import LoopPools
from connector.security.audit import MemoryAuditLog
from connector.security.login_configuration import LoginConfiguration
from connector.security.scope import open_scope
from connector.signon.reference import ResourceReference, SignOnTarget
from connector.spi import AsyncLease, Capability, Outcome, PasswordCredential, Secret, Subject

TRUSTED = container_managed("TrustedConnectionMapping", alias="trusted")
REFUSED = Reason("CF-TEST-062", "the system refused {user}", "")


class World:
    """One resource with one reference to it, over the real pools for asyncio."""

    def __init__(self, reference: ResourceReference, *configurations: LoginConfiguration, asyncio_side: bool = True):
        able = frozenset({Capability.IDENTITY_SWITCH, Capability.ASYNC})
        self.factory, self.audit = FakeAsyncFactory(), MemoryAuditLog()
        self.auth_data = AuthData(trusted="door", ledger="door")
        self.pools = LoopPools("jdbc/ledger", self.factory, capabilities=able)
        self.manager = ReferenceConnectionManager(
            reference,
            SignOnTarget("jdbc/ledger", self.factory, capabilities=able),
            resolver(self.auth_data, *configurations, audit=self.audit),
            ManagedConnectionPool("jdbc/ledger", self.factory, capabilities=able),
            self.auth_data,
            async_pool=self.pools if asyncio_side else None,
        )


@contextmanager
def login(subject: Subject) -> Iterator[None]:
    with open_scope(subject, realm="weather", container="test", origin="login of a test"):
        yield


async def works_as(lease: AsyncLease) -> str | None:
    return (await lease.physical.describe()).user


def test_each_task_works_as_its_own_caller_at_the_same_time() -> None:
    world = World(TRUSTED)

    async def task(subject: Subject) -> list[str | None]:
        with login(subject):
            found = []
            for _ in range(3):
                async with await world.manager.allocate_async() as lease:
                    await asyncio.sleep(0)
                    found.append(await works_as(lease))
            return found

    async def scene() -> list[list[str | None]]:
        return list(await asyncio.gather(task(ALICE), task(BOB)))

    assert run(scene()) == [["alice"] * 3, ["bob"] * 3]


def test_a_login_module_is_asked_on_another_thread_under_the_same_caller_and_once_for_what_is_kept() -> None:
    threads: list[int] = []

    def own_user(module: CallerModule) -> list[PasswordCredential]:
        threads.append(threading.get_ident())
        assert module.caller is not None
        assert module.caller.caller is not None
        return [PasswordCredential(module.caller.caller.name, Secret(MARKER), module.factory)]

    world = World(container_managed("Mapping"), calling(own_user))

    async def scene() -> list[str | None]:
        found = []
        for subject in (ALICE, BOB, ALICE):
            with login(subject):
                async with await world.manager.allocate_async() as lease:
                    found.append(await works_as(lease))
        return found

    assert run(scene()) == ["alice", "bob", "alice"]
    assert len(threads) == 2
    assert threading.get_ident() not in threads


def test_an_application_signs_on_with_what_it_passes() -> None:
    world = World(application())

    async def scene() -> str | None:
        async with await world.manager.allocate_async(call("carol", MARKER)) as lease:
            return await works_as(lease)

    assert run(scene()) == "carol"


def test_a_plan_is_borrowed_by_again_whoever_is_the_caller_now() -> None:
    world = World(TRUSTED)

    async def scene() -> str | None:
        with login(ALICE):
            plan = world.manager.current_plan()
        with login(BOB):
            async with await world.manager.allocate_async(plan=plan) as lease:
                return await works_as(lease)

    assert run(scene()) == "alice"


def test_a_plan_whose_alias_has_changed_is_not_borrowed_by_again() -> None:
    world = World(TRUSTED)

    async def scene() -> None:
        with login(ALICE):
            plan = world.manager.current_plan()
            world.auth_data.put("trusted", "door", version=4)
            with pytest.raises(IdentityMismatch, match="CF-OUT-002"):
                await world.manager.allocate_async(plan=plan)

    run(scene())
    assert [event.reason for event in world.audit.events if event.outcome is Outcome.DENIED] == ["CF-OUT-002"]


def test_a_task_left_behind_gets_no_connection_as_the_caller_who_has_left() -> None:
    world = World(TRUSTED)

    async def scene() -> None:
        gate = asyncio.Event()

        async def leftover() -> AsyncLease:
            await gate.wait()
            return await world.manager.allocate_async()

        with login(ALICE):
            await (await world.manager.allocate_async()).close()  # so that a plan is kept
            task = asyncio.create_task(leftover())
        gate.set()
        with pytest.raises(ScopeError, match="CF-SEC-001"):
            await task

    run(scene())


def test_without_a_caller_a_trusted_connection_is_refused_and_explained() -> None:
    world = World(TRUSTED)

    async def scene() -> None:
        with pytest.raises(SignOnError) as refused:
            await world.manager.allocate_async()
        assert refused.value.explanation is not None

    run(scene())
    assert world.pools.contents() == ()


def test_a_login_refused_with_a_credential_that_was_superseded_meanwhile_is_tried_once_more() -> None:
    world = World(container_managed(alias="ledger"))
    gate = Gate()
    tries: list[int] = []

    async def refuse_first() -> None:
        tries.append(1)
        if len(tries) == 1:
            await gate()
            raise LoginRefused(REFUSED, user="door")

    world.factory.on_open = refuse_first

    async def scene() -> None:
        with login(ALICE):
            borrower = asyncio.create_task(world.manager.allocate_async())
            await until(gate.reached.is_set)
            world.auth_data.put("ledger", "door", version=4)
            gate.open()
            async with await borrower as lease:
                assert lease.plan.version == 4

    run(scene())
    assert len(tries) == 2


def test_a_refused_login_carries_its_explanation_and_is_audited() -> None:
    world = World(container_managed(alias="ledger"))

    async def refuse() -> None:
        raise LoginRefused(REFUSED, user="door")

    world.factory.on_open = refuse

    async def scene() -> ConnectorError:
        with login(ALICE), pytest.raises(LoginRefused) as refused:
            await world.manager.allocate_async()
        return refused.value

    assert run(scene()).explanation is not None
    assert "CF-TEST-062" in [event.reason for event in world.audit.events]


def test_an_adapter_without_an_asyncio_side_says_what_to_do() -> None:
    world = World(container_managed(alias="ledger"), asyncio_side=False)

    async def scene() -> None:
        with pytest.raises(ConfigError, match=r"CF-OUT-003.*asyncio\.to_thread"):
            await world.manager.allocate_async()

    run(scene())
