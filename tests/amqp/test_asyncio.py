"""Applications on asyncio: connections to a bus of another process, each call awaited, cancelled at any moment."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from support_amqp import Client, break_all, client
from support_amqp_activations import eventually, serving
from support_wire import Wire

from connector import Secret
from connector.errors import (
    AccessDenied,
    ConnectionFailed,
    HandleClosed,
    LoginRefused,
    MessagingError,
    RequestFailed,
    TransactionError,
)
from connector.spi import Message
from connector_amqp import AsyncAmqpConnection

pytestmark = pytest.mark.amqp


def connect(shop: Client, user: str | None = "alice", password: str | None = None) -> AsyncAmqpConnection:
    factory = shop.container.lookup("jms/remote")
    given = () if user is None else (user, Secret(password or user))
    connection: AsyncAmqpConnection = factory.get_async_connection(*given)
    return connection


def waiting(bus: Wire, destination: str = "requests") -> tuple[int, int]:
    """How many messages wait, and how many are out."""
    counts: tuple[int, int] = bus.bus.engine.destinations.get(destination).queue.counts()
    return counts


async def waits_at(bus: Wire, destination: str = "requests") -> None:
    """Wait until somebody waits for a message there."""
    queue = bus.bus.engine.destinations.get(destination).queue
    async with asyncio.timeout(20):
        while not queue._state.waiting:
            await asyncio.sleep(0.01)


def pools(shop: Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = shop.container.status()["resources"]["jms/remote"]["async_pools"]
    return found


def test_what_is_sent_is_looked_at_and_received(shop: Client) -> None:
    async def main() -> None:
        async with connect(shop) as connection:
            sent = await connection.send("requests", {"item": "tea"}, properties={"day": "Tuesday"}, correlation_id="c")
            assert [message.body async for message in connection.browse("requests")] == [{"item": "tea"}]
            message = await connection.receive("requests", 5)
            assert message is not None
            assert (message.message_id, message.body, message.correlation_id) == (sent, {"item": "tea"}, "c")
            assert str(message.identity) == "alice@weather"
            assert await connection.receive("requests", 0) is None
            assert [message async for message in connection.browse("requests")] == []

    asyncio.run(main())


def test_a_selector_takes_what_matches(bus: Wire, shop: Client) -> None:
    async def main() -> None:
        async with connect(shop) as connection:
            for day in ("Monday", "Tuesday"):
                await connection.send("requests", day, properties={"day": day})
            message = await connection.receive("requests", 5, selector="day = 'Tuesday'")
            assert message is not None
            assert message.body == "Tuesday"
            assert await connection.receive("requests", 0, selector="day = 'Tuesday'") is None

    asyncio.run(main())
    assert eventually(lambda: waiting(bus) == (1, 0))


def test_a_request_is_answered_while_the_loop_does_something_else(bus: Wire, shop: Client, tmp_path: Path) -> None:
    async def main() -> list[Any]:
        async def ask(number: int) -> Any:
            async with connect(shop) as connection:
                return (await connection.request("requests", number, timeout=20)).body

        return await asyncio.gather(*(ask(number) for number in range(8)))

    with serving(tmp_path / "server", bus.port(), lambda message, _: 2 * message.body):
        assert asyncio.run(main()) == [2 * number for number in range(8)]


def test_nobody_answers_is_told_in_time(shop: Client) -> None:
    async def main() -> None:
        async with connect(shop) as connection:
            with pytest.raises(MessagingError, match="CF-AMQP-036"):
                await connection.request("requests", "anybody?", timeout=0.2)

    asyncio.run(main())


def test_a_fault_is_raised(bus: Wire, shop: Client, tmp_path: Path) -> None:
    async def main() -> None:
        async with connect(shop) as connection:
            with pytest.raises(RequestFailed, match=r"CF-AMQP-037.*CF-"):
                await connection.request("requests", "?", timeout=20)

    def fail(*_: Any) -> None:
        raise ValueError("no")

    with serving(tmp_path / "server", bus.port(), fail):
        asyncio.run(main())


def test_refusals_are_those_of_connections_for_threads(shop: Client) -> None:
    async def main() -> None:
        with pytest.raises(LoginRefused, match="CF-AMQP-012"):
            await connect(shop, "alice", "wrong")
        async with connect(shop) as connection:
            with pytest.raises(AccessDenied, match="CF-AMQP-020"):
                await connection.receive("private", 0)

    asyncio.run(main())


def test_a_handle_is_used_between_its_begin_and_its_close(shop: Client) -> None:
    async def main() -> None:
        connection = connect(shop)
        assert connection.closed
        with pytest.raises(HandleClosed, match="CF-AMQP-511"):
            await connection.send("requests", "too early")
        assert await connection is connection
        assert not connection.closed
        await connection.close()
        await connection.close()
        assert connection.closed
        with pytest.raises(HandleClosed):
            await connection.send("requests", "too late")

    asyncio.run(main())


def test_one_connection_serves_one_after_another(shop: Client) -> None:
    async def main() -> None:
        for number in range(5):
            async with connect(shop) as connection:
                await connection.send("requests", number)
        assert [pool["created"] for pool in pools(shop)] == [1]

    asyncio.run(main())


# --- cancelled at any moment ------------------------------------------------------------------------------------------


def test_a_receipt_that_is_cancelled_takes_nothing_and_the_connection_serves_on(bus: Wire, shop: Client) -> None:
    async def main() -> None:
        async with connect(shop) as connection:
            taking = asyncio.create_task(connection.receive("requests"))
            await waits_at(bus)
            taking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await taking
            await connection.send("requests", "later")
            message = await connection.receive("requests", 5)
            assert message is not None
            assert message.body == "later"

    asyncio.run(main())
    assert eventually(lambda: waiting(bus) == (0, 0))


@pytest.mark.parametrize("turns", range(0, 12, 2))
def test_no_message_is_lost_however_receipts_are_cancelled(bus: Wire, shop: Client, turns: int) -> None:
    async def main() -> list[Any]:
        got: list[Any] = []
        async with connect(shop) as connection:
            for number in range(10):
                await connection.send("requests", number)
            for _ in range(10):
                taking = asyncio.create_task(connection.receive("requests", 5))
                for _ in range(turns):
                    await asyncio.sleep(0.0005)
                taking.cancel()
                with suppress(asyncio.CancelledError):
                    message = await taking
                    assert message is not None
                    got.append(message.body)
            while (message := await connection.receive("requests", 0.2)) is not None:
                got.append(message.body)
        return got

    got = asyncio.run(main())
    # What was cancelled goes back to its place, and may come after what was sent later.
    assert sorted(got) == list(range(10))
    assert eventually(lambda: waiting(bus) == (0, 0))


@pytest.mark.parametrize("turns", range(6))
def test_a_connection_serves_on_after_a_send_that_was_cancelled(bus: Wire, shop: Client, turns: int) -> None:
    async def main() -> None:
        async with connect(shop) as connection:
            await connection.send("requests", "before")
            sending = asyncio.create_task(connection.send("requests", "perhaps"))
            for _ in range(turns):
                await asyncio.sleep(0.0005)
            sending.cancel()
            with suppress(asyncio.CancelledError):
                await sending
            await connection.send("requests", "after")
            found = [message.body async for message in connection.browse("requests")]
            assert [body for body in found if body != "perhaps"] == ["before", "after"]

    asyncio.run(main())


def test_a_request_that_is_cancelled_does_not_get_its_reply_for_the_next_one(bus: Wire, shop: Client) -> None:
    async def main() -> None:
        async with connect(shop) as connection:
            asking = asyncio.create_task(connection.request("requests", "first", timeout=20))
            with bus.in_process("bob") as server:
                first: Message = await asyncio.to_thread(server.receive, "requests", 20)
                asking.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await asking
                again = asyncio.create_task(connection.request("requests", "second", timeout=20))
                second: Message = await asyncio.to_thread(server.receive, "requests", 20)
                with suppress(Exception):  # its queue may be gone
                    await asyncio.to_thread(server.reply, first, "too late")
                await asyncio.to_thread(server.reply, second, "in time")
                assert (await again).body == "in time"

    asyncio.run(main())


def test_connecting_that_is_cancelled_leaves_no_connection_lent(bus: Wire, shop: Client) -> None:
    async def main() -> None:
        beginning = asyncio.create_task(connect(shop).begin())
        await asyncio.sleep(0)
        beginning.cancel()
        with suppress(asyncio.CancelledError):
            await (await beginning).close()
        async with connect(shop) as connection:
            await connection.send("requests", "hello")
        assert [pool["in_use"] for pool in pools(shop)] == [0]

    asyncio.run(main())


# --- breaks, ends -----------------------------------------------------------------------------------------------------


def test_a_connection_that_is_lost_is_told_and_the_next_one_is_new(bus: Wire, shop: Client) -> None:
    async def main() -> None:
        async with connect(shop) as connection:
            await connection.send("requests", "one")
            await asyncio.to_thread(break_all, bus)
            with pytest.raises(ConnectionFailed, match="CF-AMQP-023"):
                await connection.receive("requests", selector="day = 'never'")
        async with connect(shop) as connection:
            await connection.send("requests", "three")
        assert [pool["created"] for pool in pools(shop)] == [2]

    asyncio.run(main())


def test_whoever_waits_is_told_of_a_break(bus: Wire, shop: Client) -> None:
    async def main() -> None:
        async with connect(shop) as connection:
            taking = asyncio.create_task(connection.receive("requests"))
            await waits_at(bus)
            await asyncio.to_thread(break_all, bus)
            with pytest.raises(ConnectionFailed, match="CF-AMQP-023"):
                await taking

    asyncio.run(main())


def test_a_loop_that_ends_lets_go_of_its_connections(bus: Wire, shop: Client) -> None:
    async def main() -> None:
        async with connect(shop) as connection:
            await connection.send("requests", "hello")

    asyncio.run(main())
    asyncio.run(main())
    assert waiting(bus) == (2, 0)
    assert eventually(lambda: len(bus.listeners._clients) == 1)


def test_whoever_waits_when_the_container_stops_is_told(bus: Wire, tmp_path: Path) -> None:
    async def main() -> None:
        with client(tmp_path / "shop", bus.port()) as shop:
            connection = await connect(shop)
            taking = asyncio.create_task(connection.receive("requests"))
            await waits_at(bus)
            await asyncio.to_thread(shop.container.close)
            with pytest.raises(ConnectionFailed):
                await taking
            await connection.close()

    asyncio.run(main())


# --- units of work, handlers ------------------------------------------------------------------------------------------


def test_within_a_unit_of_work_a_resource_with_transactions_refuses_them(bus: Wire, tmp_path: Path) -> None:
    async def main(shop: Client) -> None:
        with shop.container.transaction(), pytest.raises(TransactionError, match="CF-OUT-021"):
            await connect(shop)

    with client(tmp_path / "shop", bus.port(), transactions=True) as shop:
        asyncio.run(main(shop))


def test_a_coroutine_handler_sends_by_one(bus: Wire, tmp_path: Path) -> None:
    reference = '[references."jms/out"]\nbind = "jms/remote"\nres_auth = "Container"\nalias = "consumer"\n'

    async def forward(message: Any, context: Any) -> None:
        async with context.lookup("jms/out").get_async_connection() as connection:
            await connection.send("narrow", message.body)

    with serving(tmp_path / "shop", bus.port(), forward, references=reference):
        with bus.in_process("alice") as connection:
            connection.send("requests", "hello")
            found = connection.receive("narrow", timeout=20)
    assert found is not None
    assert (found.body, str(found.identity)) == ("hello", "bob@weather")
