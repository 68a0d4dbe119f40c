"""Chains under TLS: who has to show a certificate, whom it stands for, and what renewing it does (CHAIN-2, CHAIN-3)."""

from __future__ import annotations

import hashlib
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12
from support_tls import profile_keys
from support_wire import Wire, first_words, require_proton, wire

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


def begins_with(folder: Path, port: int, own: str | None = None, more: bytes = b"", until: bytes = b"") -> bytes:
    """What the server says to a SASL header under TLS, and to what is sent besides; up to some bytes, or all."""
    context = ssl.create_default_context(cafile=folder / "node.crt")
    if own is not None:
        context.load_cert_chain(folder / f"{own}.pem")
    with socket.create_connection(("127.0.0.1", port), 10) as plain:
        with context.wrap_socket(plain, server_hostname="localhost") as tls:
            tls.sendall(b"AMQP\x03\x01\x00\x00" + more)
            said = b""
            while until not in said or len(said) < 8 or len(said) < 8 + int.from_bytes(said[8:12], "big"):
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


EXTERNAL = b"\0\0\0\x1a\2\1\0\0\0\x53\x41\xc0\x0d\x02\xa3\x08EXTERNAL\xa0\0"


@pytest.mark.parametrize("how", ["name", "fingerprint", "another"])
def test_a_certificate_stands_for_whom_the_map_names(tmp_path: Path, how: str) -> None:
    profile_keys(tmp_path, "alice")
    pem = (tmp_path / "alice.crt").read_text()
    name: Any = ssl.create_default_context(cadata=pem).get_ca_certs()[0]["subject"]
    common = next(value for part in name for key, value in part if key == "commonName")
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest().upper()
    colons = ":".join(digest[place : place + 2] for place in range(0, len(digest), 2))
    known = {"name": common, "fingerprint": f"sha256:{colons}", "another": "somebody else"}[how]
    for other in ("node", "mallory"):
        profile_keys(tmp_path, other)
    text = TLS.replace("ASKS", "supported").replace("USERS", "true")
    extra = f'{text}[chains.InboundSecureMessaging.certificate_map]\n"{known}" = "bob"\n'
    with wire(tmp_path, permitted='"tls-only"', extra=extra) as running:
        port = running.port("InboundSecureMessaging")
        assert (b"EXTERNAL" in begins_with(tmp_path, port, "alice")) is (how != "another")
        if how != "another":
            said = begins_with(tmp_path, port, "alice", EXTERNAL, b"\x00\x53\x44")
            assert said.endswith(b"\x50\x00")  # let in


@pytest.mark.parametrize("own", [None, "mallory"])
def test_where_a_trusted_certificate_is_required_nobody_gets_a_word_without(tmp_path: Path, own: str | None) -> None:
    said = b""
    with secured(tmp_path, asks="required") as running:
        with suppress(OSError):  # of which a refused handshake is one
            said = begins_with(tmp_path, running.port("InboundSecureMessaging"), own)
        assert running.listeners.clients()["InboundSecureMessaging"] == 0
    assert said == b""


@pytest.mark.parametrize(("own", "alert"), [(None, "CERTIFICATE_REQUIRED"), ("mallory", "UNKNOWN_CA")])
def test_who_is_refused_for_the_certificate_is_told_so_by_an_alert(tmp_path: Path, own: str | None, alert: str) -> None:
    with secured(tmp_path, asks="required") as running, pytest.raises(ssl.SSLError, match=f"ALERT_{alert}"):
        begins_with(tmp_path, running.port("InboundSecureMessaging"), own)


def test_who_speaks_too_old_a_protocol_is_told_so_by_an_alert(tmp_path: Path) -> None:
    with secured(tmp_path) as running:
        context = ssl.create_default_context(cafile=tmp_path / "node.crt")
        context.set_ciphers("aNULL:@SECLEVEL=0")  # which no server of ours has
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with socket.create_connection(("127.0.0.1", running.port("InboundSecureMessaging")), 10) as plain:
            with pytest.raises(ssl.SSLError, match="ALERT_HANDSHAKE_FAILURE"):
                context.wrap_socket(plain, server_hostname="localhost")


def test_a_chain_of_tls_1_3_takes_nobody_who_speaks_1_2_only_and_logs_why(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("node", "alice"):
        profile_keys(tmp_path, name)
    extra = (
        TLS.replace("ASKS", "none").replace("USERS", "false").replace("[chains", 'minimum_protocol = "1.3"\n[chains')
    )
    with wire(tmp_path, permitted='"tls-only"', extra=extra) as running:
        port = running.port("InboundSecureMessaging")
        old = ssl.create_default_context(cafile=tmp_path / "node.crt")
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        with caplog.at_level("INFO", "connector_bus.chains"):
            with socket.create_connection(("127.0.0.1", port), 10) as plain:
                with pytest.raises(ssl.SSLError, match="ALERT_PROTOCOL_VERSION"):
                    old.wrap_socket(plain, server_hostname="localhost")
        (logged,) = [each.getMessage() for each in caplog.records if "handshake failed" in each.getMessage()]
        assert "it speaks no version from minimum_protocol on (UNSUPPORTED_PROTOCOL)" in logged
        assert b"PLAIN" in begins_with(tmp_path, port)  # by 1.3


@pytest.mark.parametrize("own", ["alice", "mallory"])
def test_a_chain_serves_with_key_and_trust_stores_in_pkcs12(tmp_path: Path, own: str) -> None:
    word = b"only for this test"
    made = {name: profile_keys(tmp_path, name) for name in ("node", "alice", "mallory")}
    node, how = made["node"], BestAvailableEncryption(word)
    keys = pkcs12.serialize_key_and_certificates(b"node", node.key, node.certificate, None, how)
    trusted = pkcs12.serialize_key_and_certificates(None, None, None, [made["alice"].certificate], how)
    (tmp_path / "stores").mkdir()
    for name, content in (("node.p12", keys), ("trust.p12", trusted), ("word", word)):
        (tmp_path / "stores" / name).write_bytes(content)
        (tmp_path / "stores" / name).chmod(0o600)
    (tmp_path / "node.pem").unlink()
    extra = TLS.replace("ASKS", "required").replace("USERS", "true").replace('"node.pem"', '"stores/node.p12"')
    extra = extra.replace('"alice.crt"', '"stores/trust.p12"')
    words = 'key_store_password = "file:stores/word"\ntrust_store_password = "file:stores/word"\n'
    with wire(tmp_path, permitted='"tls-only"', extra=extra.replace("[chains", f"{words}[chains")) as running:
        port = running.port("InboundSecureMessaging")
        if own == "alice":
            said = begins_with(tmp_path, port, own)
            assert b"EXTERNAL" in said
        else:
            with pytest.raises(ssl.SSLError, match="ALERT_UNKNOWN_CA"):
                begins_with(tmp_path, port, own)


def test_who_speaks_no_tls_is_hung_up_on_at_once(tmp_path: Path) -> None:
    with secured(tmp_path) as running:
        with socket.create_connection(("127.0.0.1", running.port("InboundSecureMessaging")), 5) as plain:
            plain.sendall(b"AMQP\x03\x01\x00\x00")
            assert plain.recv(100) == b""


def test_a_renewed_certificate_is_shown_to_the_next_client(tmp_path: Path) -> None:
    with secured(tmp_path) as running:
        port = running.port("InboundSecureMessaging")
        assert begins_with(tmp_path, port)
        profile_keys(tmp_path, "node")  # also what the client trusts
        assert begins_with(tmp_path, port)


def test_who_is_connected_stays_so_while_the_certificate_is_renewed(tmp_path: Path) -> None:
    with secured(tmp_path) as running:
        port = running.port("InboundSecureMessaging")
        context = ssl.create_default_context(cafile=tmp_path / "node.crt")
        with socket.create_connection(("127.0.0.1", port), 10) as plain:
            with context.wrap_socket(plain, server_hostname="localhost") as before:
                shown = before.getpeercert(binary_form=True)
                profile_keys(tmp_path, "node")
                assert begins_with(tmp_path, port)  # the next client, who trusts the new one only
                assert shown not in {ssl.PEM_cert_to_DER_cert((tmp_path / "node.crt").read_text())}
                before.sendall(first_words("alice", "till", "weather"))
                said = b""
                while b"weather" not in said:  # the bus, in the answer to the open
                    piece = before.recv(4096)
                    assert piece
                    said += piece


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
