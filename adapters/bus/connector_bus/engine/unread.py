"""A message that came over the wire and lives in memory only: its bytes, and what dispatch needs of them (CHAIN-6).

Most such messages go to another client on the wire as they came, and nobody ever looks into them. So what makes the
whole message of them is done when somebody does: a handler, a selector, an exception destination.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, final

from connector_bus.engine.queue_state import Entry
from connector_bus.store.record import StoredMessage


class Reading(Protocol):
    """What a link's messages have in common: how the whole of one is made. Pure, for any thread."""

    def __call__(self, unread: Unread) -> StoredMessage:
        """The engine's form of the message."""
        ...


@final
class Unread:
    """One such message; immutable.

    Attributes:
        sequence: The engine's number for it.
        bare: The bare message.
        sender: Who sent it, as clients on the wire are told.
        durable, priority, expires_at, group: What the client says of it, see `Message`.
        timestamp: When it was accepted, in seconds since 1970.
        destination: Where it is.
    """

    __slots__ = (
        "_read",
        "bare",
        "destination",
        "durable",
        "expires_at",
        "group",
        "priority",
        "sender",
        "sequence",
        "timestamp",
    )

    def __init__(
        self,
        sequence: int,
        bare: bytes,
        sender: bytes,
        durable: bool,
        priority: int,
        expires_at: float | None,
        group: str | None,
        timestamp: float,
        destination: str,
        read: Callable[[Unread], StoredMessage],
    ) -> None:
        self.sequence = sequence
        self.bare = bare
        self.sender = sender
        self.durable = durable
        self.priority = priority
        self.expires_at = expires_at
        self.group = group
        self.timestamp = timestamp
        self.destination = destination
        self._read = read

    def stored(self) -> StoredMessage:
        """The engine's form of it; made anew at each call."""
        return self._read(self)

    def entry(self) -> Entry:
        """Its place on a queue."""
        return Entry(self.sequence, self.priority, self.expires_at, group=self.group, unread=self)
