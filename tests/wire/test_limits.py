"""What one client, one user or one address may take of a chain, and that the others never notice (CHAIN-1, OPS-2)."""

from __future__ import annotations

import resource
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from support_container import until
from support_tls import profile_keys
from support_wire import Wire, receive, require_proton, wire

pytestmark = pytest.mark.amqp

require_proton()
from proton import ConnectionException, Message, Timeout  # noqa: E402
from proton.utils import LinkDetached  # noqa: E402

from connector_bus.chains.bus_side import HIGH_WATER  # noqa: E402
from connector_bus.chains.sasl_frames import AMQP_HEADER, SASL_HEADER  # noqa: E402

EVERYONE = '["Everyone"]'


def frame(kind: int, body: bytes) -> bytes:
    return (8 + len(body)).to_bytes(4, "big") + bytes((2, kind, 0, 0)) + body


def listed(code: int, *fields: bytes) -> bytes:
    data = b"".join(fields)
    return b"\x00\x53" + bytes((code, 0xC0, len(data) + 1, len(fields))) + data


def plain(user: str, password: str) -> bytes:
    response = f"\0{user}\0{password}".encode()
    return frame(1, listed(0x41, b"\xa3\x05PLAIN", b"\xa0" + bytes((len(response),)) + response))


HELLO = SASL_HEADER + frame(1, listed(0x41, b"\xa3\x09ANONYMOUS")) + AMQP_HEADER + frame(0, listed(0x10, b"\xa1\x01t"))


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Wire]:
    with wire(tmp_path) as started:
        yield started


@contextmanager
def chain(folder: Path, **settings: object) -> Iterator[Wire]:
    text = "".join(f"{name} = {value}\n" for name, value in settings.items())
    with wire(folder, extra=f"[chains.Small]\nport = 0\n{text}", connectors=EVERYONE) as started:
        yield started


def test_a_user_has_so_many_connections_and_another_one_has_his_own(tmp_path: Path) -> None:
    with chain(tmp_path, max_user_connections=1) as running:
        first = running.connect("alice", chain="Small")
        with pytest.raises(ConnectionException, match="CF-BUS-305") as refused:
            running.connect("alice", chain="Small")
        assert "resource-limit-exceeded" in str(refused.value)
        running.connect("bob", chain="Small")
        first.close()
        running.connect("alice", chain="Small")


def test_an_address_has_so_many_connections(tmp_path: Path) -> None:
    with chain(tmp_path, max_address_connections=1) as running:
        with socket.create_connection(("127.0.0.1", running.port("Small"))) as first:
            first.settimeout(10)
            first.sendall(SASL_HEADER)
            assert first.recv(8) == SASL_HEADER
            with socket.create_connection(("127.0.0.1", running.port("Small"))) as second:
                second.settimeout(10)
                assert second.recv(8) == b""


def test_a_connection_has_so_many_links(tmp_path: Path) -> None:
    with chain(tmp_path, max_links=1) as running:
        client = running.connect("alice", chain="Small")
        sender = client.create_sender("requests")
        with pytest.raises(LinkDetached, match="at most 1"):
            client.create_sender("requests", name="another")
        sender.send(Message(body="goes on"))


def test_a_connection_has_so_many_sessions(tmp_path: Path) -> None:
    with chain(tmp_path, max_sessions=2) as running:
        client = running.connect("alice", chain="Small")
        assert client.conn.transport.remote_channel_max == 1


def test_a_frame_has_so_many_bytes(tmp_path: Path) -> None:
    with chain(tmp_path, max_frame_size=512) as running:
        client = running.connect("alice", chain="Small")
        client.create_sender("requests").send(Message(body="x" * 5000))  # in frames as they may be
        assert client.conn.transport.remote_max_frame_size == 512
        assert len(receive(client, "requests").body) == 5000


def test_a_link_has_so_many_messages_out_whatever_credit_it_gives(tmp_path: Path) -> None:
    with chain(tmp_path, max_in_flight=2) as running:
        sender = running.connect("alice").create_sender("requests")
        for number in range(3):
            sender.send(Message(body=number))
        client = running.connect("bob", chain="Small")
        receiver = client.create_receiver("requests", credit=100)
        assert [receiver.receive(timeout=10).body for _ in range(2)] == [0, 1]
        with pytest.raises(Timeout):
            receiver.receive(timeout=0.2)
        receiver.accept()
        assert receiver.receive(timeout=10).body == 2


def test_a_consumer_that_never_reads_fills_no_memory_and_keeps_nothing_from_others(running: Wire) -> None:
    slow = running.connect("bob")
    slow.create_receiver("requests", credit=1000)
    sender = running.connect("alice").create_sender("requests")
    count, size = 300, 100_000
    for _ in range(count):
        sender.send(Message(body=b"x" * size, durable=False))
    waiting = [each.stage.side.outgoing for each in running.listeners._clients]
    assert max(waiting) <= HIGH_WATER + 2 * size
    ready, out = running.bus.engine.destinations.get("requests").queue.counts()
    assert out < count  # what the socket's buffers hold, and a megabyte
    quick = running.connect("alice").create_receiver("requests", credit=50)
    for _ in range(ready):
        quick.receive(timeout=10)
        quick.accept()


def test_wrong_passwords_are_answered_late_and_others_at_once(running: Wire) -> None:
    others = running.connect("bob")
    sender = others.create_sender("requests")
    began = time.monotonic()
    with ExitStack() as guessing:
        guesses = [guessing.enter_context(socket.create_connection(("127.0.0.1", running.port()))) for _ in range(6)]
        for guess in guesses:
            guess.settimeout(20)
            guess.sendall(SASL_HEADER + plain("alice", "wrong"))
        for number in range(20):
            sender.send(Message(body=number))
        for guess in guesses:
            said = b""
            while piece := guess.recv(4096):
                said += piece
            assert said.endswith(b"\x50\x01")  # authentication failed
    assert time.monotonic() - began >= 1
    measured = {(each.name, each.attributes.get("reason")): each.value for each in running.listeners.measurements()}
    assert measured["messaging.chain.refused", "sign-on"] == 6


def test_a_thousand_connections(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192) if hard > 0 else 8192, hard))
    try:
        with wire(tmp_path, connectors=EVERYONE) as running, ExitStack() as clients:
            open_ = [
                clients.enter_context(socket.create_connection(("127.0.0.1", running.port()), 30)) for _ in range(1000)
            ]
            for client in open_:
                client.sendall(HELLO)
            for client in open_:
                said = b""
                while b"weather" not in said:  # the bus, in the answer to the open
                    piece = client.recv(4096)
                    assert piece
                    said += piece
            assert running.listeners.clients() == {"InboundBasicMessaging": 1000}
            with socket.create_connection(("127.0.0.1", running.port()), 30) as one_more:
                assert one_more.recv(8) == b""
            open_[0].close()
            figures = {each.name: each.value for each in running.listeners.measurements()}
            assert figures["messaging.chain.accepted"] == 1000
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_server_that_stops_loses_nothing_of_what_it_has_accepted(tmp_path: Path) -> None:
    accepted: list[int] = []
    some = threading.Event()

    def send(client: Any) -> None:
        sender = client.create_sender("requests")
        while True:
            sender.send(Message(body=len(accepted), durable=True))
            accepted.append(len(accepted))
            if len(accepted) == 20:
                some.set()

    with wire(tmp_path) as running:
        client = running.connect("alice")
        errors: list[BaseException] = []

        def sending() -> None:
            try:
                send(client)
            except Exception as error:
                errors.append(error)

        thread = threading.Thread(target=sending)
        thread.start()
        assert some.wait(20)
        running.container.close()
        thread.join(20)
        assert not thread.is_alive()
        assert "The server stops" in str(errors[0])
    with wire(tmp_path) as running:
        reader = running.connect("bob")
        got = [receive(reader, "requests").body for _ in range(len(accepted))]
    assert got == accepted


def test_what_is_out_at_a_client_may_be_settled_while_the_server_stops(tmp_path: Path) -> None:
    with wire(tmp_path) as running:
        running.connect("alice").create_sender("requests").send(Message(body="in work", durable=True))
        client = running.connect("bob")
        receiver = client.create_receiver("requests", credit=1)
        receiver.receive(timeout=10)
        receiver.accept()
        client.wait(lambda: client.conn.transport.pending() == 0, timeout=10)
        running.container.close()
    with wire(tmp_path) as running:
        assert running.bus.engine.destinations.get("requests").queue.counts() == (0, 0)


def refused(running: Wire, chain: str) -> dict[str, float]:
    """How many were not let in over a chain, by why; without the reasons for which nobody was."""
    return {
        str(each.attributes["reason"]): each.value
        for each in running.listeners.measurements()
        if each.name == "messaging.chain.refused" and each.attributes["messaging.chain"] == chain and each.value
    }


def until_the_end(port: int, said: bytes) -> None:
    """Say something, and wait until the server ends it."""
    with socket.create_connection(("127.0.0.1", port), 10) as client:
        client.settimeout(20)
        client.sendall(said)
        try:
            while client.recv(4096):
                pass
        except ConnectionResetError:
            pass


def test_those_who_are_not_let_in_are_counted_by_why(tmp_path: Path) -> None:
    profile_keys(tmp_path, "node")
    extra = """
[tls.node]
key_store = "node.pem"
[chains.Secured]
port = 0
tls = "node"
[chains.Quick]
port = 0
login_timeout = "300ms"
[chains.Small]
port = 0
redirect_to = ["amqp://other.example:7276"]
"""
    with wire(tmp_path, extra=extra) as running:
        until_the_end(running.port("Secured"), b"GET / HTTP/1.1\r\n\r\n")
        until(lambda: refused(running, "Secured") == {"tls": 1})
        small = running.port("Small")
        until_the_end(small, b"GET / HTTP/1.1\r\n\r\n")
        until_the_end(small, SASL_HEADER + frame(1, listed(0x41, b"\xa3\x05NTLM ")))
        until_the_end(small, SASL_HEADER + (513).to_bytes(4, "big"))
        assert refused(running, "Small") == {"protocol": 3}
        until_the_end(running.port("Quick"), SASL_HEADER)
        assert refused(running, "Quick") == {"time": 1}
        until_the_end(small, SASL_HEADER + plain("alice", "wrong"))
        with pytest.raises(ConnectionException, match="CF-BUS-012"):
            running.connect("mallory", chain="Small")
        assert refused(running, "Small") == {"protocol": 3, "sign-on": 1, "access": 1}
        with pytest.raises(ConnectionException, match="redirect"):
            running.connect("alice", chain="Small")
        figures = {
            each.name: each.value
            for each in running.listeners.measurements()
            if each.attributes["messaging.chain"] == "Small" and "reason" not in each.attributes
        }
        assert (figures["messaging.chain.accepted"], figures["messaging.chain.redirected"]) == (0, 1)


def test_figures_reach_whoever_observes_the_container(running: Wire) -> None:
    from connector.container.observed import observed_by

    running.connect("alice").create_sender("requests").send(Message(body="x"))
    figures = {
        (each.name, each.attributes.get("messaging.destination.name"), each.attributes.get("state")): each.value
        for each in observed_by("metrics", running.container._parts).measurements()
    }
    assert figures["messaging.destination.messages", "requests", "ready"] == 1
    assert figures["messaging.chain.connections", None, None] == 1
