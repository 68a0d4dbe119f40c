"""The adapter against a broker of another make: RabbitMQ with its plugin for AMQP 1.0."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support_amqp import Client, client
from support_amqp_kit import RabbitMQBackend
from support_rabbitmq import DEAD, LETTERS, RabbitMQ, password_of

from connector.errors import AccessDenied, LoginRefused, MessagingError, NameNotFound, SignOnError
from connector.testing import OutboundContract
from connector_amqp import AmqpConnection

pytestmark = pytest.mark.amqp


class TestAmqpOnRabbitMQ(OutboundContract):
    @pytest.fixture
    def connector_backend(self, rabbitmq: RabbitMQ) -> RabbitMQBackend:
        return RabbitMQBackend(rabbitmq)


@pytest.fixture
def shop(rabbitmq: RabbitMQ, tmp_path: Path) -> Iterator[Client]:
    with client(tmp_path / "shop", rabbitmq.port, send_user_id=True) as container:
        yield container


@pytest.fixture
def connection(shop: Client) -> Iterator[AmqpConnection]:
    with shop.connect("alice", password_of("alice")) as connected:
        for queue in (LETTERS, DEAD):
            while connected.receive(queue, 0) is not None:
                pass
        yield connected


def test_what_is_sent_is_received(connection: AmqpConnection) -> None:
    body = {"text": "grüße", "list": [1, 2.5, None, True]}
    sent = connection.send(LETTERS, body, properties={"day": "Tuesday"}, correlation_id="c1")
    message = connection.receive(LETTERS, 5)
    assert message is not None
    assert (message.body, message.correlation_id, message.message_id) == (body, "c1", sent)
    assert dict(message.properties) == {"day": "Tuesday"}
    assert message.identity is None, "it is no engine of ours, whose word would count"


def test_nothing_is_none_and_takes_nothing_later(connection: AmqpConnection) -> None:
    assert connection.receive(LETTERS, 0) is None
    assert connection.receive(LETTERS, 0.3) is None
    connection.send(LETTERS, "later")
    message = connection.receive(LETTERS, 5)
    assert message is not None


def test_what_the_broker_lacks_is_told_and_nothing_is_taken(connection: AmqpConnection) -> None:
    connection.send(LETTERS, "stays")
    with pytest.raises(MessagingError, match="CF-AMQP-031"):
        connection.browse(LETTERS)
    with pytest.raises(MessagingError, match=r"CF-AMQP-022.*not-implemented"):
        connection.request(LETTERS, "no temporary queues", timeout=1)
    message = connection.receive(LETTERS, 5)
    assert message is not None
    assert message.body == "stays"


def test_refusals_have_our_codes(shop: Client, connection: AmqpConnection) -> None:
    with pytest.raises(NameNotFound, match=r"CF-AMQP-021.*nowhere"):
        connection.receive("/amq/queue/nowhere", 0)
    with shop.connect("confined", password_of("confined")) as confined:
        with pytest.raises(AccessDenied, match=r"CF-AMQP-020.*ACCESS_REFUSED"):
            confined.receive(LETTERS, 0)
    with pytest.raises(LoginRefused, match="CF-AMQP-012"):
        shop.connect("alice", "wrong")
    with pytest.raises(SignOnError, match="CF-AMQP-013"):
        shop.connect(None)


def test_a_broker_without_transactions_is_told_when_a_unit_needs_them(rabbitmq: RabbitMQ, tmp_path: Path) -> None:
    with client(tmp_path / "shop", rabbitmq.port, transactions=True) as shop, shop.container.transaction():
        with pytest.raises(MessagingError, match="CF-AMQP-464"):
            shop.connect("alice", password_of("alice"))
