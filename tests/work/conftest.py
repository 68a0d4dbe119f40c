"""Work managers that are stopped when their test is over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support_work import IDENTITY, PATIENCE, ManualClock

from connector.work.contexts import STANDARD_KINDS, ContextKind
from connector.work.event_loop import EventLoopThread
from connector.work.limits import WorkLimits
from connector.work.manager import ContainerWorkManager


@pytest.fixture
def loop() -> Iterator[EventLoopThread]:
    thread = EventLoopThread()
    yield thread
    assert thread.close(PATIENCE)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def make(loop: EventLoopThread, clock: ManualClock) -> Iterator[Callable[..., ContainerWorkManager]]:
    made: list[ContainerWorkManager] = []

    def make_manager(
        max_threads: int = 4,
        timer: Any = None,
        limits: WorkLimits | None = None,
        kinds: tuple[ContextKind, ...] = STANDARD_KINDS,
    ) -> ContainerWorkManager:
        manager = ContainerWorkManager(
            IDENTITY,
            container="c",
            realm="home",
            limits=limits or WorkLimits(max_threads=max_threads),
            clock=clock,
            loop=timer or loop,
            context_kinds=kinds,
        )
        made.append(manager)
        return manager

    yield make_manager
    for manager in made:
        assert manager.shutdown(PATIENCE) == ()


@pytest.fixture
def manager(make: Callable[..., ContainerWorkManager]) -> ContainerWorkManager:
    return make()
