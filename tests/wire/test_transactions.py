"""Local transactions over the wire: what is sent and settled in one is done as a whole, or not at all (CHAIN-1)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support_wire import Coordinator, Wire, is_empty, receive, require_proton, wire

pytestmark = pytest.mark.amqp

require_proton()
from proton import Message  # noqa: E402
from proton.utils import LinkDetached  # noqa: E402

ACCEPTED, REJECTED, RELEASED = 0x24, 0x25, 0x26


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Wire]:
    with wire(tmp_path) as started:
        yield started


def nothing_comes(client: Any, address: str) -> bool:
    receiver = client.create_receiver(address, credit=0)
    receiver.link.drain(1)
    client.wait(lambda: receiver.link.credit == 0, timeout=10)
    came = bool(receiver.fetcher.has_message)
    receiver.close()
    return not came


def put(running: Wire, *bodies: str) -> None:
    sender = running.connect("alice").create_sender("requests")
    for body in bodies:
        sender.send(Message(body=body, durable=True))


def test_what_was_sent_is_seen_with_the_commit_and_not_before(running: Wire) -> None:
    client = running.connect("alice")
    coordinator, sender = Coordinator(client), client.create_sender("requests")
    unit = coordinator.declare()
    for body in ("one", "two"):
        answer = coordinator.send(sender, Message(body=body), unit)
        assert answer.remote_state == 0x34
        assert bytes(answer.remote.data[0]) == unit
    other = running.connect("bob")
    assert nothing_comes(other, "requests")
    assert coordinator.discharge(unit) is None
    assert [receive(other, "requests").body for _ in range(2)] == ["one", "two"]


def test_what_was_sent_is_never_seen_after_a_rollback(running: Wire) -> None:
    client = running.connect("alice")
    coordinator, sender = Coordinator(client), client.create_sender("requests")
    unit = coordinator.declare()
    coordinator.send(sender, Message(body="never"), unit)
    assert coordinator.discharge(unit, fail=True) is None
    assert is_empty(running, "requests")


@pytest.mark.parametrize("settled", [True, False], ids=["settled by the client", "left open by the client"])
def test_a_message_and_the_answer_to_it_are_one(running: Wire, settled: bool) -> None:
    put(running, "question")
    client = running.connect("bob")
    coordinator, sender = Coordinator(client), client.create_sender("requests")
    receiver = client.create_receiver("requests", credit=0)
    unit = coordinator.declare()
    assert receiver.receive(timeout=10).body == "question"
    coordinator.settle(receiver, unit, finally_=settled)
    coordinator.send(sender, Message(body="answer"), unit)
    assert nothing_comes(running.connect("alice"), "requests")
    assert coordinator.discharge(unit) is None
    receiver.close()
    assert receive(running.connect("alice"), "requests").body == "answer"


def test_a_message_whose_transaction_is_rolled_back_comes_again_as_a_failed_delivery(running: Wire) -> None:
    put(running, "again")
    client = running.connect("bob")
    coordinator, receiver = Coordinator(client), client.create_receiver("requests", credit=0)
    unit = coordinator.declare()
    receiver.receive(timeout=10)
    coordinator.settle(receiver, unit)
    assert coordinator.discharge(unit, fail=True) is None
    message = receive(running.connect("alice"), "requests")
    assert (message.body, message.delivery_count) == ("again", 1)


def test_a_message_that_the_client_still_has_after_a_rollback_is_its_own_to_settle(running: Wire) -> None:
    put(running, "mine")
    client = running.connect("bob")
    coordinator, receiver = Coordinator(client), client.create_receiver("requests", credit=0)
    unit = coordinator.declare()
    receiver.receive(timeout=10)
    delivery = coordinator.settle(receiver, unit, finally_=False)
    assert coordinator.discharge(unit, fail=True) is None
    assert running.bus.engine.destinations.get("requests").queue.counts() == (0, 1)
    delivery.update(ACCEPTED)
    client.wait(lambda: delivery.settled, timeout=10)
    assert is_empty(running, "requests")


@pytest.mark.parametrize("outcome", [REJECTED, RELEASED])
def test_another_outcome_waits_for_the_commit_as_well(running: Wire, outcome: int) -> None:
    put(running, "unwanted")
    client = running.connect("bob")
    coordinator, receiver = Coordinator(client), client.create_receiver("requests", credit=0)
    unit = coordinator.declare()
    receiver.receive(timeout=10)
    coordinator.settle(receiver, unit, outcome)
    receiver.close()
    assert coordinator.discharge(unit) is None
    there = "requests" if outcome == RELEASED else "_SYSTEM.Exception.Destination.weather"
    assert running.bus.engine.destinations.get(there).queue.receive(10) is not None


def test_closing_the_receiver_before_the_commit_loses_nothing_of_it(running: Wire) -> None:
    put(running, "done", "left")
    client = running.connect("bob")
    coordinator, receiver = Coordinator(client), client.create_receiver("requests", credit=0)
    unit = coordinator.declare()
    receiver.receive(timeout=10)
    coordinator.settle(receiver, unit)
    receiver.close()
    assert coordinator.discharge(unit) is None
    assert receive(running.connect("alice"), "requests").body == "left"
    assert is_empty(running, "requests")


@pytest.mark.parametrize("how", ["coordinator link", "connection"])
def test_the_end_of_the_link_or_the_connection_undoes_what_is_open(running: Wire, how: str) -> None:
    put(running, "kept")
    client = running.connect("bob")
    coordinator, sender = Coordinator(client), client.create_sender("requests")
    receiver = client.create_receiver("requests", credit=0)
    unit = coordinator.declare()
    receiver.receive(timeout=10)
    coordinator.settle(receiver, unit)
    coordinator.send(sender, Message(body="never"), unit)
    (coordinator.sender if how == "coordinator link" else client).close()
    other = running.connect("alice")
    message = receive(other, "requests")
    assert (message.body, message.delivery_count) == ("kept", 0)
    assert is_empty(running, "requests")


def test_an_unknown_transaction_is_named_as_such(running: Wire) -> None:
    client = running.connect("alice")
    coordinator, sender = Coordinator(client), client.create_sender("requests")
    assert coordinator.discharge(b"nothing") == "amqp:transaction:unknown-id"
    answer = coordinator.send(sender, Message(body="x"), b"nothing")
    assert answer.remote.condition.name == "amqp:transaction:unknown-id"
    unit = coordinator.declare()
    assert coordinator.discharge(unit) is None
    assert coordinator.discharge(unit) == "amqp:transaction:unknown-id"


def test_a_delivery_settled_in_an_unknown_transaction_ends_its_link_and_goes_back(running: Wire) -> None:
    put(running, "back")
    client = running.connect("bob")
    coordinator, receiver = Coordinator(client), client.create_receiver("requests", credit=0)
    receiver.receive(timeout=10)
    coordinator.settle(receiver, b"nothing")
    with pytest.raises(LinkDetached, match="CF-BUS-303"):
        client.wait(lambda: False, timeout=10)
    assert receive(running.connect("alice"), "requests").body == "back"


def test_a_message_that_is_refused_makes_the_whole_transaction_fail(running: Wire) -> None:
    client = running.connect("bob")
    coordinator, relay = Coordinator(client), client.create_sender(None)
    unit = coordinator.declare()
    coordinator.send(relay, Message(body="fine", address="requests"), unit)
    refused = coordinator.send(relay, Message(body="refused", address="private"), unit)
    assert refused.remote.condition.name == "amqp:unauthorized-access"
    assert coordinator.discharge(unit) == "amqp:transaction:rollback"
    assert is_empty(running, "requests")


def test_a_destination_that_is_full_at_the_commit_undoes_all_of_it(running: Wire) -> None:
    running.connect("alice").create_sender("narrow").send(Message(body="in the way"))
    client = running.connect("bob")
    coordinator, relay = Coordinator(client), client.create_sender(None)
    unit = coordinator.declare()
    for address in ("requests", "narrow"):
        coordinator.send(relay, Message(body="x", address=address), unit)
    assert coordinator.discharge(unit) == "amqp:transaction:rollback"
    assert is_empty(running, "requests")


def test_several_transactions_of_a_connection_are_kept_apart(running: Wire) -> None:
    client = running.connect("alice")
    coordinator, sender = Coordinator(client), client.create_sender("requests")
    first, second = coordinator.declare(), coordinator.declare()
    coordinator.send(sender, Message(body="first"), first)
    coordinator.send(sender, Message(body="second"), second)
    assert coordinator.discharge(first, fail=True) is None
    assert coordinator.discharge(second) is None
    assert receive(running.connect("bob"), "requests").body == "second"
    assert is_empty(running, "requests")


def test_a_client_may_declare_the_next_one_behind_the_end_of_the_last_without_waiting(running: Wire) -> None:
    client = running.connect("alice")
    coordinator, sender = Coordinator(client), client.create_sender("requests")
    first = coordinator.declare()
    coordinator.send(sender, Message(body="first"), first)
    ended, begun = coordinator.say("discharge", first, False), coordinator.say("declare", None)
    client.wait(lambda: ended.settled and begun.settled, timeout=10)
    assert ended.remote_state == ended.ACCEPTED
    second = bytes(begun.remote.data[0])
    coordinator.send(sender, Message(body="second"), second)
    assert running.bus.engine.destinations.get("requests").queue.counts() == (1, 0)
    assert coordinator.discharge(second) is None
    assert running.bus.engine.destinations.get("requests").queue.counts() == (2, 0)


def test_one_that_stays_open_for_too_long_is_undone_and_its_client_told(tmp_path: Path) -> None:
    extra = '[chains.Hasty]\nport = 0\ntransaction_timeout = "200ms"\n'
    with wire(tmp_path, extra=extra) as running:
        put(running, "kept")
        client = running.connect("bob", chain="Hasty")
        coordinator, receiver = Coordinator(client), client.create_receiver("requests", credit=0)
        unit = coordinator.declare()
        receiver.receive(timeout=10)
        coordinator.settle(receiver, unit)
        assert receive(running.connect("alice"), "requests").body == "kept"  # as soon as it has gone back
        assert coordinator.discharge(unit) == "amqp:transaction:timeout"


def test_a_connection_has_a_limit_of_open_transactions(running: Wire) -> None:
    coordinator = Coordinator(running.connect("alice"))
    for _ in range(100):
        coordinator.declare()
    assert coordinator.ask("declare", None).remote.condition.name == "amqp:resource-limit-exceeded"


def test_what_is_no_request_to_the_coordinator_is_rejected(running: Wire) -> None:
    coordinator = Coordinator(running.connect("alice"))
    assert coordinator.ask("something", None).remote.condition is not None
    assert coordinator.declare()


def test_a_transaction_outlives_a_restart_of_the_server_whole(tmp_path: Path) -> None:
    with wire(tmp_path) as running:
        client = running.connect("alice")
        coordinator, sender = Coordinator(client), client.create_sender("requests")
        done, open_ = coordinator.declare(), coordinator.declare()
        for body in ("one", "two"):
            coordinator.send(sender, Message(body=body, durable=True), done)
        coordinator.send(sender, Message(body="never", durable=True), open_)
        assert coordinator.discharge(done) is None
    with wire(tmp_path) as running:
        client = running.connect("bob")
        assert [receive(client, "requests").body for _ in range(2)] == ["one", "two"]
        assert is_empty(running, "requests")
