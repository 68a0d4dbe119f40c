"""A link on which a client looks at what is on a queue, without taking any of it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from typing import Any, Final, final

from connector.errors import ConnectorError
from connector_bus.chains.bus_side import BusSide
from connector_bus.chains.message_codec import encoded
from connector_bus.engine.destination import Destination
from connector_bus.engine.queue_state import Entry
from connector_bus.policy.roles import Role
from connector_bus.selector.selector import Selector

#: How many messages are read at once, so that others get their turn on the loop.
PORTION: Final = 50


@final
class BrowserLink:
    """One browsing link: what is there when it begins, in order, as the client gives credit. For the loop only.

    Args:
        link: The library's link, open.
        side: The bus.
        destination: What to look at.
        selector: Which of the messages; None for all.

    Mutable state: `_left`, the entries not looked at yet; `_tags`, `_closed`.
    """

    temporary: str | None = None
    in_flight = 0

    def __init__(self, link: Any, side: BusSide, destination: Destination, selector: Selector | None = None) -> None:
        self.link = link
        self._side = side
        self._name = destination.name
        self._selector = selector
        self._left: Iterator[Entry] = iter(destination.queue.entries())
        self._tags = 0
        self._closed = False

    def start(self) -> None:
        """Nothing is sent before the client gives credit."""

    def on_flow(self) -> None:
        """Send what there is credit for, a portion at a time; to a client that drains, say when that was all."""
        if self._closed or self._side.congested:
            return  # with room again, this is called once more
        portion = list(islice(self._left, min(self.link.credit, PORTION)))
        for place, entry in enumerate(portion):
            if self._side.congested:  # for later
                self._left = chain(portion[place:], self._left)
                return
            self._show(entry)
        if portion and self.link.credit > 0:
            self._side.call_soon(self.on_flow)
        elif not portion and self.link.drain_mode:
            self.link.drained()

    def on_delivery(self, delivery: Any) -> None:
        """What a client says of a message that it only looked at changes nothing."""
        self.link.wrapped(delivery).settle()

    def recheck(self) -> None:
        """Raise AccessDenied where the user may not browse any more, NameNotFound where there is nothing."""
        self._side.consumable(self._name, Role.BROWSER)

    def stop(self) -> None:
        """Show nothing any more."""
        self._closed = True

    def close(self, *, for_good: bool = False) -> None:
        """The link is gone."""
        self._closed = True

    def _show(self, entry: Entry) -> None:
        try:
            stored = self._side.bus.engine.fetch(self._name, entry)
        except ConnectorError:  # taken meanwhile
            return
        expires = stored.header.expires_at
        if expires is not None and expires <= self._side.now():
            return
        if self._selector is not None and not self._selector.matches(stored.header):
            return
        self._tags += 1
        delivery = self.link.delivery(str(self._tags))
        data = encoded(stored, entry.attempts, self._side.now())
        self.link.stream(data)
        self._side.sent(len(data))
        self.link.advance()
        delivery.settle()
