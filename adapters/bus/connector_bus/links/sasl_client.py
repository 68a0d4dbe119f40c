"""Signing on at a server that speaks AMQP's SASL layer, as a link does: over a socket that blocks (AMQP 1.0, part 5.3).

What is signed on by depends on who we are, and then on what is offered; there is no second choice:

==================  ===============================================================================
who we are          signs on by
==================  ===============================================================================
a certificate       EXTERNAL
user and password   SCRAM-SHA-256 where it is offered; else PLAIN, over TLS or where plain is allowed
nobody              ANONYMOUS
==================  ===============================================================================

The server's frames are read byte for byte to their end, so nothing of what follows is taken.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from connector.errors import ConnectionFailed, LoginRefused, Reason
from connector.spi import Secret
from connector.spi.scram import ScramClient, ScramFailed
from connector_bus.chains.sasl_frames import (
    SASL_HEADER,
    MalformedFrame,
    SaslOutcome,
    frame_size,
    read_answer,
    read_mechanisms,
    write_init,
    write_response,
)
from connector_bus.links.framing import LINK_LOST, read_exactly

SIGN_ON_REFUSED = Reason(
    "CF-BUS-445",
    "{endpoint} refuses user {user} with its password",
    "Correct the authentication alias of the link, with `connector auth-data set`.",
)
NOT_SPOKEN = Reason(
    "CF-BUS-444",
    "{endpoint} does not answer as an AMQP server does: {why}",
    "See whether the endpoint of the link is right, and whether it wants TLS.",
)
NOT_OFFERED = Reason(
    "CF-BUS-446",
    "{endpoint} does not take the link: it offers sign-on by {offered}, and the link needs {wanted}",
    "Give the link an authentication alias where the other side wants a user.",
)
ASKED_IN_VAIN = Reason(
    "CF-BUS-456", "{endpoint} can't tell now who {user} is ({outcome})", "It is asked again by itself."
)
PASSWORD_KEPT = Reason(
    "CF-BUS-530",
    "{endpoint} offers sign-on by {offered} over plain text: the password of user {user} was not sent",
    "Give the link tls = NAME; or have the other side offer SCRAM-SHA-256 (scram = true in its realm); "
    "or set allow_plain = true, where nobody can listen.",
)
CERTIFICATE_UNASKED = Reason(
    "CF-BUS-531",
    "{endpoint} does not take the link by certificate: it offers sign-on by {offered}, and the link needs EXTERNAL",
    "See there that the chain has certificate_users, that its TLS configuration asks for certificates and trusts the "
    "link's, and that certificate_map names it; and here that the TLS configuration has a key store.",
)
CERTIFICATE_REFUSED = Reason(
    "CF-BUS-532",
    "{endpoint} refuses whom the link's certificate stands for",
    "See there whom certificate_map names for it, and that this user is in the registry.",
)
UNPROVED = Reason(
    "CF-BUS-533",
    "{endpoint} does not prove that it knows the password of user {user}: {why}",
    "It may not be whom it is taken for: see the endpoint of the link, and who listens there.",
)

PLAIN, SCRAM, EXTERNAL, ANONYMOUS = "PLAIN", "SCRAM-SHA-256", "EXTERNAL", "ANONYMOUS"
_MIN_FRAME: Final = 4
#: More challenges than a mechanism has are a server that keeps us busy.
_MAX_CHALLENGES: Final = 4


@dataclass(frozen=True, slots=True)
class Identification:
    """Who a link says that it is.

    Attributes:
        user, password: Of its authentication alias; None without one.
        by_certificate: Whether, without alias, the certificate says it.
        plain_allowed: Whether a password may be sent as it is: over TLS, or where the deployer allows it.
    """

    user: str | None = None
    password: Secret | None = None
    by_certificate: bool = False
    plain_allowed: bool = False


def mechanism_for(who: Identification, offered: Collection[str]) -> str:
    """What is signed on by, whether it is offered or not. Pure."""
    if who.user is None:
        return EXTERNAL if who.by_certificate else ANONYMOUS
    return SCRAM if SCRAM in offered else PLAIN


def sign_on(connection: socket.socket, who: Identification, *, endpoint: str, host: str, deadline: float) -> None:
    """Sign on; afterwards the next header is to be sent. Blocks until the deadline, in monotonic seconds, at most.

    Raises LoginRefused CF-BUS-445 or -532, ConnectionFailed CF-BUS-211, -444, -446, -456, -530, -531 or -533.
    """
    try:
        offered = _offered(connection, deadline)
        wanted = mechanism_for(who, offered)
        _require(wanted, offered, who, endpoint)
        scram = ScramClient(who.user or "", who.password or Secret("")) if wanted == SCRAM else None
        _send(connection, write_init(wanted, _first_words(wanted, who, scram), host), deadline)
        outcome = _outcome(connection, scram, deadline)
    except MalformedFrame as error:
        raise ConnectionFailed(NOT_SPOKEN, endpoint=endpoint, why=str(error)) from None
    except ScramFailed as error:
        raise ConnectionFailed(UNPROVED, endpoint=endpoint, user=who.user, why=str(error)) from None
    if outcome == SaslOutcome.AUTHENTICATION_FAILED and wanted == EXTERNAL:
        raise LoginRefused(CERTIFICATE_REFUSED, endpoint=endpoint)
    if outcome == SaslOutcome.AUTHENTICATION_FAILED:
        raise LoginRefused(SIGN_ON_REFUSED, endpoint=endpoint, user=who.user)
    if outcome != SaslOutcome.OK:
        raise ConnectionFailed(ASKED_IN_VAIN, endpoint=endpoint, user=who.user, outcome=outcome)


def _require(wanted: str, offered: tuple[str, ...], who: Identification, endpoint: str) -> None:
    if wanted not in offered and wanted == EXTERNAL:
        raise ConnectionFailed(CERTIFICATE_UNASKED, endpoint=endpoint, offered=_shown(offered))
    if wanted not in offered:
        raise ConnectionFailed(NOT_OFFERED, endpoint=endpoint, offered=_shown(offered), wanted=wanted)
    if wanted == PLAIN and not who.plain_allowed:
        raise ConnectionFailed(PASSWORD_KEPT, endpoint=endpoint, offered=_shown(offered), user=who.user)


def _first_words(mechanism: str, who: Identification, scram: ScramClient | None) -> bytes:
    if scram is not None:
        return scram.first()
    if mechanism == PLAIN and who.password is not None:
        return f"\0{who.user}\0{who.password.reveal()}".encode()
    return b""


def _outcome(connection: socket.socket, scram: ScramClient | None, deadline: float) -> int:
    """How it ended, once all challenges are answered. Raises MalformedFrame, ScramFailed."""
    for _ in range(_MAX_CHALLENGES):
        answer = read_answer(_frame(connection, deadline))
        if answer.outcome is not None:
            if answer.outcome == SaslOutcome.OK and scram is not None and not scram.finish(answer.data):
                raise ScramFailed("it lets the link in without proof")
            return answer.outcome
        if scram is None:
            raise MalformedFrame("a challenge that the mechanism has not")
        _send(connection, write_response(scram.answer(answer.data)), deadline)
    raise MalformedFrame("more challenges than the mechanism has")


def _offered(connection: socket.socket, deadline: float) -> tuple[str, ...]:
    _send(connection, SASL_HEADER, deadline)
    if read_exactly(connection, len(SASL_HEADER), deadline) != SASL_HEADER:
        raise MalformedFrame("it wants no sign-on, or speaks another protocol")
    return read_mechanisms(_frame(connection, deadline))


def _frame(connection: socket.socket, deadline: float) -> bytes:
    start = read_exactly(connection, _MIN_FRAME, deadline)
    size = frame_size(start)
    assert size is not None, "four bytes tell it"
    return start + read_exactly(connection, size - _MIN_FRAME, deadline)


def _send(connection: socket.socket, data: bytes, deadline: float) -> None:
    try:
        connection.settimeout(max(0.001, deadline - time.monotonic()))
        connection.sendall(data)
    except OSError as error:
        raise ConnectionFailed(LINK_LOST, cause=type(error).__name__) from None


def _shown(offered: tuple[str, ...]) -> str:
    """What a server offers, as far as it can be printed."""
    return ", ".join(name[:40] for name in offered[:8] if name.isprintable()) or "nothing"
