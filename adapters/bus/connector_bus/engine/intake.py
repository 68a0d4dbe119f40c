"""How a message becomes the engine's: checked, encoded, and stamped with what no client may claim (BUS-4, BUS-8)."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from connector.errors import MessagingError, Reason
from connector.spi import Message, Principal, PropertyValue
from connector_bus.engine.forward_path import HOP_LIMIT
from connector_bus.reliability import Reliability
from connector_bus.settings import MAX_MESSAGE_SIZE
from connector_bus.store.content import Content
from connector_bus.store.record import StoredMessage

PROPERTY_UNFIT = Reason(
    "CF-BUS-032",
    "the message property {name} can't be sent: {found}",
    "Names are text; values are text, whole or broken numbers, true or false, or None.",
)
HEADER_UNFIT = Reason(
    "CF-BUS-035",
    "a message with {name} of type {type} can't be sent",
    "reply_to, correlation_id, group and topic are text or None; expires_at and deliver_at are seconds since 1970 or "
    "None.",
)
PRIORITY_UNFIT = Reason("CF-BUS-033", "a message priority of {found} is not possible", "Give 0 to 9; 4 is normal.")
PATH_UNFIT = Reason(
    "CF-BUS-222",
    "a message with such a {name} can't be sent",
    "Give a tuple of names of destinations, {limit} at most.",
)
MESSAGE_TOO_LARGE = Reason(
    "CF-BUS-174",
    "a message of {size} bytes can't be sent to {destination}, which takes {limit} at most",
    "Send less, or in parts, or raise max_message_size of the destination.",
)

#: The types of the headers that clients set beside priority and properties; None is always possible.
_HEADERS: Final[Mapping[str, tuple[type, ...]]] = MappingProxyType(
    {
        "reply_to": (str,),
        "correlation_id": (str,),
        "group": (str,),
        "topic": (str,),
        "expires_at": (int, float),
        "deliver_at": (int, float),
    }
)

#: One random number for the process, which costs more than a message may, and one more for each message.
_PROCESS: Final = uuid.uuid4().hex
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Stamp:
    """What the engine alone says of a message; it replaces whatever stood in the client's.

    Attributes:
        sequence: The engine's number.
        message_id: Unique.
        identity: Whom it comes from.
        timestamp: When it was accepted, in seconds since 1970.
        destination: Where it goes.
        mediated: Whether it is past the mediations of its destination.
        hops: How many destinations it has passed.
        reliability: How much is done for it.
        max_size: How many bytes its body may have.
    """

    sequence: int
    message_id: str
    identity: Principal
    timestamp: float
    destination: str
    mediated: bool
    hops: int = 0
    reliability: Reliability = Reliability.ASSURED
    max_size: int = MAX_MESSAGE_SIZE


def new_message_id() -> str:
    """An identifier that is unique without asking anybody."""
    return f"ID:{_PROCESS}:{next(_numbers)}"


def stamped(message: Message, stamp: Stamp) -> StoredMessage:
    """Make the engine's form of a message; does not block.

    Raises MessagingError CF-BUS-031, -032, -033, -035 or -174 for a body, property, priority, header or size that
    can't be kept.
    """
    _check_size(message.body, stamp)
    _check_headers(message)
    if message.priority not in range(10):
        raise MessagingError(PRIORITY_UNFIT, found=repr(message.priority))
    header = message.replace(
        body=None,
        properties=MappingProxyType(_checked(message.properties)),
        destination=stamp.destination,
        message_id=stamp.message_id,
        identity=stamp.identity,
        timestamp=stamp.timestamp,
        persistent=stamp.reliability.is_persistent,
        delivery_count=0,
    )
    content = Content.encode(message.body)
    _check_size(content, stamp)
    return StoredMessage(stamp.sequence, header, content, stamp.mediated, stamp.hops, stamp.reliability)


def check_paths(message: Message) -> None:
    """Pass if the paths of a message are names, and not too many. Raises MessagingError CF-BUS-222."""
    for name in ("forward_path", "reverse_path"):
        path: Any = getattr(message, name)
        if not path:
            continue
        fit = isinstance(path, tuple) and all(isinstance(each, str) and each for each in path)
        if not fit or len(path) >= HOP_LIMIT:
            raise MessagingError(PATH_UNFIT, name=name, limit=HOP_LIMIT - 1)


def _check_size(body: object, stamp: Stamp) -> None:
    """What can be seen to be too large is refused before it is encoded, which would take as much memory again."""
    if isinstance(body, Content):
        size = len(body.data)
    elif isinstance(body, bytes | bytearray | str):
        size = len(body)  # text has at least a byte for each character
    elif isinstance(body, memoryview):
        size = body.nbytes
    else:
        return
    if size > stamp.max_size:
        raise MessagingError(MESSAGE_TOO_LARGE, size=size, destination=stamp.destination, limit=stamp.max_size)


def _check_headers(message: Message) -> None:
    """What is wrong here would be found only once the message is on its queue, where nothing may fail any more."""
    for name, allowed in _HEADERS.items():
        value = getattr(message, name)
        if value is not None and not isinstance(value, allowed):
            raise MessagingError(HEADER_UNFIT, name=name, type=type(value).__name__)


def _checked(properties: Mapping[Any, Any]) -> dict[str, PropertyValue]:
    """The properties, as they come from applications that no type checker has seen."""
    for name, value in properties.items():
        if not isinstance(name, str) or not isinstance(value, str | int | float | bool | None):
            raise MessagingError(PROPERTY_UNFIT, name=name, found=f"a value of type {type(value).__name__}")
    return dict(properties)
