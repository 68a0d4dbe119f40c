"""The message, as handlers, mediations and applications see it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeAlias

from connector.spi.principals import Principal

#: None, text, bytes, or whatever JSON can hold.
Body: TypeAlias = Any
PropertyValue: TypeAlias = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Message:
    """One message; immutable, `replace` gives a changed copy.

    Attributes:
        body: None, `str`, `bytes`, or a value that JSON can hold (dict, list, number, bool).
        properties: Application properties: names to plain values.
        destination: Where it is now, or where it is to go.
        reply_to: Where a reply is wanted, or None.
        correlation_id: Which request it answers, or None.
        message_id: Unique; given by the messaging system when it accepts the message.
        identity: Who sent it, as the messaging system established it: never what the client claims (BUS-8).
        timestamp: When it was accepted, in seconds since 1970.
        expires_at: When it may be dropped, in seconds since 1970, or None for never.
        priority: 0 to 9; 4 is normal.
        persistent: Whether it survives a restart.
        delivery_count: How many deliveries have failed before this one.
        group: The group within which order is kept, or None.
        deliver_at: When it may first be delivered, in seconds since 1970, or None for at once.
        topic: What it is about, as levels with a slash between them; topic spaces deliver by it. None for none.
        forward_path: The destinations that it goes to after this one, in order (BUS-8).
        reverse_path: The destinations that a reply goes to, in order; empty: to `reply_to`.
    """

    body: Body = None
    properties: Mapping[str, PropertyValue] = field(default_factory=lambda: MappingProxyType({}))
    destination: str | None = None
    reply_to: str | None = None
    correlation_id: str | None = None
    message_id: str | None = None
    identity: Principal | None = None
    timestamp: float | None = None
    expires_at: float | None = None
    priority: int = 4
    persistent: bool = True
    delivery_count: int = 0
    group: str | None = None
    deliver_at: float | None = None
    topic: str | None = None
    forward_path: tuple[str, ...] = ()
    reverse_path: tuple[str, ...] = ()

    @property
    def reply_correlation_id(self) -> str | None:
        """What a reply to it carries as its correlation id: the one of its own, where it has one, else its message id.

        As JMS has it: who gives a request a correlation id knows the reply by that.
        """
        return self.correlation_id or self.message_id

    def replace(self, **changes: Any) -> Message:
        """A copy with some attributes changed. Raises TypeError for one that there is not.

        By hand, since it is done for each message: `dataclasses.replace` takes twice as long.
        """
        copy = object.__new__(type(self))
        for name, read, write in _ATTRIBUTES:
            write(copy, changes.pop(name) if name in changes else read(self))
        if changes:
            raise TypeError(f"a message has no {', '.join(changes)}")
        return copy


_ATTRIBUTES = tuple(
    (each.name, getattr(Message, each.name).__get__, getattr(Message, each.name).__set__)
    for each in dataclasses.fields(Message)
)
