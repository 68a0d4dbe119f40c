"""Client certificates: only verified ones, from the server or from a proxy that is named."""

from __future__ import annotations

import base64
import datetime
from typing import Any
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from support_certificates import Authority
from support_web import Shop, call_wsgi

from connector.errors import ConfigError
from connector_web import Caller, TrustedProxy, certificate, common_name
from connector_web.asgi import request_of as asgi_request
from connector_web.certificate import CertificateSource
from connector_web.refusal import CredentialRefused
from connector_web.wsgi import request_of as wsgi_request

AUTHORITY = Authority()
ALICE = AUTHORITY.issue("alice")[0].decode()
DER = x509.load_pem_x509_certificate(ALICE.encode()).public_bytes(Encoding.DER)
#: As nginx hands it on.
ESCAPED = quote(ALICE)
PROXY = TrustedProxy("X-Client-Cert", {"10.0.0.1"}, verify_header="X-Client-Verify")


def of_asgi(tls: Any, source: CertificateSource | None = None) -> Caller | None:
    return (source or certificate()).read(asgi_request({"type": "http", "extensions": {"tls": tls}}))


def of_wsgi(source: CertificateSource | None = None, **environ: str) -> Caller | None:
    return (source or certificate()).read(wsgi_request(environ))


def of_proxy(
    *values: str, proxy: TrustedProxy = PROXY, peer: str = "10.0.0.1", verify: tuple[str, ...] = ("SUCCESS",)
) -> Caller | None:
    headers = [(b"x-client-cert", value.encode()) for value in values]
    headers += [(b"x-client-verify", value.encode()) for value in verify]
    return certificate(proxy=proxy).read(asgi_request({"type": "http", "client": (peer, 1), "headers": headers}))


def test_an_asgi_server_that_verified_the_certificate_says_who_calls() -> None:
    assert of_asgi({"client_cert_chain": [ALICE], "client_cert_name": "CN=alice"}) == Caller("alice")
    assert of_asgi({"client_cert_chain": []}) is None
    assert of_asgi(None) is None
    assert certificate().read(asgi_request({"type": "http"})) is None


def test_a_certificate_that_the_asgi_server_could_not_verify_is_refused_and_not_nobodys() -> None:
    for tls in ({"client_cert_chain": [ALICE], "client_cert_error": "expired"}, {"client_cert_error": "unknown CA"}):
        with pytest.raises(CredentialRefused, match="CF-WEB-030"):
            of_asgi(tls, certificate(server_verifies=True))


def test_a_wsgi_servers_verdict_counts() -> None:
    assert of_wsgi(SSL_CLIENT_CERT=ALICE, SSL_CLIENT_VERIFY="SUCCESS") == Caller("alice")
    assert of_wsgi(SSL_CLIENT_VERIFY="NONE") is None
    assert of_wsgi() is None
    for verdict in ("GENEROUS", "FAILED:expired", "NONE"):
        with pytest.raises(CredentialRefused, match="CF-WEB-030"):
            of_wsgi(certificate(server_verifies=True), SSL_CLIENT_CERT=ALICE, SSL_CLIENT_VERIFY=verdict)


def test_a_wsgi_server_without_a_verdict_counts_only_where_the_application_says_so() -> None:
    with pytest.raises(CredentialRefused, match="doesn't say"):
        of_wsgi(SSL_CLIENT_CERT=ALICE)
    assert of_wsgi(certificate(server_verifies=True), SSL_CLIENT_CERT=ALICE) == Caller("alice")


def test_headers_of_a_client_are_never_taken_for_the_servers_word() -> None:
    forged = {"HTTP_SSL_CLIENT_CERT": ALICE, "HTTP_SSL_CLIENT_VERIFY": "SUCCESS", "HTTP_X_CLIENT_CERT": ESCAPED}
    assert of_wsgi(None, **forged) is None


@pytest.mark.parametrize("value", [ESCAPED, f":{base64.b64encode(DER).decode()}:"])
def test_a_trusted_proxy_hands_the_certificate_on_as_nginx_does_or_as_rfc_9440_says(value: str) -> None:
    assert of_proxy(value) == Caller("alice")
    assert of_proxy() is None
    assert of_proxy("", verify=("NONE",)) is None


def test_anybody_elses_header_is_refused_and_not_passed_over() -> None:
    with pytest.raises(CredentialRefused, match="CF-WEB-033"):
        of_proxy(ESCAPED, peer="192.0.2.9")
    with pytest.raises(CredentialRefused, match="CF-WEB-033"):
        of_proxy(ESCAPED, peer="")


def test_a_proxy_by_a_unix_socket_is_named_as_such() -> None:
    assert of_proxy(ESCAPED, proxy=TrustedProxy("X-Client-Cert", ["unix"]), peer="") == Caller("alice")


@pytest.mark.parametrize("verify", [("FAILED:expired",), ("NONE",), ("",), ()])
def test_what_the_proxy_did_not_verify_is_refused(verify: tuple[str, ...]) -> None:
    with pytest.raises(CredentialRefused, match="CF-WEB-030"):
        of_proxy(ESCAPED, verify=verify)


def test_a_header_that_a_client_added_beside_the_proxys_is_refused() -> None:
    with pytest.raises(CredentialRefused, match="CF-WEB-035"):
        of_proxy(ESCAPED, ESCAPED)
    with pytest.raises(CredentialRefused, match="CF-WEB-035"):
        of_proxy(ESCAPED, verify=("SUCCESS", "NONE"))


@pytest.mark.parametrize("value", ["garbage", ":garbage:", ":AAAA:", "::", ":", "%ff", "a" * 20_000])
def test_a_certificate_that_can_not_be_read_is_refused(value: str) -> None:
    with pytest.raises(CredentialRefused, match="CF-WEB-031"):
        of_proxy(value)


def test_a_proxy_without_an_address_is_a_mistake() -> None:
    with pytest.raises(ConfigError, match="CF-WEB-034"):
        certificate(proxy=TrustedProxy("X-Client-Cert", ()))


def test_the_application_may_say_who_a_certificate_stands_for() -> None:
    def partner(found: x509.Certificate) -> Caller | None:
        name = common_name(found)
        return Caller(name, "partner", ("dealers",)) if name == "alice" else None

    tls = {"client_cert_chain": [ALICE]}
    assert of_asgi(tls, certificate(partner)) == Caller("alice", "partner", ("dealers",))
    assert of_asgi(tls, certificate(realm="partner")) == Caller("alice", "partner")
    other = AUTHORITY.issue("mallory")[0].decode()
    with pytest.raises(CredentialRefused, match="CF-WEB-032"):
        of_asgi({"client_cert_chain": [other]}, certificate(partner))


def test_a_certificate_with_two_common_names_names_nobody() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    names = [x509.NameAttribute(NameOID.COMMON_NAME, name) for name in ("alice", "admin")]
    now = datetime.datetime.now(datetime.UTC)
    two = (
        x509.CertificateBuilder(x509.Name(names), x509.Name(names), key.public_key(), 1, now, now)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    assert common_name(two) is None


def test_a_verified_certificate_makes_the_caller_and_an_unknown_user_is_forbidden(shop: Shop) -> None:
    environ = {"SSL_CLIENT_VERIFY": "SUCCESS"}
    assert call_wsgi(shop.container, {**environ, "SSL_CLIENT_CERT": ALICE}, certificate())[::2] == (200, b"alice@shop")
    mallory = AUTHORITY.issue("mallory")[0].decode()
    assert call_wsgi(shop.container, {**environ, "SSL_CLIENT_CERT": mallory}, certificate())[0] == 403


def test_without_any_challenge_to_answer_the_request_is_forbidden_instead(shop: Shop) -> None:
    unverified = {"SSL_CLIENT_CERT": ALICE, "SSL_CLIENT_VERIFY": "FAILED:expired"}
    for environ, code in (({}, b"CF-WEB-001"), (unverified, b"CF-WEB-002")):
        status, headers, body = call_wsgi(shop.container, environ, certificate())
        assert status == 403
        assert "WWW-Authenticate" not in headers
        assert code in body
