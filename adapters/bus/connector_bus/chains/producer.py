"""A link on which a client sends: messages in pieces, checked, stored, and only then accepted.

A client may have so many messages on their way to the disk as the link gives credit for; new credit comes as they
arrive there. So whoever sends faster than the disk writes waits, and nobody's memory fills.
"""

from __future__ import annotations

from typing import Any, Final, final

from connector.errors import ConnectorError, MessagingError, Reason
from connector_bus.chains.bus_side import BusSide
from connector_bus.chains.conditions import RESOURCE_LIMIT, Refusal, refusal_of
from connector_bus.chains.extensions import TRANSACTIONAL, accepted_within, transactional_of
from connector_bus.chains.message_codec import decoded
from connector_bus.chains.refusing import reject
from connector_bus.chains.units import Units

NO_DESTINATION = Reason(
    "CF-BUS-153",
    "a message on a link without a destination names none either",
    "Set `to` in the message, or open the link with the destination as its target address.",
)
TOO_LARGE = Reason(
    "CF-BUS-154", "a message of more than {limit} bytes", "Send less in one message; nothing of it was kept."
)
NO_MEMORY = Reason(
    "CF-BUS-304",
    "chain {chain} holds as much of its clients' messages in memory as it may ({limit} bytes)",
    "Send it again later, in smaller messages or transactions, or raise `max_memory` of the chain.",
)

#: How many messages a client may send before the first is stored.
CREDIT: Final = 500
MAX_MESSAGE: Final = 100 * 1024 * 1024


@final
class ProducerLink:
    """One sending link of a client. For the chain's loop only.

    Args:
        link: The library's link, open.
        side: The bus.
        units: The connection's transactions.
        name: Where its messages go; None where each says so itself (anonymous relay), and is checked for it.
        temporary: The temporary queue that was made for it, or None.
        topic: The topic of messages that name none; None without one.

    Mutable state: `_pieces` of the message that is coming in, `_size` of them, `_why` it will be refused;
    `in_flight`, how many messages are not stored yet; `_passed`, how many have passed since credit was looked at;
    `_stopped`, `_closed`.
    """

    def __init__(
        self,
        link: Any,
        side: BusSide,
        units: Units,
        name: str | None,
        temporary: str | None = None,
        topic: str | None = None,
    ) -> None:
        self.link = link
        self._side = side
        self._units = units
        self.name = name
        self.temporary = temporary
        self._topic = topic
        self._pieces: list[bytes] = []
        self._size = 0
        self._why: MessagingError | None = None
        self.in_flight = 0
        self._passed = 0
        self._stopped = False
        self._closed = False

    def start(self) -> None:
        """Let the client send."""
        self.link.flow(CREDIT)

    def on_flow(self) -> None:
        """The client has asked for nothing that is of interest here."""

    def on_delivery(self, delivery: Any) -> None:
        """Take a piece of a message; with the last one, the message."""
        delivery = self.link.wrapped(delivery)
        if delivery.aborted:
            self._drop()
            delivery.settle()
            self._give_credit()
            return
        if not delivery.readable:
            return
        piece = self.link.recv(delivery.pending)
        if piece:
            self._keep(bytes(piece))
        if delivery.partial:
            return
        self.link.advance()
        self._whole(delivery)

    @property
    def is_idle(self) -> bool:
        """Whether no message is in the middle of coming in."""
        return not self._pieces and self._why is None

    @property
    def is_closed(self) -> bool:
        """Whether the link is gone."""
        return self._closed

    def take(self, delivery: Any, data: bytes) -> None:
        """Take a whole message that was received already."""
        self._keep(data)
        self._whole(delivery)

    def passed(self, messages: int) -> None:
        """So many were received, and need nothing here but that the client may send others."""
        self._passed += messages
        if self._passed >= CREDIT // 4:
            self._passed = 0
            self._give_credit()

    def storing(self, messages: int) -> None:
        """So many that were received are on their way to the disk."""
        self.in_flight += messages

    def stored(self, messages: int) -> None:
        """They are there, or were refused."""
        self.in_flight -= messages
        if not self._closed:
            self._give_credit()

    def recheck(self) -> None:
        """Raise AccessDenied where the user may not send there any more, NameNotFound where it is gone."""
        if self.name is not None and self.temporary is None:
            self._side.may_send(self.name, self._topic)

    def stop(self) -> None:
        """Give no more credit."""
        self._stopped = True

    def close(self, *, for_good: bool = False) -> None:
        """The link is gone; what is being stored stays so."""
        self._closed = True
        self._drop()

    def _whole(self, delivery: Any) -> None:
        data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        size, why = self._size, self._why
        self._pieces, self._size, self._why = [], 0, None
        self.in_flight += 1
        self._take(delivery, data, size, why)

    def _keep(self, piece: bytes) -> None:
        if self._why is not None:
            return
        if self._size + len(piece) > MAX_MESSAGE:
            why = MessagingError(TOO_LARGE, limit=MAX_MESSAGE)
        elif not self._side.memory.take(len(piece)):
            why = MessagingError(NO_MEMORY, chain=self._side.chain.name, limit=self._side.memory.limit)
        else:
            self._size += len(piece)
            self._pieces.append(piece)
            return
        self._drop()
        self._why = why

    def _drop(self) -> None:
        self._side.memory.give_back(self._size)
        self._pieces, self._size, self._why = [], 0, None

    def _take(self, delivery: Any, data: bytes, size: int, why: MessagingError | None) -> None:
        in_unit = delivery.remote_state == TRANSACTIONAL
        state = transactional_of(delivery.remote.data) if in_unit else None
        unit = None if state is None else self._units.get(state.unit)
        if in_unit and unit is None:
            refusal = self._units.unknown(b"" if state is None else state.unit)
            self._done(delivery, size, refusal, presettled=False)
            return
        presettled = delivery.settled
        try:
            if why is not None:
                raise why
            message = decoded(data, self._side.user, self._side.now())
            name = self.name or message.destination
            if not name:
                raise MessagingError(NO_DESTINATION)
            if self._topic is not None and message.topic is None:
                message = message.replace(topic=self._topic)
            elif name != self.name:
                name, topic = self._side.place_of(name)
                message = message.replace(topic=message.topic or topic)
            sends = self._side.admit(name, message)
            if unit is not None and not unit.send(name, sends, size):
                raise MessagingError(NO_MEMORY, chain=self._side.chain.name, limit=self._side.memory.limit)
        except ConnectorError as error:
            refusal = Refusal(RESOURCE_LIMIT, str(error)) if error.code in _LIMITS else refusal_of(error)
            if unit is not None:
                unit.refuse(refusal)
            self._done(delivery, size, refusal, presettled=presettled)
            return
        if unit is not None:
            if not presettled:
                delivery.local.data = accepted_within(unit.identifier)
                delivery.update(TRANSACTIONAL)
            delivery.settle()
            self._stored()
            return

        def done(error: BaseException | None) -> None:
            self._done(delivery, size, None if error is None else refusal_of(error), presettled=presettled)

        self._side.writing.commit(sends, (), done)

    def _done(self, delivery: Any, size: int, refusal: Refusal | None, *, presettled: bool) -> None:
        """A message is stored, or refused."""
        self._side.memory.give_back(size)
        if self._closed:
            return
        if presettled:
            delivery.settle()
        elif refusal is None:
            delivery.update(delivery.ACCEPTED)
            delivery.settle()
        else:
            reject(delivery, refusal)
        self._stored()

    def _stored(self) -> None:
        self.in_flight -= 1
        self._give_credit()

    def _give_credit(self) -> None:
        missing = CREDIT - self.in_flight - self.link.credit
        if missing >= CREDIT // 2 and not self._stopped:
            self.link.flow(missing)


_LIMITS: Final = frozenset({TOO_LARGE.code, NO_MEMORY.code})
