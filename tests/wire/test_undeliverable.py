"""A message that a client says is undeliverable on its link comes to others, and not to that link again (CHAIN-1)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support_wire import Coordinator, Wire, receive, require_proton, wire

pytestmark = pytest.mark.amqp

require_proton()
from proton import Delivery, Described, Message, SymbolList, ulong  # noqa: E402
from proton.reactor import ReceiverOption, Selector  # noqa: E402

PATIENT = """
[buses.weather.destinations.patient]
max_redeliveries = 5
[buses.weather.destinations.news]
type = "topic-space"
"""


class Shared(ReceiverOption):
    def apply(self, receiver: Any) -> None:
        receiver.source.capabilities.put_object(SymbolList(["shared", "global"]))


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Wire]:
    with wire(tmp_path, extra=PATIENT) as started:
        yield started


def put(running: Wire, *bodies: str, address: str = "patient", durable: bool = True) -> None:
    sender = running.connect("alice").create_sender(address)
    for body in bodies:
        sender.send(Message(body=body, durable=durable))


def not_here(receiver: Any, *, failed: bool = False) -> None:
    """Say of the message that was received last that this link can't do anything with it."""
    last = receiver.fetcher.unsettled[-1]
    last.local.failed, last.local.undeliverable = failed, True
    receiver.settle(Delivery.MODIFIED)


def next_of(receiver: Any) -> Any:
    message = receiver.receive(timeout=10)
    receiver.accept()
    return message.body


@pytest.mark.parametrize("durable", [True, False], ids=["durable", "in memory"])
@pytest.mark.parametrize("failed", [False, True], ids=["as it was", "failed"])
@pytest.mark.parametrize("selector", [None, "JMSPriority = 4"], ids=["no selector", "selector"])
def test_the_link_gets_what_comes_behind_and_another_one_gets_the_message(
    running: Wire, durable: bool, failed: bool, selector: str | None
) -> None:
    put(running, "not for me", "two", "three", durable=durable)
    options = None if selector is None else Selector(selector)
    link = running.connect("bob").create_receiver("patient", credit=1, options=options)
    assert link.receive(timeout=10).body == "not for me"
    not_here(link, failed=failed)
    assert [next_of(link) for _ in range(2)] == ["two", "three"]
    link.flow(5)
    put(running, "four", durable=durable)
    assert next_of(link) == "four"
    other = receive(running.connect("carol"), "patient")
    assert (other.body, other.delivery_count) == ("not for me", int(failed))


def test_several_may_be_left_out_and_a_new_link_gets_them_all_in_their_order(running: Wire) -> None:
    put(running, *"abcd")
    client = running.connect("bob")
    link = client.create_receiver("patient", credit=1)
    for body in "abc":
        assert link.receive(timeout=10).body == body
        not_here(link)
    assert next_of(link) == "d"
    link.close()
    assert [receive(client, "patient").body for _ in range(3)] == ["a", "b", "c"]


def test_a_drained_link_hears_that_there_is_nothing_for_it(running: Wire) -> None:
    put(running, "not for me")
    link = running.connect("bob").create_receiver("patient", credit=1)
    link.receive(timeout=10)
    not_here(link)
    link.link.drain(5)
    link.connection.wait(lambda: link.link.credit == 0, timeout=10)
    assert not link.fetcher.has_message


def test_in_a_transaction_that_is_so_when_it_commits(running: Wire) -> None:
    put(running, "not for me", "next")
    client = running.connect("bob")
    coordinator, link = Coordinator(client), client.create_receiver("patient", credit=1)
    unit = coordinator.declare()
    link.receive(timeout=10)
    delivery = link.fetcher.unsettled.pop()
    delivery.local.data = [unit, Described(ulong(0x27), [False, True])]
    delivery.update(0x34)
    delivery.settle()
    assert coordinator.discharge(unit) is None
    assert next_of(link) == "next"
    assert receive(running.connect("carol"), "patient").body == "not for me"


def test_those_who_share_a_subscription_get_what_one_of_them_can_do_nothing_with(running: Wire) -> None:
    first = running.connect("bob").create_receiver("news", name="ours", credit=1, options=Shared())
    put(running, "not for me", "two", address="news")
    assert first.receive(timeout=10).body == "not for me"
    not_here(first)
    assert next_of(first) == "two"
    second = running.connect("bob").create_receiver("news", name="ours", credit=1, options=Shared())
    assert next_of(second) == "not for me"
