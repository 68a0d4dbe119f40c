"""Messages that are only handed on take a short way, and nothing about them is different for it (CHAIN-6)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support_pool import until
from support_wire import Wire, require_proton, wire

pytestmark = pytest.mark.amqp

require_proton()
from proton import Message  # noqa: E402
from proton.utils import SendException  # noqa: E402

from connector_bus.engine.queue_state import Entry  # noqa: E402


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Wire]:
    extra = '[buses.weather.destinations.small]\nmax_message_size = 50\n[buses.weather.destinations."dead"]\n'
    with wire(tmp_path, extra=extra) as started:
        yield started


def entries(running: Wire, name: str = "requests") -> list[Entry]:
    found: list[Entry] = running.bus.engine.destinations.get(name).queue.entries()
    return found


def send(running: Wire, *messages: Message, name: str = "requests", user: str = "alice") -> None:
    client = running.connect(user)
    sender = client.create_sender(name)
    for message in messages:
        sender.send(message)
    client.close()


def test_it_is_taken_by_what_need_not_survive_and_by_nothing_else(running: Wire) -> None:
    send(running, Message("passing"), Message("lasting", durable=True))
    passing, lasting = entries(running)
    assert passing.unread is not None
    assert not lasting.in_memory
    assert running.bus.engine.store.read(passing.sequence) is None
    assert running.bus.engine.store.read(lasting.sequence) is not None


def test_an_application_reads_of_it_all_that_its_sender_wrote(running: Wire) -> None:
    sent = Message("hello", id="one", correlation_id="two", reply_to="elsewhere", group_id="three", priority=7, ttl=60)
    send(running, sent)
    with running.in_process("bob") as application:
        message = application.receive("requests", timeout=10)
    assert message.body == "hello"
    assert (message.message_id, message.correlation_id, message.group) == ("one", "two", "three")
    assert (message.reply_to, message.priority, message.persistent) == ("elsewhere", 7, False)
    assert message.identity.name == "alice"
    assert message.destination == "requests"
    assert 0 < message.expires_at - message.timestamp <= 60


def test_another_client_receives_it_to_the_bit(running: Wire) -> None:
    sent = Message(b"\x00\xff", id="one", subject="of no interest to us", priority=2, inferred=True)
    send(running, sent)
    client = running.connect("bob")
    receiver = client.create_receiver("requests", credit=1)
    got = receiver.receive()
    receiver.accept()
    assert (got.body, got.id, got.subject, got.priority) == (b"\x00\xff", "one", "of no interest to us", 2)
    assert (got.durable, got.inferred, got.delivery_count) == (False, True, 0)
    client.close()
    until(lambda: running.bus.engine.destinations.get("requests").queue.counts() == (0, 0))


def test_order_is_kept_whichever_way_each_message_takes(running: Wire) -> None:
    kinds: list[dict[str, Any]] = [{}, {"properties": {"colour": "red"}}, {}, {"annotations": {"x-opt-of": 1}}, {}]
    send(running, *(Message(f"{number}", **kind) for number, kind in enumerate(kinds * 3)))
    with running.in_process("bob") as application:
        bodies = [application.receive("requests", timeout=10).body for _ in range(15)]
    assert bodies == [f"{number}" for number in range(15)]


def test_a_selector_finds_it(running: Wire) -> None:
    send(running, Message("one", priority=1), Message("two", priority=8))
    with running.in_process("bob") as application:
        assert application.receive("requests", timeout=10, selector="JMSPriority < 5").body == "one"


def test_a_forged_sender_is_refused(running: Wire) -> None:
    with pytest.raises(SendException):
        send(running, Message("hello", user_id=b"bob"))
    assert entries(running) == []


def test_one_that_is_too_large_for_its_destination_is_refused(running: Wire) -> None:
    with pytest.raises(SendException):
        send(running, Message("x" * 100), name="small")
    assert entries(running, "small") == []


def test_a_right_that_is_gone_ends_it_with_the_next_message(running: Wire) -> None:
    client = running.connect("alice")
    sender = client.create_sender("private")
    sender.send(Message("hello"))
    assert len(entries(running, "private")) == 1
    running.bus.access._policy = _without_senders(running)
    with pytest.raises(SendException):
        sender.send(Message("once more"))
    assert len(entries(running, "private")) == 1


def _without_senders(running: Wire) -> Any:
    """A policy that lets nobody send, put in force without telling who has links open."""

    class NobodySends:
        def decide(self, *_: Any) -> bool:
            return False

        def __getattr__(self, name: str) -> Any:
            return getattr(policy, name)

    policy = running.bus.access._policy
    return NobodySends()


def test_one_that_is_past_its_time_is_not_delivered(running: Wire) -> None:
    send(running, Message("late", expiry_time=1.0), Message("in time"))
    with running.in_process("bob") as application:
        assert application.receive("requests", timeout=10).body == "in time"
    assert running.bus.engine.expired == 1


def test_one_that_a_client_gives_back_comes_again_and_one_that_it_rejects_is_put_aside(running: Wire) -> None:
    send(running, Message("hello"))
    client = running.connect("bob")
    receiver = client.create_receiver("requests", credit=1)
    assert receiver.receive().body == "hello"
    receiver.release(delivered=False)
    assert receiver.receive().body == "hello"
    receiver.reject()
    receiver.close()
    until(lambda: running.bus.engine.destinations.get("requests").queue.counts() == (0, 0))
    aside = running.bus.engine.destinations.get("_SYSTEM.Exception.Destination.weather").queue
    until(lambda: aside.counts() == (1, 0))
    (entry,) = aside.entries()
    assert running.bus.engine.fetch("", entry).message().body == "hello"
    client.close()
