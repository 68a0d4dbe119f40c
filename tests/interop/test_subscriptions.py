"""Durable and shared subscriptions, delays and acknowledgement of clients that nobody here wrote (CHAIN-6)."""

from __future__ import annotations

import pytest
from support_clients import Client
from support_interop import Place, built

pytestmark = pytest.mark.amqp

#: Those whose own API has durable subscriptions.
SUBSCRIBERS = ("rhea", "jms")


@pytest.fixture(params=SUBSCRIBERS)
def subscriber(request: pytest.FixtureRequest, clients: dict[str, Client]) -> Client:
    return built(request.param, clients)


@pytest.fixture
def jms(clients: dict[str, Client]) -> Client:
    return built("jms", clients)


@pytest.fixture
def space(place: Place) -> str:
    """A topic space that nobody has used yet."""
    return place.new_space()


def publish(place: Place, space: str, *texts: str, **properties: object) -> None:
    with place.wire.in_process("bob") as application:
        for text in texts:
            application.send(space, text, properties=properties)


def test_a_durable_subscription_gathers_what_comes_while_its_client_is_away(
    place: Place, subscriber: Client, space: str
) -> None:
    client = subscriber.told(WIRE_CLIENT_ID=f"{subscriber.name}-desk-1")
    assert client.run(place.plain, "alice", "subscribe", space, "morning", "0").succeeded().said == ("subscribed",)
    publish(place, space, "one", "two")
    assert client.run(place.plain, "alice", "subscribe", space, "morning", "2").messages == ["one", "two"]
    publish(place, space, "three")
    assert client.run(place.plain, "alice", "subscribe", space, "morning", "1").messages == ["three"]


def test_a_subscription_that_was_given_up_gathers_nothing(place: Place, subscriber: Client, space: str) -> None:
    client = subscriber.told(WIRE_CLIENT_ID=f"{subscriber.name}-desk-2")
    client.run(place.plain, "alice", "subscribe", space, "evening", "0").succeeded()
    publish(place, space, "missed")
    client.run(place.plain, "alice", "unsubscribe", space, "evening").succeeded()
    client.run(place.plain, "alice", "subscribe", space, "evening", "0").succeeded()
    publish(place, space, "seen")
    assert client.run(place.plain, "alice", "subscribe", space, "evening", "1").messages == ["seen"]


def test_its_selector_narrows_it(place: Place, subscriber: Client, space: str) -> None:
    client = subscriber.told(WIRE_CLIENT_ID=f"{subscriber.name}-desk-3")
    red = "colour = 'red'"
    client.run(place.plain, "alice", "subscribe", space, "reds", "0", red).succeeded()
    publish(place, space, "sky", colour="blue")
    publish(place, space, "rose", colour="red")
    assert client.run(place.plain, "alice", "subscribe", space, "reds", "1", red).messages == ["rose"]


def test_clients_of_two_makes_share_one_subscription(place: Place, clients: dict[str, Client], space: str) -> None:
    rhea, jms = (built(name, clients) for name in SUBSCRIBERS)
    jms.run(place.plain, "alice", "share", space, "desk", "0").succeeded()
    publish(place, space, "one", "two", "three")
    got = [
        *rhea.run(place.plain, "alice", "share", space, "desk", "1").messages,
        *jms.run(place.plain, "alice", "share", space, "desk", "2").messages,
    ]
    assert sorted(got) == ["one", "three", "two"]


def test_jms_is_without_what_it_publishes_itself_where_it_wants_to_be(place: Place, jms: Client, space: str) -> None:
    assert jms.run(place.plain, "alice", "quiet", space, "mine", "theirs").messages == ["theirs"]


def test_jms_is_told_that_there_is_no_such_subscription(place: Place, jms: Client, space: str) -> None:
    client = jms.told(WIRE_CLIENT_ID="jms-desk-4")
    refusal = client.run(place.plain, "alice", "unsubscribe", space, "nothing").refusal
    assert "InvalidDestinationException" in refusal


def test_jms_is_told_that_its_client_id_is_in_use(place: Place, jms: Client, space: str, queue: str) -> None:
    client = jms.told(WIRE_CLIENT_ID="jms-desk-5")
    with client.responding(place.plain, "alice", queue):
        refusal = client.run(place.plain, "alice", "subscribe", space, "late", "0").refusal
        assert "InvalidClientIDException" in refusal
        assert "CF-BUS-500" in refusal
        built("jms", {"jms": jms}).run(place.plain, "bob", "request", queue, "done").succeeded()


def test_a_message_with_a_delay_is_shown_when_it_is_due(place: Place, subscriber: Client, queue: str) -> None:
    assert subscriber.run(place.plain, "alice", "delay", queue, "3600000", "later").said == ("accepted",)
    assert subscriber.run(place.plain, "alice", "delay", queue, "1", "soon").said == ("accepted",)
    assert subscriber.run(place.plain, "alice", "receive", queue, "1").messages == ["soon"]
    assert subscriber.run(place.plain, "alice", "browse", queue).said == ("end",)


def test_what_jms_does_not_acknowledge_comes_again_and_says_so(place: Place, jms: Client, queue: str) -> None:
    with place.wire.in_process("bob") as application:
        application.send(queue, "one")
    assert jms.run(place.plain, "alice", "recover", queue).messages == ["one", "one, again 2"]
    assert jms.run(place.plain, "alice", "browse", queue).said == ("end",)


def test_jms_may_acknowledge_lazily(place: Place, jms: Client, queue: str) -> None:
    with place.wire.in_process("bob") as application:
        for number in range(10):
            application.send(queue, f"text {number}")
    assert jms.run(place.plain, "alice", "lazily", queue, "10").messages == [f"text {n}" for n in range(10)]
    assert jms.run(place.plain, "alice", "browse", queue).said == ("end",)
