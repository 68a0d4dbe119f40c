"""Over TLS: whom the client trusts, and signing on by certificate (CHAIN-3, CHAIN-5)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from support_amqp import Client, client
from support_tls import profile_keys
from support_wire import Wire, require_proton, wire

from connector.errors import ConfigError, ConnectionFailed, SignerUnknown, SignOnError

pytestmark = pytest.mark.amqp

SERVER = """
[tls.node]
key_store = "node.pem"
trust_store = "alice.crt"
client_authentication = "supported"
[chains.InboundSecureMessaging]
port = 0
tls = "node"
certificate_users = true
"""
CLIENT_TLS = """
[tls.own]
key_store = "alice.pem"
trust_store = "TRUSTED.crt"
"""


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[Wire]:
    require_proton()
    for name in ("node", "alice", "mallory"):
        profile_keys(tmp_path, name)
    with wire(tmp_path, permitted='"tls-only"', extra=SERVER) as running:
        yield running


def secured(
    folder: Path, bus: Wire, *, trusted: str = "node", text: str = CLIENT_TLS, **properties: Any
) -> AbstractContextManager[Client]:
    shop = folder / "shop"
    shop.mkdir()
    for name in ("alice.pem", "node.crt", "mallory.crt"):
        (shop / name).write_bytes((folder / name).read_bytes())
        (shop / name).chmod(0o600)
    port = bus.port("InboundSecureMessaging")
    given = {"tls": "own", "allow_plain_passwords": False, "provider_endpoints": [f"localhost:{port}"]} | properties
    return client(shop, port, text.replace("TRUSTED", trusted), **given)


def test_a_password_goes_over_tls_without_further_ado(bus: Wire, tmp_path: Path) -> None:
    with secured(tmp_path, bus) as shop, shop.connect("bob") as connection:
        connection.send("requests", "protected")
        message = connection.receive("requests", 5)
    assert message is not None
    assert str(message.identity) == "bob@weather"


def test_a_server_that_is_not_trusted_gets_no_password(bus: Wire, tmp_path: Path) -> None:
    with (
        secured(tmp_path, bus, trusted="mallory") as shop,
        pytest.raises(SignerUnknown, match=r"CF-AMQP-420.*connector signers retrieve localhost:\d+") as caught,
    ):
        shop.connect("bob")
    endpoint = f"localhost:{bus.port('InboundSecureMessaging')}"
    assert (caught.value.details["endpoint"], caught.value.details["tls"]) == (endpoint, "own")


def test_a_server_whose_certificate_is_for_another_host_is_no_matter_of_trust(bus: Wire, tmp_path: Path) -> None:
    port = bus.port("InboundSecureMessaging")
    with (
        secured(tmp_path, bus, provider_endpoints=[f"127.1:{port}"]) as shop,
        pytest.raises(ConnectionFailed, match=r"CF-AMQP-011.*host name") as caught,
    ):
        shop.connect("bob")
    assert not isinstance(caught.value, SignerUnknown)


@pytest.mark.parametrize("own", ["mallory", None])
def test_a_client_whose_certificate_is_refused_learns_what_to_do(tmp_path: Path, own: str | None) -> None:
    require_proton()
    for name in ("node", "alice", "mallory"):
        profile_keys(tmp_path, name)
    with wire(tmp_path, permitted='"tls-only"', extra=SERVER.replace("supported", "required")) as running:
        (tmp_path / "alice.pem").write_bytes((tmp_path / "mallory.pem").read_bytes())
        text = CLIENT_TLS if own else CLIENT_TLS.replace('key_store = "alice.pem"\n', "")
        with secured(tmp_path, running, text=text) as shop:
            with pytest.raises(ConnectionFailed, match=r"CF-AMQP-421.*connector signers export"):
                shop.connect("bob")


def test_endpoints_that_fail_for_different_reasons_are_all_told(bus: Wire, tmp_path: Path) -> None:
    port = bus.port("InboundSecureMessaging")
    endpoints = [f"127.0.0.1:{port}", f"127.0.0.2:{port}", "127.0.0.1:1"]
    with secured(tmp_path, bus, trusted="mallory", provider_endpoints=endpoints) as shop:
        with pytest.raises(ConnectionFailed, match=r"CF-AMQP-010.*not trusted.*127\.0\.0\.1:1"):
            shop.connect("bob")


def test_without_a_user_the_certificate_says_who_it_is(bus: Wire, tmp_path: Path) -> None:
    with secured(tmp_path, bus, certificate_sign_on=True) as shop, shop.connect(None) as connection:
        connection.send("requests", "by certificate")
        message = connection.receive("requests", 5)
    assert message is not None
    assert str(message.identity) == "alice@weather"


def test_a_certificate_signs_on_only_where_the_resource_says_so(bus: Wire, tmp_path: Path) -> None:
    with secured(tmp_path, bus) as shop, pytest.raises(SignOnError, match="CF-AMQP-013"):
        shop.connect(None)


def test_a_chain_in_plain_text_refuses_what_the_bus_permits_over_tls_only(bus: Wire, tmp_path: Path) -> None:
    with client(tmp_path / "shop", bus.port()) as shop, pytest.raises(Exception, match="CF-BUS-160"):
        shop.connect("bob")


def test_plain_text_at_an_endpoint_of_tls_is_told(bus: Wire, tmp_path: Path) -> None:
    with client(tmp_path / "shop", bus.port("InboundSecureMessaging")) as shop:
        with pytest.raises(ConnectionFailed, match=r"CF-AMQP-015.*does not answer as an AMQP"):
            shop.connect("bob")


def test_to_sign_on_by_certificate_needs_tls(tmp_path: Path) -> None:
    require_proton()
    with pytest.raises(ConfigError, match="CF-AMQP-004"), client(tmp_path / "shop", 1, certificate_sign_on=True):
        pass
