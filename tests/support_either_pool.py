"""One face for both kinds of pool: a scene that needs one borrower at a time is written once and played on each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from types import TracebackType
from typing import Any, TypeVar

import pytest
from support_async_pool import AsyncBench
from support_pool import FakeClock, PoolBench

from connector.errors import LoginRefused, Reason
from connector.spi import Capability, SignOnPlan

T = TypeVar("T")
REFUSED = Reason("CF-TEST-741", "the fake system refused {user}", "Correct the password.")
ALL = frozenset({Capability.IDENTITY_SWITCH, Capability.VALIDATION})


def refused(user: str = "alice") -> LoginRefused:
    return LoginRefused(REFUSED, user=user)


class Loan:
    """A lease of either kind."""

    def __init__(self, bench: EitherBench, lease: Any) -> None:
        self._bench = bench
        self.lease = lease

    @property
    def physical(self) -> Any:
        return self.lease.physical

    @property
    def user(self) -> str | None:
        return self.lease.physical.acting  # type: ignore[no-any-return]  # a fake of either kind

    def close(self) -> None:
        self._bench.go(self.lease.close)

    def invalidate(self) -> None:
        self._bench.go(self.lease.invalidate)

    def __enter__(self) -> Loan:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class EitherBench:
    """A pool of threads, or one of an event loop that runs only while something is asked of it.

    Every loan of the loop is another task's; of threads, all are this one's.
    """

    def __init__(
        self, kind: str, max_size: int = 2, *, capabilities: frozenset[Capability] = ALL, **settings: Any
    ) -> None:
        self.loop = asyncio.new_event_loop() if kind == "asyncio" else None
        self._tasks: list[asyncio.Task[Any]] = []  # kept: an owner is known by its task's address

        async def made() -> AsyncBench:
            return AsyncBench(max_size, capabilities=capabilities, **settings)

        self.bench: Any = (
            PoolBench(max_size, capabilities=capabilities, **settings)
            if self.loop is None
            else self.loop.run_until_complete(made())
        )
        self.pool: Any = self.bench.pool
        self.factory: Any = self.bench.factory
        self.clock: FakeClock = self.bench.clock
        self.alice: SignOnPlan = self.factory.plan("alice")
        self.bob: SignOnPlan = self.factory.plan("bob")
        self.attempts: list[str | None] = []

    @property
    def made(self) -> list[Any]:
        """The physical connections so far."""
        found: list[Any] = self.factory.made if self.loop is None else self.factory.opened
        return found

    @property
    def lives(self) -> list[str | None]:
        """The users of those that live."""
        return [made.user for made in self.made if not made.destroyed]

    def on_open(self, step: Callable[[], object]) -> None:
        """What happens when a connection is opened."""
        setattr(self.factory, "on_create" if self.loop is None else "on_open", step)

    def on_made(self, step: Callable[[Any], object]) -> None:
        """What happens to a connection that has been opened."""
        setattr(self.factory, "on_made" if self.loop is None else "on_opened", step)

    def refuse(self, *, also: Callable[[], object] = lambda: None) -> list[int]:
        """Have every login refused from now on; answers the attempts, as they come."""
        attempts: list[int] = []

        def attempt() -> None:
            attempts.append(1)
            also()
            raise refused()

        self.on_open(attempt)
        return attempts

    def accept(self) -> None:
        """Have logins accepted again."""
        self.on_open(lambda: None)

    def take(self, plan: SignOnPlan, timeout: float = 0) -> Loan:
        return Loan(self, self.go(lambda: self.pool.take(plan, timeout)))

    def use(self, *plans: SignOnPlan) -> None:
        """Borrow by each plan at once, then give all back."""
        for loan in [self.take(plan) for plan in plans]:
            loan.close()

    def go(self, function: Callable[[], Any]) -> Any:
        """Call a function of the pool, on its loop if it has one, and let the loop do what follows."""
        if self.loop is None:
            return function()

        async def on_loop() -> Any:
            outcome = function()
            try:
                return await outcome if isinstance(outcome, Coroutine) else outcome
            finally:
                await self.pool._chores.done()

        task = self.loop.create_task(on_loop())
        self._tasks.append(task)
        return self.loop.run_until_complete(task)

    def upkeep(self) -> float:
        pause: float = self.go(self.pool.upkeep)
        return pause

    def flush(self, *arguments: Any, **options: Any) -> Any:
        return self.go(lambda: self.pool.flush(*arguments, **options))

    def breaks(self, physical: Any) -> None:
        self.go(physical.connection_error_occurred)

    @property
    def now(self) -> Any:
        """The pool's figures."""
        return self.pool.statistics()

    def settled(self) -> bool:
        return bool(self.bench.settled())

    def end(self) -> None:
        if self.loop is not None:
            self.loop.close()


Make = Callable[..., EitherBench]


@pytest.fixture(params=["threads", "asyncio"])
def either(request: pytest.FixtureRequest) -> Iterator[Make]:
    """Makes benches of one kind, then of the other."""
    benches: list[EitherBench] = []

    def make(max_size: int = 2, **settings: Any) -> EitherBench:
        benches.append(EitherBench(request.param, max_size, **settings))
        return benches[-1]

    yield make
    for bench in benches:
        bench.end()
