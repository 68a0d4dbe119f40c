"""Several connections of one handler at once, in the one transaction of its delivery."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from connector.errors import TransactionError
from connector_amqp.coordinator import Transaction

pytestmark = pytest.mark.amqp


class SlowBroker:
    """A coordinator that begins a transaction when it is told to; the link and the way to it in one."""

    broker = "broker:5672"

    def __init__(self) -> None:
        self.begun: list[bytes] = []
        self.ended: list[tuple[bytes, bool]] = []
        self.answers = asyncio.Event()

    async def get(self) -> SlowBroker:
        return self

    async def declare(self) -> bytes:
        self.begun.append(f"unit {len(self.begun)}".encode())
        unit = self.begun[-1]
        await self.answers.wait()
        return unit

    async def discharge(self, unit: bytes, *, fail: bool) -> None:
        self.ended.append((unit, fail))


def transaction_at(broker: Any, told: list[bytes]) -> Transaction:
    return Transaction(broker, told.append)


async def a_turn() -> None:
    await asyncio.sleep(0)


def test_two_who_need_it_at_once_begin_one() -> None:
    async def main() -> None:
        broker, told = SlowBroker(), list[bytes]()
        transaction = transaction_at(broker, told)
        both = [asyncio.create_task(transaction.identifier()) for _ in range(2)]
        await a_turn()
        broker.answers.set()
        assert await asyncio.gather(*both) == [b"unit 0", b"unit 0"]
        assert (broker.begun, told) == ([b"unit 0"], [b"unit 0"])

    asyncio.run(main())


def test_an_end_that_comes_while_it_is_begun_ends_it() -> None:
    async def main() -> None:
        broker = SlowBroker()
        transaction = transaction_at(broker, [])
        beginning = asyncio.create_task(transaction.identifier())
        await a_turn()
        ending = asyncio.create_task(transaction.discharge(fail=True))
        await a_turn()
        broker.answers.set()
        await asyncio.gather(beginning, ending)
        assert broker.ended == [(b"unit 0", True)]

    asyncio.run(main())


@pytest.mark.parametrize("begun", [True, False])
def test_what_comes_after_its_end_is_refused_and_begins_no_other(begun: bool) -> None:
    async def main() -> None:
        broker = SlowBroker()
        broker.answers.set()
        transaction = transaction_at(broker, [])
        if begun:
            await transaction.identifier()
        await transaction.discharge(fail=False)
        with pytest.raises(TransactionError, match="CF-AMQP-600"):
            await transaction.identifier()
        assert len(broker.begun) == begun

    asyncio.run(main())
