"""The wishes that a receiving link has open at its queue: as many as it can use, and not too many at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, final

from connector.errors import MessagingError
from connector_bus.chains.wish import Wish
from connector_bus.engine.message_queue import MessageQueue
from connector_bus.selector.selector import Selector

#: Wishes of one link at once: each takes memory, as long as nothing comes as well; what is served is wished for anew.
#: A link begins with a few, and has twice as many whenever all of them have been served within one turn.
FEW_WISHES: Final = 8
MANY_WISHES: Final = 100


@final
class Wishes:
    """One link's. For the chain's loop only.

    Args:
        queue: Where from.
        arrive: Told of each that was served, on any thread.

    Attributes:
        open: Those that are at the queue, or were served and have not been seen on the loop yet.
        served: Those that were served, to be used again.
        pace: How many there may be at once.

    Mutable state: the attributes.
    """

    __slots__ = ("_arrive", "_queue", "open", "pace", "served")

    def __init__(self, queue: MessageQueue, arrive: Callable[[Wish], None]) -> None:
        self._queue = queue
        self._arrive = arrive
        self.open: set[Wish] = set()
        self.served: list[Wish] = []
        self.pace = FEW_WISHES

    def fit(self, wanted: int, selector: Selector | None) -> None:
        """Have so many open; fewer where the queue has closed, more where they are being served at this very moment."""
        while len(self.open) > wanted:
            if not self.withdraw(next(iter(self.open))):
                break
        missing = wanted - len(self.open)
        if missing <= 0:
            return
        wishes, self.served = self.served[:missing], self.served[missing:]
        if missing > len(wishes):
            wishes += [Wish(self._arrive) for _ in range(missing - len(wishes))]
        self.open.update(wishes)
        try:
            self._queue.want_all(wishes, selector=selector)
        except MessagingError:  # the queue has closed: there is nothing to receive any more
            self.open.difference_update(wishes)

    def all_were_served(self) -> None:
        """Within one turn: there may be more at once from now on."""
        self.pace = min(self.pace * 2, MANY_WISHES)

    def withdraw(self, wish: Wish) -> bool:
        """False if it has been served: its message is on its way through the inbox."""
        withdrawn = self._queue.withdraw(wish)
        if withdrawn:
            self.open.discard(wish)
        return withdrawn

    def withdraw_all(self) -> None:
        """Have none open, but for those that have been served."""
        for wish in list(self.open):
            self.withdraw(wish)
