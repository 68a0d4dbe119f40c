"""What the asyncio pool's tests share: an adapter without a wire whose every step a test can hold up or break."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from support_pool import FakeClock, FakeFactory, user_of

from connector.pool import PoolSettings
from connector.pool.async_pool import AsyncManagedConnectionPool
from connector.spi import (
    AsyncManagedConnection,
    Capability,
    ConnectionDescription,
    ConnectionRequestInfo,
    IdentityAssertion,
    Subject,
)

T = TypeVar("T")
Step = Callable[[], object]


async def done(step: Step) -> object:
    """Carry out a step, which may be a coroutine function or a plain one; answers what it answers."""
    outcome = step()
    return await outcome if isinstance(outcome, Awaitable) else outcome


async def at_once() -> None:
    """A step that does not wait."""


def raising(error: BaseException) -> Step:
    """A step that fails."""

    async def step() -> None:
        raise error

    return step


class Gate:
    """A step that waits until the test opens the gate, and knows whether somebody stands before it."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.opened = asyncio.Event()

    async def __call__(self) -> None:
        self.reached.set()
        await self.opened.wait()

    def open(self) -> None:
        self.opened.set()


class FakeAsyncConnection(AsyncManagedConnection):
    """Knows as whom it is signed on and acts, and counts what is done to it."""

    def __init__(self, user: str | None) -> None:
        self.user = user
        self.acting = user
        self.factory: FakeFactory | None = None
        self.cleaned = self.destroyed = self.aborted = self.validated = 0
        self.on_validate: Step = lambda: True
        self.on_reauthenticate: Step = at_once
        self.on_cleanup: Step = at_once
        self.on_switch: Step = at_once
        self.on_destroy: Step = at_once

    @property
    def living(self) -> bool:
        return not self.destroyed and not self.aborted

    async def cleanup(self) -> None:
        await done(self.on_cleanup)
        self.cleaned += 1
        self.acting = self.user

    async def destroy(self) -> None:
        await done(self.on_destroy)
        self.destroyed += 1

    def abort(self) -> None:
        self.aborted += 1

    async def describe(self) -> ConnectionDescription:
        return ConnectionDescription("fake", "1", self.acting)

    async def switch_identity(self, asserted: IdentityAssertion) -> None:
        await done(self.on_switch)
        self.acting = asserted.user

    async def validate(self) -> bool:
        self.validated += 1
        return bool(await done(self.on_validate))

    async def reauthenticate(self, subject: Subject | None, request: ConnectionRequestInfo | None) -> None:
        await done(self.on_reauthenticate)
        self.user = self.acting = user_of(self.factory, subject)


class FakeAsyncFactory(FakeFactory):
    """Opens fake connections for asyncio; `most` is the most that ever lived at once."""

    def __init__(self) -> None:
        super().__init__()
        self.on_open: Step = at_once
        self.on_opened: Callable[[FakeAsyncConnection], object] = lambda connection: None
        self.opened: list[FakeAsyncConnection] = []

    async def create_managed_connection_async(
        self, subject: Subject | None, request: ConnectionRequestInfo | None
    ) -> FakeAsyncConnection:
        await done(self.on_open)
        made = FakeAsyncConnection(user_of(self, subject))
        made.factory = self
        self.on_opened(made)
        self.opened.append(made)
        self.most = max(self.most, self.living)
        return made

    @property
    def living(self) -> int:
        return sum(made.living for made in self.opened)


class AsyncBench:
    """A pool of the running loop with its factory and clock."""

    def __init__(
        self,
        max_size: int = 2,
        *,
        connection_timeout: float = 30.0,
        capabilities: frozenset[Capability] = frozenset({Capability.IDENTITY_SWITCH}),
        **settings: Any,
    ) -> None:
        self.clock = FakeClock()
        self.factory = FakeAsyncFactory()
        self.pool = AsyncManagedConnectionPool(
            "eis/fake",
            self.factory,
            PoolSettings(max_size, connection_timeout=connection_timeout, **settings),
            capabilities=capabilities | {Capability.ASYNC},
            clock=self.clock,
            jitter=lambda: 0.5,
        )
        self.alice = self.factory.plan("alice")
        self.bob = self.factory.plan("bob")

    @property
    def first(self) -> FakeAsyncConnection:
        return self.factory.opened[0]

    def settled(self) -> bool:
        """Whether the pool's figures agree with what really lives, and no place is lost."""
        now = self.pool.statistics()
        return (
            now.changing == 0
            and now.size == now.created - now.destroyed == self.factory.living
            and now.size == now.free + now.in_use
            and self.factory.most <= now.max_size
            and all(made.destroyed <= 1 for made in self.factory.opened)
        )

    def waiting(self, number: int) -> Callable[[], bool]:
        return lambda: self.pool.statistics().waiting == number


async def until(condition: Callable[[], object]) -> None:
    """Let the loop go round until something holds; a test that waits in vain fails."""
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("waited in vain")


async def cancel(task: asyncio.Task[Any]) -> None:
    """Cancel a task and wait until it has taken notice."""
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a test's coroutine; nothing may be left to the loop's exception handler."""
    reports: list[dict[str, Any]] = []

    async def main() -> T:
        asyncio.get_running_loop().set_exception_handler(lambda _, report: reports.append(report))
        return await coroutine

    result = asyncio.run(main())
    assert not reports, reports
    return result


class OtherLoop:
    """An event loop on another thread."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(20)

    def end(self) -> None:
        self.run(self._rest())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(20)
        self.loop.close()

    @staticmethod
    async def _rest() -> None:
        await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}), return_exceptions=True)
