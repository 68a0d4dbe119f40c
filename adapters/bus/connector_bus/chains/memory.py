"""How much of clients' messages one chain holds in memory beside what is stored: nobody fills it for all (CHAIN-1)."""

from __future__ import annotations

from typing import final


@final
class Memory:
    """Bytes of messages that come in and are not stored yet, over all clients of a chain. For the chain's loop only.

    Args:
        limit: How many there may be.

    Mutable state: `used`.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0

    def take(self, size: int) -> bool:
        """Take so many bytes; False, and none of them, where that is too much."""
        if self.used + size > self.limit:
            return False
        self.used += size
        return True

    def give_back(self, size: int) -> None:
        """So many are free again."""
        self.used -= size

    def __repr__(self) -> str:
        return f"<Memory, {self.used} of {self.limit} bytes>"
