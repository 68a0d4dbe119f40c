"""A link on which a client receives: as many wishes at the queue as it has given credit for, and what becomes of each.

==================  ==========================================================================
the client says     what happens
==================  ==========================================================================
accepted            the message is removed; then its delivery is settled
released            it goes back to its place, as if it had never been out
modified, failed    a failed delivery: again, up to the limit, then the exception destination
rejected            to the exception destination at once
nothing, and goes   back to its place
==================  ==========================================================================
"""

from __future__ import annotations

from typing import Any, Final, final

from connector.errors import ConnectorError, MessagingError, Reason
from connector_bus.chains.bus_side import BusSide
from connector_bus.chains.message_codec import encoded
from connector_bus.engine.destination import Destination
from connector_bus.engine.queue_state import Entry

FAILED_BY_CLIENT = Reason(
    "CF-BUS-155",
    "the client that received the message {how} it",
    "Look into the client; the message is delivered again, or stands in the exception destination.",
)

#: How many messages are out at a client at once, whatever credit it gives: it may never read them.
WINDOW: Final = 1000


@final
class ConsumerLink:
    """One receiving link of a client on one queue. For the chain's loop only, but for what `_Wish` does.

    Args:
        link: The library's link, open.
        side: The bus.
        destination: Where from.
        presettled: Whether the client wants no acknowledgement: a message is removed before it is sent.
        temporary: The temporary queue that was made for it, or None.

    Mutable state: `_wishes`, `_out` (deliveries that are not settled), `_tags`, `_closed`.
    """

    def __init__(
        self, link: Any, side: BusSide, destination: Destination, *, presettled: bool, temporary: str | None = None
    ) -> None:
        self._link = link
        self._side = side
        self._destination = destination
        self._queue = destination.queue
        self._presettled = presettled
        self.temporary = temporary
        self._wishes: set[_Wish] = set()
        self._out: dict[str, tuple[Entry, Any]] = {}
        self._tags = 0
        self._closed = False

    def start(self) -> None:
        """Nothing is sent before the client gives credit."""

    def on_flow(self) -> None:
        """The client has given credit, taken it back, or wants what there is and no more (drain)."""
        wanted = max(0, min(self._link.credit, WINDOW - len(self._out)))
        while len(self._wishes) > wanted:
            if not self._withdraw(next(iter(self._wishes))):
                break
        while len(self._wishes) < wanted and not self._closed:
            wish = _Wish(self)
            self._wishes.add(wish)
            try:
                self._queue.want(wish)
            except MessagingError:  # the queue has closed: there is nothing to receive any more
                self._wishes.discard(wish)
                break
        if self._link.drain_mode:
            # What was there has been taken by the wishes already, and comes through the inbox before this call.
            self._side.call_soon(self._drained)

    def on_delivery(self, delivery: Any) -> None:
        """The client has said something of a message."""
        if not delivery.updated:
            return
        held = self._out.pop(delivery.tag, None)
        if held is None:
            delivery.settle()
            return
        entry, _ = held
        state = delivery.remote_state
        if state == delivery.ACCEPTED:
            self._side.commit((), ((self._queue, entry),), lambda _error: self._settle(delivery))
        else:
            if state == delivery.REJECTED:
                self._fail(entry, "rejected", permanent=True)
            elif state == delivery.MODIFIED and (delivery.remote.failed or delivery.remote.undeliverable):
                self._fail(entry, "could not process", permanent=False)
            else:
                self._queue.release(entry)
            delivery.settle()
        self.on_flow()

    def close(self) -> None:
        """The link is gone: what is not settled goes back to its place."""
        self._closed = True
        for wish in list(self._wishes):
            self._withdraw(wish)
        out, self._out = self._out, {}
        for entry, _ in out.values():
            self._queue.release(entry)

    def _withdraw(self, wish: _Wish) -> bool:
        """False if it has been served: its message is on its way through the inbox."""
        withdrawn = self._queue.withdraw(wish)
        if withdrawn:
            self._wishes.discard(wish)
        return withdrawn

    def _taken(self, wish: _Wish, entry: Entry) -> None:
        """On the loop: a wish has been served."""
        self._wishes.discard(wish)
        if self._closed or self._link.credit <= 0:
            self._queue.release(entry)
            return
        try:
            stored = self._side.bus.engine.fetch(self._queue.name, entry)
            data = encoded(stored, entry.attempts, self._side.now())
        except ConnectorError as error:
            self._side.failed(self._queue, entry, error, permanent=True)
            return
        if not self._presettled:
            self._send(data, entry)
            return

        def removed(error: BaseException | None) -> None:
            if error is not None:
                self._queue.release(entry)
            elif not self._closed:
                self._send(data, None)

        self._side.commit((), ((self._queue, entry),), removed)

    def _send(self, data: bytes, entry: Entry | None) -> None:
        self._tags += 1
        tag = str(self._tags)
        delivery = self._link.delivery(tag)
        self._link.stream(data)
        self._link.advance()
        if entry is None:
            delivery.settle()
        else:
            self._out[tag] = (entry, delivery)

    def _fail(self, entry: Entry, how: str, *, permanent: bool) -> None:
        error = MessagingError(FAILED_BY_CLIENT, how=how)
        self._side.failed(self._queue, entry, error, permanent=permanent)

    def _settle(self, delivery: Any) -> None:
        if not self._closed:
            delivery.settle()

    def _drained(self) -> None:
        if self._closed:
            return
        for wish in list(self._wishes):
            self._withdraw(wish)
        if self._wishes:  # served at this very moment: they are in the inbox behind us
            self._side.call_soon(self._drained)
            return
        self._link.drained()


@final
class _Wish:
    """One wish of a consumer at its queue; served from any thread."""

    __slots__ = ("_consumer",)

    def __init__(self, consumer: ConsumerLink) -> None:
        self._consumer = consumer

    def take(self, entry: Entry) -> None:
        """Here is one: on the loop it goes to the client."""
        consumer = self._consumer
        consumer._side.call_soon(lambda: consumer._taken(self, entry))
