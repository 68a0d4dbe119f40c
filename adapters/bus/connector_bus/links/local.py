"""A link to a bus of another container on this machine, over a Unix socket that only its own user can reach."""

from __future__ import annotations

import os
import socket
import struct
from pathlib import Path
from typing import Final, final

from connector.errors import ConnectionFailed, Reason
from connector_bus.links.contract import LinkSession
from connector_bus.links.conversation import login_to_head, require_welcome
from connector_bus.links.frame_session import FrameSession
from connector_bus.links.framing import read_frame, write_frame
from connector_bus.links.in_process import BUS_AWAY
from connector_bus.links.transfer import Login

PEER_UNTRUSTED = Reason(
    "CF-BUS-212",
    "the socket of a link is held by user id {uid}, who is not the user of this container",
    "Run both containers as one user, or remove what pretends to be the other bus.",
)

#: Seconds for connecting and signing on.
LOGIN_TIMEOUT: Final = 10.0


@final
class LocalTransport:
    """See `connector_bus.links.contract.LinkTransport`.

    Args:
        path: The socket that the other bus listens on.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def open(self, login: Login) -> LinkSession:
        """See the contract. Raises ConnectionFailed CF-BUS-212 as well."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(LOGIN_TIMEOUT)
        try:
            try:
                connection.connect(str(self._path))
            except OSError as error:
                cause = f"{self._path}: {error.strerror or type(error).__name__}"
                raise ConnectionFailed(BUS_AWAY, to=login.to, bus=login.bus, cause=cause) from None
            require_trusted(connection)  # before the password is sent
            write_frame(connection, login_to_head(login))
            head, _ = read_frame(connection)
            require_welcome(head)
        except BaseException:
            connection.close()
            raise
        return FrameSession(connection, str(self._path))


def require_trusted(connection: socket.socket) -> None:
    """Pass if the process at the other end is of this user, or of root. Raises ConnectionFailed CF-BUS-212."""
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return  # there the modes of socket and folder keep others out
    uid = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, option, struct.calcsize("3i")))[1]
    if uid not in {os.geteuid(), 0}:
        raise ConnectionFailed(PEER_UNTRUSTED, uid=uid)
