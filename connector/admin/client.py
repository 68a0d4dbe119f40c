"""The command line's side of the admin socket."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from connector.admin.address import recorded_path
from connector.admin.failure import Failure, RemoteFailure
from connector.admin.operations.request import Login
from connector.admin.wire import (
    REQUEST_LIMIT,
    RESPONSE_LIMIT,
    VERSION,
    decode,
    encode,
    is_trusted_peer,
    peer_uid,
    read_line,
)
from connector.errors import AccessDenied, ConnectionFailed, Reason

if TYPE_CHECKING:
    from connector.admin.remote import RemoteServer

ENDPOINT_FOREIGN = Reason(
    "CF-ADM-053",
    "the admin socket {path} belongs to a process of user id {uid}; nothing was sent to it.",
    "Run the command as that user, or find out who put a socket there.",
)
ENDPOINT_LOST = Reason(
    "CF-ADM-054",
    "the container at {path} did not answer: {why}.",
    "See whether it still runs; whether the operation took place is not known.",
)
#: Seconds to wait for an answer, over and above what the operation itself is told to wait.
ANSWER_TIMEOUT = 120.0


@final
class AdminClient:
    """A connection to a running container, good for one request. Use it on one thread.

    Made by `find` or `to`. As a context manager it closes itself.
    """

    def __init__(self, connection: socket.socket, path: Path | str) -> None:
        self._connection = connection
        self._path = path

    @classmethod
    def find(cls, state_folder: Path) -> AdminClient | None:
        """Connect to the container that runs on a state folder; None where none runs. Blocks hardly at all.

        Raises:
            AccessDenied: A process of another user is behind the socket (CF-ADM-053).
        """
        path = recorded_path(state_folder)
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.connect(str(path))
            uid = peer_uid(connection)
        except (OSError, ValueError):
            # No socket, or a socket that a killed container left behind, or a path that can be none.
            connection.close()
            return None
        if not is_trusted_peer(uid):
            connection.close()
            raise AccessDenied(ENDPOINT_FOREIGN, path=path, uid=uid)
        return cls(connection, path)

    @classmethod
    def to(cls, server: RemoteServer) -> AdminClient:
        """Connect to a container elsewhere; see `RemoteServer.connect` for what it raises."""
        return cls(server.connect(), server.address)

    def call(self, operation: str, arguments: Mapping[str, Any], login: Login | None, *, wait: float = 0.0) -> Any:
        """Ask for one operation and wait for its result.

        Args:
            operation: Its name.
            arguments: Plain data.
            login: Who asks, or None.
            wait: Seconds that the operation itself may take, for example the timeout of a `receive`.

        Raises:
            RemoteFailure: The container refused, or the operation failed there.
            ConnectionFailed: It did not answer (CF-ADM-054).
            ProtocolError: The request is too long, or it answered nonsense.
        """
        plain = None if login is None else {"user": login.user, "password": login.password.reveal()}
        request = {"version": VERSION, "operation": operation, "arguments": dict(arguments), "login": plain}
        line = encode(request, REQUEST_LIMIT)
        try:
            self._connection.settimeout(ANSWER_TIMEOUT + wait)
            with suppress(BrokenPipeError):
                # A container that refuses before it has read everything has hung up, but its answer is there to read.
                self._connection.sendall(line)
            line = read_line(self._connection, RESPONSE_LIMIT, ANSWER_TIMEOUT + wait)
            why = "it closed the connection"
        except OSError as error:
            line, why = b"", type(error).__name__
        if not line:
            raise ConnectionFailed(ENDPOINT_LOST, path=self._path, why=why)
        response = decode(line, "response")
        error_plain = response.get("error")
        if isinstance(error_plain, Mapping):
            raise RemoteFailure(Failure.from_dict(error_plain))
        return response.get("result")

    def close(self) -> None:
        """Close the connection: a wait that the container is in for it ends early."""
        self._connection.close()

    def __enter__(self) -> AdminClient:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
