"""A body that came over the wire: the client's own bytes, kept as they are, read only where somebody in process asks.

The bare message is never encoded again: what was sent is what is received, to the bit. Before it stand sections that
belong to each hop; those are cut off when it comes in and written anew when it goes out.
"""

from __future__ import annotations

import importlib
from typing import Any, Final

from connector.errors import MessagingError, Reason

LIBRARY_MISSING = Reason(
    "CF-BUS-150",
    "the wire needs the package python-qpid-proton, which can't be loaded: {why}",
    "Install the extra: pip install 'connector-framework[amqp]'; it is built from source and needs a C compiler.",
)
MALFORMED = Reason(
    "CF-BUS-151",
    "what came is no AMQP message: {why}",
    "Send a message as AMQP 1.0, part 3.2, has it; nothing of it was kept.",
)

_HEADER, _DELIVERY_ANNOTATIONS = 0x70, 0x71
#: How many bytes follow a type code that has a width of its own; others begin with their length.
_FIXED: Final = {0x4: 0, 0x5: 1, 0x6: 2, 0x7: 4, 0x8: 8, 0x9: 16}
_LENGTH: Final = {0xA: 1, 0xB: 4, 0xC: 1, 0xD: 4, 0xE: 1, 0xF: 4}


def load_proton() -> Any:
    """The protocol engine, loaded where it is first used. Raises MessagingError CF-BUS-150."""
    try:
        return importlib.import_module("proton")
    except (ImportError, OSError) as error:
        raise MessagingError(LIBRARY_MISSING, why=error) from error


def without_hop_sections(data: bytes) -> bytes:
    """The message without header and delivery annotations: they belong to the hop. Raises MessagingError CF-BUS-151."""
    place = 0
    try:
        while data[place] == 0 and data[place + 1] == 0x53 and data[place + 2] in (_HEADER, _DELIVERY_ANNOTATIONS):
            place = _end_of_value(data, place + 3)
    except IndexError:
        raise MessagingError(MALFORMED, why="it ends in the middle of a section") from None
    return data[place:]


def _end_of_value(data: bytes, place: int) -> int:
    kind = data[place] >> 4
    place += 1
    if kind in _FIXED:
        return place + _FIXED[kind]
    width = _LENGTH.get(kind)
    if width is None:
        raise MessagingError(MALFORMED, why="it has a value of no known type")
    length = int.from_bytes(data[place : place + width], "big")
    end = place + width + length
    if end > len(data):
        raise MessagingError(MALFORMED, why="it ends in the middle of a section")
    return end


def header_section(*, durable: bool, priority: int, ttl: int | None, delivery_count: int) -> bytes:
    """A header of this hop. `ttl` is in milliseconds."""
    if ttl is None and not delivery_count:
        return PLAIN_HEADERS[durable, priority]
    return _header_section(durable=durable, priority=priority, ttl=ttl, delivery_count=delivery_count)


def _header_section(*, durable: bool, priority: int, ttl: int | None, delivery_count: int) -> bytes:
    fields = b"\x41" if durable else b"\x42"
    fields += b"\x50" + bytes((priority,))
    fields += b"\x40" if ttl is None else b"\x70" + min(ttl, 0xFFFFFFFF).to_bytes(4, "big")
    fields += b"\x41" if delivery_count == 0 else b"\x42"
    fields += b"\x43" if delivery_count == 0 else b"\x70" + delivery_count.to_bytes(4, "big")
    return b"\x00\x53\x70\xc0" + bytes((len(fields) + 1, 5)) + fields


#: Those of most messages.
PLAIN_HEADERS: Final = {
    (durable, priority): _header_section(durable=durable, priority=priority, ttl=None, delivery_count=0)
    for durable in (False, True)
    for priority in range(10)
}


def body_of(data: bytes) -> Any:
    """The body as a value that handlers know: text, bytes, or what JSON can hold.

    Raises MessagingError CF-BUS-150, -151.
    """
    message = load_proton().Message()
    try:
        message.decode(data)
        return plain(message.body)
    except Exception as error:  # noqa: BLE001 - the library raises errors of many kinds for bytes that are none
        raise MessagingError(MALFORMED, why=type(error).__name__) from None


def plain(value: Any) -> Any:
    """A value of the AMQP type system as one that JSON can hold; numbers of all widths are numbers. Pure."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, dict):
        return {str(plain(key)): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    elements = getattr(value, "elements", None)  # an array
    if elements is not None:
        return [plain(one) for one in elements]
    return str(value)
