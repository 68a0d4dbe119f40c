"""Messages of an application in another process, in one unit of work with whatever else is in it (FLOW-8)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support_amqp import Client, break_all, client
from support_pool import until
from support_wire import Wire

from connector.errors import MessagingError, TransactionError

pytestmark = pytest.mark.amqp


@pytest.fixture
def shop(bus: Wire, tmp_path: Path) -> Iterator[Client]:
    with client(tmp_path / "shop", bus.port(), transactions=True) as container:
        yield container


def waiting(bus: Wire, destination: str = "requests") -> int:
    counts: tuple[int, int] = bus.bus.engine.destinations.get(destination).queue.counts()
    return counts[0]


def test_what_is_sent_in_a_unit_is_there_with_its_commit(bus: Wire, shop: Client) -> None:
    with shop.container.transaction():
        with shop.connect() as connection:
            connection.send("requests", "one")
            connection.send("requests", "two")
        assert waiting(bus) == 0
    assert waiting(bus) == 2


def test_nothing_is_there_of_a_unit_that_was_rolled_back(bus: Wire, shop: Client) -> None:
    def fail() -> None:
        with shop.container.transaction(), shop.connect() as connection:
            connection.send("requests", "one")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert waiting(bus) == 0


def test_what_was_received_in_a_unit_comes_again_if_it_is_rolled_back(bus: Wire, shop: Client) -> None:
    with shop.connect() as connection:
        connection.send("requests", "work")

    def fail() -> None:
        with shop.container.transaction(), shop.connect() as connection:
            assert connection.receive("requests", 5) is not None
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with shop.container.transaction(), shop.connect() as connection:
        again = connection.receive("requests", 5)
        assert again is not None
        connection.send("requests", f"done with {again.body}")
    with shop.connect() as connection:
        answer = connection.receive("requests", 5)
        assert answer is not None
        assert answer.body == "done with work"
        assert connection.receive("requests", 0) is None


def test_a_connection_serves_on_outside_of_units_after_one(bus: Wire, shop: Client) -> None:
    for _ in range(3):
        with shop.container.transaction(), shop.connect() as connection:
            connection.send("requests", "within")
        with shop.connect() as connection:
            connection.send("requests", "without")
    assert waiting(bus) == 6


def test_a_request_within_a_unit_is_refused_since_no_reply_could_come(shop: Client) -> None:
    with shop.container.transaction(), shop.connect() as connection:
        with pytest.raises(MessagingError, match="CF-AMQP-468"):
            connection.request("requests", "anybody?", timeout=1)


def test_a_full_destination_fails_the_commit(bus: Wire, shop: Client) -> None:
    def overfill() -> None:
        with shop.container.transaction(), shop.connect() as connection:
            connection.send("narrow", "one")
            connection.send("narrow", "two")

    with pytest.raises(TransactionError):
        overfill()
    assert waiting(bus, "narrow") == 0


def test_a_connection_that_is_lost_rolls_the_unit_back(bus: Wire, shop: Client) -> None:
    def lose() -> None:
        with shop.container.transaction(), shop.connect() as connection:
            connection.send("requests", "one")
            break_all(bus)
            until(lambda: connection._physical().is_lost)

    with pytest.raises(TransactionError):
        lose()
    assert waiting(bus) == 0


def test_a_resource_that_does_not_want_it_sends_at_once(bus: Wire, tmp_path: Path) -> None:
    with client(tmp_path / "shop", bus.port()) as shop, shop.container.transaction():
        with shop.connect() as connection:
            connection.send("requests", "at once")
        assert waiting(bus) == 1
