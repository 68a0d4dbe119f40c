"""Messages between applications and the wire. Pure but for the library."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Final

from connector.errors import MessagingError, Reason
from connector.spi import Message, Principal, PropertyValue, ServerPrincipal, UserPrincipal
from connector_amqp.library import load_proton

BODY_UNFIT = Reason(
    "CF-AMQP-033",
    "a message for {destination} can't be sent: {why}",
    "Send None, text, bytes, or a value that JSON can hold, and properties of plain values.",
)
MALFORMED = Reason(
    "CF-AMQP-034",
    "what came from {source} is no AMQP message: {why}",
    "Look at who sends there.",
)

#: What an engine of ours says of a message's sender, in the delivery annotations, which no client can write.
USER: Final = "x-opt-connector-user"
REALM: Final = "x-opt-connector-realm"
SERVER: Final = "x-opt-connector-server"

_PLAIN = (str, int, float, bool, type(None))


@dataclass(frozen=True, slots=True)
class Received:
    """A message that came.

    Attributes:
        message: As applications see it, with the identity that an engine of ours gave; nobody's unless it is one.
        user_id: What its user-id says; who can be believed in that is another matter.
        annotations: All annotations, of the delivery and of the message; those of the delivery win.
    """

    message: Message
    user_id: str
    annotations: dict[str, Any]


def encoded(message: Message, destination: str, user_id: str | None = None) -> bytes:
    """A message as bytes. Raises MessagingError CF-AMQP-033."""
    wire = load_proton().Message()
    body = message.body
    if isinstance(body, bytearray | memoryview):
        body = bytes(body)
    now = time.time()
    try:
        _check_plain(body)
        wire.body = body
        wire.inferred = isinstance(body, bytes)  # bytes are a data section, all else is one value
        wire.id = message.message_id
        wire.correlation_id = message.correlation_id
        wire.address = destination
        wire.reply_to = message.reply_to
        wire.group_id = message.group
        wire.subject = message.topic
        wire.creation_time = now
        wire.durable = message.persistent
        wire.priority = message.priority
        if user_id is not None:
            wire.user_id = user_id.encode()
        if message.expires_at is not None:
            wire.ttl = max(0.001, message.expires_at - now)
        if message.properties:
            wire.properties = dict(message.properties)
        return bytes(wire.encode())
    except Exception as error:  # noqa: BLE001 - the library raises errors of many kinds, whose text may hold the body
        why = str(error) if isinstance(error, _NotPlain) else type(error).__name__
        raise MessagingError(BODY_UNFIT, destination=destination, why=why) from None


def decoded(data: bytes, source: str, *, from_engine: bool) -> Received:
    """A message from bytes.

    Args:
        data: The whole message.
        source: Where it was received.
        from_engine: Whether the broker is an engine of ours, whose word on the sender counts.

    Raises MessagingError CF-AMQP-034.
    """
    wire = load_proton().Message()
    try:
        wire.decode(data)
        annotations = {str(name): value for name, value in (wire.annotations or {}).items()}
        instructions = {str(name): value for name, value in (wire.instructions or {}).items()}
        identity = _identity(instructions) if from_engine else None
        user_id = bytes(wire.user_id or b"").decode("utf-8", "replace")
        return Received(_read(wire, source, identity), user_id, {**annotations, **instructions})
    except Exception as error:  # noqa: BLE001 - the library raises errors of many kinds for bytes that are none
        raise MessagingError(MALFORMED, source=source, why=type(error).__name__) from None


def _read(wire: Any, source: str, identity: Principal | None) -> Message:
    properties: dict[str, PropertyValue] = {}
    for name, value in (wire.properties or {}).items():
        known = plain(value)
        properties[str(name)] = known if isinstance(known, _PLAIN) else str(known)
    expires = time.time() + wire.ttl if wire.ttl else (wire.expiry_time or None)
    return Message(
        body=plain(wire.body),
        properties=properties,
        destination=wire.address or source,
        reply_to=wire.reply_to or None,
        correlation_id=_text(wire.correlation_id),
        message_id=_text(wire.id),
        identity=identity,
        timestamp=wire.creation_time or None,
        expires_at=expires,
        priority=min(int(wire.priority), 9),
        persistent=bool(wire.durable),
        delivery_count=int(wire.delivery_count),
        group=wire.group_id or None,
        topic=wire.subject or None,
    )


def _identity(instructions: dict[str, Any]) -> Principal | None:
    user, realm = instructions.get(USER), instructions.get(REALM)
    if not isinstance(user, str) or not user:
        return None
    kind = ServerPrincipal if instructions.get(SERVER) is True else UserPrincipal
    return kind(str(user), str(realm or ""))


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


class _NotPlain(TypeError):
    """The text names types only."""


def _check_plain(value: Any, depth: int = 0) -> None:
    if depth > 100:
        raise _NotPlain("it is nested too deeply")
    if isinstance(value, dict):
        for key, one in value.items():
            if not isinstance(key, str):
                raise _NotPlain(f"a key of type {type(key).__name__}")
            _check_plain(one, depth + 1)
    elif isinstance(value, list | tuple):
        for one in value:
            _check_plain(one, depth + 1)
    elif isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise _NotPlain("a number of more than 64 bits")
    elif not isinstance(value, (*_PLAIN, bytes)) or (depth and isinstance(value, bytes)):
        raise _NotPlain(f"a value of type {type(value).__name__}")


def _text(value: Any) -> str | None:
    """An identifier of any of AMQP's kinds as text."""
    if value is None:
        return None
    return bytes(value).hex() if isinstance(value, bytes | bytearray | memoryview) else str(value)
