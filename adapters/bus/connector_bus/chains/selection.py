"""Which messages of its queue a receiving link takes: by its selector, and without what its client won't have again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

from connector.errors import ConnectorError
from connector_bus.chains.bus_side import BusSide
from connector_bus.chains.unwanted import Unwanted
from connector_bus.engine.message_queue import MessageQueue
from connector_bus.engine.queue_state import Entry
from connector_bus.selector.selector import Selector


@final
class Selection:
    """One link's. For the chain's loop only; a queue that doesn't know its headers yet reads them on another thread.

    Args:
        side: The bus.
        queue: Where from.
        selector: What the client has asked for; None for all.
        known: Called on the loop each time that the headers were read, with the reason where they can't be.

    Attributes:
        selector: What the link takes; None for all.
        ready: Whether the queue can tell: before that nothing is to be wished for.

    Mutable state: the attributes, and `_unwanted`, where the client has said what it doesn't want again.
    """

    __slots__ = ("_known", "_queue", "_side", "_unwanted", "ready", "selector")

    def __init__(
        self,
        side: BusSide,
        queue: MessageQueue,
        selector: Selector | None,
        known: Callable[[BaseException | None], None],
    ) -> None:
        self._side = side
        self._queue = queue
        self._known = known
        self._unwanted: Unwanted | None = None
        self.selector = selector
        self.ready = selector is None

    def begin(self) -> None:
        """For a selector the queue has to know its headers first."""
        if not self.ready:
            self._side.apart(self._queue.know_headers, self._read)

    def leave_out(self, entry: Entry) -> bool:
        """Take anything but this message from now on; False where it is gone, and there is nothing to leave out."""
        try:
            header = self._side.bus.engine.fetch(self._queue.name, entry).header
        except ConnectorError:
            return False
        self._unwanted = self._unwanted or Unwanted(self.selector)
        first, self.selector = self.selector is None, self._unwanted.without(header)
        if first:
            self.ready = False
            self.begin()
        return True

    def _read(self, _: Any, error: BaseException | None) -> None:
        if error is None:
            self.ready = True
        self._known(error)
