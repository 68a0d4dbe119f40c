"""A link to a bus of another container over the network: through one of its transport chains (BUS-9, BUS-14).

Theory of operation
-------------------
The link goes to the port of an ordinary chain. TLS is the chain's, and whoever signs on does so in AMQP's SASL layer as
every client does: with the chain's deadline, its limits, and its delay for those who guess. What follows is not AMQP,
but the frames that links between processes speak, begun by a header of their own. So what only an engine may say (whom
a message is from, which transfer it is) has no place at all in what a client can say, and is nothing to forge.

The login names the chain that this end means; an endpoint that belongs to another chain is noticed.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, final

from connector.errors import ConnectionFailed, ConnectorError, LoginRefused, Reason
from connector_bus.links.conversation import login_to_head, require_welcome
from connector_bus.links.frame_session import ANSWER_HEAD, FrameSession
from connector_bus.links.framing import LINK_LOST, read_exactly, read_frame, write_frame
from connector_bus.links.in_process import BUS_AWAY
from connector_bus.links.sasl_client import NOT_SPOKEN, Identification, sign_on
from connector_bus.links.transfer import Login
from connector_bus.settings import LinkSettings

TLS_FAILED = Reason(
    "CF-BUS-447",
    "the TLS handshake with {endpoint} failed: {why}",
    "See whom [tls.{tls}] trusts: `connector signers retrieve {endpoint}`; and whether the endpoint speaks TLS.",
)

#: What a link begins with, once it has signed on.
LINK_HEADER: Final = b"CFBL\x00\x01\x00\x00"
#: Seconds for connecting to one endpoint and signing on there.
LOGIN_TIMEOUT: Final = 10.0
#: Seconds of silence after which the system asks whether the other side is there, and how often it asks.
KEEP_ALIVE, KEEP_ALIVE_PROBES = 30, 4


@final
class NetworkTransport:
    """See `connector_bus.links.contract.LinkTransport`.

    Args:
        link: The link: endpoints, chain and TLS.
        contexts: The client's TLS context by its name; asked for each connection.

    Mutable state: `_preferred`, the endpoint that answered last; any thread may replace it.
    """

    def __init__(self, link: LinkSettings, contexts: Callable[[str], ssl.SSLContext]) -> None:
        self._link = link
        self._contexts = contexts
        self._preferred = 0

    def open(self, login: Login) -> FrameSession:
        """See the contract; the endpoints are tried in order, beginning with the one that answered last.

        A refusal ends it: the next endpoint is of the same bus, and wrong passwords lock accounts. Raises
        ConnectionFailed CF-BUS-201 with what each endpoint says, LoginRefused CF-BUS-213, -445 or -532.
        """
        tried, count = [], len(self._link.endpoints)
        for place in [(self._preferred + number) % count for number in range(count)]:
            host, port = self._link.endpoints[place]
            try:
                session = self._open(host, port, login)
            except LoginRefused:
                raise
            except ConnectorError as error:
                tried.append(words_of_failure(error))
                continue
            self._preferred = place
            return session
        raise ConnectionFailed(BUS_AWAY, to=login.to, bus=login.bus, cause="; ".join(tried))

    def _open(self, host: str, port: int, login: Login) -> FrameSession:
        endpoint, deadline = f"{host}:{port}", time.monotonic() + LOGIN_TIMEOUT
        connection = connect(host, port, self._link.tls, self._contexts, deadline)
        try:
            who = identification(self._link, login)
            sign_on(connection, who, endpoint=endpoint, host=login.to, deadline=deadline)
            _begin(connection, endpoint, deadline)
            write_frame(connection, login_to_head(login, chain=self._link.chain))
            head, _ = read_frame(connection, head_limit=ANSWER_HEAD, body_limit=0, deadline=deadline)
            require_welcome(head)
        except BaseException:
            connection.close()
            raise
        return FrameSession(connection, endpoint)


def identification(link: LinkSettings, login: Login) -> Identification:
    """Who a link signs on as, and whether its password may go as it is. Pure."""
    return Identification(
        login.user,
        login.password,
        by_certificate=link.certificate_user is not None,
        plain_allowed=link.tls is not None or link.allow_plain,
    )


def words_of_failure(error: ConnectorError) -> str:
    """What an endpoint that did not take the link says, with what to do about it where waiting does not help."""
    return f"{error.code}: {error.text}" + ("" if error.code == LINK_LOST.code else f". {error.action}")


def _begin(connection: socket.socket, endpoint: str, deadline: float) -> None:
    try:
        connection.sendall(LINK_HEADER)
    except OSError as error:
        raise ConnectionFailed(LINK_LOST, cause=type(error).__name__) from None
    if read_exactly(connection, len(LINK_HEADER), deadline) != LINK_HEADER:
        raise ConnectionFailed(NOT_SPOKEN, endpoint=endpoint, why="it takes clients, and no links")


def connect(
    host: str, port: int, tls: str | None, contexts: Callable[[str], ssl.SSLContext], deadline: float
) -> socket.socket:
    """A connection, with TLS where a configuration is named. Blocks until the deadline, in monotonic seconds, at most.

    Raises ConnectionFailed CF-BUS-211 or -447, NameNotFound for a TLS configuration that is not there.
    """
    endpoint = f"{host}:{port}"
    context = None if tls is None else contexts(tls)
    try:
        plain = socket.create_connection((host, port), timeout=max(0.001, deadline - time.monotonic()))
    except OSError as error:
        cause = f"{endpoint}: {error.strerror or type(error).__name__}"
        raise ConnectionFailed(LINK_LOST, cause=cause) from None
    except UnicodeError:
        raise ConnectionFailed(LINK_LOST, cause=f"{endpoint}: that can't be the name of a host") from None
    try:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        keep_alive(plain)
        if context is None:
            return plain
        plain.settimeout(max(0.001, deadline - time.monotonic()))
        return context.wrap_socket(plain, server_hostname=host)
    except (ssl.SSLError, OSError) as error:
        plain.close()
        why = getattr(error, "verify_message", None) or getattr(error, "reason", None) or type(error).__name__
        raise ConnectionFailed(TLS_FAILED, endpoint=endpoint, why=why, tls=tls) from None


def keep_alive(connection: Any) -> None:
    """Have the system notice that the other side is gone, where it can: a link may be quiet for long."""
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in (("IDLE", KEEP_ALIVE), ("INTVL", KEEP_ALIVE), ("CNT", KEEP_ALIVE_PROBES)):
            number = getattr(socket, f"TCP_KEEP{option}", None)
            if number is not None:
                connection.setsockopt(socket.IPPROTO_TCP, number, value)
