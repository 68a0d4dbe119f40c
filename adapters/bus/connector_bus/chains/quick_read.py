"""The messages that most clients send most of the time, read without the library: header, properties, and one body.

The library takes a message apart into objects for every value, the body's too, of which the engine needs hardly any.
What is read here is read by hand; where there is anything else in a message (annotations, application properties, a
body of several parts or of another type, a value that isn't where it belongs) the answer is None, and the library reads
it. So nothing is refused here: it only may not be quick. Pure.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Final, final

_HEADER, _PROPERTIES, _DATA, _VALUE = 0x70, 0x73, 0x75, 0x77
_EMPTY_LIST, _SHORT_LIST, _LONG_LIST = 0x45, 0xC0, 0xD0
_SHORT_BINARY, _SHORT_TEXT, _SHORT_SYMBOL = 0xA0, 0xA1, 0xA3
_LONG_BINARY, _LONG_TEXT, _LONG_SYMBOL = 0xB0, 0xB1, 0xB3
_TRUTHS: Final = (None, False, True)
_BODIES: Final = frozenset((_SHORT_BINARY, _LONG_BINARY))
#: Bytes of their type and their length.
_LENGTHS: Final = {_SHORT_BINARY: 2, _LONG_BINARY: 5}

#: A value of a field: of what type it was says what it is of.
Value = bytes | str | int | bool | uuid.UUID | None


class NotQuick(Exception):
    """There is something in it that is not read here."""


@dataclass(slots=True)
class QuickMessage:
    """What the engine reads of a message.

    Attributes:
        bare: Where the bare message begins.
        durable, priority: Of the header; the priority is 9 at most.
        ttl: Milliseconds, or None.
        properties: The fields of the properties section, in its order; those at its end may be missing.
        alike: Of how many bytes at its beginning all of this was made, where the rest is nothing but a body of bytes;
            else 0.
    """

    bare: int
    durable: bool
    priority: int
    ttl: int | None
    properties: list[Value]
    alike: int = 0


@final
class QuickReader:
    """Reads the messages of one sender, which often begin alike and are equally long: then there is nothing to read.

    Mutable state: what was read last, how long it was, and how it began.
    """

    __slots__ = ("_beginning", "_last", "_size")

    def __init__(self) -> None:
        self._last: QuickMessage | None = None
        self._size = 0
        self._beginning = b""

    def read(self, data: bytes) -> QuickMessage | None:
        """As `quick_read`; what is answered is not to be changed."""
        size = len(data)
        if size == self._size and data.startswith(self._beginning):
            return self._last
        read = quick_read(data)
        if read is not None and read.alike:
            self._last, self._size, self._beginning = read, size, data[: read.alike]
        return read


def quick_read(data: bytes) -> QuickMessage | None:
    """Read a message; None where the library has to."""
    try:
        return _read(data)
    except (NotQuick, IndexError, UnicodeDecodeError):
        return None


def _read(data: bytes) -> QuickMessage | None:
    bare, durable, priority, ttl = 0, False, 4, None
    section, place = _section(data, 0)
    if section == _HEADER:
        header, bare = _fields(data, place)
        durable, priority, ttl = _header(header)
        section, place = _section(data, bare)
    properties: list[Value] = []
    if section == _PROPERTIES:
        properties, place = _fields(data, place)
        section, place = _section(data, place)
    if section == _DATA:
        if data[place] not in _BODIES:
            return None
    elif section != _VALUE or data[place] not in (*_BODIES, _SHORT_TEXT, _LONG_TEXT):
        return None
    kind = data[place]
    _, end = _value(data, place)
    if end != len(data):
        return None
    alike = place + _LENGTHS.get(kind, -place)  # a text has to be looked at: whether it is one
    return QuickMessage(bare, durable, priority, ttl, properties, alike)


def _section(data: bytes, place: int) -> tuple[int, int]:
    """Which section begins, and where its value does."""
    if data[place] != 0 or data[place + 1] != 0x53:
        raise NotQuick
    return data[place + 2], place + 3


def _header(fields: list[Value]) -> tuple[bool, int, int | None]:
    count = len(fields)
    durable = fields[0] if count else None
    priority = fields[1] if count > 1 else None
    ttl = fields[2] if count > 2 else None
    if priority is None:
        priority = 4
    if durable not in _TRUTHS or type(priority) is not int or (ttl is not None and type(ttl) is not int):
        raise NotQuick
    return durable is True, min(priority, 9), ttl


def _fields(data: bytes, place: int) -> tuple[list[Value], int]:
    """A list of plain values, and where it ends."""
    kind = data[place]
    if kind == _EMPTY_LIST:
        return [], place + 1
    if kind == _SHORT_LIST:
        end, count, place = place + 2 + data[place + 1], data[place + 2], place + 3
    elif kind == _LONG_LIST:
        end = place + 5 + int.from_bytes(data[place + 1 : place + 5], "big")
        count, place = int.from_bytes(data[place + 5 : place + 9], "big"), place + 9
    else:
        raise NotQuick
    if end > len(data):
        raise NotQuick
    fields: list[Value] = []
    for _ in range(count):
        if data[place] == 0x40:  # null, the most frequent
            fields.append(None)
            place += 1
        else:
            value, place = _value(data, place)
            if type(value) is str and "\0" in value:
                raise NotQuick  # the library, whose texts are C's, ends there
            fields.append(value)
    if place != end:
        raise NotQuick
    return fields, end


def _value(data: bytes, place: int) -> tuple[Value, int]:
    kind = data[place]
    place += 1
    if kind in (_SHORT_TEXT, _SHORT_SYMBOL, _SHORT_BINARY):
        begin = place + 1
        return _sized(data, kind, begin, begin + data[place])
    if kind in (_LONG_TEXT, _LONG_SYMBOL, _LONG_BINARY):
        begin = place + 4
        return _sized(data, kind, begin, begin + int.from_bytes(data[place:begin], "big"))
    if kind in (0x40, 0x41, 0x42):  # null, true, false
        return (None, True, False)[kind - 0x40], place
    if kind in (0x43, 0x44):  # zero
        return 0, place
    if kind in (0x50, 0x52, 0x53):  # in one byte
        return data[place], place + 1
    if kind == 0x70:
        return _fixed(data, place, 4)
    if kind in (0x80, 0x83):
        return _fixed(data, place, 8)
    if kind == 0x98 and place + 16 <= len(data):
        return uuid.UUID(bytes=data[place : place + 16]), place + 16
    raise NotQuick


def _sized(data: bytes, kind: int, begin: int, end: int) -> tuple[Value, int]:
    if end > len(data):
        raise NotQuick
    piece = data[begin:end]
    if kind in (_SHORT_BINARY, _LONG_BINARY):
        return piece, end
    return piece.decode(), end


def _fixed(data: bytes, place: int, width: int) -> tuple[Value, int]:
    if place + width > len(data):
        raise NotQuick
    return int.from_bytes(data[place : place + width], "big"), place + width
