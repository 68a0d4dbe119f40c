"""A delivery that is refused twice over, by an error and by an event, is one delivery."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from connector.spi import Ordering
from connector_amqp.activation import Activation
from connector_amqp.loop import LoopThread

pytestmark = pytest.mark.amqp


class Offered:
    """A delivery that counts how often it is handed to the work manager."""

    def __init__(self) -> None:
        self.times = 0

    def schedule(self) -> None:
        self.times += 1


async def some_turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def test_one_that_the_work_manager_refuses_by_error_and_event_is_offered_again_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("connector_amqp.activation.REFUSAL_PAUSE", 0.0)
    loop = LoopThread("offers")
    loop.run(some_turns())
    factory: Any = SimpleNamespace(ordering=Ordering.NONE, concurrency=1)
    subscription: Any = SimpleNamespace(destination="requests", broker="broker")
    nothing: Any = None
    activation = Activation(
        SimpleNamespace(loop=loop),  # type: ignore[arg-type]
        subscription, factory, nothing, nothing, nothing,
    )  # fmt: skip
    delivery: Any = Offered()
    refusal = RuntimeError()

    async def both() -> None:  # within one turn, as the manager does it on the loop
        activation.offer_again(delivery, refusal)
        activation.offer_again(delivery, refusal)

    try:
        loop.run(both())
        loop.run(some_turns())
        assert delivery.times == 1
    finally:
        loop.stop(5)
