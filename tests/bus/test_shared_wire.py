"""The wire on a store in PostgreSQL that several engines share: what clients see of it is the same (CHAIN-1, BUS-1)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from support_bus_store import StorePlace
from support_wire import Coordinator, Wire, receive, require_proton, wire

pytestmark = [pytest.mark.amqp, pytest.mark.postgresql]

require_proton()
from proton import Delivery, Described, Message, Terminus, symbol  # noqa: E402
from proton.reactor import Container, Copy, Filter, ReceiverOption, Selector  # noqa: E402

NEWS = '[buses.weather.destinations.news]\ntype = "topic-space"\n'


class Durable(ReceiverOption):
    def apply(self, receiver: Any) -> None:
        receiver.source.durability = Terminus.DELIVERIES
        receiver.source.expiry_policy = Terminus.EXPIRE_NEVER


class NoLocal(Filter):
    def __init__(self) -> None:
        super().__init__({symbol("no-local"): Described(symbol("apache.org:no-local-filter:list"), [])})


@pytest.fixture
def engines(tmp_path: Path, shared_place: StorePlace) -> Iterator[tuple[Wire, Wire]]:
    """Two containers with an engine each on the same store."""
    with ExitStack() as running:
        yield (
            running.enter_context(engine(tmp_path / "one", shared_place, "one")),
            running.enter_context(engine(tmp_path / "two", shared_place, "two")),
        )


def engine(folder: Path, place: StorePlace, name: str) -> Any:
    folder.mkdir()
    (folder / "store.password").write_text(place.settings["store_password"].reveal())
    (folder / "store.password").chmod(0o600)
    store = f"""
store = "postgresql"
store_url = "{place.settings["store_url"]}"
store_user = "{place.settings["store_user"]}"
store_password = "file:store.password"
"""
    return wire(folder, bus=store, extra=NEWS, name=name)


def connect(running: Wire, client_id: str, user: str = "alice") -> Any:
    own = Container()
    own.container_id = client_id
    return running.connect(user, container=own)


def put(running: Wire, *bodies: Any, address: str = "requests") -> None:
    sender = running.connect("alice").create_sender(address)
    for body in bodies:
        sender.send(Message(body=body, durable=True))


def next_of(receiver: Any) -> Any:
    message = receiver.receive(timeout=20)
    receiver.accept()
    return message.body


def test_what_is_sent_to_one_engine_is_browsed_and_taken_at_another_in_order(engines: tuple[Wire, Wire]) -> None:
    one, two = engines
    put(one, "a", "b", "c")
    looking = two.connect("bob").create_receiver("requests", credit=10, options=Copy())
    assert [looking.receive(timeout=20).body for _ in range(3)] == ["a", "b", "c"]
    client = two.connect("bob")
    assert receive(client, "requests", options=Selector("JMSPriority = 4")).body == "a"
    released = client.create_receiver("requests", credit=1)
    assert released.receive(timeout=20).body == "b"
    released.release(delivered=False)
    released.close()
    other = one.connect("carol")
    assert [receive(other, "requests").body for _ in range(2)] == ["b", "c"]


def test_whoever_drains_gets_what_there_is(engines: tuple[Wire, Wire]) -> None:
    one, two = engines
    put(one, "a", "b")
    receiver = two.connect("bob").create_receiver("requests", credit=0)
    receiver.link.drain(5)
    receiver.connection.wait(lambda: receiver.link.credit == 0, timeout=20)
    assert receiver.fetcher.has_message == 2


def test_what_a_link_can_do_nothing_with_is_for_others_at_any_engine(engines: tuple[Wire, Wire]) -> None:
    one, two = engines
    put(one, "not for me", "next")
    link = two.connect("bob").create_receiver("requests", credit=1)
    assert link.receive(timeout=20).body == "not for me"
    link.fetcher.unsettled[-1].local.undeliverable = True
    link.settle(Delivery.MODIFIED)
    assert next_of(link) == "next"
    assert receive(one.connect("carol"), "requests").body == "not for me"


def test_a_transaction_at_one_engine_is_seen_whole_at_the_other(engines: tuple[Wire, Wire]) -> None:
    one, two = engines
    client = one.connect("alice")
    coordinator, sender = Coordinator(client), client.create_sender("requests")
    unit = coordinator.declare()
    for body in ("a", "b"):
        coordinator.send(sender, Message(body=body, durable=True), unit)
    receiver = two.connect("bob").create_receiver("requests", credit=0)
    receiver.link.drain(5)
    receiver.connection.wait(lambda: receiver.link.credit == 0, timeout=20)
    assert not receiver.fetcher.has_message
    receiver.close()
    assert coordinator.discharge(unit) is None
    other = two.connect("bob")
    assert [receive(other, "requests").body for _ in range(2)] == ["a", "b"]


def test_a_client_id_is_the_same_at_every_engine_for_who_wants_nothing_of_its_own(engines: tuple[Wire, Wire]) -> None:
    one, two = engines
    options = [Durable(), NoLocal()]
    connect(one, "desk").create_receiver("news", name="daily", options=options).connection.close()
    for running, client_id in ((two, "desk"), (one, "desk"), (two, "other")):
        sender = connect(running, client_id).create_sender("news")
        sender.send(Message(body=f"{client_id} at {running.container.name}", durable=True))
    again = connect(two, "desk").create_receiver("news", name="daily", credit=5, options=options)
    assert next_of(again) == "other at two"
