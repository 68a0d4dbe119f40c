"""The wire: one line to the server, one line back, each a JSON list; the first word of an answer is `ok` or not."""

from __future__ import annotations

import json
import socket
from typing import Any


class Refused(Exception):
    """The server answered, and said no."""


class Wire:
    """A connected socket. One thread at a time; every call blocks for at most `timeout` seconds and raises OSError."""

    def __init__(self, address: tuple[str, int], timeout: float) -> None:
        self._socket = socket.create_connection(address, timeout)
        self._lines = self._socket.makefile("rb")
        #: How the server knows this connection.
        self.local_port = int(self._socket.getsockname()[1])

    def ask(self, *words: str) -> Any:
        """One round trip. Raises Refused where the server says no, OSError where it is gone."""
        self._socket.sendall(json.dumps(words).encode() + b"\n")
        line = self._lines.readline()
        if not line:
            raise ConnectionResetError("the server closed the connection")
        verdict, answer = json.loads(line)
        if verdict != "ok":
            raise Refused(answer)
        return answer

    def close(self) -> None:
        """Close it. Harmless when called twice."""
        self._lines.close()
        self._socket.close()
