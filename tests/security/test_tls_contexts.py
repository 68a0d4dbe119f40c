"""TLS configurations: whom they let in, by handshakes between two real ends (CHAIN-3)."""

from __future__ import annotations

import errno
import logging
import ssl
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12
from support_certificates import Authority
from support_tls import NOW, profile_keys, shake_hands

from connector.errors import ConfigError
from connector.security.tls.contexts import TlsContexts, make_context
from connector.security.tls.generated import VALIDITY, generate_key_store
from connector.security.tls.settings import ClientAuthentication, TlsSettings
from connector.security.tls.signer import as_pem
from connector.security.tls.trust_store import TrustStore, certificates_to_add
from connector.spi import Secret


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """A folder with key stores of a server, a client and a stranger."""
    for name in ("server", "client", "stranger"):
        profile_keys(tmp_path, name)
    return tmp_path


def server_side(keys: Path, asks: str = "none", **settings: object) -> TlsSettings:
    trust = keys / "client.crt"
    return TlsSettings("node", keys / "server.pem", trust, client_authentication=ClientAuthentication(asks), **settings)  # type: ignore[arg-type]


def client_side(keys: Path, own: str | None = None, trusted: str = "server") -> TlsSettings:
    return TlsSettings("client", None if own is None else keys / f"{own}.pem", keys / f"{trusted}.crt")


@pytest.mark.parametrize(
    ("asks", "shows", "lets_in"),
    [
        ("none", None, True),
        ("none", "client", True),
        ("none", "stranger", True),
        ("supported", None, True),
        ("supported", "client", True),
        ("supported", "stranger", False),
        ("required", None, False),
        ("required", "client", True),
        ("required", "stranger", False),
    ],
)
def test_client_authentication_decides_who_gets_in(keys: Path, asks: str, shows: str | None, lets_in: bool) -> None:
    server, client = make_context(server_side(keys, asks), "server"), make_context(client_side(keys, shows), "client")
    result = shake_hands(server, client)
    assert result.succeeded is lets_in
    assert (result.peer is not None) is (lets_in and asks != "none" and shows == "client")


def test_a_client_refuses_a_server_that_it_does_not_trust(keys: Path) -> None:
    server = make_context(server_side(keys), "server")
    result = shake_hands(server, make_context(client_side(keys, trusted="stranger"), "client"))
    assert isinstance(result.client_error, ssl.SSLCertVerificationError)


def test_a_client_refuses_a_trusted_certificate_of_another_host(keys: Path) -> None:
    server, client = make_context(server_side(keys), "server"), make_context(client_side(keys), "client")
    assert shake_hands(server, client, host="127.0.0.1").succeeded
    result = shake_hands(server, client, host="bank.example")
    assert isinstance(result.client_error, ssl.SSLCertVerificationError)


def test_a_generated_certificate_passes_the_strictest_verification(keys: Path) -> None:
    client = make_context(client_side(keys), "client")
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    client.verify_flags &= ~ssl.VERIFY_X509_PARTIAL_CHAIN
    assert shake_hands(make_context(server_side(keys), "server"), client).succeeded


def test_trusting_the_authority_suffices_for_what_it_has_issued(keys: Path, tmp_path: Path) -> None:
    authority = Authority()
    certificate, key = authority.issue("localhost")
    (tmp_path / "issued.pem").write_bytes(certificate + key)
    (tmp_path / "authority.crt").write_bytes(authority.pem)
    server = make_context(TlsSettings("node", tmp_path / "issued.pem"), "server")
    assert shake_hands(server, make_context(client_side(tmp_path, trusted="authority"), "client")).succeeded


def test_key_and_certificates_may_be_files_of_a_folder(keys: Path, tmp_path: Path) -> None:
    folder = tmp_path / "store"
    folder.mkdir()
    key, _, certificate = (keys / "server.pem").read_bytes().partition(b"-----BEGIN CERTIFICATE")
    (folder / "tls.key").write_bytes(key)
    (folder / "tls.crt").write_bytes(b"-----BEGIN CERTIFICATE" + certificate)
    (folder / "README.txt").write_text("not a certificate")
    server = make_context(TlsSettings("node", folder), "server")
    assert shake_hands(server, make_context(client_side(keys), "client")).succeeded


@pytest.mark.parametrize("password", [None, Secret("correct horse")], ids=["open", "with a password"])
def test_key_and_trust_stores_may_be_pkcs12(keys: Path, tmp_path: Path, password: Secret | None) -> None:
    store = profile_keys(tmp_path, "server")
    how: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if password is not None:
        how = serialization.BestAvailableEncryption(password.reveal().encode())
    file = tmp_path / "server.p12"
    file.write_bytes(pkcs12.serialize_key_and_certificates(b"node", store.key, store.certificate, None, how))
    server = make_context(TlsSettings("node", file, key_store_password=password), "server")
    client = make_context(TlsSettings("client", None, file, trust_store_password=password), "client")
    assert shake_hands(server, client).succeeded


def test_an_encrypted_key_is_opened_by_its_password_only(keys: Path, tmp_path: Path, marker: Secret) -> None:
    store = profile_keys(tmp_path, "server")
    locked = store.key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(marker.reveal().encode()),
    )
    (tmp_path / "locked.pem").write_bytes(locked + (tmp_path / "server.crt").read_bytes())
    make_context(TlsSettings("node", tmp_path / "locked.pem", key_store_password=marker), "server")
    for wrong in (None, Secret("another")):
        with pytest.raises(ConfigError, match="password") as refused:
            make_context(TlsSettings("node", tmp_path / "locked.pem", key_store_password=wrong), "server")
        assert refused.value.code == "CF-TLS-001"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "CF-TLS-001"),
        (b"-----BEGIN PRIVATE KEY-----\nno\n-----END PRIVATE KEY-----\n", "CF-TLS-001"),
        (None, "CF-TLS-001"),
    ],
    ids=["empty", "torn", "missing"],
)
def test_a_key_store_that_is_none_is_refused_by_name(tmp_path: Path, content: bytes | None, code: str) -> None:
    if content is not None:
        (tmp_path / "node.pem").write_bytes(content)
    with pytest.raises(ConfigError, match=r"node\.pem") as refused:
        make_context(TlsSettings("node", tmp_path / "node.pem"), "server")
    assert refused.value.code == code


def test_a_key_without_its_own_certificate_is_refused(keys: Path, tmp_path: Path) -> None:
    key = (keys / "server.pem").read_bytes().partition(b"-----BEGIN CERTIFICATE")[0]
    (tmp_path / "mixed.pem").write_bytes(key + (keys / "client.crt").read_bytes())
    with pytest.raises(ConfigError) as refused:
        make_context(TlsSettings("node", tmp_path / "mixed.pem"), "server")
    assert refused.value.code == "CF-TLS-002"


def test_a_server_without_key_or_without_signers_to_ask_for_is_refused(keys: Path) -> None:
    with pytest.raises(ConfigError, match="key store") as keyless:
        make_context(TlsSettings("node"), "server")
    required = ClientAuthentication.REQUIRED
    with pytest.raises(ConfigError, match="no signer") as signerless:
        make_context(TlsSettings("node", keys / "server.pem", client_authentication=required), "server")
    assert (keyless.value.code, signerless.value.code) == ("CF-TLS-007", "CF-TLS-008")


def test_older_protocols_than_the_minimum_are_not_spoken(keys: Path) -> None:
    server = make_context(server_side(keys, minimum_protocol=ssl.TLSVersion.TLSv1_3), "server")
    client = make_context(client_side(keys), "client")
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    assert not shake_hands(server, client).succeeded
    client.maximum_version = ssl.TLSVersion.TLSv1_3
    assert shake_hands(server, client).succeeded


@pytest.mark.parametrize("made", [NOW - 2 * VALIDITY, NOW + VALIDITY], ids=["over", "to come"])
@pytest.mark.parametrize("whose", ["server", "client"])
def test_who_is_trusted_is_so_only_in_the_time_of_the_certificate(keys: Path, whose: str, made: datetime) -> None:
    out_of_time = generate_key_store(whose, made, hosts=("localhost",))
    (keys / f"{whose}.pem").write_bytes(out_of_time.pem())
    (keys / f"{whose}.crt").write_bytes(as_pem(out_of_time.certificate))
    server = make_context(server_side(keys, "required"), "server")
    shaken = shake_hands(server, make_context(client_side(keys, "client"), "client"))
    assert "certificate verify failed" in str(shaken.server_error if whose == "client" else shaken.client_error)


def test_a_renewed_certificate_serves_the_next_connection(keys: Path) -> None:
    contexts = TlsContexts(server_side(keys), "server")
    before = contexts.current()
    assert contexts.current() is before
    profile_keys(keys, "server")  # another key and certificate under the same names
    assert not shake_hands(before, make_context(client_side(keys), "client")).succeeded
    assert shake_hands(contexts.current(), make_context(client_side(keys), "client")).succeeded
    assert contexts.failure is None


def test_a_signer_that_is_removed_is_no_longer_let_in(keys: Path, tmp_path: Path) -> None:
    trust = TrustStore(tmp_path / "trust.pem")
    trust.add(certificates_to_add(keys / "client.crt"))
    trust.add(certificates_to_add(keys / "stranger.crt"))
    settings = TlsSettings("node", keys / "server.pem", trust.path, client_authentication=ClientAuthentication.REQUIRED)
    contexts, client = TlsContexts(settings, "server"), make_context(client_side(keys, "client"), "client")
    assert shake_hands(contexts.current(), client).succeeded
    trust.remove(next(one.fingerprint for one in trust.signers() if "client" in one.subject))
    assert not shake_hands(contexts.current(), client).succeeded


@pytest.mark.parametrize("asks", [ClientAuthentication.REQUIRED, ClientAuthentication.SUPPORTED])
def test_the_last_signer_that_is_removed_is_no_longer_let_in_either(keys: Path, asks: ClientAuthentication) -> None:
    trust = TrustStore(keys / "client.crt")
    settings = TlsSettings("node", keys / "server.pem", trust.path, client_authentication=asks)
    contexts, client = TlsContexts(settings, "server"), make_context(client_side(keys, "client"), "client")
    assert shake_hands(contexts.current(), client).succeeded
    [last] = trust.signers()
    trust.remove(last.fingerprint)
    assert not shake_hands(contexts.current(), client).succeeded
    assert contexts.failure is not None
    assert contexts.failure.code == "CF-TLS-008"
    nobody = make_context(client_side(keys, None), "client")
    assert shake_hands(contexts.current(), nobody).succeeded is (asks is ClientAuthentication.SUPPORTED)
    trust.add([profile_keys(keys, "client").certificate])
    renewed = make_context(client_side(keys, "client"), "client")
    assert shake_hands(contexts.current(), renewed).succeeded
    assert contexts.failure is None


def test_a_wrong_edit_leaves_the_last_good_key_in_force_and_is_reported_once(
    keys: Path, caplog: pytest.LogCaptureFixture
) -> None:
    contexts, client = TlsContexts(server_side(keys), "server"), make_context(client_side(keys), "client")
    good = (keys / "server.pem").read_bytes()
    (keys / "server.pem").write_bytes(good[: len(good) // 2])
    with caplog.at_level(logging.WARNING, "connector.security.tls"):
        assert shake_hands(contexts.current(), client).succeeded
        assert shake_hands(contexts.current(), client).succeeded
    assert len(caplog.records) == 1
    assert contexts.failure is not None
    (keys / "server.pem").write_bytes(good)
    assert shake_hands(contexts.current(), client).succeeded
    assert contexts.failure is None


def test_a_trust_store_that_is_half_written_leaves_all_signers_in_force(keys: Path) -> None:
    trust, client = keys / "both.crt", make_context(client_side(keys, "client"), "client")
    other = profile_keys(keys, "other").certificate
    whole = as_pem(other) + (keys / "client.crt").read_bytes()
    trust.write_bytes(whole)
    settings = TlsSettings("node", keys / "server.pem", trust, client_authentication=ClientAuthentication.REQUIRED)
    contexts = TlsContexts(settings, "server")
    for length in (len(whole) - 100, len(as_pem(other)) + 20):  # the library would pass over the second one
        trust.write_bytes(whole[:length])
        assert shake_hands(contexts.current(), client).succeeded
        assert contexts.failure is not None
        assert "it is cut off" in contexts.failure.text


@pytest.mark.parametrize("content", [b"\x30\x82\x01\x0a binary", b"some words\n"], ids=["binary", "words"])
def test_a_trust_store_in_another_encoding_is_not_taken_for_an_empty_one(keys: Path, content: bytes) -> None:
    store = TrustStore(keys / "trust.crt")
    store.path.write_bytes(content)
    for use in (store.signers, lambda: store.add([profile_keys(keys, "other").certificate])):
        with pytest.raises(ConfigError, match=r"trust\.crt.*not empty") as refused:
            use()
        assert refused.value.code == "CF-TLS-001"
    assert store.path.read_bytes() == content


@pytest.mark.parametrize("broken", ["disk", "folder"])
def test_a_trust_store_that_cannot_be_written_is_as_it_was(
    keys: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    store = TrustStore(keys / ("client.crt" if broken == "disk" else "gone/trust.pem"))
    before = store.signers()
    if broken == "disk":

        def full(_: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr("connector.security.durable_file.os.fsync", full)
    changes: list[Callable[[], object]] = [lambda: store.add([profile_keys(keys, "other").certificate])]
    changes += [partial(store.remove, each.fingerprint) for each in before]
    for change in changes:
        with pytest.raises(ConfigError, match="nothing was changed") as refused:
            change()
        assert refused.value.code == "CF-TLS-580"
    assert store.signers() == before


@pytest.mark.parametrize("content", [b"", b"\n", b"# nobody yet\n\n"])
def test_a_trust_store_of_blanks_and_comments_is_an_empty_one(keys: Path, content: bytes) -> None:
    store = TrustStore(keys / "trust.crt")
    store.path.write_bytes(content)
    assert store.signers() == []


def test_no_key_is_shown(keys: Path, marker: Secret) -> None:
    settings = TlsSettings("node", keys / "server.pem", key_store_password=marker)
    contexts = TlsContexts(settings, "server")
    shown = f"{settings!r} {contexts!r} {profile_keys(keys, 'other')!r}"
    assert marker.reveal() not in shown
    assert "PRIVATE" not in shown
