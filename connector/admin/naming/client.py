"""The client's side of a naming port: one look-up over a connection of its own (CONF-6)."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, get_args

from connector.admin.failure import Failure, RemoteFailure
from connector.admin.naming.answering import OPERATION
from connector.admin.naming.port import LIMIT
from connector.admin.operations.request import Login
from connector.admin.remote import CONNECT_TIMEOUT
from connector.admin.wire import VERSION, decode, encode, read_line
from connector.errors import AccessDenied, ConnectionFailed, Reason, SignerUnknown
from connector.security.tls.retrieve import why_not
from connector.security.tls.settings import TlsSettings
from connector.spi import NamingKind, NamingReference, is_signer_unknown

UNREACHABLE = Reason(
    "CF-NAM-006",
    "the naming port {address} can't be reached ({cause}).",
    "See whether the container runs there, and [naming] port in its configuration.",
)
NOT_TRUSTED = Reason(
    "CF-NAM-007",
    "whoever answers at {address} is not trusted ({cause}); nothing was sent to it.",
    "Look at its certificate and add it: connector signers retrieve {address} --tls {tls}",
)
NOT_VALID = Reason(
    "CF-NAM-420",
    "the certificate of {address} can't be accepted ({cause}); nothing was sent to it.",
    "Its owner has to renew it; or use the host name that stands in it.",
)
NO_ANSWER = Reason(
    "CF-NAM-008",
    "the naming port {address} hung up without an answer ({cause}).",
    "See its log. If it speaks TLS only at its front, or asks for a client certificate, name a TLS configuration; if "
    "it refuses the own certificate, have that trusted: connector signers export here, connector signers add there.",
)

NO_REFERENCE = Reason(
    "CF-NAM-016",
    "what answered at {address} is no reference to a connection factory or destination.",
    "See whether a naming port is there, of a container of this version.",
)

#: Seconds to wait for the answer: the other side checks a password.
ANSWER_TIMEOUT = 30.0


def look_up(name: str, host: str, port: int, tls: TlsSettings | None, login: Login | None) -> NamingReference:
    """Look a name up in another container. Blocks for at most some seconds.

    Args:
        name: The global name of a connection factory or destination there.
        host: Where it runs.
        port: Its naming port.
        tls: Whom to trust and what to show; None for plain TCP.
        login: Who asks; None for nobody.

    Raises RemoteFailure with what the other side says, ConnectionFailed CF-NAM-006, -008 or -016, SignerUnknown
    CF-NAM-007, AccessDenied CF-NAM-420, ConfigError for TLS files that can't be used.
    """
    address = f"{host}:{port}"
    plain = None if login is None else {"user": login.user, "password": login.password.reveal()}
    request = {"version": VERSION, "operation": OPERATION, "arguments": {"name": name}, "login": plain}
    line, cause = encode(request, LIMIT), "it closed the connection"
    with _connected(host, port, tls) as connection:
        try:
            with suppress(BrokenPipeError):
                connection.sendall(line)
            line = read_line(connection, LIMIT, ANSWER_TIMEOUT)
        except OSError as error:
            line, cause = b"", why_not(error)
    if not line:
        raise ConnectionFailed(NO_ANSWER, address=address, cause=cause)
    response = decode(line, "response")
    refusal = response.get("error")
    if isinstance(refusal, Mapping):
        raise RemoteFailure(Failure.from_dict(refusal))
    reference = _reference(response.get("result"))
    if reference is None:
        raise ConnectionFailed(NO_REFERENCE, address=address)
    return reference


def _reference(found: Any) -> NamingReference | None:
    """What was answered; None for what is no reference: anybody may listen there. Pure."""
    if not isinstance(found, Mapping):
        return None
    kind: Any
    kind, adapter, properties = found.get("kind"), found.get("adapter"), found.get("properties")
    if kind not in get_args(NamingKind) or not isinstance(adapter, str) or not isinstance(properties, Mapping):
        return None
    return NamingReference(kind, adapter, dict(properties))


def _connected(host: str, port: int, tls: TlsSettings | None) -> socket.socket:
    import ssl  # only who looks names up outside pays for it

    from connector.security.tls.contexts import make_context

    address = f"{host}:{port}"
    context = None if tls is None else make_context(tls, "client")
    try:
        plain = socket.create_connection((host, port), timeout=CONNECT_TIMEOUT)
    except (OSError, ValueError) as error:  # ValueError: the name can't be one of a host
        raise ConnectionFailed(UNREACHABLE, address=address, cause=why_not(error)) from None
    if context is None:
        return plain
    try:
        return context.wrap_socket(plain, server_hostname=host)
    except ssl.SSLCertVerificationError as error:
        plain.close()
        cause = error.verify_message
        if is_signer_unknown(error) and tls is not None:
            raise SignerUnknown(NOT_TRUSTED, address=address, endpoint=address, tls=tls.name, cause=cause) from None
        raise AccessDenied(NOT_VALID, address=address, cause=cause) from None
    except OSError as error:
        plain.close()
        raise ConnectionFailed(UNREACHABLE, address=address, cause=why_not(error)) from None
