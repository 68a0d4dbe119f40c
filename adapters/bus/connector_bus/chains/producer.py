"""A link on which a client sends: messages in pieces, checked, stored, and only then accepted."""

from __future__ import annotations

from typing import Any, Final, final

from connector.errors import ConnectorError, MessagingError, Reason
from connector_bus.chains.bus_side import BusSide
from connector_bus.chains.conditions import Refusal, refusal_of
from connector_bus.chains.message_codec import decoded
from connector_bus.store.amqp_content import load_proton

NO_DESTINATION = Reason(
    "CF-BUS-153",
    "a message on a link without a destination names none either",
    "Set `to` in the message, or open the link with the destination as its target address.",
)
TOO_LARGE = Reason(
    "CF-BUS-154", "a message of more than {limit} bytes", "Send less in one message; nothing of it was kept."
)

#: How many messages a client may send before it hears of the first.
CREDIT: Final = 500
MAX_MESSAGE: Final = 100 * 1024 * 1024


@final
class ProducerLink:
    """One sending link of a client. For the chain's loop only.

    Args:
        link: The library's link, not yet open.
        side: The bus.
        name: Where its messages go; None where each says so itself (anonymous relay), and is checked for it.
        temporary: The temporary queue that was made for it, or None.

    Mutable state: `_pieces` of the message that is coming in, `_size` of them, `_closed`, and `_left`, credit that is
    left at the least.
    """

    def __init__(self, link: Any, side: BusSide, name: str | None, temporary: str | None = None) -> None:
        self._link = link
        self._side = side
        self.name = name
        self.temporary = temporary
        self._pieces: list[bytes] = []
        self._size = 0
        self._closed = False
        self._left = CREDIT

    def start(self) -> None:
        """Let the client send."""
        self._link.flow(CREDIT)

    def on_flow(self) -> None:
        """The client has asked for nothing that is of interest here."""

    def on_delivery(self, delivery: Any) -> None:
        """Take a piece of a message; with the last one, the message."""
        if delivery.aborted:
            self._pieces, self._size = [], 0
            delivery.settle()
            return
        if not delivery.readable:
            return
        piece = self._link.recv(delivery.pending)
        if piece:
            self._size += len(piece)
            if self._size <= MAX_MESSAGE:
                self._pieces.append(bytes(piece))
        if delivery.partial:
            return
        data, size = b"".join(self._pieces), self._size
        self._pieces, self._size = [], 0
        self._link.advance()
        if self._link.credit <= CREDIT // 2:
            self._link.flow(CREDIT - self._link.credit)
        self._take(delivery, data, size)

    @property
    def is_idle(self) -> bool:
        """Whether no message is in the middle of coming in."""
        return not self._pieces

    @property
    def is_closed(self) -> bool:
        """Whether the link is gone."""
        return self._closed

    def take(self, delivery: Any, data: bytes) -> None:
        """Take a whole message that was received already."""
        self.taken()
        self._take(delivery, data, len(data))

    def taken(self) -> None:
        """A message was received already, and needs nothing more here than that the client may send another one."""
        self._left -= 1
        if self._left <= CREDIT // 2:
            credit = self._link.credit
            self._link.flow(CREDIT - credit)
            self._left = CREDIT

    def close(self) -> None:
        """The link is gone; what is being stored stays so."""
        self._closed = True

    def _take(self, delivery: Any, data: bytes, size: int) -> None:
        try:
            if size > MAX_MESSAGE:
                raise MessagingError(TOO_LARGE, limit=MAX_MESSAGE)
            message = decoded(data, self._side.user, self._side.now())
            name = self.name or message.destination
            if not name:
                raise MessagingError(NO_DESTINATION)
            sends = self._side.admit(name, message)
        except ConnectorError as error:
            self._reject(delivery, refusal_of(error))
            return
        presettled = delivery.settled

        def done(error: BaseException | None) -> None:
            if self._closed:
                return
            if presettled:
                delivery.settle()
            elif error is None:
                delivery.update(delivery.ACCEPTED)
                delivery.settle()
            else:
                self._reject(delivery, refusal_of(error))

        self._side.commit(sends, (), done)

    @staticmethod
    def _reject(delivery: Any, refusal: Refusal) -> None:
        delivery.local.condition = load_proton().Condition(refusal.condition, refusal.description)
        delivery.update(delivery.REJECTED)
        delivery.settle()
