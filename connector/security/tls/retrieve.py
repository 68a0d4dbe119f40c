"""The certificate that a server shows, fetched without trusting it: for somebody to look at first (CHAIN-3)."""

from __future__ import annotations

import socket
import ssl

from cryptography import x509

from connector.errors import ConfigError, ConnectionFailed, Reason

ADDRESS_UNFIT = Reason(
    "CF-TLS-010", "{address!r} is no address.", "Give HOST:PORT, an IPv6 address in brackets: [::1]:7286."
)
NO_ANSWER = Reason(
    "CF-TLS-011", "{host} port {port} can't be reached: {why}.", "Check host and port, and that the server runs."
)
NO_TLS = Reason(
    "CF-TLS-012", "what listens on {host} port {port} does not speak TLS: {why}.", "Give the port of a TLS chain."
)


def parse_address(text: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT`. Pure. Raises ConfigError CF-TLS-010."""
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") if host.startswith("[") else host
    if not colon or not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise ConfigError(ADDRESS_UNFIT, address=text[:200])
    return host, int(port)


def retrieve_certificate(host: str, port: int, *, timeout: float = 10.0) -> x509.Certificate:
    """What the server shows of itself. Nothing is sent but the beginning of TLS, and nothing is believed.

    Blocks for the network, at most about `timeout` seconds for each step. Works with servers that want a client's
    certificate as well. Raises ConnectionFailed CF-TLS-011 or -012.
    """
    # Not verified on purpose: whoever calls shows it to a person, or compares it with a fingerprint, before trust.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        plain = socket.create_connection((host, port), timeout)
    except (OSError, ValueError) as error:  # ValueError: the name can't be one of a host
        raise ConnectionFailed(NO_ANSWER, host=host, port=port, why=why_not(error)) from None
    with plain:
        try:
            with context.wrap_socket(plain, server_hostname=host) as secured:
                shown = secured.getpeercert(binary_form=True)
        except OSError as error:
            raise ConnectionFailed(NO_TLS, host=host, port=port, why=why_not(error)) from None
    assert shown is not None, "a TLS server always shows a certificate"
    return x509.load_der_x509_certificate(shown)


def why_not(error: OSError | ValueError) -> str:
    """What a connection failed of, in words: the system's, the TLS library's, or that the name is no host's. Pure."""
    if isinstance(error, OSError):
        return str(getattr(error, "reason", None) or error.strerror or type(error).__name__)
    return "that can't be the name of a host"
