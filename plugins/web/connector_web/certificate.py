"""Client certificates: verified by the server, or by a proxy that the application names."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final, final
from urllib.parse import unquote

from cryptography import x509
from cryptography.x509.oid import NameOID

from connector.errors import ConfigError, Reason
from connector_web.proof import Caller
from connector_web.refusal import CredentialRefused
from connector_web.request import WebRequest

CERTIFICATE_UNVERIFIED = Reason(
    "CF-WEB-030",
    "the client certificate was not verified: {why}.",
    "Have the server verify certificates; where it does and doesn't say so, tell `certificate(server_verifies=True)`.",
)
CERTIFICATE_UNREADABLE = Reason(
    "CF-WEB-031",
    "the client certificate can't be read.",
    "The server or the proxy must hand it over as PEM, or as RFC 9440 says.",
)
CERTIFICATE_NAMES_NOBODY = Reason(
    "CF-WEB-032",
    "the certificate of {subject} names no user.",
    "Issue certificates that do, or give a function that finds the user in them.",
)
NOT_THE_PROXY = Reason(
    "CF-WEB-033",
    "the header {header} came from {peer}, which is no trusted proxy.",
    "If that is the proxy, add its address; else somebody tries to pass for the proxy.",
)
PROXIES_MISSING = Reason(
    "CF-WEB-034",
    "the header {header} is to be believed and no proxy is named that may send it.",
    "Name the proxies' addresses, as the server sees them; `unix` for a Unix socket.",
)
HEADER_TWICE = Reason(
    "CF-WEB-035",
    "the request has {count} headers {header}.",
    "The proxy must replace what a client sends, not add to it.",
)

UserOf = Callable[[x509.Certificate], "Caller | str | None"]

#: What Apache and nginx say of a certificate that they verified.
_VERIFIED: Final = "SUCCESS"
_LONGEST_HEADER = 16_384


@final
@dataclass(frozen=True, slots=True)
class TrustedProxy:
    """A proxy that ends TLS and hands the client's certificate on in a header.

    Whoever reaches the application from one of the addresses is believed, so nobody but the proxy may: and the server
    must not take the address itself from a header (`X-Forwarded-For`) of somebody else.

    Attributes:
        header: The header with the certificate: percent-encoded PEM (nginx: `$ssl_client_escaped_cert`), or
            `:BASE64:` (RFC 9440).
        addresses: Where the proxy comes from, as the server sees it; `unix` for a Unix socket.
        verify_header: A header that must say SUCCESS (nginx: `$ssl_client_verify`); None for a proxy that hands on
            verified certificates only.
    """

    header: str
    addresses: Collection[str]
    verify_header: str | None = None


@final
class CertificateSource:
    """Client certificates; made by `certificate`. Safe to use from any thread.

    Args:
        user_of: Who a certificate stands for.
        realm: The realm of those users, None for the container's own.
        server_verifies: Whether the server's certificates count where it does not say that it verified them.
        proxy: Who hands certificates on; None for the server itself.
    """

    name = "certificate"
    scheme = None

    def __init__(
        self, user_of: UserOf, *, realm: str | None, server_verifies: bool, proxy: TrustedProxy | None
    ) -> None:
        if proxy is not None and not proxy.addresses:
            raise ConfigError(PROXIES_MISSING, header=proxy.header)
        self._user_of = user_of
        self._realm = realm
        self._server_verifies = server_verifies
        self._proxy = proxy

    def challenge(self, realm: str, *, refused: bool) -> None:
        """None: a certificate is asked for in TLS."""
        return

    def read(self, request: WebRequest) -> Caller | None:
        """Whom the certificate names. Raises CredentialRefused (CF-WEB-030 to CF-WEB-035)."""
        found = self._of_server(request) if self._proxy is None else self._of_proxy(request, self._proxy)
        if found is None:
            return None
        user = self._user_of(found)
        if not user:
            subject = found.subject.rfc4514_string()[:200]
            raise CredentialRefused(CERTIFICATE_NAMES_NOBODY, subject=subject)
        return user if isinstance(user, Caller) else Caller(user, self._realm)

    def _of_server(self, request: WebRequest) -> x509.Certificate | None:
        presented = request.certificate
        if presented is None:
            return None
        if presented.verified is False:
            raise CredentialRefused(CERTIFICATE_UNVERIFIED, why="the server says so")
        if presented.verified is None and not self._server_verifies:
            raise CredentialRefused(CERTIFICATE_UNVERIFIED, why="the server doesn't say that it was")
        return _read(presented.pem or "")

    def _of_proxy(self, request: WebRequest, proxy: TrustedProxy) -> x509.Certificate | None:
        values = request.header(proxy.header.lower())
        verdicts = request.header(proxy.verify_header.lower()) if proxy.verify_header is not None else (_VERIFIED,)
        if not any(values):
            return None
        if request.peer not in proxy.addresses:
            raise CredentialRefused(NOT_THE_PROXY, header=proxy.header, peer=request.peer)
        count = max(len(values), len(verdicts))
        if count > 1:
            raise CredentialRefused(HEADER_TWICE, header=proxy.header, count=count)
        if _VERIFIED not in verdicts:
            raise CredentialRefused(CERTIFICATE_UNVERIFIED, why=f"{proxy.verify_header} doesn't say {_VERIFIED}")
        return _of_header(values[0])

    def __repr__(self) -> str:
        return f"<CertificateSource from {'the server' if self._proxy is None else self._proxy.header}>"


def common_name(certificate: x509.Certificate) -> str | None:
    """The user that a certificate's subject names as its one common name; None for no such name, or several."""
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    value = names[0].value if len(names) == 1 else None
    return value if isinstance(value, str) and value.isprintable() else None


def certificate(
    user_of: UserOf = common_name,
    *,
    realm: str | None = None,
    server_verifies: bool = False,
    proxy: TrustedProxy | None = None,
) -> CertificateSource:
    """Client certificates: of the server (ASGI's extension `tls`, WSGI's `SSL_CLIENT_…`) or of a trusted proxy.

    Which authorities count is a setting of whoever ends TLS: an authority for clients of its own, not the public ones.

    Args:
        user_of: Who a certificate stands for: a name, a `Caller` with a realm of its own, or None for nobody.
        realm: The realm that the names belong to; None for the container's own.
        server_verifies: Believe the server's certificates also where it does not say that it verified them: for
            servers that never hand over others, such as werkzeug's with `ssl.CERT_REQUIRED`.
        proxy: Take certificates from this proxy's header instead.

    Raises ConfigError (CF-WEB-034).
    """
    return CertificateSource(user_of, realm=realm, server_verifies=server_verifies, proxy=proxy)


def _of_header(value: str) -> x509.Certificate:
    value = value.strip()
    if len(value) > _LONGEST_HEADER:
        raise CredentialRefused(CERTIFICATE_UNREADABLE)
    if not value.startswith(":"):
        return _read(unquote(value))
    try:
        return x509.load_der_x509_certificate(base64.b64decode(value[1:].removesuffix(":"), validate=True))
    except (binascii.Error, ValueError):
        raise CredentialRefused(CERTIFICATE_UNREADABLE) from None


def _read(pem: str) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(pem.encode())
    except ValueError:
        raise CredentialRefused(CERTIFICATE_UNREADABLE) from None
