"""A link on which a client receives: as many wishes at the queue as it has given credit for, and what becomes of each.

==================  ==========================================================================
the client says     what happens
==================  ==========================================================================
accepted            the message is removed; then its delivery is settled
released            it goes back to its place, as if it had never been out
modified, failed    a failed delivery: again, up to the limit, then the exception destination
modified, not here  it goes back, or has failed where that is said as well; not to this link again
rejected            to the exception destination at once
nothing, and goes   back to its place
any, in a unit      the same, when the transaction commits
==================  ==========================================================================

A client that doesn't read, or not fast enough, gets no more than its connection holds: what is handed to it then goes
back to its place at once, and is wished for again when there is room.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final, final

from connector.errors import ConnectorError, MessagingError, Reason
from connector_bus.chains.accepted import Accepted
from connector_bus.chains.bus_side import HIGH_WATER, BusSide
from connector_bus.chains.claims import Claims
from connector_bus.chains.conditions import Refusal, refusal_of
from connector_bus.chains.extensions import ACCEPTED, TRANSACTIONAL, Outcome
from connector_bus.chains.lean import LeanDelivery, load_lean
from connector_bus.chains.message_codec import encoded, encoded_unread
from connector_bus.chains.selection import Selection
from connector_bus.chains.units import Units, carry_out
from connector_bus.chains.wish import Wish
from connector_bus.chains.wishes import MANY_WISHES, Wishes
from connector_bus.engine.delivery_unit import Receipt
from connector_bus.engine.destination import Destination
from connector_bus.engine.queue_state import Entry
from connector_bus.engine.subscription import OpenSubscription
from connector_bus.policy.roles import Role
from connector_bus.selector.selector import Selector

FAILED_BY_CLIENT = Reason(
    "CF-BUS-155",
    "the client that received the message {how} it",
    "Look into the client; the message is delivered again, or stands in the exception destination.",
)

#: How large messages are taken to be until some have gone out, in bytes.
_FIRST_SIZE: Final = 1024


@final
class ConsumerLink:
    """One receiving link of a client on one queue. For the chain's loop only, but for what a `Wish` does.

    Args:
        link: The library's link, open.
        side: The bus.
        units: The connection's transactions.
        destination: Where from.
        presettled: Whether the client wants no acknowledgement: a message is removed before it is sent.
        selector: Which messages; None for all.
        temporary: The temporary queue that was made for it, or None.
        subscription: What it is open on, or None for a queue.

    Mutable state: `_wishes`, `_out` (deliveries that are not settled), `_claims` (those whose outcome waits for a
    transaction), `_tags`, `_size` (of its messages, on the average), `_credit` as far as it is not used up,
    `_selection`, `_stopped`, `_closed`; `_accepted` and `_arrived`, what the loop's next turn is for, and `_turning`,
    whether it was asked for. What arrives is put in from any thread, before it is looked whether a turn was asked for.
    """

    def __init__(
        self,
        link: Any,
        side: BusSide,
        units: Units,
        destination: Destination,
        *,
        presettled: bool,
        selector: Selector | None = None,
        temporary: str | None = None,
        subscription: OpenSubscription | None = None,
    ) -> None:
        self.link = link
        self._side = side
        self._name = destination.name
        self._queue = destination.queue
        self._presettled = presettled
        self._selection = Selection(side, destination.queue, selector, self._know)
        self.temporary = temporary
        self._subscription = subscription
        self._wishes = Wishes(destination.queue, self._has_arrived)
        self._lean = load_lean()
        self._impl = link._impl
        self._updated, self._state = self._lean.lib.pn_delivery_updated, self._lean.lib.pn_delivery_remote_state
        self._end = self._lean.lib.pn_delivery_settle
        # By the library's pointer to the delivery, which is good as long as the delivery is not settled here.
        self._out: dict[Any, Entry] = {}
        self._claims = Claims(self, units)
        self._credit = 0
        self._accepted = Accepted(side, destination.queue)
        self._arrived: deque[Wish] = deque()
        self._turning = False
        self._tags = 0
        self._size = _FIRST_SIZE
        self._stopped = False
        self._closed = False

    def start(self) -> None:
        """Nothing is sent before the client gives credit; for a selector the queue has to know its headers first."""
        if self._subscription is not None:
            self._subscription.on_lost(lambda error: self._side.call_soon(lambda: self._lost(error)))
        self._selection.begin()

    def _lost(self, error: ConnectorError) -> None:
        if not self._closed:
            self._side.refuse(self.link, refusal_of(error))

    def _know(self, error: BaseException | None) -> None:
        """It is known which messages the link takes, or it can't be."""
        if self._closed:
            return
        if error is not None:
            self._side.refuse(self.link, refusal_of(error))
            return
        self.on_flow()

    def on_flow(self) -> None:
        """The client has given credit, taken it back, or wants what there is and no more (drain)."""
        if not self._selection.ready or self._closed:
            return
        self._fill()
        if self.link.drain_mode:
            if self._queue.is_shared:
                self._side.apart(self._queue.feed, lambda _result, _error: self._drained())
            else:
                # What was there has been taken by the wishes, and comes through the inbox before this call.
                self._side.call_soon(self._drained)

    def _fill(self) -> None:
        out = len(self._out) + len(self._claims)
        room = 0 if self._side.congested else max(1, HIGH_WATER // self._size)
        self._credit = self.link.credit
        wanted = max(0, min(self._credit, self._side.chain.max_in_flight - out, room, self._wishes.pace))
        wanted = 0 if self._stopped else wanted
        self._wishes.fit(wanted, self._selection.selector)

    def _has_arrived(self, wish: Wish) -> None:
        """From any thread: a wish has been served."""
        self._arrived.append(wish)
        if not self._turning:
            self._have_turn()

    def _have_turn(self) -> None:
        """From any thread: something is to be done in the loop's next turn."""
        if not self._turning:
            self._turning = True
            self._side.call_soon(self._turn)

    def _turn(self) -> None:
        """What has gathered since the last one: what was accepted is removed, what arrived is sent, more is wished."""
        self._turning = False
        self._accepted.remove()
        if self._arrived:
            self._send_arrived()
            if not self._wishes.open and self._wishes.pace < MANY_WISHES:
                self._wishes.all_were_served()
        if self._selection.ready and not self._closed:
            self._fill()

    def _send_arrived(self) -> None:
        arrived, side, out = self._arrived, self._side, self._out
        engine, now = side.bus.engine, side.now
        served, wishes = self._wishes.served, self._wishes.open
        for _ in range(len(arrived)):
            wish = arrived.popleft()
            entry = wish.take_out()
            wishes.discard(wish)
            served.append(wish)
            if self._closed or self._stopped or self._credit <= 0 or side.outgoing > HIGH_WATER:
                self._queue.release(entry)
                continue
            try:
                unread = entry.unread or engine.as_it_came(entry)
                if unread is not None:
                    data = encoded_unread(unread, entry.attempts, now)
                else:
                    data = encoded(engine.fetch(self._queue.name, entry), entry.attempts, now())
            except ConnectorError as error:
                side.failed(self._queue, entry, error, permanent=True)
                continue
            if self._presettled:
                self._send_removed(data, entry)
            else:
                out[self._send(data)] = entry

    def _send_removed(self, data: bytes, entry: Entry) -> None:
        """Send a message that nobody acknowledges, once it is removed."""

        def removed(error: BaseException | None) -> None:
            if error is not None:
                self._queue.release(entry)
            elif not self._closed:
                self._end(self._send(data))
                self._have_turn()

        self._side.writing.commit((), ((self._queue, entry),), removed)

    def on_delivery(self, delivery: Any) -> None:
        """The client has said something of a message; the delivery is the library's pointer."""
        if self._state(delivery) == ACCEPTED and (entry := self._out.pop(delivery, None)) is not None:
            self._accepted.entries.append(entry)
            self._accepted.deliveries.append(delivery)
            if not self._turning:
                self._have_turn()
        elif self._updated(delivery):
            self._said(self.link.wrapped(delivery))

    def _said(self, delivery: LeanDelivery) -> None:
        """Anything but that a message which is out has been accepted."""
        state = delivery.remote_state
        if state == TRANSACTIONAL:
            self._claims.claim(delivery)
            return
        entry = self.take_out(delivery._impl)
        if entry is None:  # what was answered before is settled once that is carried out, and only once
            self._claims.settled(delivery)
            return
        remote = delivery.remote
        outcome = Outcome(int(state), bool(remote.failed), bool(remote.undeliverable))
        self.become(outcome, entry)
        delivery.settle()
        if not self._turning:
            self._have_turn()

    @property
    def is_closed(self) -> bool:
        """Whether the link is gone."""
        return self._closed

    def receipt(self, entry: Entry) -> Receipt:
        """A message, and of which queue."""
        return self._queue, entry

    def take_out(self, delivery: Any) -> Entry | None:
        """The message of a delivery that is out, which is so no more; None where it isn't. By the library's pointer."""
        return self._out.pop(delivery, None)

    def put_out(self, delivery: Any, entry: Entry) -> None:
        """A delivery is out again: the client may say what is to become of it."""
        self._out[delivery] = entry

    def give_back(self, entry: Entry, error: ConnectorError | None) -> None:
        """A message goes back to its place; with an error, its delivery has failed."""
        if error is None:
            self._queue.release(entry)
        else:
            self._side.failed(self._queue, entry, error, permanent=False)

    def refuse(self, refusal: Refusal) -> None:
        """End the link, and say why."""
        self._side.refuse(self.link, refusal)

    def go_on(self) -> None:
        """There is room for more."""
        self._fill()

    def become(self, outcome: Outcome, entry: Entry) -> None:
        """Have become of a message what the client says, unless it has accepted it."""
        if outcome.elsewhere and not self._closed:
            self._leave_out(entry)
        carry_out(outcome, self._side, (self._queue, entry), _failure)

    def _leave_out(self, entry: Entry) -> None:
        """Wait for anything but this message from now on. No wish is open when it goes back to its place."""
        if self._selection.leave_out(entry):
            self._wishes.withdraw_all()

    def recheck(self) -> None:
        """Raise AccessDenied where the user may not receive from here any more, NameNotFound where it is gone."""
        if self._subscription is None:  # else the engine watches, and tells by `lost`
            self._side.consumable(self._name, Role.RECEIVER)

    def stop(self) -> None:
        """Send nothing any more; what is out may still be settled."""
        self._stopped = True
        self._fill()

    @property
    def in_flight(self) -> int:
        """How many deliveries are not settled."""
        return len(self._out)

    def close(self, *, for_good: bool = False) -> None:
        """The link is gone: what is not settled goes back to its place; what is in a transaction stays there."""
        self._closed = self._accepted.closed = True
        self._accepted.remove()
        self._wishes.withdraw_all()
        out, self._out = self._out, {}
        for entry in out.values():
            self._queue.release(entry)
        subscription = self._subscription
        if subscription is not None:
            record = subscription.subscription.record
            self._side.unsubscribe(subscription, record.name if for_good and record.durable else None)

    def _send(self, data: bytes) -> Any:
        size = len(data)
        self._credit -= 1
        self._tags += 1
        self._size = (7 * self._size + size) // 8 + 1
        self._side.outgoing += size
        return self._lean.send(self._impl, b"%d" % self._tags, data)

    def _drained(self) -> None:
        if self._closed or not self.link.drain_mode or self._side.congested:
            return  # with room again, `on_flow` comes once more
        served = not self._wishes.open
        self._wishes.withdraw_all()
        if self._wishes.open:  # served at this very moment: they are in the inbox behind us
            self._side.call_soon(self._drained)
            return
        if served:  # there may be more
            self._fill()
            if self._wishes.open:
                self._side.call_soon(self._drained)
                return
        self.link.drained()
        self._credit = 0


def _failure(how: str) -> ConnectorError:
    return MessagingError(FAILED_BY_CLIENT, how=how)
