"""What one engine counts beside its queues (BUS-11)."""

from __future__ import annotations

import threading
from typing import final


@final
class Counts:
    """What has left without being received. Safe to use from any thread; does not block.

    Attributes:
        discarded_replies: How many replies came too late.
        expired: How many messages were past their time.
        dropped: How many best-effort messages were dropped.

    Mutable state: the attributes, changed under `_lock`.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.discarded_replies = 0
        self.expired = 0
        self.dropped = 0

    def discard(self, replies: int) -> None:
        """Count replies that came too late."""
        with self._lock:
            self.discarded_replies += replies

    def expire(self, messages: int) -> None:
        """Count messages that were past their time."""
        with self._lock:
            self.expired += messages

    def drop(self, messages: int) -> None:
        """Count best-effort messages that were dropped."""
        with self._lock:
            self.dropped += messages
