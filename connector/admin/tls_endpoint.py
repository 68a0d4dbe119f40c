"""The admin endpoint on a TLS port, by choice: for administration from elsewhere (CONF-7).

What the local socket knows of the process at the other end nobody knows here: a login is asked for always, whatever
the operation is, and without administrative security the port is not opened at all.
"""

from __future__ import annotations

import logging
import select
import socket
import ssl
from typing import final

from connector.admin.dispatch import Dispatcher
from connector.admin.failure import Failure
from connector.admin.request_server import MOST_REQUESTS, TRANSFER_TIMEOUT, RequestServer
from connector.admin.visits import Visit
from connector.admin.wire import REQUEST_LIMIT, RESPONSE_LIMIT, ProtocolError, decode, encode, read_line
from connector.errors import ConnectionFailed, Reason
from connector.security.tls.contexts import TlsContexts
from connector.security.tls.settings import TlsSettings

log = logging.getLogger("connector.admin")

CANT_LISTEN = Reason(
    "CF-ADM-090",
    "the admin port {host}:{port} can't be opened ({cause}).",
    "Choose another `port` or `host` in [admin], or end what uses it.",
)


@final
class AdminTlsEndpoint:
    """Listens on a TCP port with TLS, one thread for each request. Serves from the moment it is made.

    Args:
        host: The address to listen on.
        port: The port; 0 for any that is free.
        tls: The server's key, and what it asks of its clients; renewed files are noticed.
        dispatcher: Carries the requests out.

    Raises ConfigError where the TLS configuration can't be used, ConnectionFailed (CF-ADM-090). Safe to use from any
    thread.
    """

    def __init__(self, host: str, port: int, tls: TlsSettings, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher
        self._contexts = TlsContexts(tls, "server")
        try:
            listener = socket.create_server((host, port), backlog=MOST_REQUESTS)
        except OSError as error:
            cause = error.strerror or type(error).__name__
            raise ConnectionFailed(CANT_LISTEN, host=host, port=port, cause=cause) from None
        self.host = host
        self.port: int = listener.getsockname()[1]
        self._server = RequestServer(listener, self._serve, "the admin port")

    def close(self) -> None:
        """Take no more requests, give those under way a second. Harmless when called twice."""
        self._server.close()

    def _serve(self, visit: Visit) -> None:
        connection = visit.connection
        connection.settimeout(TRANSFER_TIMEOUT)
        address = connection.getpeername()
        with self._contexts.current().wrap_socket(connection, server_side=True) as secured:
            answer = self._answer(secured, visit, f"{address[0]}:{address[1]}")
            if answer is not None:
                secured.settimeout(TRANSFER_TIMEOUT)
                secured.sendall(answer)

    def _answer(self, secured: ssl.SSLSocket, visit: Visit, peer: str) -> bytes | None:
        try:
            line = read_line(secured, REQUEST_LIMIT, TRANSFER_TIMEOUT)
            visit.heard()
            if not line:
                return None
            request = decode(line, "request")
            response = self._dispatcher.answer(
                request, uid=None, peer=peer, abandoned=lambda: self._is_abandoned(secured)
            )
            return encode(response, RESPONSE_LIMIT)
        except ProtocolError as error:
            log.warning("the admin port refused a request of %s: %s", peer, error.code)
            return encode({"error": Failure.of(error).to_dict()}, RESPONSE_LIMIT)

    def _is_abandoned(self, secured: ssl.SSLSocket) -> bool:
        """It has said all it has to say: whatever comes now is its end."""
        poll = select.poll()
        poll.register(secured, select.POLLIN)
        return self._server.stopping or bool(poll.poll(0))

    def __repr__(self) -> str:
        return f"<AdminTlsEndpoint {self.host}:{self.port}>"
