"""How clients of any make sign on: by password, plain or under TLS, by certificate, and not at all (CHAIN-5)."""

from __future__ import annotations

import pytest
from support_clients import Client, Server
from support_interop import Place

from connector.spi import UserPrincipal

pytestmark = pytest.mark.amqp


def sender_of_the_only_message(place: Place, queue: str) -> str:
    with place.wire.in_process("bob") as application:
        message = application.receive(queue, timeout=10)
    assert isinstance(message.identity, UserPrincipal)
    return message.identity.name


def test_a_client_signs_on_with_a_password_under_tls(place: Place, client: Client, queue: str) -> None:
    client.run(place.secure, "carol", "send", queue, "hello").succeeded()
    assert sender_of_the_only_message(place, queue) == "carol"


def test_a_client_is_who_its_certificate_says(place: Place, client: Client, queue: str) -> None:
    client.run(place.certificates, None, "send", queue, "hello").succeeded()
    assert sender_of_the_only_message(place, queue) == "alice"


def test_a_password_decides_where_certificates_stand_for_nobody(place: Place, client: Client, queue: str) -> None:
    with_certificate = Server(place.secure.port, place.secure.trust, place.certificates.key)
    client.run(with_certificate, "carol", "send", queue, "hello").succeeded()
    assert sender_of_the_only_message(place, queue) == "carol"


def test_nobody_gets_onto_a_bus_that_takes_everyone(everyone: Server, client: Client) -> None:
    client.run(everyone, None, "send", "requests", "hello").succeeded()
    assert client.run(everyone, None, "receive", "requests", "1").messages == ["hello"]


def test_nobody_gets_onto_any_other(place: Place, client: Client, queue: str) -> None:
    assert client.run(place.plain, None, "send", queue, "hello").refusal


def test_a_wrong_password_is_refused(place: Place, client: Client, queue: str) -> None:
    refusal = client.run(place.plain, "alice", "send", queue, "hello", password="guessed").refusal
    assert "guessed" not in refusal
