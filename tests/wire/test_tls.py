"""Chains under TLS: who has to show a certificate, whom it stands for, and what renewing it does (CHAIN-2, CHAIN-3)."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from support_tls import profile_keys
from support_wire import Wire, require_proton, wire

from connector.errors import ConfigError, NameNotFound

pytestmark = pytest.mark.amqp

require_proton()
from proton import SSLDomain  # noqa: E402

TLS = """
[tls.node]
key_store = "node.pem"
trust_store = "alice.crt"
client_authentication = "ASKS"
[chains.InboundSecureMessaging]
port = 0
tls = "node"
certificate_users = USERS
"""


@contextmanager
def secured(folder: Path, *, asks: str = "none", users: bool = False) -> Iterator[Wire]:
    """A bus that takes clients over TLS only; alice has a certificate that is trusted, mallory one that isn't."""
    for name in ("node", "alice", "mallory"):
        profile_keys(folder, name)
    extra = TLS.replace("ASKS", asks).replace("USERS", "true" if users else "false")
    with wire(folder, permitted='"tls-only"', extra=extra) as running:
        yield running


def begins_with(folder: Path, port: int, own: str | None = None) -> bytes:
    """What the server says to a SASL header under TLS."""
    context = ssl.create_default_context(cafile=folder / "node.crt")
    if own is not None:
        context.load_cert_chain(folder / f"{own}.pem")
    with socket.create_connection(("127.0.0.1", port), 10) as plain:
        with context.wrap_socket(plain, server_hostname="localhost") as tls:
            tls.sendall(b"AMQP\x03\x01\x00\x00")
            said = b""
            while len(said) < 8 or len(said) < 8 + int.from_bytes(said[8:12], "big"):
                piece = tls.recv(4096)
                if not piece:
                    break
                said += piece
            return said


@pytest.mark.parametrize("own", [None, "alice"])
def test_a_password_is_asked_for_under_tls_whoever_shows_a_certificate(tmp_path: Path, own: str | None) -> None:
    with secured(tmp_path, asks="supported") as running:
        said = begins_with(tmp_path, running.port("InboundSecureMessaging"), own)
    assert b"PLAIN" in said
    assert b"EXTERNAL" not in said


def test_external_is_offered_to_whose_certificate_stands_for_a_user(tmp_path: Path) -> None:
    with secured(tmp_path, asks="supported", users=True) as running:
        port = running.port("InboundSecureMessaging")
        assert b"EXTERNAL" in begins_with(tmp_path, port, "alice")
        assert b"EXTERNAL" not in begins_with(tmp_path, port)


@pytest.mark.parametrize("own", [None, "mallory"])
def test_where_a_trusted_certificate_is_required_nobody_gets_a_word_without(tmp_path: Path, own: str | None) -> None:
    said = b""
    with secured(tmp_path, asks="required") as running:
        with suppress(OSError):  # of which a refused handshake is one
            said = begins_with(tmp_path, running.port("InboundSecureMessaging"), own)
        assert running.listeners.clients()["InboundSecureMessaging"] == 0
    assert said == b""


def test_a_renewed_certificate_is_shown_to_the_next_client(tmp_path: Path) -> None:
    with secured(tmp_path) as running:
        port = running.port("InboundSecureMessaging")
        assert begins_with(tmp_path, port)
        profile_keys(tmp_path, "node")  # also what the client trusts
        assert begins_with(tmp_path, port)


def test_a_client_of_another_make_signs_on_under_tls(tmp_path: Path) -> None:
    if not _proton_has_tls():
        pytest.skip("this build of python-qpid-proton has no TLS of its own")
    with secured(tmp_path, asks="required", users=True) as running:
        domain = SSLDomain(SSLDomain.MODE_CLIENT)
        domain.set_credentials(str(tmp_path / "alice.pem"), str(tmp_path / "alice.pem"), None)
        domain.set_trusted_ca_db(str(tmp_path / "node.crt"))
        domain.set_peer_authentication(SSLDomain.VERIFY_PEER)
        client = running.connect(None, chain="InboundSecureMessaging", ssl_domain=domain, allowed_mechs="EXTERNAL")
        assert running.listeners.clients()["InboundSecureMessaging"] == 1
        client.close()


def _proton_has_tls() -> bool:
    from proton import SSL

    return bool(SSL.present())


def test_a_chain_without_its_tls_configuration_stops_the_start(tmp_path: Path) -> None:
    extra = '[chains.InboundSecureMessaging]\nport = 0\ntls = "gone"\n'
    with pytest.raises(NameNotFound, match="CF-CTR-065"), wire(tmp_path, extra=extra):
        pass


def test_a_port_that_is_taken_stops_the_start(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        extra = f"[chains.Other]\nport = {taken.getsockname()[1]}\n"
        with pytest.raises(ConfigError, match="CF-BUS-163"), wire(tmp_path, extra=extra):
            pass
