"""The admin endpoint's protocol: one request and one response for each connection, each one line of JSON.

Request::   {"version": 1, "operation": "explain", "arguments": {…}, "login": {"user": "…", "password": "…"} or null}
Response::  {"result": …}  or  {"error": {"code": …, "text": …, "action": …, "exit_code": …}}

Both sides check that the other end runs as the same user (or root) before anything is said: the client as well, since
a login carries a password.
"""

from __future__ import annotations

import json
import os
import select
import socket
import struct
import time
from collections.abc import Callable, Mapping
from typing import Any

from connector.errors import ConnectorError, Reason

#: The version of this protocol.
VERSION = 1
#: The longest request, in bytes: a message body is the largest thing in one.
REQUEST_LIMIT = 4 * 1024 * 1024
#: The longest response, in bytes: what `browse` answers.
RESPONSE_LIMIT = 64 * 1024 * 1024

LINE_BROKEN = Reason(
    "CF-ADM-050",
    "the {what} is no JSON object: {why}.",
    "Use the `connector` command of the same version as the container.",
)
LINE_TOO_LONG = Reason(
    "CF-ADM-051",
    "the message is longer than {limit} bytes.",
    "Send less at once; the limit is for the admin endpoint, not for the bus.",
)


class ProtocolError(ConnectorError):
    """The other end of the socket said something that is not this protocol."""


def encode(message: Mapping[str, Any], limit: int) -> bytes:
    """One line. Raises ProtocolError where it is longer than `limit` bytes: the other end would not read it."""
    line = json.dumps(message, separators=(",", ":"), default=str).encode() + b"\n"
    _check_length(len(line), limit)
    return line


def read_line(
    connection: socket.socket, limit: int, timeout: float, monotonic: Callable[[], float] = time.monotonic
) -> bytes:
    """Read to the end of one line, or to the end of the stream; blocks up to `timeout` seconds for all of it.

    Raises:
        ProtocolError: More than `limit` bytes without an end.
        TimeoutError: The end did not come in time, however steadily pieces came.
        OSError: The connection broke.
    """
    pieces: list[bytes] = []
    size = 0
    end = monotonic() + timeout
    while True:
        left = end - monotonic()
        if left <= 0:
            raise TimeoutError
        connection.settimeout(left)
        piece = connection.recv(65_536)
        pieces.append(piece)
        size += len(piece)
        _check_length(size, limit)
        if not piece or piece.endswith(b"\n"):
            return b"".join(pieces)


def _check_length(size: int, limit: int) -> None:
    if size > limit:
        raise ProtocolError(LINE_TOO_LONG, limit=limit)


def decode(line: bytes, what: str) -> dict[str, Any]:
    """The object that a line holds. Raises ProtocolError, which never quotes the line: it may hold a password."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError) as error:
        message, why = None, type(error).__name__
    else:
        why = f"it holds a {type(message).__name__}"
    if not isinstance(message, dict):
        # Raised out here, because a JSON error, as its context, would carry the whole line.
        raise ProtocolError(LINE_BROKEN, what=what, why=why)
    return message


def peer_uid(connection: socket.socket) -> int | None:
    """The user id of the process at the other end; None where the system does not tell (not Linux).

    Without it the mode of socket (0600) and folder (0700) are what keeps other users out.
    """
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return None
    credentials = connection.getsockopt(socket.SOL_SOCKET, option, struct.calcsize("3i"))
    uid: int = struct.unpack("3i", credentials)[1]
    return uid


def is_trusted_peer(uid: int | None) -> bool:
    """Whether a process of that user may be at the other end: our own user, or root. Pure but for the own id."""
    return uid is None or uid in {os.geteuid(), 0}


def has_gone(connection: socket.socket) -> bool:
    """Whether the other end has closed; does not block. It has said all it has to say, so any byte is none."""
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    # Asked first, because recv would wait for the socket's timeout whatever its flags say.
    if not poll.poll(0):
        return False
    try:
        return not connection.recv(1, socket.MSG_PEEK)
    except OSError:
        return True
