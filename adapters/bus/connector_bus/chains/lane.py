"""The short way of messages that are only handed on: from a client's link to a queue, over the disk or not (CHAIN-6).

Theory of operation
-------------------
A `Lane` stands before a `ProducerLink` and takes what is easy: a message that came whole, outside any transaction, that
`quick_read` can read, for a destination that takes messages unread. Anything else it leaves to the link, untouched.
What comes during one turn of the loop is collected: the rights of the user, the destination and the clock are looked at
once for all of it, the queue's lock is taken once. What need not survive is accepted then. What has to goes to the disk
as one unit, each message as the row that its few fields make; it is shown and accepted once it is there.

Order is kept: what goes the long way lets what was collected before it go first, and all that comes goes the long way
as long as something is under way there.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, final

from connector.errors import AccessDenied, ConnectorError
from connector_bus.chains.conditions import refusal_of
from connector_bus.chains.lean import LeanDelivery, load_lean
from connector_bus.chains.message_codec import Place, decoded, quick_row, quick_sender
from connector_bus.chains.quick_read import QuickMessage, QuickReader
from connector_bus.chains.refusing import reject
from connector_bus.chains.sender_annotation import sender_section
from connector_bus.engine.destination import Destination
from connector_bus.store.unread import Unread

if TYPE_CHECKING:
    from connector_bus.chains.bus_side import BusSide
    from connector_bus.chains.producer import ProducerLink
    from connector_bus.store.record import StoredMessage

#: Larger ones go the long way, which takes them piece by piece.
LARGEST = 65536


@final
class Lane:
    """The short way of one sending link with a destination of its own. For the chain's loop only.

    Args:
        link: The library's link.
        producer: The long way.
        side: The bus.
        name: The destination.

    Mutable state: `_deliveries` and `_messages`, collected in this turn, and `_kept_deliveries`, `_kept` and
    `_kept_size`, of those that have to be stored; `_storing`, how many are on their way to the disk; `_destination`, of
    this turn, None where it was not looked at or doesn't take messages unread; `_looked`, `_now`, `_at`, `_limit` and
    `_place`, likewise.
    """

    def __init__(self, link: Any, producer: ProducerLink, side: BusSide, name: str) -> None:
        self.temporary = producer.temporary
        self.link = link
        self._impl = link._impl
        self._producer = producer
        self._side = side
        self._name = name
        self._lean = load_lean()
        self._lib = lib = self._lean.lib
        self._partial, self._remote_state = lib.pn_delivery_partial, lib.pn_delivery_remote_state
        self._pending, self._advance = lib.pn_delivery_pending, lib.pn_link_advance
        self._receive, self._buffer, self._view = lib.pn_link_recv, self._lean.buffer, self._lean.view
        self._quick = QuickReader().read
        self._whole = self._read  # one for all messages
        self._alike: QuickMessage | None = None
        self._expires: float | None = None
        self._group: str | None = None
        self._long = False
        self._next = side.bus.engine.next_sequence
        self._user = (side.user or "").encode()
        self._identity = side.bus.access.identity_of(side.subject)
        self._sender = sender_section(self._identity)
        self._deliveries: list[Any] = []
        self._messages: list[Unread] = []
        self._kept: list[Unread] = []
        self._kept_deliveries: list[Any] = []
        self._kept_size = 0
        self._storing = 0
        self._place: Place | None = None
        self._destination: Destination | None = None
        self._looked = False
        self._now = 0.0
        self._at = name
        self._limit = 0

    @property
    def in_flight(self) -> int:
        """How many messages are not stored yet."""
        return self._producer.in_flight

    def recheck(self) -> None:
        """Raise AccessDenied where the user may not send there any more, NameNotFound where it is gone."""
        self._producer.recheck()

    def stop(self) -> None:
        """Give no more credit."""
        self._producer.stop()

    def start(self) -> None:
        """The link has been opened."""
        self._producer.start()

    def on_flow(self) -> None:
        """Credit has changed."""
        self._producer.on_flow()

    def close(self, *, for_good: bool = False) -> None:
        """The link is over."""
        self._show()
        self._producer.close()

    def on_delivery(self, delivery: Any) -> None:
        """Something came of a delivery, which is the library's pointer."""
        if not self._looked:
            self._look()
        if (
            self._destination is None
            or (self._long and self._is_behind())
            or self._partial(delivery)
            or self._remote_state(delivery)
        ):
            self._leave(delivery)
            return
        size = self._pending(delivery)
        if not 0 < size <= LARGEST or self._receive(self._impl, self._buffer, size) != size:
            # It is too large, nothing has come of it, or its sender has taken it back.
            self._leave(delivery)
            return
        data = self._view[:size]
        self._advance(self._impl)
        read = self._quick(data)
        if read is None or size > self._limit:
            self._go_long(delivery, data)
        elif read is self._alike or self._is_easy(read):
            self._messages.append(
                Unread(
                    self._next(),
                    data[read.bare :],
                    self._sender,
                    read.durable,
                    read.priority,
                    self._expires,
                    self._group,
                    self._now,
                    self._at,
                    self._whole,
                )
            )
            self._deliveries.append(delivery)
        elif self._place is None or not read.durable or not self._keep(delivery, data, read, size):
            self._go_long(delivery, data)

    def _go_long(self, delivery: Any, data: bytes) -> None:
        """One that was received goes the long way."""
        self._show()
        self._long = True
        self._producer.take(self.link.wrapped(delivery), data)

    def _is_behind(self) -> bool:
        """Whether something is under way on the long way, which is not to be overtaken."""
        if self._long:
            self._long = not self._producer.is_idle or self._producer.in_flight > self._storing
        return self._long

    def _look(self) -> None:
        """Once a turn: may the user send there, and is it a destination for the short way?"""
        side, engine = self._side, self._side.bus.engine
        self._looked = True
        self._alike = None
        side.call_soon(self._show)
        self._destination = None
        try:
            destination = engine.unread_target(engine.require_sender(side.subject, self._name))
        except ConnectorError:
            return  # each message is refused on the long way
        if destination is not None:
            self._destination = destination
            self._at = destination.name
            self._now = side.now()
            self._limit = engine.largest(destination)
            kept_as = engine.kept_as(destination)
            self._place = None if kept_as is None else Place(destination.name, self._identity, kept_as)

    def _is_easy(self, read: QuickMessage) -> bool:
        """Whether a message lives in memory only and can be collected; what is read of it is kept for those alike."""
        assert self._destination is not None
        if read.durable and not self._destination.is_temporary:
            return False
        try:
            self._expires, self._group = quick_sender(read, self._user, self._now)
        except (AccessDenied, TypeError):
            return False
        self._alike = read if read.ttl is None else None
        return True

    def _keep(self, impl: Any, data: bytes, read: QuickMessage, size: int) -> bool:
        """Take one that is to be stored; False where it has to go the long way."""
        assert self._place is not None
        sequence, bare = self._next(), data[read.bare :]
        try:
            row = quick_row(read, bare, self._user, sequence=sequence, place=self._place, now=self._now)
        except (AccessDenied, TypeError):
            return False
        if not self._side.memory.take(size):
            return False
        self._kept.append(Unread.of_row(row, self._sender, read.durable, self._whole))
        self._kept_deliveries.append(impl)
        self._kept_size += size
        return True

    def _leave(self, delivery: Any) -> None:
        self._show()
        self._long = True
        self._producer.on_delivery(delivery)

    def _show(self) -> None:
        """Put what was collected on its queue or on its way to the disk; the next message looks again."""
        self._looked = False
        if self._kept:
            self._store()
        if not self._messages:
            return
        messages, self._messages = self._messages, []
        deliveries, self._deliveries = self._deliveries, []
        assert self._destination is not None
        if self._side.bus.engine.show_unread(self._destination, messages):
            self._accept(deliveries)
            self._producer.passed(len(deliveries))
            return
        self._long = True
        for message, impl in zip(messages, deliveries, strict=True):
            self._producer.take(self.link.wrapped(impl), message.bare)

    def _store(self) -> None:
        """Have what is to be kept stored as one; then it is shown, and accepted."""
        messages, self._kept = self._kept, []
        deliveries, self._kept_deliveries = self._kept_deliveries, []
        size, self._kept_size = self._kept_size, 0
        side, count = self._side, len(messages)
        self._storing += count
        self._producer.storing(count)

        def ended(count: int, size: int) -> None:
            side.memory.give_back(size)
            self._storing -= count
            self._producer.stored(count)

        def done(error: BaseException | None) -> None:
            if error is None:
                self._accept(deliveries)
                ended(count, size)
                return
            side.memory.give_back(size)
            for message, impl in zip(messages, deliveries, strict=True):  # each fails for its own reasons only
                side.writing.commit((message.stored(),), (), functools.partial(one_done, impl))

        def one_done(impl: Any, error: BaseException | None) -> None:
            if error is None:
                self._accept((impl,))
            elif not self._producer.is_closed:
                reject(self.link.wrapped(impl), refusal_of(error))
            ended(1, 0)

        side.writing.keep(self._at, messages, done)

    def _accept(self, deliveries: Iterable[Any]) -> None:
        if self._producer.is_closed:
            return
        update, settle = self._lib.pn_delivery_update, self._lib.pn_delivery_settle
        for impl in deliveries:
            update(impl, LeanDelivery.ACCEPTED)
            settle(impl)

    def _read(self, unread: Unread) -> StoredMessage:
        """The whole of a message in memory that somebody wants to look into. Safe from any thread."""
        message = decoded(unread.bare, self._side.user, unread.timestamp)
        message = message.replace(
            priority=unread.priority, persistent=unread.durable, expires_at=unread.expires_at or message.expires_at
        )
        return self._side.bus.engine.read_unread(unread, message, self._identity)
