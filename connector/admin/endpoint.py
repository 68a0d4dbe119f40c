"""The admin endpoint of a running container: a Unix socket in its state folder (CONF-7)."""

from __future__ import annotations

import logging
import socket
from pathlib import Path
from typing import final

from connector.admin.address import SocketAddress
from connector.admin.dispatch import Dispatcher
from connector.admin.failure import Failure
from connector.admin.request_server import MOST_REQUESTS, TRANSFER_TIMEOUT, RequestServer
from connector.admin.visits import Visit
from connector.admin.wire import (
    REQUEST_LIMIT,
    RESPONSE_LIMIT,
    ProtocolError,
    decode,
    encode,
    has_gone,
    is_trusted_peer,
    peer_uid,
    read_line,
)
from connector.errors import AccessDenied, Reason

log = logging.getLogger("connector.admin")

PEER_REFUSED = Reason(
    "CF-ADM-052",
    "the admin endpoint serves its own user only, and was asked by user id {uid}.",
    "Run the command as the user that the container runs as.",
)


@final
class AdminEndpoint:
    """Listens on a socket of mode 0600, one thread for each request. Serves from the moment it is made.

    Args:
        state_folder: The container's state folder.
        dispatcher: Carries the requests out.

    Raises OSError where the socket can't be made. Safe to use from any thread.
    """

    def __init__(self, state_folder: Path, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher
        self._address = SocketAddress(state_folder)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listener.bind(str(self._address.path))
            # Between bind and listen nobody can connect, so the mode is right before the first one could.
            self._address.path.chmod(0o600)
            listener.listen(MOST_REQUESTS)
        except OSError:
            listener.close()
            self._address.release()
            raise
        self._server = RequestServer(listener, self._serve, "the admin endpoint")

    @property
    def path(self) -> Path:
        """Where the socket is."""
        return self._address.path

    def close(self) -> None:
        """Take no more requests, give those under way a second, take the socket away. Harmless when called twice."""
        if self._server.close():
            self._address.release()

    def _serve(self, visit: Visit) -> None:
        connection = visit.connection
        answer = self._answer(visit)
        if answer is not None:
            connection.settimeout(TRANSFER_TIMEOUT)
            connection.sendall(answer)

    def _answer(self, visit: Visit) -> bytes | None:
        """The response to the request on a connection; None for a connection that asks nothing (a probe)."""
        connection = visit.connection
        uid = peer_uid(connection)
        try:
            _check_peer(uid)
            line = read_line(connection, REQUEST_LIMIT, TRANSFER_TIMEOUT)
            visit.heard()
            if not line:
                return None
            request = decode(line, "request")
            response = self._dispatcher.answer(request, uid=uid, abandoned=lambda: self._is_abandoned(connection))
            return encode(response, RESPONSE_LIMIT)
        except (AccessDenied, ProtocolError) as error:
            log.warning("the admin endpoint refused a request: %s", error.code)
            return encode({"error": Failure.of(error).to_dict()}, RESPONSE_LIMIT)

    def _is_abandoned(self, connection: socket.socket) -> bool:
        return self._server.stopping or has_gone(connection)


def _check_peer(uid: int | None) -> None:
    if not is_trusted_peer(uid):
        raise AccessDenied(PEER_REFUSED, uid=uid)
