"""Messages that are only handed on take a short way, and nothing about them is different for it (CHAIN-6)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support_pool import until
from support_wire import Wire, require_proton, wire

pytestmark = pytest.mark.amqp

require_proton()
from proton import Delivery, Message  # noqa: E402
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


def flood(running: Wire, messages: list[Message]) -> list[int]:
    """Send without waiting for any; answers what became of each."""
    client = running.connect("alice")
    sender = client.create_sender("requests")
    client.wait(lambda: sender.link.credit >= len(messages), timeout=10)
    deliveries = [sender.link.send(message) for message in messages]
    client.wait(lambda: all(delivery.settled for delivery in deliveries), timeout=20)
    outcomes = [delivery.remote_state for delivery in deliveries]
    client.close()
    return outcomes


def memory_used(running: Wire) -> int:
    used: int = running.listeners._crowds["InboundBasicMessaging"].memory.used
    return used


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


@pytest.mark.parametrize("durable", [False, True])
def test_order_is_kept_where_a_sender_waits_for_nothing(running: Wire, durable: bool) -> None:
    kinds: list[dict[str, Any]] = [{}, {"properties": {"colour": "red"}}, {}, {}, {"annotations": {"x-opt-of": 1}}]
    client = running.connect("bob")
    receiver = client.create_receiver("requests", credit=200)
    queue = running.bus.engine.destinations.get("requests").queue
    until(lambda: queue._state.waiting > 0)
    flood(running, [Message(f"{number}", durable=durable, **kinds[number % 5]) for number in range(200)])
    assert [receiver.receive().body for _ in range(200)] == [f"{number}" for number in range(200)]
    client.close()


@pytest.mark.parametrize("durable", [False, True])
def test_a_selector_that_waits_already_finds_it(running: Wire, durable: bool) -> None:
    with running.in_process("bob") as application:
        assert application.receive("requests", timeout=0, selector="JMSPriority < 5") is None
        send(running, Message("one", priority=8, durable=durable), Message("two", priority=1, durable=durable))
        assert application.receive("requests", timeout=10, selector="JMSPriority < 5").body == "two"


def test_what_has_to_survive_is_stored_as_it_came_and_read_where_somebody_looks(running: Wire) -> None:
    send(running, Message("hello", id="one", durable=True))
    (entry,) = entries(running)
    store = running.bus.engine.store
    assert not entry.in_memory
    assert store.as_it_came(entry.sequence) is not None
    remembered = store.read(entry.sequence)
    store._recent.left([entry.sequence])
    assert store.as_it_came(entry.sequence) is None
    assert store.read(entry.sequence) == remembered
    with running.in_process("bob") as application:
        message = application.receive("requests", timeout=10)
    assert (message.body, message.message_id, message.persistent, message.identity.name) == (
        "hello",
        "one",
        True,
        "alice",
    )
    assert list(store.index()) == []


def test_durable_messages_are_received_to_the_bit_from_memory_and_from_the_disk(running: Wire) -> None:
    sent = Message(b"\x00\xff", id="one", subject="of no interest to us", priority=2, inferred=True, durable=True)
    send(running, sent, sent)
    store = running.bus.engine.store
    store._recent.left([entries(running)[0].sequence])
    client = running.connect("bob")
    receiver = client.create_receiver("requests", credit=2)
    for _ in range(2):
        got = receiver.receive()
        receiver.accept()
        assert (got.body, got.id, got.subject, got.priority) == (b"\x00\xff", "one", "of no interest to us", 2)
        assert (got.durable, got.inferred, got.delivery_count) == (True, True, 0)
    client.close()
    until(lambda: running.bus.engine.destinations.get("requests").queue.counts() == (0, 0))
    assert list(store.index()) == []


def test_where_one_of_a_turn_can_t_be_stored_the_others_are(running: Wire) -> None:
    write = running.bus.engine.store._writer._commit

    def fails(changes: Any) -> None:
        if any(change.unread or any(b"bad" in each.content.data for each in change.insert) for change in changes):
            raise OSError
        write(changes)

    running.bus.engine.store._writer._commit = fails
    outcomes = flood(running, [Message(body, durable=True) for body in ("good", "bad", "better")])
    assert outcomes == [Delivery.ACCEPTED, Delivery.REJECTED, Delivery.ACCEPTED]
    with running.in_process("bob") as application:
        assert [application.receive("requests", timeout=10).body for _ in range(2)] == ["good", "better"]
    assert memory_used(running) == 0


def test_where_what_was_acknowledged_can_t_be_removed_together_each_is(running: Wire) -> None:
    flood(running, [Message(f"{number}", durable=True) for number in range(20)])
    write = running.bus.engine.store._writer._commit

    def fails(changes: Any) -> None:
        if any(len(change.remove) > 1 for change in changes):
            raise OSError
        write(changes)

    running.bus.engine.store._writer._commit = fails
    client = running.connect("bob")
    receiver = client.create_receiver("requests", credit=20)
    for number in range(20):
        assert receiver.receive().body == f"{number}"
    receiver.accept()
    for delivery in list(receiver.fetcher.unsettled):
        delivery.update(Delivery.ACCEPTED)
        delivery.settle()
    client.wait(lambda: client.conn.transport.pending() == 0, timeout=10)
    until(lambda: running.bus.engine.destinations.get("requests").queue.counts() == (0, 0))
    assert list(running.bus.engine.store.index()) == []
    client.close()


def test_a_client_that_goes_while_its_messages_are_written_leaves_them_there_and_no_memory_used(
    running: Wire,
) -> None:
    write, go_on, writing = running.bus.engine.store._writer._commit, threading.Event(), threading.Event()

    def waits(changes: Any) -> None:
        writing.set()
        assert go_on.wait(20)
        write(changes)

    running.bus.engine.store._writer._commit = waits
    client = running.connect("alice")
    sender = client.create_sender("requests")
    sender.link.send(Message("hello", durable=True))
    client.wait(lambda: client.conn.transport.pending() == 0, timeout=10)
    assert writing.wait(20)
    assert entries(running) == []
    client.close()
    until(lambda: sum(running.listeners.clients().values()) == 0)
    go_on.set()
    until(lambda: len(entries(running)) == 1)
    until(lambda: memory_used(running) == 0)


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


@pytest.mark.parametrize("durable", [False, True])
def test_what_a_sender_takes_back_in_the_middle_has_never_been(running: Wire, durable: bool) -> None:
    client = running.connect("alice")
    sender = client.create_sender("requests")
    begun = sender.link.delivery("begun")
    sender.link.stream(bytes(Message("taken back", durable=durable).encode())[:10])
    client.wait(lambda: client.conn.transport.pending() == 0, timeout=10)
    begun.abort()
    sender.send(Message("hello", durable=durable))
    client.close()
    with running.in_process("bob") as application:
        assert application.receive("requests", timeout=10).body == "hello"
        assert application.receive("requests", timeout=0) is None
    assert memory_used(running) == 0


def test_a_delivery_that_is_aborted_before_anything_was_read_of_it_is_no_message(running: Wire) -> None:
    client = running.connect("alice")
    sender = client.create_sender("requests")
    begun = sender.link.delivery("begun")
    sender.link.stream(b"\x00")
    client.conn.transport.pending()  # makes the frame of what there is, so that the next one takes it back
    begun.abort()
    sender.send(Message("hello"))
    client.close()
    with running.in_process("bob") as application:
        assert application.receive("requests", timeout=10).body == "hello"
        assert application.receive("requests", timeout=0) is None
