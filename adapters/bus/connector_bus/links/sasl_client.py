"""Signing on at a server that speaks AMQP's SASL layer, as a link does: over a socket that blocks (AMQP 1.0, part 5.3).

What is signed on by depends on who we are alone: PLAIN with a user, ANONYMOUS without one. There is no second choice: a
password is never sent because something better was not offered. The server's frames are read byte for byte to their
end, so nothing of what follows is taken.
"""

from __future__ import annotations

import socket
import time
from typing import Final

from connector.errors import ConnectionFailed, LoginRefused, Reason
from connector.spi import Secret
from connector_bus.chains.sasl_frames import (
    SASL_HEADER,
    MalformedFrame,
    SaslOutcome,
    frame_size,
    read_mechanisms,
    read_outcome,
    write_init,
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

PLAIN, ANONYMOUS = "PLAIN", "ANONYMOUS"
_MIN_FRAME: Final = 4


def sign_on(
    connection: socket.socket, user: str | None, password: Secret | None, *, endpoint: str, host: str, deadline: float
) -> None:
    """Sign on; afterwards the next header is to be sent. Blocks until the deadline, in monotonic seconds, at most.

    Raises LoginRefused CF-BUS-445, ConnectionFailed CF-BUS-211, -444, -446 or -456.
    """
    try:
        offered = _offered(connection, deadline)
        wanted = ANONYMOUS if user is None else PLAIN
        outcome = None
        if wanted in offered:
            response = b"" if user is None or password is None else f"\0{user}\0{password.reveal()}".encode()
            _send(connection, write_init(wanted, response, host), deadline)
            outcome = read_outcome(_frame(connection, deadline))
    except MalformedFrame as error:
        raise ConnectionFailed(NOT_SPOKEN, endpoint=endpoint, why=str(error)) from None
    if outcome is None:
        raise ConnectionFailed(NOT_OFFERED, endpoint=endpoint, offered=_shown(offered), wanted=wanted)
    if outcome == SaslOutcome.AUTHENTICATION_FAILED:
        raise LoginRefused(SIGN_ON_REFUSED, endpoint=endpoint, user=user)
    if outcome != SaslOutcome.OK:
        raise ConnectionFailed(ASKED_IN_VAIN, endpoint=endpoint, user=user, outcome=outcome)


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
