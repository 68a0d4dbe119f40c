"""What the client of a receiving link has accepted: its messages are removed, then its deliveries are settled."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any, final

from connector_bus.chains.bus_side import BusSide
from connector_bus.chains.lean import load_lean
from connector_bus.engine.message_queue import MessageQueue
from connector_bus.engine.queue_state import Entry


@final
class Accepted:
    """What gathers in one turn of the loop, of one link. For the chain's loop only.

    Args:
        side: The bus.
        queue: Where the messages are from.

    Attributes:
        entries: The messages; others add to it.
        deliveries: The library's pointers to their deliveries, in the same order.
        closed: Whether the link is gone: then the deliveries are.

    Mutable state: all of them.
    """

    __slots__ = ("_end", "_queue", "_side", "closed", "deliveries", "entries")

    def __init__(self, side: BusSide, queue: MessageQueue) -> None:
        self._side = side
        self._queue = queue
        self._end = load_lean().lib.pn_delivery_settle
        self.entries: list[Entry] = []
        self.deliveries: list[Any] = []
        self.closed = False

    def remove(self) -> None:
        """Remove them: what lives in memory at once, the rest as one unit."""
        if not self.entries:
            return
        entries, self.entries = self.entries, []
        deliveries, self.deliveries = self.deliveries, []
        if self._side.bus.engine.has_limits:  # where a place gets free it is said
            self._remove_each(entries, deliveries)
            return
        kept = [number for number, entry in enumerate(entries) if not entry.in_memory]
        if kept:
            self._remove_kept([entries[number] for number in kept], [deliveries[number] for number in kept])
            if len(kept) == len(entries):
                return
            others = [number for number, entry in enumerate(entries) if entry.in_memory]
            entries, deliveries = [entries[number] for number in others], [deliveries[number] for number in others]
        self._queue.remove_all(entries)
        self._settle(deliveries)

    def _remove_kept(self, entries: list[Entry], deliveries: list[Any]) -> None:
        if self._queue.is_shared:
            self._remove_each(entries, deliveries)
            return

        def removed(error: BaseException | None) -> None:
            if error is None or len(entries) == 1:
                self._settle(deliveries)
            else:  # each fails for its own reasons only
                self._remove_each(entries, deliveries)

        self._side.writing.remove(self._queue, entries, removed)

    def _remove_each(self, entries: list[Entry], deliveries: list[Any]) -> None:
        for entry, delivery in zip(entries, deliveries, strict=True):
            self._side.writing.commit((), ((self._queue, entry),), functools.partial(self._removed, delivery))

    def _removed(self, delivery: Any, _error: BaseException | None) -> None:
        self._settle((delivery,))

    def _settle(self, deliveries: Iterable[Any]) -> None:
        if not self.closed:
            end = self._end
            for delivery in deliveries:
                end(delivery)
