"""A connected socket to one server, TLS included, within a time-out (and handed to python-ldap as it is).

Theory of operation
-------------------
libldap could connect and do TLS itself, but a server that accepts a connection and then says nothing in the TLS
handshake holds it for ever, whatever time-outs are set (OpenLDAP 2.5); and its TLS obeys the machine's `ldap.conf` and
`LDAPTLS_…` variables, by which verification can be switched off.  So Python connects and does TLS, with a deadline and
its own verification, and libldap gets one end of a socket pair: a thread (`relay`) carries bytes between the two for as
long as the connection lives.  For StartTLS the one request and its answer are exchanged here as well, in plain text;
more than that one answer before TLS is refused, since it could only have been put there by somebody in between.
"""

from __future__ import annotations

import socket
import ssl
import time
from functools import lru_cache
from pathlib import Path
from typing import Final

from connector.errors import ConfigError, Reason
from connector_ldap.failures import Kind, ServerFailed
from connector_ldap.relay import relayed
from connector_ldap.settings import DirectorySettings, Server

CA_UNREADABLE = Reason(
    "CF-LDAP-004",
    "the file {file} with the certificates that a directory's must go back to can't be used: {why}.",
    "Name in `ca_file` a file of certificates in PEM that this process can read.",
)

# An ExtendedRequest of message 1 with the object identifier of StartTLS, and nothing else (RFC 4511, 4.14).
_START_TLS: Final = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037"
_EXTENDED_RESPONSE: Final = 0x78
_LONGEST_ANSWER: Final = 4096


def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """What TLS is done with: certificate and name verified, TLS 1.2 at least. Blocks for the disk.

    A file that has changed is read again. Raises ConfigError (CF-LDAP-004).
    """
    try:
        return _context(ca_file, 0 if ca_file is None else ca_file.stat().st_mtime_ns)
    except (OSError, ssl.SSLError) as error:
        why = error.strerror or type(error).__name__
    raise ConfigError(CA_UNREADABLE, file=ca_file, why=why)


@lru_cache(maxsize=16)
def _context(ca_file: Path | None, stamp: int) -> ssl.SSLContext:  # noqa: ARG001 - the stamp is for the cache
    context = ssl.create_default_context(cafile=ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def connected(server: Server, settings: DirectorySettings) -> socket.socket:
    """A socket for python-ldap, connected to the server. Blocks for `connect_timeout` (name look-up apart).

    Raises:
        ServerFailed: Not reached (AWAY), or TLS failed (UNTRUSTED).
        ConfigError: The CA file can't be used (CF-LDAP-004).
    """
    context = None if server.tls == "none" else tls_context(settings.ca_file)
    deadline = time.monotonic() + settings.connect_timeout
    try:
        plain = socket.create_connection((server.host, server.port), settings.connect_timeout)
    except OSError as error:
        raise ServerFailed(Kind.AWAY, error.strerror or str(error) or type(error).__name__) from None
    except UnicodeError:
        raise ServerFailed(Kind.AWAY, "that can't be the name of a host") from None
    # Requests are small and follow a handshake: the kernel would hold each back for 40 ms to fill a packet.
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if context is None:
        plain.settimeout(None)
        return plain
    try:
        if server.tls == "start-tls":
            _ask_for_tls(plain, deadline)
        _set_timeout(plain, deadline)
        secure = context.wrap_socket(plain, server_hostname=server.host)
    except ssl.SSLCertVerificationError as error:
        plain.close()
        raise ServerFailed(Kind.UNTRUSTED, error.verify_message) from None
    except TimeoutError:
        plain.close()
        raise ServerFailed(Kind.AWAY, "timed out while TLS was being set up") from None
    except OSError as error:
        plain.close()
        raise _handshake_failure(error) from None
    except ServerFailed:
        plain.close()
        raise
    return relayed(secure, settings.timeout)


def _handshake_failure(error: OSError) -> ServerFailed:
    """A server that goes away in the middle says nothing about its certificate. Pure."""
    ended = isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError)
    kind = Kind.UNTRUSTED if isinstance(error, ssl.SSLError) and error.reason and not ended else Kind.AWAY
    return ServerFailed(kind, f"TLS: {getattr(error, 'reason', None) or error.strerror or error}")


def _ask_for_tls(plain: socket.socket, deadline: float) -> None:
    """Exchange the StartTLS request and its answer. Raises ServerFailed, OSError."""
    _set_timeout(plain, deadline)
    plain.sendall(_START_TLS)
    answer = b""
    while (length := _message_length(answer)) is None or len(answer) < length:
        _set_timeout(plain, deadline)
        # Never more than the message: what comes after it belongs to TLS.
        more = plain.recv(1 if length is None else length - len(answer))
        if not more:
            raise ServerFailed(Kind.AWAY, "closed the connection when asked for TLS")
        answer += more
    if not _accepted(answer):
        raise ServerFailed(Kind.UNTRUSTED, "it does not offer StartTLS")


def _message_length(begun: bytes) -> int | None:
    """How long the message is in all, header included; None where that is not known yet. Pure. Raises ServerFailed."""
    if len(begun) < 2:
        return None
    if begun[0] != 0x30:
        raise ServerFailed(Kind.UNTRUSTED, "it does not speak LDAP")
    if begun[1] < 0x80:
        return 2 + begun[1]
    size = begun[1] & 0x7F
    if len(begun) < 2 + size:
        return None
    length = int.from_bytes(begun[2 : 2 + size], "big")
    if not 0 < size <= 4 or length > _LONGEST_ANSWER:
        raise ServerFailed(Kind.UNTRUSTED, "its answer to StartTLS is too long")
    return 2 + size + length


def _accepted(message: bytes) -> bool:
    """Whether the answer is an ExtendedResponse to message 1 with the result `success`. Pure."""
    body = message[2:] if message[1] < 0x80 else message[2 + (message[1] & 0x7F) :]
    if body[:3] != b"\x02\x01\x01" or len(body) < 5 or body[3] != _EXTENDED_RESPONSE:
        return False
    response = body[5:] if body[4] < 0x80 else body[5 + (body[4] & 0x7F) :]
    return response[:3] == b"\x0a\x01\x00"


def _set_timeout(plain: socket.socket, deadline: float) -> None:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    plain.settimeout(left)
