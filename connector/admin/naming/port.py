"""The naming port: plain TCP, TLS, or both on one port, as the configuration says (CONF-6)."""

from __future__ import annotations

import logging
import socket
from typing import TYPE_CHECKING, Final, final

from connector.admin.failure import Failure
from connector.admin.naming.answering import NamingAnswerer
from connector.admin.request_server import MOST_REQUESTS, TRANSFER_TIMEOUT, RequestServer
from connector.admin.visits import Visit
from connector.admin.wire import ProtocolError, decode, encode, read_line
from connector.container.configuration.settings import NamingPort
from connector.errors import ConnectionFailed, Reason

if TYPE_CHECKING:
    from connector.security.tls.contexts import TlsContexts

log = logging.getLogger("connector.admin")

CANT_LISTEN = Reason(
    "CF-NAM-005",
    "the naming port {host}:{port} can't be opened ({cause}).",
    "Choose another `port` or `host` in [naming], or end what uses it.",
)

#: The longest look-up, and the longest answer, in bytes.
LIMIT: Final = 64 * 1024
#: What every TLS connection begins with, and no JSON does: a handshake record.
_HANDSHAKE: Final = b"\x16"


@final
class NamingEndpoint:
    """Listens on a TCP port, one thread for each look-up. Serves from the moment it is made.

    Args:
        settings: Where, and what is asked of clients.
        answerer: Answers.

    Raises ConfigError where the TLS configuration can't be used, ConnectionFailed (CF-NAM-005). Safe to use from any
    thread.
    """

    def __init__(self, settings: NamingPort, answerer: NamingAnswerer) -> None:
        self._answerer = answerer
        self._contexts: TlsContexts | None = None
        if settings.tls is not None:
            from connector.security.tls.contexts import TlsContexts  # TLS is not for every container to load

            self._contexts = TlsContexts(settings.tls, "server")
        try:
            listener = socket.create_server((settings.host, settings.port), backlog=MOST_REQUESTS)
        except OSError as error:
            cause = error.strerror or type(error).__name__
            raise ConnectionFailed(CANT_LISTEN, host=settings.host, port=settings.port, cause=cause) from None
        self.host = settings.host
        self.port: int = listener.getsockname()[1]
        self._server = RequestServer(listener, self._serve, "the naming port")

    def close(self) -> None:
        """Take no more look-ups, give those under way a second. Harmless when called twice."""
        self._server.close()

    def _serve(self, visit: Visit) -> None:
        connection = visit.connection
        connection.settimeout(TRANSFER_TIMEOUT)
        address = connection.getpeername()
        peer = f"{address[0]}:{address[1]}"
        encrypted = self._contexts is not None and connection.recv(1, socket.MSG_PEEK) == _HANDSHAKE
        if encrypted and self._contexts is not None:
            with self._contexts.current().wrap_socket(connection, server_side=True) as secured:
                self._talk(secured, visit, peer, encrypted=True)
        else:
            self._talk(connection, visit, peer, encrypted=False)

    def _talk(self, connection: socket.socket, visit: Visit, peer: str, *, encrypted: bool) -> None:
        try:
            line = read_line(connection, LIMIT, TRANSFER_TIMEOUT)
            visit.heard()
            if not line:
                return
            answer = encode(self._answerer.answer(decode(line, "request"), peer=peer, encrypted=encrypted), LIMIT)
        except ProtocolError as error:
            log.warning("the naming port refused a request of %s: %s", peer, error.code)
            answer = encode({"error": Failure.of(error).to_dict()}, LIMIT)
        connection.settimeout(TRANSFER_TIMEOUT)
        connection.sendall(answer)

    def __repr__(self) -> str:
        return f"<NamingEndpoint {self.host}:{self.port}>"
