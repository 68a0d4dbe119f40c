"""Whatever bytes come over the wire, the server lives, lets nobody in, and serves the others (CHAIN-5)."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from support_wire import Wire, require_proton, wire

pytestmark = pytest.mark.amqp

require_proton()
from proton import Message  # noqa: E402

from connector_bus.chains.sasl_frames import AMQP_HEADER, SASL_HEADER  # noqa: E402


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    with wire(tmp_path_factory.mktemp("wire")) as started:
        yield started


def talk(port: int, data: bytes) -> bytes:
    """Send, end our side, and hear everything."""
    with socket.create_connection(("127.0.0.1", port), 10) as client:
        client.settimeout(10)
        said = b""
        try:
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            while piece := client.recv(65536):
                said += piece
        except OSError:  # reset, or not even connected any more
            pass
        return said


def still_serves(running: Wire) -> None:
    client = running.connect("alice")
    client.create_sender("requests").send(Message(body="x"))
    receiver = client.create_receiver("requests", credit=1)
    receiver.receive(timeout=10)
    receiver.accept()
    client.close()


@pytest.mark.parametrize(
    "hello", [b"GET / HTTP/1.1\r\n\r\n", b"AMQP\x00\x00\x09\x01", b"\x16\x03\x01\x00\x05hello", AMQP_HEADER]
)
def test_another_protocol_hears_which_one_is_spoken(running: Wire, hello: bytes) -> None:
    assert talk(running.port(), hello) == SASL_HEADER


def test_a_client_that_says_nothing_is_cut_off(tmp_path: Path) -> None:
    extra = '[chains.Quick]\nport = 0\nlogin_timeout = "200ms"\n'
    with wire(tmp_path, extra=extra) as running, socket.create_connection(("127.0.0.1", running.port("Quick"))) as idle:
        idle.settimeout(10)
        assert idle.recv(10) == b""


def test_one_client_too_many_is_turned_away(tmp_path: Path) -> None:
    extra = "[chains.Small]\nport = 0\nmax_connections = 1\n"
    with wire(tmp_path, extra=extra) as running:
        running.connect("alice", chain="Small")
        assert talk(running.port("Small"), SASL_HEADER) == b""


_OPEN = bytes.fromhex("0000001802000000005310c00b01a104746573740000000000")


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(
    start=st.sampled_from([b"", SASL_HEADER, AMQP_HEADER]),
    noise=st.binary(max_size=200),
    tail=st.sampled_from([b"", _OPEN, b"\x00\x00\x00\x10\x02\x01\x00\x00\x00S@E" + b"\xff" * 4]),
)
def test_noise_ends_its_own_connection_only(running: Wire, start: bytes, noise: bytes, tail: bytes) -> None:
    talk(running.port(), start + noise + tail)
    assert running.listeners.ports()


def test_after_all_that_others_are_served(running: Wire) -> None:
    still_serves(running)
    assert sum(running.listeners.clients().values()) <= 1
