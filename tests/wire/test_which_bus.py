"""Which bus a client gets onto, over which chain, and how it hears that it gets onto none (CHAIN-1, CHAIN-2)."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support_wire import Wire, all_that_is_said, first_words, require_proton, wire

pytestmark = pytest.mark.amqp

require_proton()
from proton import ConnectionException, Message, Timeout  # noqa: E402

from connector.errors import Reason, RegistryUnavailable  # noqa: E402
from connector_bus.chains.sasl_frames import AMQP_HEADER, SASL_HEADER  # noqa: E402

AWAY = Reason("CF-TEST-900", "the registry is away", "Start it.")
#: Beside weather: a bus that anybody may have, and one that takes nobody over the chain in plain text.
BUSES = """
[buses.open]
security = false
[buses.guarded]
security = true
permitted_chains = "tls-only"
roles = { connector = ["user:alice"] }
[chains.Other]
port = 0
default_bus = "open"
[chains.Shut]
port = PORT
enabled = false
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


@pytest.fixture
def shut() -> int:
    return free_port()


@pytest.fixture
def running(tmp_path: Path, shut: int) -> Iterator[Wire]:
    with wire(tmp_path, extra=BUSES.replace("PORT", str(shut))) as started:
        yield started


def bus_of(client: Any) -> str:
    return str(client.conn.remote_properties["bus"])


@pytest.mark.parametrize("bus", ["weather", "open"])
def test_a_client_names_its_bus_as_virtual_host(running: Wire, bus: str) -> None:
    assert bus_of(running.connect("alice", virtual_host=bus)) == bus


def test_each_bus_decides_by_itself_who_is_let_onto_it(running: Wire) -> None:
    assert bus_of(running.connect("mallory", virtual_host="open")) == "open"
    with pytest.raises(ConnectionException, match="CF-BUS-012"):
        running.connect("mallory", virtual_host="weather")
    with pytest.raises(ConnectionException, match=r"CF-BUS-160.*guarded.*InboundBasicMessaging.*tls-only"):
        running.connect("alice", virtual_host="guarded")


def test_whoever_names_none_gets_the_default_of_the_chain(running: Wire) -> None:
    assert bus_of(running.connect("alice", chain="Other", virtual_host="")) == "open"
    assert bus_of(running.connect("alice", chain="Other", virtual_host="weather")) == "weather"


def test_where_there_is_no_default_either_the_buses_are_named(running: Wire) -> None:
    with pytest.raises(ConnectionException, match=r"CF-BUS-161.*guarded, open, weather") as refused:
        running.connect("alice", virtual_host="wether")
    assert "amqp:not-found" in str(refused.value)


@pytest.mark.parametrize(
    ("user", "bus", "condition"),
    [
        ("mallory", "weather", "amqp:unauthorized-access"),
        ("alice", "guarded", "amqp:unauthorized-access"),
        ("alice", "wether", "amqp:not-found"),
    ],
)
def test_a_refusal_is_announced_with_the_open_so_that_nobody_takes_the_connection_for_good(
    running: Wire, user: str, bus: str, condition: str
) -> None:
    with socket.create_connection(("127.0.0.1", running.port()), 10) as client:
        client.settimeout(20)
        client.sendall(first_words(user, "till", bus))
        said = all_that_is_said(client)
    announced, refused = said.find(b"amqp:connection-establishment-failed"), said.find(condition.encode())
    assert 0 < announced < refused
    assert said[announced:].startswith(b"amqp:connection-establishment-failed\x41")  # true


def test_a_chain_that_is_disabled_does_not_listen(running: Wire, shut: int) -> None:
    assert "Shut" not in running.listeners.ports()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", shut), 10)


@pytest.mark.parametrize("everyone", [True, False])
def test_without_sasl_nobody_begins_but_where_some_bus_takes_everyone(tmp_path: Path, everyone: bool) -> None:
    connectors = '["Everyone"]' if everyone else '["AllAuthenticated"]'
    with wire(tmp_path, connectors=connectors) as running:
        with socket.create_connection(("127.0.0.1", running.port()), 10) as client:
            client.settimeout(10)
            client.sendall(AMQP_HEADER + bytes.fromhex("0000001802000000005310c00b01a104746573740000000000"))
            said = client.recv(8)
    assert said == (AMQP_HEADER if everyone else SASL_HEADER)


def test_a_password_over_a_chain_in_plain_text_is_warned_of_by_chain_and_user_and_never_shown(
    running: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "connector_bus.chains"):
        running.connect("alice", virtual_host="weather")
        with pytest.raises(ConnectionException):
            running.connect("alice", "wr0ng", virtual_host="weather")
    warned = [record.getMessage() for record in caplog.records if "not protected" in record.getMessage()]
    assert len(warned) == 2  # once for each connection
    assert all(text.startswith("CF-BUS-162: user alice ") for text in warned)
    assert all("chain InboundBasicMessaging" in text and "Use a chain with TLS" in text for text in warned)
    assert "wr0ng" not in caplog.text


def test_a_silent_client_is_taken_for_dead_and_what_it_had_comes_again(tmp_path: Path) -> None:
    with wire(tmp_path, extra='[chains.Quick]\nport = 0\nidle_timeout = "500ms"\n') as running:
        running.connect("alice").create_sender("requests").send(Message(body="in hand"))
        silent = running.connect("bob", chain="Quick")
        taken = silent.create_receiver("requests", credit=1)
        assert taken.receive(timeout=10).body == "in hand"
        # It says nothing more, not even that it is there; to wait for the message is to wait for its end.
        again = running.connect("carol").create_receiver("requests", credit=1)
        assert again.receive(timeout=10).body == "in hand"
        again.accept()
        with pytest.raises(ConnectionException):
            silent.wait(lambda: False, timeout=10)


def test_a_client_that_says_that_it_is_there_is_not_taken_for_dead(tmp_path: Path) -> None:
    with wire(tmp_path, extra='[chains.Quick]\nport = 0\nidle_timeout = "500ms"\n') as running:
        client = running.connect("alice", chain="Quick")
        with pytest.raises(Timeout):
            client.wait(lambda: False, timeout=2)  # empty frames go to and fro
        client.create_sender("requests").send(Message(body="still here"))


def test_while_the_registry_can_not_be_asked_clients_are_told_to_try_again(
    running: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise RegistryUnavailable(AWAY)

    monkeypatch.setattr(type(running.listeners._identity), "authenticate", away)
    with socket.create_connection(("127.0.0.1", running.port()), 10) as client:
        client.settimeout(20)
        client.sendall(first_words("alice", "till", "weather"))
        assert all_that_is_said(client).endswith(b"\x50\x04")  # temporary system error
