"""Clients publish to topic spaces by the subject of their messages, and hear of topics by it (BUS-6, CHAIN-1)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from support_wire import Wire, receive, require_proton, wire

from connector.errors import Reason, RegistryUnavailable
from connector.spi import Subject

AWAY = Reason("CF-TEST-890", "nobody knows of {user}", "Wait.")

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

[buses.weather.destinations.other]
type = "topic-space"
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
        subscription = connection.subscribe("news", name="kept", durable=True)
        sender.send(Message(body="fits", subject="uk"))
        with pytest.raises(SendException):
            sender.send(Message(body="is too many", subject="uk"))
        assert subscription.receive(timeout=10).body == "fits"
        assert subscription.receive(timeout=0) is None


def test_a_registry_that_is_slow_to_say_who_gets_a_topic_holds_up_no_other_client(
    running: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, answer = threading.Event(), threading.Event()
    identity = running.bus.context.identity
    assert_user = identity.assert_user

    def slow(user: str) -> Subject:
        asked.set()
        assert answer.wait(30)
        found: Subject = assert_user(user)
        return found

    with running.in_process("bob") as connection:
        subscription = connection.subscribe("other", "uk/*")
        monkeypatch.setattr(identity, "assert_user", slow)
        sender = running.connect("alice").create_sender("other")
        publishing = threading.Thread(target=lambda: [sender.send(Message(body=n, subject="uk/york")) for n in (1, 2)])
        publishing.start()
        try:
            assert asked.wait(10)
            others = running.connect("carol").create_sender("requests")
            others.send(Message(body="is not held up"))
        finally:
            answer.set()
            publishing.join(30)
        assert [subscription.receive(timeout=10).body for _ in range(2)] == [1, 2]


def test_a_registry_that_cannot_say_who_gets_a_topic_refuses_the_publication(
    running: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    def out_of_order(user: str) -> Subject:
        raise RegistryUnavailable(AWAY, user=user)

    with running.in_process("bob") as connection:
        subscription = connection.subscribe("other", "uk/*")
        sender = running.connect("alice").create_sender("other")
        with monkeypatch.context() as patched:
            patched.setattr(running.bus.context.identity, "assert_user", out_of_order)
            with pytest.raises(SendException):
                sender.send(Message(body="nobody", subject="uk/york"))
        sender.send(Message(body="once it can", subject="uk/york"))
        assert subscription.receive(timeout=10).body == "once it can"


def test_the_topic_of_a_message_is_its_subject_for_a_client(running: Wire) -> None:
    with running.in_process("alice") as connection:
        connection.send("requests", "fog", topic="uk/london")
    got = receive(running.connect("bob"), "requests")
    assert (got.body, got.subject) == ("fog", "uk/london")
