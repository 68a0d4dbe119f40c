"""A subscriber that wants to be without what it publishes itself: the filter no-local (JMS 2.0, 8.3; CHAIN-1)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support_wire import Coordinator, Wire, require_proton, wire

pytestmark = pytest.mark.amqp

require_proton()
from proton import Described, Message, SymbolList, Terminus, symbol, ulong  # noqa: E402
from proton.reactor import Container, Filter, ReceiverOption  # noqa: E402
from proton.utils import LinkDetached  # noqa: E402

NEWS = '[buses.weather.destinations.news]\ntype = "topic-space"\n'
BY_NAME = Described(symbol("apache.org:no-local-filter:list"), "NoLocalFilter{}")
BY_NUMBER = Described(ulong(0x0000468C00000003), [])


class NoLocal(Filter):
    def __init__(self, filter_: Any = BY_NAME) -> None:
        super().__init__({symbol("no-local"): filter_})


class Durable(ReceiverOption):
    def apply(self, receiver: Any) -> None:
        receiver.source.durability = Terminus.DELIVERIES
        receiver.source.expiry_policy = Terminus.EXPIRE_NEVER


class Shared(ReceiverOption):
    def apply(self, receiver: Any) -> None:
        receiver.source.capabilities.put_object(SymbolList(["shared"]))


class WithoutSource(ReceiverOption):
    def apply(self, receiver: Any) -> None:
        receiver.source.type = Terminus.UNSPECIFIED


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Wire]:
    with wire(tmp_path, extra=NEWS) as started:
        yield started


def connect(running: Wire, client_id: str, user: str = "alice") -> Any:
    own = Container()
    own.container_id = client_id
    return running.connect(user, container=own)


def publish(client: Any, body: str, address: str = "news") -> None:
    sender = client.create_sender(address)
    sender.send(Message(body=body, durable=True))
    sender.close()


def next_of(receiver: Any) -> Any:
    body = receiver.receive(timeout=10).body
    receiver.accept()
    return body


def echoed(receiver: Any) -> list[str]:
    filters = receiver.link.remote_source.filter
    filters.rewind()
    return [str(name) for name in filters.get_object()] if filters.next() else []


@pytest.mark.parametrize("filter_", [BY_NAME, BY_NUMBER], ids=["by name", "by number"])
def test_what_comes_over_the_subscribers_own_connection_does_not_come_back(running: Wire, filter_: Any) -> None:
    client = connect(running, "desk")
    receiver = client.create_receiver("news", credit=5, options=NoLocal(filter_))
    assert echoed(receiver) == ["no-local"]
    publish(client, "my own")
    publish(connect(running, "desk"), "of another connection")  # which has the same id, and is another one all the same
    publish(connect(running, "other", "bob"), "of somebody else")
    assert [next_of(receiver) for _ in range(2)] == ["of another connection", "of somebody else"]


def test_without_the_filter_everything_comes(running: Wire) -> None:
    client = connect(running, "desk")
    receiver = client.create_receiver("news", credit=5)
    publish(client, "my own")
    assert next_of(receiver) == "my own"


def test_it_narrows_a_selector_further(running: Wire) -> None:
    client = connect(running, "desk")
    both = Filter(
        {
            symbol("no-local"): BY_NAME,
            symbol("selector"): Described(symbol("apache.org:selector-filter:string"), "JMSPriority > 6"),
        }
    )
    receiver = client.create_receiver("news", credit=5, options=both)
    assert sorted(echoed(receiver)) == ["no-local", "selector"]
    for who in (client, connect(running, "other")):
        for priority in (4, 9):
            who.create_sender("news", name=f"p{priority}").send(Message(body=who.conn.container, priority=priority))
    publish(connect(running, "other"), "not urgent")
    assert next_of(receiver) == "other"
    with pytest.raises(LinkDetached, match="CF-BUS-170"):
        client.create_receiver(
            "news",
            name="wrong",
            options=Filter(
                {symbol("s"): Described(symbol("apache.org:selector-filter:string"), "="), symbol("n"): BY_NAME}
            ),
        )


def test_what_is_published_in_a_transaction_is_the_clients_own_as_well(running: Wire) -> None:
    client = connect(running, "desk")
    receiver = client.create_receiver("news", credit=5, options=NoLocal())
    coordinator, sender = Coordinator(client), client.create_sender("news")
    unit = coordinator.declare()
    coordinator.send(sender, Message(body="my own"), unit)
    assert coordinator.discharge(unit) is None
    publish(connect(running, "other"), "theirs")
    assert next_of(receiver) == "theirs"


def test_of_a_durable_subscription_the_client_id_counts_also_while_nobody_is_there(tmp_path: Path) -> None:
    with wire(tmp_path, extra=NEWS) as running:
        first = connect(running, "desk").create_receiver("news", name="daily", options=[Durable(), NoLocal()])
        assert echoed(first) == ["no-local"]
        first.connection.close()
        publish(connect(running, "desk"), "before the restart")
    with wire(tmp_path, extra=NEWS) as running:
        publish(connect(running, "desk"), "after the restart")
        publish(connect(running, "desk", "bob"), "of another user")
        publish(connect(running, "other"), "of another client")
        again = connect(running, "desk").create_receiver("news", name="daily", credit=5, options=[Durable(), NoLocal()])
        assert [next_of(again) for _ in range(2)] == ["of another user", "of another client"]


def test_with_the_filter_or_without_a_durable_subscription_is_another_one(running: Wire) -> None:
    client = connect(running, "desk")
    client.create_receiver("news", name="daily", options=[Durable(), NoLocal()]).connection.close()
    publish(connect(running, "other"), "for the first one")
    client = connect(running, "desk")
    receiver = client.create_receiver("news", name="daily", credit=5, options=Durable())
    publish(client, "my own")
    assert next_of(receiver) == "my own"


def test_whoever_asks_for_a_durable_subscription_is_told_its_filters(running: Wire) -> None:
    selector = Described(symbol("apache.org:selector-filter:string"), "JMSPriority > 6")
    options = [Durable(), Filter({symbol("n"): BY_NAME, symbol("s"): selector})]
    connect(running, "desk").create_receiver("news", name="daily", options=options).connection.close()
    client = connect(running, "desk")
    link = client.container.create_receiver(client.conn, name="daily", options=WithoutSource())
    client.wait(lambda: bool(link.state & link.REMOTE_ACTIVE), timeout=10)
    told = link.remote_source.filter
    told.rewind()
    assert told.next()
    filters = {str(name): value for name, value in told.get_object().items()}
    assert filters["jms-selector"] == selector
    assert str(filters["no-local"].descriptor) == str(BY_NAME.descriptor)


def test_where_it_means_nothing_it_is_neither_applied_nor_echoed(running: Wire) -> None:
    client = connect(running, "desk")
    queue = client.create_receiver("requests", credit=1, options=NoLocal())
    shared = client.create_receiver("news", name="all", credit=1, options=[Shared(), NoLocal()])
    assert (echoed(queue), echoed(shared)) == ([], [])
    publish(client, "my own", "requests")
    publish(client, "my own")
    assert (next_of(queue), next_of(shared)) == ("my own", "my own")
