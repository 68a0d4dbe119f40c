"""Messages that came a moment ago, kept in memory until they leave: most are read once, soon after they arrive."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import TypeAlias, final

from connector_bus.store.record import StoredMessage
from connector_bus.store.unread import Unread

Recent: TypeAlias = StoredMessage | Unread

#: Bytes of message bodies that are kept, and the largest body among them: a few large ones must not drive out all else.
LIMIT = 16 * 1024 * 1024
LARGEST = 256 * 1024
#: What a message counts for beside its body.
_HEADER = 1024


@final
class RecentMessages:
    """A bounded memory of what a store holds; the oldest goes first where there is no room.

    Safe to use from any thread. Mutable state: `_messages` and `_size`, changed under `_lock`.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._messages: dict[int, Recent] = {}
        self._size = 0

    def came(self, messages: Iterable[Recent]) -> None:
        """Messages are in the store by now."""
        with self._lock:
            for message in messages:
                size = _size_of(message)
                if size <= LARGEST + _HEADER:
                    self._messages[message.sequence] = message
                    self._size += size
            while self._size > self._limit:
                self._size -= _size_of(self._messages.pop(next(iter(self._messages))))

    def left(self, sequences: Iterable[int]) -> None:
        """Messages are, or may be, in the store no longer; or are there in another form."""
        with self._lock:
            for sequence in sequences:
                message = self._messages.pop(sequence, None)
                if message is not None:
                    self._size -= _size_of(message)

    def get(self, sequence: int) -> Recent | None:
        """One of them, if it is kept."""
        return self._messages.get(sequence)

    def __len__(self) -> int:
        return len(self._messages)


def _size_of(message: Recent) -> int:
    return len(message.bare if isinstance(message, Unread) else message.content.data) + _HEADER
