"""The few frames of AMQP's SASL layer (AMQP 1.0, part 5.3), to bytes and back, of either side. Pure.

A frame is its size in four bytes, the offset of its body in words of four, its type (1 for SASL), two bytes that mean
nothing here, and a described list. What has to be read is small: of a client a symbol, some bytes, a host name; of a
server a few symbols, a number. Anything else is refused by name.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

AMQP_HEADER: Final = b"AMQP\x00\x01\x00\x00"
SASL_HEADER: Final = b"AMQP\x03\x01\x00\x00"
#: AMQP's limit for frames of this layer (2.8.19, 5.3.1), for what clients may send before anybody knows them.
MIN_MAX_FRAME: Final = 512
#: Of what servers send, longer than any honest one: some name many mechanisms.
MAX_FRAME: Final = 4096

_MECHANISMS, _INIT, _CHALLENGE, _RESPONSE, _OUTCOME = 0x40, 0x41, 0x42, 0x43, 0x44
_NULL, _LIST_EMPTY, _LIST_SHORT, _LIST_LONG = 0x40, 0x45, 0xC0, 0xD0
_SHORT: Final = frozenset({0xA0, 0xA1, 0xA3})  # binary, string, symbol with a length of one byte
_LONG: Final = frozenset({0xB0, 0xB1, 0xB3})  # the same with four
_MAX_FIELDS: Final = 8
_UBYTE: Final = 0x50
#: Arrays by the bytes of their lengths.
_ARRAYS: Final = {0xE0: 1, 0xF0: 4}
_MAX_MECHANISMS: Final = 64


class SaslOutcome(IntEnum):
    """How the SASL exchange ended."""

    OK = 0
    AUTHENTICATION_FAILED = 1
    SYSTEM_ERROR = 2
    SYSTEM_ERROR_PERMANENT = 3
    SYSTEM_ERROR_TEMPORARY = 4  # clients with failover try again


class MalformedFrame(Exception):
    """What came is no frame of this layer; the text says why, and holds nothing of what came."""


@dataclass(frozen=True, slots=True)
class SaslInit:
    """A client's choice.

    Attributes:
        mechanism: By name.
        response: What it says to begin with; holds a password with PLAIN, hence not in the repr.
        hostname: Which host it means, or empty.
    """

    mechanism: str
    response: bytes
    hostname: str

    def __repr__(self) -> str:
        return f"<SaslInit {self.mechanism}>"


def mechanisms_frame(mechanisms: Sequence[str]) -> bytes:
    """What the server offers."""
    elements = b"".join(bytes((len(name),)) + name.encode("ascii") for name in mechanisms)
    array = b"\xe0" + bytes((len(elements) + 2, len(mechanisms), 0xA3)) + elements
    return _frame(_MECHANISMS, array)


def challenge_frame(challenge: bytes) -> bytes:
    """What the server asks; less than 250 bytes."""
    return _frame(_CHALLENGE, b"\xa0" + bytes((len(challenge),)) + challenge)


def outcome_frame(outcome: SaslOutcome) -> bytes:
    """How it ended."""
    return _frame(_OUTCOME, b"\x50" + bytes((outcome,)))


def write_init(mechanism: str, response: bytes, hostname: str) -> bytes:
    """A client's choice."""
    fields = (_variable(0xA3, mechanism.encode("ascii")), _variable(0xA0, response), _variable(0xA1, hostname.encode()))
    content = b"".join(fields)
    body = b"\x00\x53" + bytes((_INIT, _LIST_LONG)) + struct.pack(">II", len(content) + 4, len(fields)) + content
    return struct.pack(">IBBH", 8 + len(body), 2, 1, 0) + body


def read_mechanisms(frame: bytes) -> tuple[str, ...]:
    """What a server offers, out of a whole frame. Raises MalformedFrame for anything else."""
    try:
        place = _fields_of(frame, _MECHANISMS)
        kind = frame[place]
        if kind not in _ARRAYS:
            value, _ = _value(frame, place)  # a single one may come without array
            return () if value is None else (value.decode("ascii"),)
        width = _ARRAYS[kind]
        place += 1 + width
        count, place = int.from_bytes(frame[place : place + width], "big"), place + width
        symbol, place = frame[place : place + 1], place + 1
        names = []
        for _ in range(min(count, _MAX_MECHANISMS)):
            # In an array what the elements are is said once, before all of them.
            name, after = _value(symbol + frame[place:], 0)
            names.append((name or b"").decode("ascii"))
            place += after - 1
        return tuple(names)
    except (IndexError, UnicodeDecodeError):
        raise MalformedFrame("an offer that can't be read") from None


@dataclass(frozen=True, slots=True)
class SaslAnswer:
    """What a server says once a client has chosen.

    Attributes:
        outcome: How the exchange ended; None for a challenge.
        data: The challenge, or what comes with the outcome.
    """

    outcome: int | None
    data: bytes


def write_response(response: bytes) -> bytes:
    """A client's answer to a challenge."""
    field = _variable(0xA0, response)
    body = b"\x00\x53" + bytes((_RESPONSE, _LIST_LONG)) + struct.pack(">II", len(field) + 4, 1) + field
    return struct.pack(">IBBH", 8 + len(body), 2, 1, 0) + body


def read_answer(frame: bytes) -> SaslAnswer:
    """A challenge or an outcome, out of a whole frame. Raises MalformedFrame for anything else."""
    try:
        kind, count, place = _begun(frame)
        if kind == _CHALLENGE and count:
            return SaslAnswer(None, _value(frame, place)[0] or b"")
        if kind != _OUTCOME or not count:
            raise MalformedFrame(f"the SASL performative {kind:#x} with {count} fields where an outcome has to come")
        if frame[place] != _UBYTE:
            raise MalformedFrame("an outcome that is no number")
        data = _value(frame, place + 2)[0] if count > 1 else None
        return SaslAnswer(frame[place + 1], data or b"")
    except IndexError:
        raise MalformedFrame("a frame that ends in the middle") from None


def _fields_of(frame: bytes, wanted: int) -> int:
    """Where the first field of a frame is."""
    code, count, place = _begun(frame)
    if code != wanted:
        raise MalformedFrame(f"the SASL performative {code:#x} where {wanted:#x} has to come")
    if not count:
        raise MalformedFrame("a frame without fields")
    return place


def _begun(frame: bytes) -> tuple[int, int, int]:
    """What a frame is, how many fields it has, and where the first one is."""
    start = frame[4] * 4
    if frame[5] != 1 or not 8 <= start < len(frame):
        raise MalformedFrame("a frame of another layer")
    code, place = _descriptor(frame, start)
    count, place = _list(frame, place)
    return code, count, place


def frame_size(buffer: bytes | bytearray, limit: int = MAX_FRAME) -> int | None:
    """The size of the frame that the buffer begins with; None where that can't be told yet.

    Raises MalformedFrame, also for one of more than `limit` bytes.
    """
    if len(buffer) < 4:
        return None
    size = int.from_bytes(buffer[:4], "big")
    if not 8 < size <= limit:
        raise MalformedFrame(f"a SASL frame of {size} bytes, and {limit} are possible")
    return size


def read_init(frame: bytes) -> SaslInit:
    """The client's choice out of a whole frame. Raises MalformedFrame for anything else."""
    try:
        return _read_init(frame)
    except IndexError:
        raise MalformedFrame("a frame that ends in the middle") from None


def read_response(frame: bytes) -> bytes:
    """The client's answer to a challenge out of a whole frame. Raises MalformedFrame for anything else."""
    try:
        return _read_fields(frame, _RESPONSE, "sasl-response")[0] or b""
    except IndexError:
        raise MalformedFrame("a frame that ends in the middle") from None


def _read_fields(frame: bytes, expected: int, name: str) -> list[bytes | None]:
    start = frame[4] * 4
    if frame[5] != 1 or not 8 <= start < len(frame):
        raise MalformedFrame("a frame of another layer")
    code, place = _descriptor(frame, start)
    if code != expected:
        raise MalformedFrame(f"the SASL performative {code:#x} where {name} has to come")
    fields: list[bytes | None] = []
    count, place = _list(frame, place)
    for _ in range(count):
        value, place = _value(frame, place)
        fields.append(value)
    return fields


def _read_init(frame: bytes) -> SaslInit:
    fields = _read_fields(frame, _INIT, "sasl-init")
    mechanism, response, hostname = (*fields, None, None, None)[:3]
    if mechanism is None:
        raise MalformedFrame("sasl-init without a mechanism")
    try:
        return SaslInit(mechanism.decode("ascii"), response or b"", (hostname or b"").decode("utf-8"))
    except UnicodeDecodeError:
        raise MalformedFrame("a name that is no text") from None


def _descriptor(frame: bytes, place: int) -> tuple[int, int]:
    if frame[place] != 0:
        raise MalformedFrame("a body that is not described")
    if frame[place + 1] == 0x53:
        return frame[place + 2], place + 3
    if frame[place + 1] == 0x80:
        return int.from_bytes(frame[place + 2 : place + 10], "big"), place + 10
    raise MalformedFrame("a descriptor that is no number")


def _list(frame: bytes, place: int) -> tuple[int, int]:
    kind = frame[place]
    if kind == _LIST_EMPTY:
        return 0, place + 1
    if kind == _LIST_SHORT:
        count, place = frame[place + 2], place + 3
    elif kind == _LIST_LONG:
        count, place = int.from_bytes(frame[place + 5 : place + 9], "big"), place + 9
    else:
        raise MalformedFrame("a body that is no list")
    if count > _MAX_FIELDS:
        raise MalformedFrame(f"a list of {count} fields")
    return count, place


def _value(frame: bytes, place: int) -> tuple[bytes | None, int]:
    kind = frame[place]
    if kind == _NULL:
        return None, place + 1
    if kind in _SHORT:
        length, place = frame[place + 1], place + 2
    elif kind in _LONG:
        length, place = int.from_bytes(frame[place + 1 : place + 5], "big"), place + 5
    else:
        raise MalformedFrame(f"a field of type {kind:#x}")
    if place + length > len(frame):
        raise MalformedFrame("a field that is longer than its frame")
    return frame[place : place + length], place + length


def _variable(kind: int, data: bytes) -> bytes:
    if len(data) < 256:
        return bytes((kind, len(data))) + data
    return bytes((kind | 0x10,)) + struct.pack(">I", len(data)) + data


def _frame(code: int, field: bytes) -> bytes:
    body = b"\x00\x53" + bytes((code, _LIST_SHORT, len(field) + 1, 1)) + field
    return struct.pack(">IBBH", 8 + len(body), 2, 1, 0) + body
