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
from collections.abc import Iterable
from typing import Any, Final, final

from connector.errors import ConnectorError, MessagingError, Reason
from connector_bus.chains.bus_side import HIGH_WATER, BusSide
from connector_bus.chains.conditions import Refusal, refusal_of
from connector_bus.chains.extensions import ACCEPTED, TRANSACTIONAL, Outcome, transactional_of
from connector_bus.chains.lean import LeanDelivery, load_lean
from connector_bus.chains.message_codec import encoded, encoded_unread
from connector_bus.chains.units import Units, carry_out
from connector_bus.chains.unwanted import Unwanted
from connector_bus.engine.delivery_unit import Receipt
from connector_bus.engine.destination import Destination
from connector_bus.engine.queue_state import Entry
from connector_bus.engine.subscription import OpenSubscription
from connector_bus.policy.roles import Role
from connector_bus.selector.selector import Selector
from connector_bus.store.amqp_content import load_proton

FAILED_BY_CLIENT = Reason(
    "CF-BUS-155",
    "the client that received the message {how} it",
    "Look into the client; the message is delivered again, or stands in the exception destination.",
)

#: How large messages are taken to be until some have gone out, in bytes.
_FIRST_SIZE: Final = 1024
#: Wishes of one link at once: each takes memory, as long as nothing comes as well; what is served is wished for anew.
_WISHES: Final = 100


@final
class ConsumerLink:
    """One receiving link of a client on one queue. For the chain's loop only, but for what `_Wish` does.

    Args:
        link: The library's link, open.
        side: The bus.
        units: The connection's transactions.
        destination: Where from.
        presettled: Whether the client wants no acknowledgement: a message is removed before it is sent.
        selector: Which messages; None for all.
        temporary: The temporary queue that was made for it, or None.
        subscription: What it is open on, or None for a queue.

    Mutable state: `_wishes`, `_out` (deliveries that are not settled), `_in_units` (those whose outcome waits for a
    transaction), `_tags`, `_size` (of its messages, on the average), `_credit` as far as it is not used up, `_ready`,
    `_stopped`, `_closed`; `_selector` and `_unwanted`, where the client has said what it doesn't want again; `_served`,
    wishes to be used again; `_accepted` with their deliveries, `_answered`, and `_arrived`, what the loop's next turn
    is for, and `_turning`, whether it was asked for. What arrives is put in from any thread, before it is looked
    whether a turn was asked for.
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
        self._units = units
        self._name = destination.name
        self._queue = destination.queue
        self._presettled = presettled
        self._selector = selector
        self._unwanted: Unwanted | None = None
        self.temporary = temporary
        self._subscription = subscription
        self._wishes: set[_Wish] = set()
        self._lean = load_lean()
        self._impl = link._impl
        self._updated, self._state = self._lean.lib.pn_delivery_updated, self._lean.lib.pn_delivery_remote_state
        self._end = self._lean.lib.pn_delivery_settle
        # By the library's pointer to the delivery, which is good as long as the delivery is not settled here.
        self._out: dict[Any, Entry] = {}
        self._in_units: dict[Any, _Claim] = {}
        self._credit = 0
        self._accepted: list[Entry] = []
        self._answered: list[Any] = []
        self._arrived: deque[_Wish] = deque()
        self._served: list[_Wish] = []
        self._turning = False
        self._tags = 0
        self._size = _FIRST_SIZE
        self._ready = selector is None
        self._stopped = False
        self._closed = False

    def start(self) -> None:
        """Nothing is sent before the client gives credit; for a selector the queue has to know its headers first."""
        if self._subscription is not None:
            self._subscription.on_lost(lambda error: self._side.call_soon(lambda: self._lost(error)))
        if not self._ready:
            self._side.apart(self._queue.know_headers, self._know)

    def _lost(self, error: ConnectorError) -> None:
        if not self._closed:
            self._side.refuse(self.link, refusal_of(error))

    def _know(self, _: Any, error: BaseException | None) -> None:
        if self._closed:
            return
        if error is not None:
            self._side.refuse(self.link, refusal_of(error))
            return
        self._ready = True
        self.on_flow()

    def on_flow(self) -> None:
        """The client has given credit, taken it back, or wants what there is and no more (drain)."""
        if not self._ready or self._closed:
            return
        self._fill()
        if self.link.drain_mode:
            if self._queue.is_shared:
                self._side.apart(self._queue.feed, lambda _result, _error: self._drained())
            else:
                # What was there has been taken by the wishes, and comes through the inbox before this call.
                self._side.call_soon(self._drained)

    def _fill(self) -> None:
        out = len(self._out) + len(self._in_units)
        room = 0 if self._side.congested else max(1, HIGH_WATER // self._size)
        self._credit = self.link.credit
        wanted = max(0, min(self._credit, self._side.chain.max_in_flight - out, room, _WISHES))
        wanted = 0 if self._stopped else wanted
        while len(self._wishes) > wanted:
            if not self._withdraw(next(iter(self._wishes))):
                break
        missing = wanted - len(self._wishes)
        if missing <= 0:
            return
        wishes, self._served = self._served[:missing], self._served[missing:]
        wishes += [_Wish(self) for _ in range(missing - len(wishes))]
        self._wishes.update(wishes)
        try:
            self._queue.want_all(wishes, selector=self._selector)
        except MessagingError:  # the queue has closed: there is nothing to receive any more
            self._wishes.difference_update(wishes)

    def _have_turn(self) -> None:
        """From any thread: something is to be done in the loop's next turn."""
        if not self._turning:
            self._turning = True
            self._side.call_soon(self._turn)

    def _turn(self) -> None:
        """What has gathered since the last one: what was accepted is removed, what arrived is sent, more is wished."""
        self._turning = False
        self._remove_accepted()
        if self._arrived:
            self._send_arrived()
        if self._ready and not self._closed:
            self._fill()

    def _send_arrived(self) -> None:
        arrived, side, out = self._arrived, self._side, self._out
        engine, now = side.bus.engine, side.now
        served, wishes = self._served, self._wishes
        for _ in range(len(arrived)):
            wish = arrived.popleft()
            entry = wish.entry
            del wish.entry  # the wish is used again
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

        self._side.commit((), ((self._queue, entry),), removed)

    def _remove_accepted(self) -> None:
        """Remove what was accepted since the last turn: what lives in memory at once, the rest as one unit."""
        if not self._accepted:
            return
        accepted, self._accepted = self._accepted, []
        answered, self._answered = self._answered, []
        if self._side.bus.engine.has_limits:
            for entry, delivery in zip(accepted, answered, strict=True):
                self._remove_kept(entry, delivery)
            return
        kept = [place for place, entry in enumerate(accepted) if not entry.in_memory]
        if kept:
            self._remove_all_kept([accepted[place] for place in kept], [answered[place] for place in kept])
            if len(kept) == len(accepted):
                return
            here = [place for place, entry in enumerate(accepted) if entry.in_memory]
            accepted, answered = [accepted[place] for place in here], [answered[place] for place in here]
        self._queue.remove_all(accepted)
        self._settle(answered)

    def _remove_all_kept(self, kept: list[Entry], answered: list[Any]) -> None:
        if self._queue.is_shared:
            for entry, delivery in zip(kept, answered, strict=True):
                self._remove_kept(entry, delivery)
            return

        def removed(error: BaseException | None) -> None:
            if error is None or len(kept) == 1:
                self._settle(answered)
                return
            for entry, delivery in zip(kept, answered, strict=True):  # each fails for its own reasons only
                self._remove_kept(entry, delivery)

        self._side.remove(self._queue, kept, removed)

    def _remove_kept(self, entry: Entry, delivery: Any) -> None:
        self._side.commit((), ((self._queue, entry),), lambda _error: self._settle((delivery,)))

    def on_delivery(self, delivery: Any) -> None:
        """The client has said something of a message; the delivery is the library's pointer."""
        if self._state(delivery) == ACCEPTED and (entry := self._out.pop(delivery, None)) is not None:
            self._accepted.append(entry)
            self._answered.append(delivery)
            if not self._turning:
                self._have_turn()
        elif self._updated(delivery):
            self._said(self.link.wrapped(delivery), delivery)

    def _said(self, delivery: LeanDelivery, impl: Any) -> None:
        """Anything but that a message which is out has been accepted."""
        state = delivery.remote_state
        if state == TRANSACTIONAL:
            self._transacted(delivery, impl)
            return
        entry = self._out.pop(impl, None)
        if entry is None:
            claim = self._in_units.get(impl)
            if claim is not None and delivery.settled:
                claim.settled = True
            return  # what was answered before is settled once that is carried out, and only once
        remote = delivery.remote
        outcome = Outcome(int(state), bool(remote.failed), bool(remote.undeliverable))
        self._become(outcome, entry)
        delivery.settle()
        if not self._turning:
            self._have_turn()

    def _become(self, outcome: Outcome, entry: Entry) -> None:
        """Have become of a message what the client says, unless it has accepted it."""
        if outcome.elsewhere and not self._closed:
            self._leave_out(entry)
        carry_out(outcome, self._side, (self._queue, entry), _failure)

    def _leave_out(self, entry: Entry) -> None:
        """Wait for anything but this message from now on. No wish is open when it goes back to its place."""
        try:
            header = self._side.bus.engine.fetch(self._queue.name, entry).header
        except ConnectorError:  # it is gone
            return
        self._unwanted = self._unwanted or Unwanted(self._selector)
        first, self._selector = self._selector is None, self._unwanted.without(header)
        for wish in list(self._wishes):
            self._withdraw(wish)
        if first:
            self._ready = False
            self._side.apart(self._queue.know_headers, self._know)

    def _transacted(self, delivery: LeanDelivery, impl: Any) -> None:
        state = transactional_of(delivery.remote.data)
        claim = self._in_units.get(impl)
        if claim is not None:
            claim.settled = claim.settled or delivery.settled
            return
        entry = self._out.pop(impl, None)
        unit = None if state is None else self._units.get(state.unit)
        if entry is None:
            return
        if state is None or unit is None:
            self._out[impl] = entry
            refusal = self._units.unknown(b"" if state is None else state.unit)
            self._side.refuse(self.link, refusal)
        else:
            claim = _Claim(self, entry, delivery, state.outcome)
            self._in_units[impl] = claim
            unit.claim(claim)

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
        self._closed = True
        self._remove_accepted()
        for wish in list(self._wishes):
            self._withdraw(wish)
        out, self._out = self._out, {}
        for entry in out.values():
            self._queue.release(entry)
        subscription = self._subscription
        if subscription is not None:
            record = subscription.subscription.record
            self._side.unsubscribe(subscription, record.name if for_good and record.durable else None)

    def _withdraw(self, wish: _Wish) -> bool:
        """False if it has been served: its message is on its way through the inbox."""
        withdrawn = self._queue.withdraw(wish)
        if withdrawn:
            self._wishes.discard(wish)
        return withdrawn

    def _send(self, data: bytes) -> Any:
        size = len(data)
        self._credit -= 1
        self._tags += 1
        self._size = (7 * self._size + size) // 8 + 1
        self._side.outgoing += size
        return self._lean.send(self._impl, b"%d" % self._tags, data)

    def _settle(self, deliveries: Iterable[Any]) -> None:
        if not self._closed:
            end = self._end
            for delivery in deliveries:
                end(delivery)

    def _drained(self) -> None:
        if self._closed or not self.link.drain_mode or self._side.congested:
            return  # with room again, `on_flow` comes once more
        served = not self._wishes
        for wish in list(self._wishes):
            self._withdraw(wish)
        if self._wishes:  # served at this very moment: they are in the inbox behind us
            self._side.call_soon(self._drained)
            return
        if served:  # there may be more
            self._fill()
            if self._wishes:
                self._side.call_soon(self._drained)
                return
        self.link.drained()
        self._credit = 0


@final
class _Wish:
    """One wish of a consumer at its queue; served from any thread."""

    __slots__ = ("_consumer", "entry")

    entry: Entry

    def __init__(self, consumer: ConsumerLink) -> None:
        self._consumer = consumer

    def take(self, entry: Entry) -> None:
        """Here is one: on the loop it goes to the client."""
        consumer = self._consumer
        self.entry = entry
        consumer._arrived.append(self)
        if not consumer._turning:
            consumer._have_turn()


@final
class _Claim:
    """A delivery whose outcome waits for a transaction; outlives its link.

    Mutable state: `settled`, whether the client has.
    """

    __slots__ = ("_consumer", "_delivery", "_entry", "outcome", "settled")

    def __init__(self, consumer: ConsumerLink, entry: Entry, delivery: Any, outcome: Outcome) -> None:
        self._consumer = consumer
        self._entry = entry
        self._delivery = delivery
        self.outcome = outcome
        self.settled = bool(delivery.settled)

    @property
    def receipt(self) -> Receipt:
        """Which message it is, and of which queue."""
        return self._consumer._queue, self._entry

    def recheck(self) -> None:
        """Raise AccessDenied where the user may not receive it any more."""
        if self._consumer.temporary is None:
            self._consumer.recheck()

    def committed(self) -> None:
        """It has become what the client said."""
        consumer = self._forgotten()
        if self.outcome.code != ACCEPTED:
            consumer._become(self.outcome, self._entry)
        if not consumer._closed:
            self._delivery.update(self.outcome.code or ACCEPTED)
            self._delivery.settle()
            consumer._fill()

    def undone(self, error: ConnectorError | None) -> None:
        """Where the client still has it, it may say again what is to become of it; else it goes back, or has failed."""
        consumer = self._forgotten()
        if not self.settled and not consumer._closed:
            consumer._out[self._delivery._impl] = self._entry
            return
        if error is None:
            consumer._queue.release(self._entry)
        else:
            consumer._side.failed(consumer._queue, self._entry, error, permanent=False)
        if not consumer._closed:
            self._delivery.settle()
            consumer._fill()

    def _forgotten(self) -> ConsumerLink:
        self._consumer._in_units.pop(self._delivery._impl, None)
        return self._consumer


def _failure(how: str) -> ConnectorError:
    return MessagingError(FAILED_BY_CLIENT, how=how)


def reject(delivery: Any, refusal: Refusal) -> None:
    """Refuse one message of a client, and say why."""
    delivery.local.condition = load_proton().Condition(refusal.condition, refusal.description)
    delivery.update(delivery.REJECTED)
    delivery.settle()
