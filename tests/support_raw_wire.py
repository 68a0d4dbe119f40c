"""A client of the wire that says each frame itself, and hears each one: for what other clients never show."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

OPEN, BEGIN, ATTACH, FLOW, TRANSFER, DISPOSITION, DETACH, END, CLOSE = range(0x10, 0x19)
SOURCE, TARGET, ACCEPTED = 0x28, 0x29, 0x24
SENDER, RECEIVER = False, True
_HEADERS: Final = (b"AMQP\x03\x01\x00\x00", b"AMQP\x00\x01\x00\x00")


@dataclass(frozen=True)
class Frame:
    """One frame that came.

    Attributes:
        kind: 0 for AMQP, 1 for SASL.
        code: Its performative; None for an empty frame.
        fields: Its fields, as far as there are any.
        payload: What follows them.
        turn: In which read it came.
    """

    kind: int
    code: int | None
    fields: tuple[Any, ...]
    payload: bytes
    turn: int

    def field(self, place: int) -> Any:
        """A field by its place; None where the frame ends before."""
        return self.fields[place] if place < len(self.fields) else None


def described(code: int, *fields: Any) -> Any:
    from proton import Described, ulong

    return Described(ulong(code), [*fields])


def frame(code: int, *fields: Any, kind: int = 0, payload: bytes = b"") -> bytes:
    """A frame on channel 0."""
    from proton import Data

    data = Data()
    data.put_object(described(code, *fields))
    body = bytes(data.encode()) + payload
    return (8 + len(body)).to_bytes(4, "big") + bytes((2, kind, 0, 0)) + body


def sign_on(user: str) -> bytes:
    """All that a client says until AMQP begins, with its header."""
    from proton import symbol

    init = frame(0x41, symbol("PLAIN"), f"\0{user}\0{user}".encode(), kind=1)
    return _HEADERS[0] + init + _HEADERS[1]


def opening(container: str = "raw", *, idle: int | None = None) -> bytes:
    from proton import uint

    return frame(OPEN, container, "weather", None, None, None if idle is None else uint(idle))


def beginning() -> bytes:
    from proton import uint

    return frame(BEGIN, None, uint(0), uint(1000), uint(1000), uint(100))


def attaching(name: str, role: bool, *, source: Any = None, target: Any = None, handle: int = 0) -> bytes:
    from proton import uint

    initial = uint(0) if role is SENDER else None
    return frame(ATTACH, name, uint(handle), role, None, None, source, target, None, None, initial)


class RawClient:
    """One connection. What is asked of it waits for what comes, for as long as its socket does."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._data = b""
        self._turn = 0
        self.heard: list[Frame] = []

    def say(self, *data: bytes) -> None:
        self._socket.sendall(b"".join(data))

    def hear(self, code: int | None, *, count: int = 1) -> Frame:
        """The so manieth frame of a performative, None for empty ones; ConnectionError where the server ends before."""
        self.hear_until(lambda: len(self.all(code)) >= count)
        return self.all(code)[count - 1]

    def all(self, code: int | None) -> list[Frame]:
        """Those of a performative that have come."""
        return [each for each in self.heard if each.code == code]

    def hear_until(self, enough: Callable[[], bool]) -> None:
        """Listen until it is enough; ConnectionError where the server ends before."""
        while not enough():
            piece = self._socket.recv(65536)
            if not piece:
                raise ConnectionError(f"the server has ended, and said {self.heard}")
            self._turn += 1
            self._data += piece
            self.heard += self._frames()

    def to_the_end(self) -> list[Frame]:
        """All frames until the server ends the connection."""
        while piece := self._socket.recv(65536):
            self._turn += 1
            self._data += piece
            self.heard += self._frames()
        return self.heard

    def _frames(self) -> Iterator[Frame]:
        from proton import Data

        while len(self._data) >= 8:
            if self._data[:8] in _HEADERS:
                self._data = self._data[8:]
                continue
            size = int.from_bytes(self._data[:4], "big")
            if len(self._data) < size:
                return
            body, kind = self._data[4 * self._data[4] : size], self._data[5]
            self._data = self._data[size:]
            if not body:
                yield Frame(kind, None, (), b"", self._turn)
                continue
            data = Data()
            taken = data.decode(body)
            data.rewind()
            data.next()
            found: Any = data.get_object()
            yield Frame(kind, int(found.descriptor), tuple(found.value), body[taken:], self._turn)


@contextmanager
def raw_client(port: int, *said: bytes) -> Iterator[RawClient]:
    """A connection on which that has been said, all at once."""
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.settimeout(20)
        client = RawClient(connection)
        client.say(*said)
        yield client
