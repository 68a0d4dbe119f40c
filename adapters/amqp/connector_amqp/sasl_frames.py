"""The frames of AMQP's SASL layer as a client reads and writes them (AMQP 1.0, part 5.3). Pure."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

SASL_HEADER: Final = b"AMQP\x03\x01\x00\x00"
AMQP_HEADER: Final = b"AMQP\x00\x01\x00\x00"
#: More than this no frame of this layer has.
MAX_FRAME: Final = 65536

MECHANISMS: Final = 0x40
INIT: Final = 0x41
CHALLENGE: Final = 0x42
RESPONSE: Final = 0x43
OUTCOME: Final = 0x44


class MalformedFrame(Exception):
    """What came is no frame of this layer; the text says why."""


@dataclass(frozen=True, slots=True)
class SaslFrame:
    """A frame of the server's.

    Attributes:
        kind: MECHANISMS, CHALLENGE or OUTCOME.
        names: The mechanisms, with MECHANISMS.
        data: The challenge, or what is said with the outcome.
        code: The outcome.
    """

    kind: int
    names: tuple[str, ...] = ()
    data: bytes = b""
    code: int = 0


def init_frame(mechanism: str, response: bytes | None, hostname: str) -> bytes:
    """The client's choice."""
    host = b"\x40" if not hostname else _variable(0xA1, hostname.encode())
    return _frame(INIT, (_variable(0xA3, mechanism.encode("ascii")), _binary(response), host))


def response_frame(response: bytes) -> bytes:
    """The answer to a challenge."""
    return _frame(RESPONSE, (_binary(response),))


def frame_size(buffer: bytes | bytearray) -> int | None:
    """The size of the frame that the buffer begins with; None where that can't be told yet. Raises MalformedFrame."""
    if len(buffer) < 4:
        return None
    size = int.from_bytes(buffer[:4], "big")
    if not 8 < size <= MAX_FRAME:
        raise MalformedFrame(f"a SASL frame of {size} bytes")
    return size


def read_frame(frame: bytes) -> SaslFrame:
    """A whole frame of the server's. Raises MalformedFrame."""
    try:
        start = frame[4] * 4
        if frame[5] != 1 or not 8 <= start < len(frame):
            raise MalformedFrame("a frame of another layer")
        kind, place = _descriptor(frame, start)
        fields = _fields(frame, place)
    except (IndexError, UnicodeDecodeError):
        raise MalformedFrame("a frame that can't be read to its end") from None
    first = fields[0] if fields else None
    if kind == MECHANISMS:
        names = first if isinstance(first, tuple) else (first,)
        return SaslFrame(kind, tuple(name.decode("ascii", "replace") for name in names if isinstance(name, bytes)))
    if kind == CHALLENGE and isinstance(first, bytes):
        return SaslFrame(kind, data=first)
    if kind == OUTCOME and isinstance(first, int):
        data = fields[1] if len(fields) > 1 else None
        return SaslFrame(kind, data=data if isinstance(data, bytes) else b"", code=first)
    raise MalformedFrame(f"the SASL performative {kind:#x}")


_Value = bytes | int | tuple[bytes | int | None, ...] | None


def _descriptor(frame: bytes, place: int) -> tuple[int, int]:
    if frame[place] != 0:
        raise MalformedFrame("a body that is not described")
    if frame[place + 1] == 0x53:
        return frame[place + 2], place + 3
    if frame[place + 1] == 0x80:
        return int.from_bytes(frame[place + 2 : place + 10], "big"), place + 10
    raise MalformedFrame("a descriptor that is no number")


def _fields(frame: bytes, place: int) -> list[_Value]:
    kind = frame[place]
    if kind == 0x45:
        return []
    if kind == 0xC0:
        count, place = frame[place + 2], place + 3
    elif kind == 0xD0:
        count, place = int.from_bytes(frame[place + 5 : place + 9], "big"), place + 9
    else:
        raise MalformedFrame("a body that is no list")
    fields: list[_Value] = []
    for _ in range(min(count, 16)):
        value, place = _value(frame, place)
        fields.append(value)
    return fields


def _value(frame: bytes, place: int) -> tuple[_Value, int]:
    kind = frame[place]
    if kind == 0x40:
        return None, place + 1
    if kind == 0x50:
        return frame[place + 1], place + 2
    if kind in (0xE0, 0xF0):
        return _array(frame, place)
    return _bytes(frame, place + 1, kind)


def _array(frame: bytes, place: int) -> tuple[_Value, int]:
    width = 1 if frame[place] == 0xE0 else 4
    end = place + 1 + width + int.from_bytes(frame[place + 1 : place + 1 + width], "big")
    place += 1 + width
    count = int.from_bytes(frame[place : place + width], "big")
    kind, place = frame[place + width], place + width + 1
    names: list[bytes | int | None] = []
    for _ in range(min(count, 64)):
        name, place = _bytes(frame, place, kind)
        names.append(name)
    return tuple(names), end


def _bytes(frame: bytes, place: int, kind: int) -> tuple[bytes, int]:
    if kind >> 4 == 0xA:
        length, place = frame[place], place + 1
    elif kind >> 4 == 0xB:
        length, place = int.from_bytes(frame[place : place + 4], "big"), place + 4
    else:
        raise MalformedFrame(f"a field of type {kind:#x}")
    if place + length > len(frame):
        raise MalformedFrame("a field that is longer than its frame")
    return frame[place : place + length], place + length


def _binary(data: bytes | None) -> bytes:
    return b"\x40" if data is None else _variable(0xA0, data)


def _variable(kind: int, data: bytes) -> bytes:
    if len(data) < 256:
        return bytes((kind, len(data))) + data
    return bytes((kind | 0x10,)) + struct.pack(">I", len(data)) + data


def _frame(code: int, fields: tuple[bytes, ...]) -> bytes:
    content = b"".join(fields)
    listed = b"\xd0" + struct.pack(">II", len(content) + 4, len(fields)) + content
    body = b"\x00\x53" + bytes((code,)) + listed
    return struct.pack(">IBBH", 8 + len(body), 2, 1, 0) + body
