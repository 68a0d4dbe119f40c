"""What clients of any make send, the others receive; and in process it is a message like any other (CHAIN-6)."""

from __future__ import annotations

import pytest
from support_clients import Client
from support_interop import Place, built
from support_pool import until

from connector.spi import UserPrincipal

pytestmark = pytest.mark.amqp


def test_what_a_client_sends_an_application_receives_and_knows_from_whom(
    place: Place, client: Client, queue: str
) -> None:
    client.run(place.plain, "alice", "send", queue, "grüße", "again").succeeded()
    with place.wire.in_process("bob") as application:
        first, second = (application.receive(queue, timeout=10) for _ in range(2))
    assert (first.body, second.body) == ("grüße", "again")
    assert isinstance(first.identity, UserPrincipal)
    assert first.identity.name == "alice"
    assert first.persistent


def test_what_an_application_sends_a_client_receives_in_order(place: Place, client: Client, queue: str) -> None:
    with place.wire.in_process("bob") as application:
        for number in range(20):
            application.send(queue, f"text {number}")
    assert client.run(place.plain, "alice", "receive", queue, "20").messages == [f"text {n}" for n in range(20)]
    # Some end before the last of what they accepted is off the disk.
    until(lambda: place.wire.bus.engine.destinations.get(queue).queue.counts() == (0, 0))


def test_one_client_receives_what_another_one_sends(place: Place, pair: tuple[Client, Client], queue: str) -> None:
    sender, receiver = pair
    assert sender.run(place.plain, "alice", "send", queue, "one", "two", "three").said == ("accepted",) * 3
    assert receiver.run(place.plain, "bob", "receive", queue, "3").messages == ["one", "two", "three"]


def test_whoever_browses_sees_all_and_takes_nothing(place: Place, client: Client, queue: str) -> None:
    with place.wire.in_process("bob") as application:
        for text in ("one", "two"):
            application.send(queue, text)
    for _ in range(2):
        assert client.run(place.plain, "alice", "browse", queue).said == ("message one", "message two", "end")
    assert place.wire.bus.engine.destinations.get(queue).queue.counts() == (2, 0)


def test_a_selector_says_what_is_seen(place: Place, client: Client, queue: str) -> None:
    with place.wire.in_process("bob") as application:
        for text, colour in (("one", "red"), ("two", "blue"), ("three", "red")):
            application.send(queue, text, properties={"colour": colour})
    seen = client.run(place.plain, "alice", "browse", queue, "colour = 'red'")
    assert seen.said == ("message one", "message three", "end")


def test_a_selector_says_what_is_taken(place: Place, client: Client, queue: str) -> None:
    with place.wire.in_process("bob") as application:
        for text, colour in (("one", "red"), ("two", "blue"), ("three", "red")):
            application.send(queue, text, properties={"colour": colour})
    assert client.run(place.plain, "alice", "receive", queue, "2", "colour = 'red'").messages == ["one", "three"]
    assert client.run(place.plain, "alice", "browse", queue).messages == ["two"]


def test_a_client_sends_to_what_each_message_names(place: Place, client: Client, queue: str) -> None:
    assert client.run(place.plain, "alice", "relay", queue, "one", "two").said == ("accepted",) * 2
    assert place.wire.bus.engine.destinations.get(queue).queue.counts() == (2, 0)


def test_one_client_answers_the_request_of_another(place: Place, pair: tuple[Client, Client], queue: str) -> None:
    asking, answering = pair
    with answering.responding(place.plain, "bob", queue):
        assert asking.run(place.plain, "alice", "request", queue, "how much?").messages == ["HOW MUCH?"]


@pytest.mark.parametrize("answering", ["jms", "rhea"])
def test_a_request_is_answered_on_a_temporary_topic_as_well(
    place: Place, clients: dict[str, Client], queue: str, answering: str
) -> None:
    jms = built("jms", clients)
    with built(answering, clients).responding(place.plain, "bob", queue):
        assert jms.run(place.plain, "alice", "request-by-topic", queue, "how much?").messages == ["HOW MUCH?"]
    until(lambda: not place.wire.bus.engine.destinations._temporary)


@pytest.mark.parametrize("action", ["request", "request-by-topic"])
def test_what_is_temporary_has_the_prefix_that_jms_was_told(
    place: Place, clients: dict[str, Client], queue: str, action: str
) -> None:
    jms = built("jms", clients)
    desk = jms.told(WIRE_PREFIX="desk")
    with jms.responding(place.plain, "bob", queue):  # who may send there, and nobody else may
        assert desk.run(place.plain, "alice", action, queue, "how much?").messages == ["HOW MUCH?"]


def test_whoever_does_not_wait_is_told_of_each_message_and_of_all_before_the_end(
    place: Place, clients: dict[str, Client], queue: str
) -> None:
    texts = [f"text {number}" for number in range(300)]
    said = built("jms", clients).run(place.plain, "alice", "complete", queue, *texts).succeeded().said
    assert said == (*(f"completed {text}" for text in texts), "closed")
    assert place.wire.bus.engine.destinations.get(queue).queue.counts() == (300, 0)


def test_the_temporary_queue_of_a_request_goes_with_its_client(place: Place, client: Client, queue: str) -> None:
    with client.responding(place.plain, "bob", queue):
        client.run(place.plain, "alice", "request", queue, "anybody?").succeeded()
    until(lambda: not place.wire.bus.engine.destinations._temporary)
