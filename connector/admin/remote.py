"""A container on another machine: its address, whom a command trusts there, what it shows of itself (CONF-7)."""

from __future__ import annotations

import hashlib
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import final

from connector.errors import AccessDenied, ConfigError, ConnectionFailed, Reason
from connector.security.tls.contexts import make_context
from connector.security.tls.retrieve import why_not
from connector.security.tls.settings import TlsSettings
from connector.security.tls.signer import with_colons

ADDRESS_WRONG = Reason("CF-ADM-091", "{address!r} is no address of an admin port.", "Write HOST:PORT.")
NOBODY_THERE = Reason(
    "CF-ADM-092",
    "the admin port {address} can't be reached ({cause}).",
    "See whether the container runs there, and [admin] port in its configuration.",
)
NOT_TRUSTED = Reason(
    "CF-ADM-093",
    "whoever answers at {address} is not trusted ({cause}); nothing was sent to it.",
    "Give its certificate or its authority with --server-trust, or its fingerprint, which its owner tells you: "
    "`connector signers export` shows the certificate there.",
)

#: Seconds to wait for the connection and for the handshake.
CONNECT_TIMEOUT = 10.0


@final
@dataclass(frozen=True, slots=True)
class RemoteServer:
    """The admin port of a container elsewhere.

    Attributes:
        host: Its host, which its certificate has to name unless its fingerprint is known.
        port: Its port.
        trust: A file with the certificate or the authority to believe, or its SHA-256 fingerprint; None: whom the
            operating system believes.
        key: A file with the own key and certificate, for a port that asks for one.
    """

    host: str
    port: int
    trust: str | None = None
    key: Path | None = None

    @classmethod
    def parse(cls, address: str, trust: str | None, key: Path | None) -> RemoteServer:
        """From `HOST:PORT`; an IPv6 address in brackets. Raises ConfigError (CF-ADM-091)."""
        host, _, port = address.rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 65_536:
            raise ConfigError(ADDRESS_WRONG, address=address)
        return cls(host.strip("[]"), int(port), trust, key)

    @property
    def address(self) -> str:
        """`HOST:PORT`."""
        return f"{self.host}:{self.port}"

    def connect(self) -> ssl.SSLSocket:
        """Connect and make sure who answers; blocks for at most some seconds.

        Raises ConnectionFailed (CF-ADM-092), AccessDenied (CF-ADM-093), ConfigError for files that can't be used.
        """
        fingerprint = _fingerprint(self.trust)
        store = Path(self.trust) if self.trust is not None and fingerprint is None else None
        context = make_context(TlsSettings("server-trust", key_store=self.key, trust_store=store), "client")
        if fingerprint is not None:  # the very certificate is known: neither its name nor its issuer adds anything
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        try:
            plain = socket.create_connection((self.host, self.port), timeout=CONNECT_TIMEOUT)
        except (OSError, ValueError) as error:  # ValueError: the name can't be one of a host
            raise ConnectionFailed(NOBODY_THERE, address=self.address, cause=why_not(error)) from None
        try:
            secured = context.wrap_socket(plain, server_hostname=self.host)
        except ssl.SSLCertVerificationError as error:
            plain.close()
            raise AccessDenied(NOT_TRUSTED, address=self.address, cause=error.verify_message) from None
        except OSError as error:
            plain.close()
            cause = getattr(error, "reason", None) or type(error).__name__
            raise ConnectionFailed(NOBODY_THERE, address=self.address, cause=cause) from None
        if fingerprint is not None:
            shown = hashlib.sha256(secured.getpeercert(binary_form=True) or b"").hexdigest()
            if shown != fingerprint:
                secured.close()
                raise AccessDenied(NOT_TRUSTED, address=self.address, cause=f"its fingerprint is {with_colons(shown)}")
        return secured


def _fingerprint(trust: str | None) -> str | None:
    """The digits of a SHA-256 fingerprint, however they are parted; None for anything else, which is a file."""
    digits = (trust or "").replace(":", "").replace(" ", "").lower()
    return digits if len(digits) == 64 and all(each in "0123456789abcdef" for each in digits) else None
