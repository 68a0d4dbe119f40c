"""Who the directory is, is proven before anything is said: certificates, names, StartTLS, and what lies in between."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support_certificates import Authority
from support_slapd import SlapdServer

from connector.errors import ConfigError
from connector.spi import Secret
from connector_ldap.failures import DirectoryError
from connector_ldap.registry import LdapUserRegistry, ldap_registry

pytestmark = pytest.mark.ldap
MakeRegistry = Callable[..., LdapUserRegistry]
_STARTED_TLS = b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00"


def _failure(registry: LdapUserRegistry) -> DirectoryError:
    with pytest.raises(DirectoryError) as failed:
        registry.user_exists("alice")
    return failed.value


@contextmanager
def _listener(answer: bytes | None = None, *, ends: bool = False) -> Iterator[int]:
    """A server on loopback that takes connections and says that, or nothing, and may end them; answers its port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        held: list[socket.socket] = []

        def serve() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                held.append(connection)
                if answer is not None:
                    connection.recv(4096)
                    connection.sendall(answer)
                if ends:
                    connection.shutdown(socket.SHUT_RDWR)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join(10)
            for connection in held:
                connection.close()


def test_ldaps_and_start_tls_do_the_same(slapd: SlapdServer, make_registry: MakeRegistry, marker: Secret) -> None:
    for url in (slapd.url, slapd.tls_url):
        registry = make_registry(urls=[url])
        assert registry.check_password("alice", marker)
        assert registry.groups_of("alice") == {"clerks", "staff", "everybody"}


@pytest.mark.parametrize("start_tls", [True, False], ids=["StartTLS", "ldaps"])
def test_another_authority_s_certificate_is_refused(
    slapd: SlapdServer, make_registry: MakeRegistry, tmp_path: Path, start_tls: bool
) -> None:
    other = tmp_path / "other.pem"
    other.write_bytes(Authority("another").pem)
    failure = _failure(make_registry(urls=[slapd.url if start_tls else slapd.tls_url], ca_file=other))
    assert failure.code == "CF-LDAP-011"
    assert "certificate" in failure.text
    assert not failure.retryable


@pytest.mark.parametrize("start_tls", [True, False], ids=["StartTLS", "ldaps"])
def test_an_expired_certificate_is_refused(
    authority: Authority, ca_file: Path, make_registry: MakeRegistry, start_tls: bool
) -> None:
    with SlapdServer(*authority.issue(expired=True)) as server:
        failure = _failure(make_registry(urls=[server.url if start_tls else server.tls_url]))
        assert failure.code == "CF-LDAP-011"
        assert "expired" in failure.text


def test_a_certificate_for_another_host_is_refused(authority: Authority, make_registry: MakeRegistry) -> None:
    with SlapdServer(*authority.issue("elsewhere.example")) as server:
        failure = _failure(make_registry(urls=[server.tls_url]))
        assert failure.code == "CF-LDAP-011"
        assert "127.0.0.1" in failure.text


def test_the_machine_s_own_settings_can_t_switch_verification_off(
    slapd: SlapdServer, make_registry: MakeRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LDAPTLS_REQCERT", "never")
    other = tmp_path / "other.pem"
    other.write_bytes(Authority("another").pem)
    assert _failure(make_registry(ca_file=other)).code == "CF-LDAP-011"


def test_a_renewed_authority_needs_no_restart(
    authority: Authority, make_registry: MakeRegistry, tmp_path: Path, marker: Secret
) -> None:
    file, renewed = tmp_path / "ca.pem", Authority("renewed")
    file.write_bytes(authority.pem)
    with SlapdServer(*authority.issue()) as server:
        registry = make_registry(urls=[server.tls_url], ca_file=file)
        assert not registry.user_exists("alice")
        server.stop()
        server.certify(*renewed.issue())
        server.start()
        assert _failure(registry).code == "CF-LDAP-011"
        file.write_bytes(renewed.pem)
        assert not registry.user_exists("alice")


@pytest.mark.parametrize("scheme", ["ldap", "ldaps"])
def test_a_server_that_says_nothing_holds_nobody(make_registry: MakeRegistry, scheme: str) -> None:
    with _listener() as port:
        failure = _failure(make_registry(urls=[f"{scheme}://127.0.0.1:{port}"], connect_timeout=0.2))
    assert failure.code == "CF-LDAP-010"
    assert "timed out" in failure.text


@pytest.mark.parametrize("scheme", ["ldap", "ldaps"])
def test_a_name_that_no_host_can_have_is_a_server_that_is_away(make_registry: MakeRegistry, scheme: str) -> None:
    failure = _failure(make_registry(urls=[f"{scheme}://a..b"]))
    assert failure.code == "CF-LDAP-010"
    assert "can't be the name of a host" in failure.text


def test_a_server_that_falls_silent_in_the_handshake_holds_nobody(make_registry: MakeRegistry) -> None:
    with _listener(_STARTED_TLS) as port:
        failure = _failure(make_registry(urls=[f"ldap://127.0.0.1:{port}"], connect_timeout=0.2))
    assert (failure.code, "timed out" in failure.text) == ("CF-LDAP-010", True)


def test_a_server_that_falls_silent_afterwards_holds_nobody(make_registry: MakeRegistry) -> None:
    with _listener() as port:
        failure = _failure(
            make_registry(urls=[f"ldap://127.0.0.1:{port}"], start_tls=False, allow_plaintext=True, timeout=0.2)
        )
    assert failure.code == "CF-LDAP-010"


@pytest.mark.parametrize("answer", [_STARTED_TLS, b""], ids=["in the handshake", "before it"])
def test_a_server_that_goes_away_in_the_middle_is_away_and_not_untrusted(
    make_registry: MakeRegistry, answer: bytes
) -> None:
    with _listener(answer, ends=True) as port:
        failure = _failure(make_registry(urls=[f"ldap://127.0.0.1:{port}"], connect_timeout=2))
    assert (failure.code, failure.retryable) == ("CF-LDAP-010", True)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x02\x04\x00\x04\x00", "does not offer StartTLS"),
        (b"\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00", "does not offer StartTLS"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "does not speak LDAP"),
        (b"\x30\x84\x7f\xff\xff\xff", "too long"),
        # what somebody in between has put behind the answer, in plain text, belongs to no session
        (_STARTED_TLS + b"\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00", "TLS"),
    ],
    ids=["refused", "another answer", "not LDAP", "endless", "more than the answer"],
)
def test_what_is_no_answer_to_start_tls_is_refused(make_registry: MakeRegistry, answer: bytes, why: str) -> None:
    with _listener(answer) as port:
        failure = _failure(make_registry(urls=[f"ldap://127.0.0.1:{port}"], connect_timeout=2))
    assert failure.code == "CF-LDAP-011"
    assert why in failure.text


def test_plain_text_is_refused_unless_it_is_allowed(
    slapd: SlapdServer, make_registry: MakeRegistry, marker: Secret
) -> None:
    with pytest.raises(ConfigError) as refused:
        make_registry(urls=[slapd.url], start_tls=False)
    assert refused.value.code == "CF-LDAP-003"
    registry = make_registry(urls=[slapd.url], start_tls=False, allow_plaintext=True)
    assert registry.check_password("alice", marker)


def test_a_ca_file_that_can_t_be_used_is_told_at_the_start(slapd: SlapdServer, tmp_path: Path) -> None:
    table = {
        "urls": "ldaps://127.0.0.1", "base": "dc=example", "bind_dn": "cn=x", "bind_password": Secret("y"),
        "ca_file": tmp_path / "ca.pem",
    }  # fmt: skip
    for content in (None, b"no certificate"):
        if content is not None:
            (tmp_path / "ca.pem").write_bytes(content)
        with pytest.raises(ConfigError) as refused:
            ldap_registry("shop", table)
        assert refused.value.code == "CF-LDAP-004"
