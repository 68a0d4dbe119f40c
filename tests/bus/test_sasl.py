"""The SASL layer of the wire: who is asked what, and that nothing wrong gets past it (CHAIN-5)."""

from __future__ import annotations

import itertools
import struct

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from connector_bus.chains.sasl import ANONYMOUS, EXTERNAL, MAX_WAITING, NO_SASL, PLAIN, SaslServer, SaslState
from connector_bus.chains.sasl_frames import AMQP_HEADER, SASL_HEADER, SaslOutcome, mechanisms_frame, outcome_frame

ALL = (EXTERNAL, PLAIN, ANONYMOUS)


def init(mechanism: str, response: bytes | None = None, *, long: bool = False) -> bytes:
    """A client's choice as bytes."""
    fields = b"\xa3" + bytes((len(mechanism),)) + mechanism.encode()
    count = 1
    if response is not None:
        fields += b"\xb0" + len(response).to_bytes(4, "big") if long else b"\xa0" + bytes((len(response),))
        fields += response
        count = 2
    if not long:
        body = b"\x00\x53\x41\xc0" + bytes((len(fields) + 1, count)) + fields
    else:
        body = b"\x00\x80" + (0x41).to_bytes(8, "big") + b"\xd0" + struct.pack(">II", len(fields) + 4, count) + fields
    return struct.pack(">IBBH", 8 + len(body), 2, 1, 0) + body


def plain(user: str, password: str, acting: str = "") -> bytes:
    return init(PLAIN, f"{acting}\0{user}\0{password}".encode())


@pytest.mark.parametrize("long", [False, True], ids=["short", "long"])
def test_user_and_password_are_asked_for_and_the_amqp_layer_begins(long: bool) -> None:
    server = SaslServer((PLAIN,))
    assert server.feed(SASL_HEADER) == SASL_HEADER + mechanisms_frame((PLAIN,))
    assert server.feed(init(PLAIN, b"\0alice\0secret:of alice", long=long)) == b""
    assert server.question is not None
    assert (server.question.user, server.question.mechanism) == ("alice", PLAIN)
    assert server.question.password is not None
    assert server.question.password.reveal() == "secret:of alice"
    assert "secret" not in repr(server.question)
    assert server.answer(SaslOutcome.OK) == outcome_frame(SaslOutcome.OK)
    assert server.feed(AMQP_HEADER + b"more") == b""
    assert (server.state, server.rest) == (SaslState.DONE, AMQP_HEADER + b"more")


def test_a_client_that_does_not_wait_is_understood() -> None:
    server = SaslServer((PLAIN,))
    server.feed(SASL_HEADER + plain("alice", "x") + AMQP_HEADER + b"open")
    assert server.state is SaslState.ASKING
    server.answer(SaslOutcome.OK)
    assert (server.state, server.rest) == (SaslState.DONE, AMQP_HEADER + b"open")


@pytest.mark.parametrize("outcome", [SaslOutcome.AUTHENTICATION_FAILED, SaslOutcome.SYSTEM_ERROR_TEMPORARY])
def test_a_refusal_and_an_outage_are_told_apart_and_end_it(outcome: SaslOutcome) -> None:
    server = SaslServer((PLAIN,))
    server.feed(SASL_HEADER + plain("alice", "x") + AMQP_HEADER)
    assert server.answer(outcome, "why") == outcome_frame(outcome)
    assert (server.state, server.reason, server.rest) == (SaslState.FAILED, "why", b"")
    assert server.feed(AMQP_HEADER) == b""
    assert server.state is SaslState.FAILED


@pytest.mark.parametrize(
    "response",
    [b"", b"alice\0x", b"\0\0x", b"\0alice\0", b"bob\0alice\0x", b"\0alice\0x\0y", b"\0\xff\xfe\0x"],
    ids=["empty", "two parts", "no user", "no password", "somebody else", "four parts", "no text"],
)
def test_a_response_that_is_none_is_refused_without_asking_anybody(response: bytes) -> None:
    server = SaslServer((PLAIN,))
    server.feed(SASL_HEADER)
    assert server.feed(init(PLAIN, response)) == outcome_frame(SaslOutcome.AUTHENTICATION_FAILED)
    assert (server.question, server.state) == (None, SaslState.FAILED)


def test_who_acts_for_itself_may_say_so() -> None:
    server = SaslServer((PLAIN,))
    server.feed(SASL_HEADER + plain("alice", "x", acting="alice"))
    assert server.question is not None


def test_a_certificate_stands_for_its_user_and_nobody_else() -> None:
    offered = SaslServer(ALL, external="carol").feed(SASL_HEADER)
    assert offered == SASL_HEADER + mechanisms_frame(ALL)
    for response, asked in ((None, "carol"), (b"", "carol"), (b"carol", "carol"), (b"alice", None)):
        server = SaslServer(ALL, external="carol")
        server.feed(SASL_HEADER + init(EXTERNAL, response))
        assert (server.question.user if server.question else None) == asked


def test_without_a_certificate_external_is_not_offered_and_not_taken() -> None:
    server = SaslServer(ALL)
    assert server.feed(SASL_HEADER) == SASL_HEADER + mechanisms_frame((PLAIN, ANONYMOUS))
    assert server.feed(init(EXTERNAL, b"")) == outcome_frame(SaslOutcome.AUTHENTICATION_FAILED)


def test_who_begins_without_sasl_gets_in_only_where_that_is_allowed() -> None:
    open_to_all = SaslServer((ANONYMOUS,), bare=True)
    assert open_to_all.feed(AMQP_HEADER) == b""
    assert open_to_all.question is not None
    assert open_to_all.question.mechanism == NO_SASL
    assert open_to_all.answer(SaslOutcome.OK) == b""
    assert (open_to_all.state, open_to_all.rest) == (SaslState.DONE, AMQP_HEADER)
    closed = SaslServer((PLAIN,))
    assert closed.feed(AMQP_HEADER) == SASL_HEADER
    assert closed.state is SaslState.FAILED


@pytest.mark.parametrize(
    "hello",
    [b"GET / HTTP/1.1\r\n", b"AMQP\x00\x00\x09\x01", b"AMQP\x02\x01\x00\x00", b"\x16\x03\x01\x02\x00\x01\x00\x01"],
    ids=["HTTP", "AMQP 0-9-1", "AMQP with TLS upgrade", "TLS"],
)
def test_another_protocol_is_told_which_one_is_spoken(hello: bytes) -> None:
    server = SaslServer((PLAIN,))
    assert server.feed(hello) == SASL_HEADER
    assert server.state is SaslState.FAILED


def test_after_the_login_nothing_but_amqp_may_follow() -> None:
    for wrong in (SASL_HEADER, b"\x16\x03\x01\x02\x00\x01\x00\x01"):
        server = SaslServer((PLAIN,))
        server.feed(SASL_HEADER + plain("alice", "x"))
        server.answer(SaslOutcome.OK)
        assert server.feed(wrong) == AMQP_HEADER
        assert server.state is SaslState.FAILED


def test_what_comes_before_a_login_is_limited() -> None:
    server = SaslServer((PLAIN,))
    server.feed(SASL_HEADER + plain("alice", "x"))
    server.feed(b"x" * (MAX_WAITING + 1))
    assert (server.state, server.rest) == (SaslState.FAILED, b"")


@pytest.mark.parametrize(("limit", "size", "taken"), [(512, 512, True), (512, 513, False), (600, 600, True)])
def test_a_frame_before_the_login_has_no_more_bytes_than_the_standard_says(limit: int, size: int, taken: bool) -> None:
    password = b"p" * (size - len(init(PLAIN, b"\0alice\0", long=True)))
    frame = init(PLAIN, b"\0alice\0" + password, long=True)
    assert len(frame) == size
    server = SaslServer((PLAIN,), max_frame=limit)
    server.feed(SASL_HEADER)
    server.feed(frame[:4])
    assert (server.state is SaslState.INIT) == taken  # its size is enough to know
    server.feed(frame[4:])
    assert server.state is (SaslState.ASKING if taken else SaslState.FAILED)
    assert server.reason == ("" if taken else f"a SASL frame of {size} bytes, and {limit} are possible")


_CLEAN = SASL_HEADER + plain("alice", "secret") + AMQP_HEADER


@settings(max_examples=300, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink])
@given(cuts=st.lists(st.integers(0, len(_CLEAN)), max_size=6))
def test_it_does_not_matter_in_which_pieces_it_comes(cuts: list[int]) -> None:
    server, out = SaslServer((PLAIN,)), b""
    places = [0, *sorted(cuts), len(_CLEAN)]
    for start, end in itertools.pairwise(places):
        out += server.feed(_CLEAN[start:end])
    out += server.answer(SaslOutcome.OK)
    assert out == SASL_HEADER + mechanisms_frame((PLAIN,)) + outcome_frame(SaslOutcome.OK)
    assert server.state is SaslState.DONE


@settings(max_examples=600, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink])
@given(
    place=st.integers(0, len(_CLEAN) - 1), value=st.integers(0, 255), tail=st.binary(max_size=40), prefix=st.booleans()
)
def test_nothing_that_was_changed_on_the_way_raises_or_gets_anybody_in(
    place: int, value: int, tail: bytes, prefix: bool
) -> None:
    changed = bytearray(_CLEAN)
    changed[place] = value
    server = SaslServer((PLAIN,))
    server.feed(bytes(changed[:place] if prefix else changed) + tail)
    assert server.state is not SaslState.DONE
    if server.question is not None:
        assert server.question.mechanism == PLAIN
        server.answer(SaslOutcome.AUTHENTICATION_FAILED)
        assert server.state is SaslState.FAILED
