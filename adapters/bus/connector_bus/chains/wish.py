"""What a receiving link waits with at its queue."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

from connector_bus.engine.queue_state import Entry


@final
class Wish:
    """One wish of a link; served from any thread, and then used again.

    Args:
        arrive: Told that it was served; safe from any thread.

    Attributes:
        entry: What it was served with; there until `take_out`.
    """

    __slots__ = ("_arrive", "entry")

    entry: Entry

    def __init__(self, arrive: Callable[[Wish], None]) -> None:
        self._arrive = arrive

    def take(self, entry: Entry) -> None:
        """Here is one: on the loop it goes to the client."""
        self.entry = entry
        self._arrive(self)

    def take_out(self) -> Entry:
        """What it was served with; it can be used again."""
        entry = self.entry
        del self.entry
        return entry
