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

from collections import deque
from typing import Any, Final, final

from connector.errors import ConnectorError, MessagingError, Reason
from connector_bus.chains.bus_side import BusSide
from connector_bus.chains.message_codec import encoded, encoded_unread
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

    Mutable state: `_wishes`, `_out` (deliveries that are not settled), `_credit` as far as it is not used up, `_tags`,
    `_closed`; `_accepted` and `_arrived`, what the loop's next turn is for, and `_turning`, whether it is asked for.
    What arrives is put in from any thread, before it is looked whether a turn is asked for.
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
        self._credit = 0
        self._accepted: list[tuple[Entry, Any]] = []
        self._arrived: deque[tuple[_Wish, Entry]] = deque()
        self._turning = False
        self._closed = False

    def start(self) -> None:
        """Nothing is sent before the client gives credit."""

    def on_flow(self) -> None:
        """The client has given credit, taken it back, or wants what there is and no more (drain)."""
        self._credit = self._link.credit
        self._fill()
        if self._link.drain_mode:
            # What was there has been taken by the wishes already, and comes through the inbox before this call.
            self._side.call_soon(self._drained)

    def _fill(self) -> None:
        """Have as many wishes at the queue as there is credit for, and room."""
        wanted = max(0, min(self._credit, WINDOW - len(self._out)))
        while len(self._wishes) > wanted:
            if not self._withdraw(next(iter(self._wishes))):
                break
        missing = wanted - len(self._wishes)
        if missing > 0 and not self._closed:
            wishes = [_Wish(self) for _ in range(missing)]
            self._wishes.update(wishes)
            try:
                self._queue.want_all(wishes)
            except MessagingError:  # the queue has closed: there is nothing to receive any more
                self._wishes.difference_update(wishes)

    def _turn(self) -> None:
        """What has gathered since the loop's last turn: what was accepted is removed, what arrived is sent."""
        self._turning = False
        accepted, self._accepted = self._accepted, []
        if accepted:
            self._queue.remove_all([entry for entry, _ in accepted])
            if not self._closed:
                for _, delivery in accepted:
                    delivery.settle()
        arrived = self._arrived
        for _ in range(len(arrived)):
            self._taken(*arrived.popleft())
        if not self._closed:
            self._fill()

    def _have_turn(self) -> None:
        """From any thread."""
        if not self._turning:
            self._turning = True
            self._side.call_soon(self._turn)

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
        if state == delivery.ACCEPTED and entry.in_memory and not self._side.bus.engine.has_limits:
            self._accepted.append((entry, delivery))
            self._have_turn()
            return
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
        self._have_turn()

    def close(self) -> None:
        """The link is gone: what is not settled goes back to its place."""
        self._closed = True
        if self._accepted:
            self._turn()
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
        if self._closed or self._credit <= 0:
            self._queue.release(entry)
            return
        try:
            if entry.unread is not None:
                data = encoded_unread(entry.unread, entry.attempts, self._side.now())
            else:
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
        self._credit -= 1
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
        self._credit = 0


@final
class _Wish:
    """One wish of a consumer at its queue; served from any thread."""

    __slots__ = ("_consumer",)

    def __init__(self, consumer: ConsumerLink) -> None:
        self._consumer = consumer

    def take(self, entry: Entry) -> None:
        """Here is one: on the loop it goes to the client."""
        consumer = self._consumer
        consumer._arrived.append((self, entry))
        consumer._have_turn()
