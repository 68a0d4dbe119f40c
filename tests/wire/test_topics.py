"""Clients publish to topic spaces by the subject of their messages, and hear of topics by it (BUS-6, CHAIN-1)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support_wire import Wire, receive, require_proton, wire

pytestmark = pytest.mark.amqp

require_proton()
from proton import Message  # noqa: E402
from proton.utils import SendException  # noqa: E402

NEWS = """
[buses.weather.destinations.news]
type = "topic-space"
max_depth = 1

[buses.weather.destinations.news.topics.secret]
inherit_sender = false
"""


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Wire]:
    with wire(tmp_path, extra=NEWS) as started:
        yield started


def test_what_a_client_publishes_subscribers_in_process_get_by_its_topic(running: Wire) -> None:
    with running.in_process("bob") as connection:
        subscription, other = connection.subscribe("news", "uk/*"), connection.subscribe("news", "fr")
        running.connect("alice").create_sender("news").send(Message(body="fog", subject="uk/london"))
        message = subscription.receive(timeout=10)
        assert (message.body, message.topic, message.destination) == ("fog", "uk/london", "news")
        assert str(message.identity) == "alice@weather"
        assert other.receive(timeout=0) is None


def test_a_publication_that_is_refused_is_refused_to_the_client_and_reaches_nobody(running: Wire) -> None:
    sender = running.connect("alice").create_sender("news")
    for topic in ("secret", "uk/*"):
        with pytest.raises(SendException):
            sender.send(Message(body="x", subject=topic))
    with running.in_process("bob") as connection:
        subscription = connection.subscribe("news", name="kept", durable=True)  # one that isn't durable does without
        sender.send(Message(body="fits", subject="uk"))
        with pytest.raises(SendException):
            sender.send(Message(body="is too many", subject="uk"))
        assert subscription.receive(timeout=10).body == "fits"
        assert subscription.receive(timeout=0) is None


def test_the_topic_of_a_message_is_its_subject_for_a_client(running: Wire) -> None:
    with running.in_process("alice") as connection:
        connection.send("requests", "fog", topic="uk/london")
    got = receive(running.connect("bob"), "requests")
    assert (got.body, got.subject) == ("fog", "uk/london")
