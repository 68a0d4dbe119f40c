"""A message that came over the wire: its bytes, and what dispatch needs of them (CHAIN-6).

Most such messages go to another client on the wire as they came, and nobody ever looks into them. So what makes the
whole message of them is done when somebody does: a handler, a selector, an exception destination. One that has to be
stored brings its row, which is made of the few fields that were read of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import final

from connector_bus.store.record import Row, StoredMessage, from_row
from connector_bus.store.schema import NAMES


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
        row: How it is stored; None for one that lives in memory only.
    """

    __slots__ = (
        "_read",
        "bare",
        "destination",
        "durable",
        "expires_at",
        "group",
        "priority",
        "row",
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
        row: Row | None = None,
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
        self.row = row

    @classmethod
    def of_row(cls, row: Row, sender: bytes, durable: bool, read: Callable[[Unread], StoredMessage]) -> Unread:
        """One that is stored, all of which that counts here is in its row."""
        timestamp, expires_at, priority = row[8:11]
        return cls(row[0], row[23], sender, durable, priority, expires_at, row[12], timestamp, row[1], read, row)

    def stored(self) -> StoredMessage:
        """The engine's form of it, of one that is stored as the store will answer it; made anew at each call."""
        return self._read(self) if self.row is None else from_row(dict(zip(NAMES, self.row, strict=True)))
