"""A client that is sent elsewhere follows as far as is safe, and comes back when an engine is gone (CHAIN-8)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support_amqp import Client, client
from support_tls import profile_keys
from support_wire import Wire, require_proton, wire

from connector.errors import AccessDenied, ConnectionFailed, LoginRefused
from connector_amqp.redirects import MAX_HOPS, Redirect, alternatives_of, next_hop, redirect_of
from connector_amqp.refusals import Condition
from connector_amqp.settings import Endpoint

pytestmark = pytest.mark.amqp

SECURE = """
[tls.node]
key_store = "node.pem"
[chains.InboundSecureMessaging]
port = 0
tls = "node"
"""


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[ExitStack]:
    require_proton()
    with ExitStack() as running:
        yield running


@pytest.fixture
def engine(servers: ExitStack, tmp_path: Path) -> Wire:
    """The server with the engine, on a chain in plain text and one with TLS."""
    folder = tmp_path / "engine"
    folder.mkdir()
    profile_keys(folder, "node")
    return servers.enter_context(wire(folder, extra=SECURE))


def bootstrap(servers: ExitStack, folder: Path, *members: str, extra: str = "") -> Wire:
    """A server without an engine, which knows these."""
    folder.mkdir()
    if extra:
        for name in ("node.pem", "node.crt"):
            (folder / name).write_bytes((folder.parent / "engine" / name).read_bytes())
            (folder / name).chmod(0o600)
    listed = ", ".join(f'"{each}"' for each in members)
    bus = f"engine = false\nmembers = [{listed}]\n"
    return servers.enter_context(wire(folder, bus=bus, extra=extra, name="boot"))


def plain(running: Wire) -> str:
    return f"amqp://127.0.0.1:{running.port()}/InboundBasicMessaging"


def secure(running: Wire) -> str:
    return f"amqps://localhost:{running.port('InboundSecureMessaging')}/InboundSecureMessaging"


def shop(folder: Path, port: int, **properties: Any) -> AbstractContextManager[Client]:
    return client(folder / "shop", port, **properties)


def secured_shop(folder: Path, port: int, **properties: Any) -> AbstractContextManager[Client]:
    (folder / "shop").mkdir()
    (folder / "shop" / "node.crt").write_bytes((folder / "engine" / "node.crt").read_bytes())
    given = {"tls": "own", "allow_plain_passwords": False, "provider_endpoints": [f"localhost:{port}"]} | properties
    return client(folder / "shop", port, '[tls.own]\ntrust_store = "node.crt"\n', **given)


def test_a_client_finds_its_bus_by_a_server_that_has_no_engine_of_it(
    servers: ExitStack, engine: Wire, tmp_path: Path
) -> None:
    boot = bootstrap(servers, tmp_path / "boot", plain(engine))
    with shop(tmp_path, boot.port(), bus="weather") as application, application.connect() as connection:
        connection.send("requests", "found")
        message = connection.receive("requests", 5)
    assert message is not None
    assert str(message.identity) == "alice@weather"
    crowd = boot.listeners._crowds["InboundBasicMessaging"]
    assert (crowd.let_in, crowd.sent_on) == (0, 1)


def test_tls_is_kept_on_the_way(servers: ExitStack, engine: Wire, tmp_path: Path) -> None:
    boot = bootstrap(servers, tmp_path / "boot", plain(engine), secure(engine), extra=SECURE)
    with secured_shop(tmp_path, boot.port("InboundSecureMessaging")) as application:
        for _ in range(3):
            with application.connect("bob") as connection:
                connection.send("requests", "protected")
        assert engine.listeners.clients() == {"InboundBasicMessaging": 0, "InboundSecureMessaging": 1}


def test_nobody_is_led_from_tls_into_plain_text_and_no_password_goes_there(
    servers: ExitStack, engine: Wire, tmp_path: Path
) -> None:
    """By a server that sends its clients wherever it likes."""
    astray = SECURE + f'redirect_to = ["amqp://127.0.0.1:{engine.port()}"]\n'
    boot = bootstrap(servers, tmp_path / "boot", plain(engine), extra=astray)
    with (
        secured_shop(tmp_path, boot.port("InboundSecureMessaging")) as application,
        pytest.raises(ConnectionFailed, match="which is in plain text; nothing was sent there"),
    ):
        application.connect("bob")
    assert engine.listeners._crowds["InboundBasicMessaging"].let_in == 0


def test_who_is_sent_to_tls_needs_to_know_whom_to_trust(servers: ExitStack, engine: Wire, tmp_path: Path) -> None:
    boot = bootstrap(servers, tmp_path / "boot", secure(engine))
    with shop(tmp_path, boot.port()) as application, pytest.raises(ConnectionFailed, match="names no TLS configur"):
        application.connect()


def test_a_target_chain_that_nobody_has_is_told(engine: Wire, tmp_path: Path) -> None:
    with secured_shop(tmp_path, engine.port("InboundSecureMessaging"), target_chain="Elsewhere") as application:
        with pytest.raises(ConnectionFailed, match="CF-BUS-463"):
            application.connect()


def test_a_redirect_that_goes_round_ends(servers: ExitStack, engine: Wire, tmp_path: Path) -> None:
    boot = bootstrap(servers, tmp_path / "boot", plain(engine))
    path = tmp_path / "boot" / "connector.toml"
    path.write_text(
        path.read_text().replace(f":{engine.port()}/InboundBasicMessaging", f":{boot.port()}/InboundBasicMessaging")
    )
    boot.container.configuration.reload()
    with shop(tmp_path, boot.port()) as application, pytest.raises(ConnectionFailed, match="from one server to the n"):
        application.connect()


def test_where_one_engine_is_gone_the_next_one_is_asked_for(servers: ExitStack, engine: Wire, tmp_path: Path) -> None:
    boot = bootstrap(servers, tmp_path / "boot", "amqp://127.0.0.1:1/InboundBasicMessaging", plain(engine))
    with shop(tmp_path, boot.port()) as application:
        for _ in range(2):  # whichever member's turn it is
            with application.connect() as connection:
                connection.send("requests", "found all the same")


def test_a_refusal_at_the_engine_ends_the_search(servers: ExitStack, engine: Wire, tmp_path: Path) -> None:
    boot = bootstrap(servers, tmp_path / "boot", plain(engine))
    with shop(tmp_path, boot.port()) as application:
        with pytest.raises(LoginRefused, match="CF-AMQP-012"):
            application.connect("alice", "wrong")
        with pytest.raises(AccessDenied, match="CF-BUS-012"):
            application.connect("mallory")


def test_where_else_a_bus_is_served_is_remembered_for_the_day_when_its_server_is_gone(
    servers: ExitStack, engine: Wire, tmp_path: Path
) -> None:
    (tmp_path / "first").mkdir()
    failover = f'[chains.First]\nport = 0\nfailover = ["amqp://127.0.0.1:{engine.port()}", "amqps://other:1"]\n'
    first = ExitStack()
    running = servers.enter_context(first).enter_context(wire(tmp_path / "first", extra=failover))
    with shop(tmp_path, running.port("First")) as application:
        with application.connect() as connection:
            connection.send("requests", "to the first")
        first.close()
        with pytest.raises(ConnectionFailed), application.connect() as connection:
            connection.send("requests", "on the connection that is broken")
        with application.connect() as connection:
            connection.send("requests", "to the second")
            message = connection.receive("requests", 5)
    assert message is not None
    assert message.body == "to the second"


# --- the rules alone --------------------------------------------------------------------------------------------------

ENDPOINTS = st.builds(Endpoint, st.sampled_from(["a", "b", "c", "d", "e", "f", "g", "h"]), st.just(1))
REDIRECTS = st.builds(Redirect, ENDPOINTS, st.sampled_from(["", "amqp", "amqps"]), st.none() | st.just("bus"))


@given(st.lists(REDIRECTS, max_size=20), st.booleans())
def test_every_way_ends_and_none_leaves_tls(redirects: list[Redirect], secured: bool) -> None:
    trail = [Endpoint("start", 1)]
    for redirect in redirects:
        try:
            trail.append(next_hop("jms/remote", trail, redirect, secured=secured))
        except ConnectionFailed:
            break
        assert redirect.scheme in ("", "amqps" if secured else "amqp")
    assert len(trail) <= MAX_HOPS + 1
    assert len(set(trail)) == len(trail)


@pytest.mark.parametrize(
    ("info", "expected"),
    [
        ({"network-host": "one", "port": 1}, Redirect(Endpoint("one", 1), "", None)),
        ({"hostname": "one", "port": 1, "scheme": "amqps"}, Redirect(Endpoint("one", 1), "amqps", "one")),
        ({"hostname": "bus", "network-host": "one", "port": 1}, Redirect(Endpoint("one", 1), "", "bus")),
        ({"network-host": "one", "port": 0}, None),
        ({"network-host": "one", "port": "1"}, None),
        ({"network-host": 7, "port": 1}, None),
        ({"network-host": "one", "port": 1, "scheme": "ws"}, None),
        ({}, None),
    ],
)
def test_what_is_no_place_is_not_followed(info: dict[str, Any], expected: Redirect | None) -> None:
    assert redirect_of(Condition("amqp:connection:redirect", "", info)) == expected
    assert redirect_of(Condition("amqp:connection:forced", "", info)) is None


def test_of_a_failover_list_counts_what_has_tls_as_we_have_it() -> None:
    listed = [
        {"network-host": "one", "port": 1, "scheme": "amqps"},
        {"network-host": "two", "port": 2, "scheme": "amqp"},
        {"network-host": "three", "port": 3},
        {"network-host": "two", "port": 2, "scheme": "amqp"},
        "four",
        {},
    ]
    assert alternatives_of({"failover-server-list": listed}, secured=True) == (Endpoint("one", 1),)
    assert alternatives_of({"failover-server-list": listed}, secured=False) == (
        Endpoint("two", 2),
        Endpoint("three", 3),
    )
    assert alternatives_of({"failover-server-list": "one"}, secured=False) == ()
    assert alternatives_of({}, secured=False) == ()
