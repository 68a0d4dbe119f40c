"""The AMQP client of Go, which can neither browse nor use transactions: what it can, it can on our bus (CHAIN-6)."""

from __future__ import annotations

import pytest
from support_clients import Client
from support_interop import Place, built

pytestmark = pytest.mark.amqp


@pytest.fixture
def go(clients: dict[str, Client]) -> Client:
    return built("go", clients)


def test_what_it_sends_an_application_receives_and_knows_from_whom(place: Place, go: Client, queue: str) -> None:
    assert go.run(place.plain, "alice", "send", queue, "grüße", "again").succeeded().said == ("accepted",) * 2
    with place.wire.in_process("bob") as application:
        first, second = (application.receive(queue, timeout=10) for _ in range(2))
    assert (first.body, second.body) == ("grüße", "again")
    assert first.identity is not None
    assert (first.identity.name, first.persistent) == ("alice", True)


def test_what_an_application_sends_it_receives_in_order(place: Place, go: Client, queue: str) -> None:
    with place.wire.in_process("bob") as application:
        for number in range(20):
            application.send(queue, f"text {number}")
    assert go.run(place.plain, "alice", "receive", queue, "20").messages == [f"text {n}" for n in range(20)]


def test_a_selector_says_what_it_takes(place: Place, go: Client, queue: str) -> None:
    with place.wire.in_process("bob") as application:
        for text, colour in (("one", "red"), ("two", "blue"), ("three", "red")):
            application.send(queue, text, properties={"colour": colour})
    assert go.run(place.plain, "alice", "receive", queue, "2", "colour = 'red'").messages == ["one", "three"]


def test_each_of_its_messages_may_name_where_it_goes(place: Place, go: Client, queue: str) -> None:
    assert go.run(place.plain, "alice", "relay", queue, "one", "two").succeeded().said == ("accepted",) * 2
    assert place.wire.bus.engine.destinations.get(queue).queue.counts() == (2, 0)


@pytest.mark.parametrize("other", ["rhea", "jms"])
def test_it_asks_others_and_answers_them(
    place: Place, go: Client, clients: dict[str, Client], queue: str, other: str
) -> None:
    client = built(other, clients)
    for asking, answering in ((go, client), (client, go)):
        with answering.responding(place.plain, "bob", queue):
            assert asking.run(place.plain, "alice", "request", queue, "how much?").messages == ["HOW MUCH?"]


def test_it_comes_by_tls_with_a_password_and_with_a_certificate(place: Place, go: Client, queue: str) -> None:
    go.run(place.secure, "bob", "send", queue, "by password").succeeded()
    go.run(place.certificates, None, "send", queue, "by certificate").succeeded()
    with place.wire.in_process("bob") as application:
        names = [application.receive(queue, timeout=10).identity.name for _ in range(2)]
    assert names == ["bob", "alice"]


def test_what_it_may_not_it_is_told(place: Place, go: Client, queue: str) -> None:
    refusals = {
        "CF-BUS-012": go.run(place.plain, "mallory", "send", queue, "hello"),
        "CF-BUS-020": go.run(place.plain, "bob", "send", "private", "hello"),
        "CF-BUS-021": go.run(place.plain, "alice", "receive", "private", "1"),
        "CF-BUS-030": go.run(place.plain, "alice", "send", "elsewhere", "hello"),
        "auth failed": go.run(place.plain, "alice", "send", queue, "hello", password="guess"),
    }
    for told, outcome in refusals.items():
        assert told in outcome.refusal


def test_a_server_that_it_does_not_trust_gets_nothing_of_it(place: Place, go: Client, queue: str) -> None:
    stranger = type(place.secure)(place.secure.port, place.folder / "alice.crt")
    assert "certificate" in go.run(stranger, "alice", "send", queue, "hello").refusal
