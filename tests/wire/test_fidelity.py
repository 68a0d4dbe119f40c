"""What a client sends is what another one receives, to the bit, however large and whatever it is (CHAIN-1)."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from support_wire import Wire, is_empty, receive, require_proton, wire

pytestmark = pytest.mark.amqp

require_proton()
from proton import Described, Handler, Message, int32, symbol, ubyte, ulong  # noqa: E402
from proton.reactor import Selector  # noqa: E402
from proton.utils import LinkDetached, SendException  # noqa: E402


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Wire]:
    with wire(tmp_path) as started:
        yield started


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    with wire(tmp_path_factory.mktemp("wire")) as started:
        yield started


@pytest.fixture(scope="module")
def talker(shared: Wire) -> Any:
    return shared.connect("alice")


class RawReceiver(Handler):
    """Takes the bytes of messages as they come, in frames, and keeps them unless told otherwise."""

    def __init__(self, client: Any, address: str, *, keep: bool = True) -> None:
        super().__init__()
        self._client = client
        self._keep = keep
        self.got: list[bytes] = []
        self.sizes: list[int] = []
        self._pieces: list[bytes] = []
        self._size = 0
        self.link = client.container.create_receiver(client.conn, address, handler=self)

    def next(self) -> bytes:
        self.link.flow(1)
        wanted = len(self.sizes) + 1
        self._client.wait(lambda: len(self.sizes) == wanted, timeout=60)
        return self.got[-1] if self._keep else b""

    def on_delivery(self, event: Any) -> None:
        delivery = event.delivery
        if not delivery.readable:
            return
        piece = event.link.recv(delivery.pending) or b""
        self._size += len(piece)
        if self._keep:
            self._pieces.append(piece)
        if delivery.partial:
            return
        event.link.advance()
        self.got.append(b"".join(self._pieces))
        self.sizes.append(self._size)
        self._pieces, self._size = [], 0
        delivery.update(delivery.ACCEPTED)
        delivery.settle()


def send_raw(client: Any, address: str, data: bytes) -> None:
    link = client.create_sender(address).link
    delivery = link.delivery("1")
    link.stream(data)
    link.advance()
    client.wait(lambda: delivery.settled, timeout=10)
    assert delivery.remote_state == delivery.ACCEPTED, delivery.remote.condition
    link.close()


def list8(*fields: bytes) -> bytes:
    body = b"".join(fields)
    return b"\xc0" + bytes((len(body) + 1, len(fields))) + body


def section(code: int, value: bytes) -> bytes:
    return b"\x00\x53" + bytes((code,)) + value


def text(value: str) -> bytes:
    return b"\xa1" + bytes((len(value),)) + value.encode()


def map8(*pairs: bytes) -> bytes:
    return b"\xc1" + bytes((len(b"".join(pairs)) + 1, len(pairs))) + b"".join(pairs)


HEADER = section(0x70, list8(b"\x41", b"\x50\x07"))
DELIVERY = section(0x71, map8(b"\xa3\x01h", text("for this hop only")))
MESSAGE = section(0x72, map8(b"\xa3\x12x-opt-jms-msg-type", b"\x51\x05"))
PROPERTIES = section(
    0x73, list8(b"\x80" + b"\xff" * 8, b"\x40", b"\x40", text("s"), b"\x40", b"\x98" + bytes(range(16)))
)
APPLICATION = section(0x74, map8(text("n"), b"\x82" + struct.pack(">d", -0.0), text("u"), b"\x80" + b"\xff" * 8))
FOOTER = section(0x78, map8(b"\xa3\x01f", b"\x40"))
BODIES = {
    "one value": section(0x77, b"\x82\x7f\xf8\x00\x00\x00\x00\x00\x01"),  # a NaN with a payload
    "several data sections": section(0x75, b"\xa0\x02\x00\xff") + section(0x75, b"\xb0\x00\x00\x00\x01x"),
    "several sequences": section(0x76, list8(b"\x41", b"\x40")) + section(0x76, b"\x45"),
    "an array": section(0x77, b"\xe0\x04\x03\x50\x01\x02\x03"),
    "a described value": section(0x77, b"\x00\xa3\x03foo" + text("bar")),
    "a map with a null": section(0x77, map8(text("k"), b"\x40")),
    "a decimal": section(0x77, b"\x94" + bytes(range(16))),
}


@pytest.mark.parametrize("body", BODIES.values(), ids=list(BODIES))
def test_all_sections_but_those_of_the_hop_come_through_to_the_bit(shared: Wire, body: bytes) -> None:
    bare = MESSAGE + PROPERTIES + APPLICATION + body + FOOTER
    send_raw(shared.connect("alice"), "requests", HEADER + DELIVERY + bare)
    got = RawReceiver(shared.connect("bob"), "requests").next()
    assert got.endswith(bare)
    header = Message()
    header.decode(got)
    assert (header.durable, header.priority, header.first_acquirer, header.delivery_count) == (True, 7, True, 0)
    assert b"for this hop only" not in got


_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.text(max_size=30),
    st.binary(max_size=30),
    st.floats(),
    st.integers(-(2**63), 2**63 - 1),
    st.integers(0, 2**64 - 1).map(ulong),
    st.integers(-(2**31), 2**31 - 1).map(int32),
    st.uuids(),
)
_VALUES = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(body=_VALUES, properties=st.dictionaries(st.text(max_size=8), _SCALARS, max_size=3))
def test_whatever_value_it_is_it_comes_through_to_the_bit(talker: Any, body: Any, properties: dict[str, Any]) -> None:
    sent = bytes(Message(body=body, properties=properties, durable=True).encode())
    client = talker
    send_raw(client, "requests", sent)
    receiver = RawReceiver(client, "requests")
    got = receiver.next()
    receiver.link.close()
    bare = sent[sent.index(b"\x00\x53\x73") :]
    assert got.endswith(bare)


def test_messages_of_a_hundred_megabytes_come_through_in_frames(shared: Wire) -> None:
    size = 100 * 1024 * 1024 - 100
    client = shared.connect("alice")
    client.timeout = 120
    sender = client.create_sender("requests")
    sender.send(Message(body=b"\x01" * size))
    receiver = RawReceiver(shared.connect("bob"), "requests", keep=False)
    receiver.next()
    assert size <= receiver.sizes[0] <= size + 100


def test_one_byte_more_than_that_is_refused_and_the_link_lives_on(shared: Wire) -> None:
    client = shared.connect("alice")
    client.timeout = 120
    sender = client.create_sender("requests")
    delivery = sender.link.send(Message(body=b"\x01" * (100 * 1024 * 1024)))
    client.wait(lambda: delivery.settled, timeout=120)
    assert delivery.remote.condition.name == "amqp:resource-limit-exceeded"
    assert "CF-BUS-154" in delivery.remote.condition.description
    sender.send(Message(body="small"))
    assert receive(shared.connect("bob"), "requests").body == "small"


def test_what_is_held_in_memory_over_all_clients_has_a_limit(tmp_path: Path) -> None:
    extra = "[chains.Small]\nport = 0\nmax_memory = 65536\n"
    with wire(tmp_path, extra=extra) as running:
        sender = running.connect("alice", chain="Small").create_sender("requests")
        for _ in range(3):  # each is free again with its answer
            delivery = sender.link.send(Message(body=b"x" * 70000))
            sender.connection.wait(lambda delivery=delivery: delivery.settled, timeout=10)
            assert delivery.remote.condition.name == "amqp:resource-limit-exceeded"
            assert "CF-BUS-304" in delivery.remote.condition.description
            sender.send(Message(body=b"x" * 60000))
        assert running.bus.engine.destinations.get("requests").queue.counts() == (3, 0)


def test_what_is_more_urgent_comes_first(running: Wire) -> None:
    sender = running.connect("alice").create_sender("requests")
    for priority in (1, 9, 4):
        sender.send(Message(body=priority, priority=priority))
    client = running.connect("bob")
    assert [receive(client, "requests").priority for _ in range(3)] == [9, 4, 1]


def test_a_message_past_its_time_is_not_delivered_and_the_rest_of_the_time_is_told(running: Wire) -> None:
    sender = running.connect("alice").create_sender("requests")
    sender.send(Message(body="soon over", ttl=0.001))
    sender.send(Message(body="good for long", ttl=3600))
    message = receive(running.connect("bob"), "requests")
    assert message.body == "good for long"
    assert 3000 < message.ttl <= 3600


@pytest.mark.parametrize("name", ["x-opt-delivery-time", "x-opt-delivery-delay"])
def test_a_delayed_message_is_shown_when_it_is_due(running: Wire, name: str) -> None:
    client = running.connect("alice")
    sender = client.create_sender("requests")
    due = round(time.time() * 1000) + 700
    sender.send(Message(body="later", annotations={symbol(name): due if name.endswith("time") else 700}))
    assert is_empty(running, "requests")
    message = receive(client, "requests")
    assert message.body == "later"
    assert time.time() * 1000 >= due - 50


def test_a_delay_of_more_than_ten_years_is_refused(running: Wire) -> None:
    sender = running.connect("alice").create_sender("requests")
    with pytest.raises(SendException):
        sender.send(Message(body="x", annotations={symbol("x-opt-delivery-time"): 2**62}))


def test_the_server_says_that_it_delays(running: Wire) -> None:
    offered = running.connect("alice").conn.remote_offered_capabilities
    assert {"ANONYMOUS-RELAY", "DELAYED_DELIVERY"} <= {str(each) for each in offered}


def put(running: Wire, *days: str) -> None:
    sender = running.connect("alice").create_sender("requests")
    for day in days:
        sender.send(Message(body=day, properties={"day": day}))


def test_a_selector_takes_what_matches_and_leaves_the_rest(running: Wire) -> None:
    put(running, "Mon", "Tue", "Mon", "Tue")
    client = running.connect("bob")
    assert [receive(client, "requests", options=Selector("day = 'Tue'")).body for _ in range(2)] == ["Tue", "Tue"]
    assert [receive(client, "requests").body for _ in range(2)] == ["Mon", "Mon"]


@pytest.mark.parametrize(
    ("selector", "wanted"),
    [
        ("JMSMessageID = 'ID:1'", True),
        ("JMSCorrelationID = 'C1'", True),
        ("JMSType = 'forecast'", True),
        ("JMSPriority = 7", True),
        ("JMSDeliveryMode = 'PERSISTENT'", True),
        ("JMSXGroupID = 'north'", True),
        ("JMSXDeliveryCount = 1", True),
        ("JMSTimestamp > 0", True),
        ("JMSType = 'question'", False),
        ("JMSDeliveryMode = 'NON_PERSISTENT'", False),
        ("JMSXDeliveryCount = 2", False),
    ],
)
def test_a_selector_asks_for_headers_by_the_names_that_jms_gives_them(
    running: Wire, selector: str, wanted: bool
) -> None:
    message = Message(body="x", id="ID:1", correlation_id="C1", subject="forecast", priority=7, durable=True)
    message.group_id = "north"
    running.connect("alice").create_sender("requests").send(message)
    receiver = running.connect("bob").create_receiver("requests", credit=0, options=Selector(selector))
    receiver.link.drain(1)
    receiver.connection.wait(lambda: receiver.link.credit == 0, timeout=10)
    assert receiver.fetcher.has_message == int(wanted)


def test_a_selector_waits_for_what_is_yet_to_come(running: Wire) -> None:
    receiver = running.connect("bob").create_receiver("requests", credit=1, options=Selector("day = 'Wed'"))
    put(running, "Mon", "Wed")
    assert receiver.receive(timeout=10).body == "Wed"


def test_a_drained_link_with_a_selector_says_that_nothing_matches(running: Wire) -> None:
    put(running, "Mon")
    receiver = running.connect("bob").create_receiver("requests", credit=0, options=Selector("day = 'Tue'"))
    receiver.link.drain(5)
    receiver.connection.wait(lambda: receiver.link.credit == 0, timeout=10)
    assert not receiver.fetcher.has_message


def test_a_selector_that_can_t_be_read_is_refused_as_such(running: Wire) -> None:
    with pytest.raises(LinkDetached, match="CF-BUS-170") as refused:
        running.connect("bob").create_receiver("requests", options=Selector("day = = 'Tue'"))
    assert refused.value.condition == "amqp:invalid-field"


def test_only_the_filters_that_are_applied_are_echoed(running: Wire) -> None:
    from proton.reactor import Filter

    known = {symbol("selector"): Described(symbol("apache.org:selector-filter:string"), "day = 'Tue'")}
    other = {symbol("other"): Described(symbol("example:unknown"), ubyte(1))}
    receiver = running.connect("bob").create_receiver("requests", options=Filter({**known, **other}))
    echoed = receiver.link.remote_source.filter
    echoed.rewind()
    assert echoed.next()
    assert [str(name) for name in echoed.get_object()] == ["selector"]


def test_the_order_is_kept_over_releases_of_several(running: Wire) -> None:
    put(running, *"abcdef")
    receiver = running.connect("bob").create_receiver("requests", credit=4)
    assert [receiver.receive(timeout=10).body for _ in range(4)] == list("abcd")
    receiver.close()
    client = running.connect("alice")
    assert [receive(client, "requests").body for _ in range(6)] == list("abcdef")
