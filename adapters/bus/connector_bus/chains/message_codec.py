"""Messages between the wire and the engine: what of them the engine reads, and what it writes for a client."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from connector.errors import AccessDenied, MessagingError, Reason
from connector.spi import Message, Principal, PropertyValue
from connector_bus.adapter.connection import DELAY_UNFIT, LONGEST_DELAY
from connector_bus.chains.quick_read import QuickMessage, Value, quick_read
from connector_bus.chains.sender_annotation import sender_section
from connector_bus.engine.intake import new_message_id
from connector_bus.reliability import Reliability
from connector_bus.store.amqp_content import (
    MALFORMED,
    PLAIN_HEADERS,
    header_section,
    load_proton,
    plain,
    without_hop_sections,
)
from connector_bus.store.content import Content, ContentKind
from connector_bus.store.record import Row, StoredMessage, wire_row
from connector_bus.store.unread import Unread

FORGED = Reason(
    "CF-BUS-152",
    "a message of {user} names another user as its sender",
    "Leave user-id out, or set it to the user who is signed on: the engine says who a message is from.",
)

#: What fields that are missing at the end are.
_NOTHING: Final[list[Value]] = [None] * 6
_NONE: Final[Mapping[str, PropertyValue]] = MappingProxyType({})
#: Where clients say when, or after how long, a message may be shown; both in milliseconds.
DELIVERY_TIME: Final = "x-opt-delivery-time"
DELIVERY_DELAY: Final = "x-opt-delivery-delay"


@dataclass(frozen=True, slots=True)
class Place:
    """What the messages of a link that are stored have in common.

    Attributes:
        destination: Where they rest.
        sender: Whom they come from.
        reliability: How much is done for them.
    """

    destination: str
    sender: Principal
    reliability: Reliability


def decoded(data: bytes, user: str | None, now: float) -> Message:
    """A client's message as the engine takes it; its body is kept as bytes. Pure but for the library.

    Args:
        data: The whole message as it came.
        user: Who is signed on; None for nobody. A user-id in the message must be the same (BUS-8).
        now: Seconds since 1970, for what is only good for so long.

    Raises MessagingError CF-BUS-151 for what is no message, CF-BUS-172 for a delay that is too long, AccessDenied
    CF-BUS-152 for a forged sender.
    """
    quick = quick_read(data)
    if quick is not None and (message := _quick(quick, data, user, now)) is not None:
        return message
    wire = load_proton().Message()
    try:
        wire.decode(data)
        claimed = bytes(wire.user_id or b"")
        message = _read(wire, data, now)
    except MessagingError:
        raise
    except Exception as error:  # noqa: BLE001 - the library raises errors of many kinds for bytes that are none
        raise MessagingError(MALFORMED, why=type(error).__name__) from None
    if claimed and claimed != (user or "").encode():
        raise AccessDenied(FORGED, user=user or "nobody")
    return message


def _quick(read: QuickMessage, data: bytes, user: str | None, now: float) -> Message | None:
    """The same of a message that was read by hand; None where a field is of a type that the library knows better."""
    fields = read.properties
    fields += [None] * (11 - len(fields))
    message_id, claimed, address, subject, reply_to, correlation_id, _, _, expiry, _, group = fields[:11]
    texts = (address, subject, reply_to, group)
    if not all(text is None or isinstance(text, str) for text in texts) or not isinstance(claimed, bytes | None):
        return None
    if isinstance(message_id, bool) or isinstance(correlation_id, bool) or not isinstance(expiry, int | None):
        return None
    if claimed and claimed != (user or "").encode():
        raise AccessDenied(FORGED, user=user or "nobody")
    return Message(
        body=Content(ContentKind.AMQP, data[read.bare :]),
        properties=_NONE,
        destination=str(address) if address else None,
        reply_to=str(reply_to) if reply_to else None,
        correlation_id=_text(correlation_id),
        message_id=_text(message_id),
        expires_at=now + read.ttl / 1000 if read.ttl else (expiry / 1000 if expiry else None),
        priority=read.priority,
        persistent=read.durable,
        group=str(group) if group else None,
        topic=str(subject) if subject else None,
    )


def quick_sender(read: QuickMessage, user: bytes, now: float) -> tuple[float | None, str | None]:
    """Check who a message that was read by hand says it is from; answers when it expires, and its group.

    Raises AccessDenied CF-BUS-152 for a forged sender, TypeError for what the library has to read.
    """
    fields = read.properties
    count = len(fields)
    if count > 1 and fields[1] and fields[1] != user:
        raise AccessDenied(FORGED, user=user.decode() or "nobody")
    expiry = fields[8] if count > 8 else None
    group = fields[10] if count > 10 else None
    if (expiry is not None and type(expiry) is not int) or not isinstance(group, str | None):
        raise TypeError
    if read.ttl:
        return now + read.ttl / 1000, group or None
    return (expiry / 1000 if expiry else None), group or None


def quick_row(read: QuickMessage, bare: bytes, user: bytes, *, sequence: int, place: Place, now: float) -> Row:
    """How a message that was read by hand is stored: its row, as the long way would write it.

    Raises what `quick_sender` raises.
    """
    expires, group = quick_sender(read, user, now)
    message_id, _, address, topic, reply_to, correlation_id = (read.properties + _NOTHING)[:6]
    if isinstance(message_id, bool) or isinstance(correlation_id, bool) or not isinstance(address, str | None):
        raise TypeError
    if not isinstance(topic, str | None) or not isinstance(reply_to, str | None):
        raise TypeError
    return wire_row(
        sequence,
        place.destination,
        _text(message_id) or new_message_id(),
        place.sender,
        reply_to=reply_to or None,
        correlation_id=_text(correlation_id),
        timestamp=now,
        expires_at=expires,
        priority=read.priority,
        group=group,
        reliability=place.reliability,
        topic=topic or None,
        bare=bare,
    )


def _read(wire: Any, data: bytes, now: float) -> Message:
    properties: dict[str, PropertyValue] = {}
    for name, value in (wire.properties or {}).items():
        known = plain(value)
        properties[str(name)] = known if isinstance(known, str | int | float | bool | None) else str(known)
    expires = now + wire.ttl if wire.ttl else (wire.expiry_time or None)
    return Message(
        body=Content(ContentKind.AMQP, without_hop_sections(data)),
        properties=properties,
        destination=wire.address or None,
        reply_to=wire.reply_to or None,
        correlation_id=_text(wire.correlation_id),
        message_id=_text(wire.id),
        expires_at=expires,
        priority=min(int(wire.priority), 9),
        persistent=bool(wire.durable),
        group=wire.group_id or None,
        topic=wire.subject or None,
        deliver_at=_due(wire.annotations or {}, now),
    )


def _due(annotations: Mapping[Any, Any], now: float) -> float | None:
    """Before when a message is not to be shown; None where it may be at once."""
    time, delay = annotations.get(DELIVERY_TIME), annotations.get(DELIVERY_DELAY)
    due = None
    if isinstance(time, int) and not isinstance(time, bool):
        due = time / 1000
    elif isinstance(delay, int) and not isinstance(delay, bool):
        due = now + delay / 1000
    if due is not None and due - now > LONGEST_DELAY:
        raise MessagingError(DELAY_UNFIT, found=f"{due - now:g}")
    return due if due is not None and due > now else None


def encoded(stored: StoredMessage, delivery_count: int, now: float) -> bytes:
    """A message for a client: a header of this hop, who sent it, and the bare message, which is the sender's own where
    it came by wire.
    """
    header = stored.header
    ttl = None if header.expires_at is None else max(0, round((header.expires_at - now) * 1000))
    hop = header_section(durable=header.persistent, priority=header.priority, ttl=ttl, delivery_count=delivery_count)
    hop += sender_section(header.identity)
    if stored.content.kind is ContentKind.AMQP:
        return hop + stored.content.data
    return hop + without_hop_sections(bytes(_written(stored).encode()))


def encoded_for_broker(stored: StoredMessage, user: str | None, now: float) -> bytes:
    """A message for a broker of another make: nobody is named as its sender but `user`.

    Brokers compare `user-id` with who is signed on, so that of a client of ours would be refused there. Where nothing
    has to change the bare message is the sender's own, to the bit. Raises MessagingError CF-BUS-150 or -151.
    """
    header = stored.header
    ttl = None if header.expires_at is None else max(0, round((header.expires_at - now) * 1000))
    hop = header_section(durable=header.persistent, priority=min(header.priority, 9), ttl=ttl, delivery_count=0)
    if stored.content.kind is ContentKind.AMQP:
        wire = load_proton().Message()
        try:
            wire.decode(stored.content.data)
        except Exception as error:  # noqa: BLE001 - the library raises errors of many kinds for bytes that are none
            raise MessagingError(MALFORMED, why=type(error).__name__) from None
        if not wire.user_id and user is None:
            return hop + stored.content.data
    else:
        wire = _written(stored)
    if user is not None:
        wire.user_id = user.encode()
    elif wire.user_id:
        wire = _of_nobody(wire)
    return hop + without_hop_sections(bytes(wire.encode()))


_FIELDS: Final = (
    *("id", "address", "subject", "reply_to", "correlation_id", "content_type", "content_encoding", "expiry_time"),
    *("creation_time", "group_id", "group_sequence", "reply_to_group_id", "annotations", "properties", "body"),
)


def _of_nobody(wire: Any) -> Any:
    """A copy without user-id: the library can empty that field, which is not the same, and can't take it away."""
    copy = load_proton().Message()
    copy.inferred = wire.inferred
    for name in _FIELDS:
        value = getattr(wire, name)
        if value is not None and value != "":
            setattr(copy, name, value)
    return copy


def decoded_of_broker(data: bytes, now: float) -> Message:
    """A message that came from a broker of another make, as the engine takes it; its body is kept as bytes.

    Whom it names as its sender is not looked at: who knows what that broker asks of its clients. Raises MessagingError
    CF-BUS-150, -151, or -172 for a delay that is too long.
    """
    wire = load_proton().Message()
    try:
        wire.decode(data)
        return _read(wire, data, now)
    except MessagingError:
        raise
    except Exception as error:  # noqa: BLE001 - the library raises errors of many kinds for bytes that are none
        raise MessagingError(MALFORMED, why=type(error).__name__) from None


def encoded_unread(unread: Unread, delivery_count: int, now: Callable[[], float]) -> bytes:
    """The same of one that nobody has looked into; the time is asked for where it counts only."""
    expires = unread.expires_at
    if expires is None and not delivery_count:
        return PLAIN_HEADERS[unread.durable, unread.priority] + unread.sender + unread.bare
    ttl = None if expires is None else max(0, round((expires - now()) * 1000))
    return (
        header_section(durable=unread.durable, priority=unread.priority, ttl=ttl, delivery_count=delivery_count)
        + unread.sender
        + unread.bare
    )


def _written(stored: StoredMessage) -> Any:
    header = stored.header
    wire = load_proton().Message()
    body = stored.content.decode()
    wire.body = body
    wire.inferred = isinstance(body, bytes)  # bytes are a data section, all else is one value
    wire.id = header.message_id
    wire.correlation_id = header.correlation_id
    wire.address = header.destination
    wire.reply_to = header.reply_to
    wire.group_id = header.group
    wire.subject = header.topic
    wire.creation_time = header.timestamp or 0
    wire.expiry_time = header.expires_at or 0
    wire.properties = dict(header.properties) or None
    return wire


def _text(value: Any) -> str | None:
    """An identifier of any of AMQP's kinds as text."""
    if value is None:
        return None
    return bytes(value).hex() if isinstance(value, bytes | bytearray | memoryview) else str(value)
