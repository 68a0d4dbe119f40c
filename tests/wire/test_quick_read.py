"""What is read of a message by hand is what the library reads of it, or it is left to the library (CHAIN-6)."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st
from support_wire import require_proton

pytestmark = pytest.mark.amqp

require_proton()
from proton import Message, ulong  # noqa: E402

from connector.errors import AccessDenied  # noqa: E402
from connector.spi import UserPrincipal  # noqa: E402
from connector_bus.chains import message_codec  # noqa: E402
from connector_bus.chains.quick_read import QuickReader, quick_read  # noqa: E402
from connector_bus.engine.intake import Stamp, stamped  # noqa: E402
from connector_bus.reliability import Reliability  # noqa: E402
from connector_bus.store.record import to_row  # noqa: E402
from connector_bus.store.schema import NAMES  # noqa: E402
from connector_bus.store.unread import Unread  # noqa: E402

NOW = 1_700_000_000.0
PLAIN = bytes(Message(b"text", inferred=True).encode())
PHASES = (Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink)
names = st.text(max_size=300).filter(lambda text: "\0" not in text)
identifiers = st.none() | names | st.integers(0, 2**64 - 1).map(ulong) | st.uuids() | st.binary(max_size=40)


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """What a client may send; mostly what can be read by hand."""
    message: Any = Message(
        draw(st.none() | names | st.binary(max_size=400) | st.integers(0, 9) | st.lists(names, max_size=2))
    )
    message.inferred = draw(st.booleans()) and isinstance(message.body, bytes)
    message.durable = draw(st.booleans())
    message.priority = draw(st.integers(0, 255))
    message.ttl = draw(st.sampled_from([0, 0.001, 5, 4_000_000]))
    message.id = draw(identifiers)
    message.correlation_id = draw(identifiers)
    message.address = draw(st.none() | names)
    message.reply_to = draw(st.none() | names)
    message.group_id = draw(st.none() | names)
    message.subject = draw(st.none() | names)
    message.content_type = draw(st.none() | st.just("text/plain"))
    message.expiry_time = draw(st.sampled_from([0, 1_800_000_000]))
    message.creation_time = draw(st.sampled_from([0, 1_600_000_000]))
    message.properties = draw(st.none() | st.just({"colour": "red"}))
    message.annotations = draw(st.none() | st.just({"x-opt-of": "no interest"}))
    return bytes(message.encode())


def read_by_the_library(data: bytes) -> Any:
    wire = Message()
    wire.decode(data)
    return message_codec._read(wire, data, NOW)


@given(messages())
@settings(phases=PHASES, max_examples=150, deadline=None)
def test_what_is_read_by_hand_is_what_the_library_reads(data: bytes) -> None:
    quick = quick_read(data)
    if quick is not None:
        by_hand = message_codec._quick(quick, data, None, NOW)
        assert by_hand is None or by_hand == read_by_the_library(data)


@example(bytes(Message(b"", subject="0").encode()), 15, b"\0", 1)
@given(messages(), st.integers(0, 2000), st.binary(min_size=1, max_size=3), st.integers(0, 3))
@settings(phases=PHASES, max_examples=250, deadline=None)
def test_whatever_was_changed_in_a_message_is_not_read_as_something_else(
    data: bytes, place: int, change: bytes, cut: int
) -> None:
    place %= len(data)
    broken = data[:place] + change + data[place + cut :]
    quick = quick_read(broken)
    if quick is not None:
        by_hand = message_codec._quick(quick, broken, None, NOW)
        assert by_hand is None or by_hand == read_by_the_library(broken)


@given(st.lists(messages() | st.just(PLAIN), min_size=2, max_size=6), st.lists(st.binary(max_size=4), min_size=6))
@settings(phases=PHASES, max_examples=150, deadline=None)
def test_what_is_remembered_of_the_one_before_changes_nothing(sent: list[bytes], tails: list[bytes]) -> None:
    reader = QuickReader()
    for data, tail in zip(sent, tails, strict=False):
        for each in (data, data[: len(data) - len(tail)] + tail, data + tail, data):
            assert reader.read(each) == quick_read(each)


def test_messages_that_begin_alike_and_are_equally_long_are_read_once() -> None:
    reader = QuickReader()
    first = reader.read(PLAIN + b"one")
    assert first is None  # longer than it says
    one, two = (bytes(Message(body, inferred=True).encode()) for body in (b"one", b"two"))
    assert reader.read(one) is reader.read(two)
    assert reader.read(bytes(Message(b"two", id="two", inferred=True).encode())) != reader.read(two)


@given(messages(), st.sampled_from([Reliability.RELIABLE, Reliability.ASSURED]))
@settings(phases=PHASES, max_examples=150, deadline=None)
def test_the_row_that_is_made_by_hand_is_what_the_long_way_writes(data: bytes, reliability: Reliability) -> None:
    quick = quick_read(data)
    if quick is None:
        return
    alice = UserPrincipal("alice", "weather")
    place = message_codec.Place("requests", alice, reliability)
    try:
        row = message_codec.quick_row(quick, data[quick.bare :], b"alice", sequence=5, place=place, now=NOW)
    except TypeError:
        return
    message = message_codec.decoded(data, "alice", NOW)
    stamp = Stamp(5, message.message_id or row[2], alice, NOW, "requests", mediated=True, reliability=reliability)
    stored = stamped(message, stamp)
    assert dict(zip(NAMES, row, strict=True)) == to_row(stored)
    assert Unread.of_row(row, b"", True, lambda _: pytest.fail("it has a row")).stored() == stored


@pytest.mark.parametrize("body", ["text", b"bytes"])
@pytest.mark.parametrize("message_id", [None, "one", uuid.uuid4(), ulong(7)])
def test_a_plain_message_is_read_by_hand(body: str | bytes, message_id: Any) -> None:
    message = Message(body, id=message_id, address="requests", reply_to="replies", inferred=isinstance(body, bytes))
    assert quick_read(bytes(message.encode())) is not None


@pytest.mark.parametrize("more", [{"properties": {"colour": "red"}}, {"annotations": {"x-opt-of": 1}}, {"body": [1]}])
def test_what_has_more_in_it_is_left_to_the_library(more: dict[str, Any]) -> None:
    assert quick_read(bytes(Message(**{"body": "text", **more}).encode())) is None


def test_a_forged_sender_is_refused_whoever_reads_it() -> None:
    data = bytes(Message("text", user_id=b"bob").encode())
    quick = quick_read(data)
    assert quick is not None
    with pytest.raises(AccessDenied, match="names another user"):
        message_codec.quick_sender(quick, b"alice", NOW)
    with pytest.raises(AccessDenied, match="names another user"):
        message_codec.decoded(data, "alice", NOW)
