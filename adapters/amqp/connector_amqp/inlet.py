"""A link on which we receive: credit, pieces, what is out with us, and what becomes of it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, final

from connector.errors import ConnectorError, MessagingError, Reason
from connector_amqp.coordinator import ACCEPTED, TRANSACTIONAL
from connector_amqp.library import load_proton
from connector_amqp.link import BrokerLink
from connector_amqp.refusals import Condition
from connector_amqp.wire import Wire

TOO_LARGE: Final = 100 * 1024 * 1024
#: Seconds after which a broker that can't say that there is nothing is taken to have nothing.
QUIET: Final = 0.25
NO_BROWSING = Reason(
    "CF-AMQP-031",
    "{broker} does not let {destination} be looked at without taking what is there.",
    "Use the broker's own tools; RabbitMQ has no browsing over AMQP 1.0, for example.",
)
NO_SELECTOR = Reason(
    "CF-AMQP-032",
    "{broker} does not select messages of {destination}.",
    "Leave the selector out; have what is wanted sent to a destination of its own.",
)


@dataclass(eq=False, slots=True)
class Arrived:
    """A message that is out with us. It goes to other threads, and so holds nothing of the library's.

    Attributes:
        data: The whole message as it came.
        presettled: Whether the broker wants to hear nothing of it any more.
    """

    data: bytes
    presettled: bool = False


@final
class Inlet(BrokerLink):
    """One receiving link. For the adapter's loop only.

    Args:
        wire: The connection.
        address: Where from; None for a temporary queue that the broker makes.
        copy: Whether to look only.
        selector: Which messages, or None.
        on_message: Told each message; without it they are taken by `take`.

    Mutable state, besides that of all links: the pieces of what comes in; `_arrived`, what nobody has taken yet;
    `_out`, the library's delivery of what is not settled, and `_known`, the same by the library's pointer. The
    deliveries stay here: the library counts references without a lock, and takes a delivery whose last one is gone for
    the next message.
    """

    def __init__(
        self,
        wire: Wire,
        address: str | None,
        *,
        copy: bool = False,
        selector: str | None = None,
        on_message: Callable[[Arrived], None] | None = None,
    ) -> None:
        super().__init__(wire, f"{'looking at' if copy else 'receiving from'} {address or 'a temporary queue'}")
        self._address = address
        self._copy = copy
        self._selector = selector
        self._on_message = on_message
        self.on_end: Callable[[], None] | None = None
        self._pieces: list[bytes] = []
        self._size = 0
        self._arrived: deque[Arrived] = deque()
        self._out: dict[Arrived, Any] = {}
        self._known: dict[Any, Arrived] = {}

    @property
    def address(self) -> str:
        """Where from; of a temporary queue the name that the broker has given it."""
        return self._address or str(self._link.remote_source.address)

    @property
    def has_credit(self) -> bool:
        """Whether a message may still come without anybody asking for it."""
        return self._ended is None and bool(self._link.credit)

    async def open(self) -> None:
        """Attach. Raises what all links raise, and MessagingError CF-AMQP-031 or -032 for what the broker can't."""
        await super().open()
        source = self._link.remote_source
        # Nothing has been given yet: there is no credit.
        lacking = None
        if self._copy and not (self.wire.has_link_control and source.distribution_mode == source.DIST_MODE_COPY):
            lacking = NO_BROWSING
        elif self._selector is not None and not (self.wire.has_link_control and _has_filter(source)):
            lacking = NO_SELECTOR
        if lacking is not None:
            self.close()
            raise MessagingError(lacking, broker=self.wire.broker, destination=self.address)

    def want(self, count: int) -> None:
        """Let so many more messages come."""
        if self._ended is None:
            self._link.flow(count)
            self.wire.flush()

    def want_no_more(self) -> None:
        """Take back what credit is left; messages may still come until the broker has answered."""
        if self._ended is None and self.wire.has_link_control:
            self._link.drain(0)
            self.wire.flush()

    async def take(self, timeout: float | None) -> Arrived | None:
        """The next message; None where none came within so many seconds. None: wait without limit.

        Leaves no credit behind: what comes later is nobody's to lose. A broker that can't be asked whether there is
        anything has at least QUIET seconds; then the link is ended, and what comes too late goes back.
        """
        if self._arrived:
            return self._arrived.popleft()
        self._check()
        shortest = 0.0 if self.wire.has_link_control else QUIET
        try:
            async with asyncio.timeout(timeout if timeout is None else max(timeout, shortest)):
                while not self._arrived:
                    if self._link.credit == 0:  # also where another one, who waited as well, has got what came
                        self.want(1)
                    await self._change()
        except TimeoutError:
            await self._drain()
        return self._arrived.popleft() if self._arrived else None

    async def look(self, count: int) -> list[bytes]:
        """What is there now, at most so many; of a link with `copy`."""
        self._link.drain(count)
        self.wire.flush()
        while self._link.draining() and self._ended is None:
            await self._change()
        self._link.drain_mode = False
        found = [arrived.data for arrived in self._arrived]
        for arrived in self._arrived:
            self.settle(arrived, "released")
        self._arrived.clear()
        return found

    def settle(self, arrived: Arrived, outcome: str, condition: Condition | None = None) -> None:
        """Say what becomes of a message: accepted, released, modified (a failed delivery) or rejected.

        Settled with it, so that no answer is awaited: where the connection is lost before the broker has heard it, the
        message comes again. Nothing is said where the link is no more: the broker has given it back already.
        """
        delivery = self._out.get(arrived)
        if self._ended is not None or delivery is None:
            return
        if outcome == "modified":
            delivery.local.failed = True
        if condition is not None:
            delivery.local.condition = load_proton().Condition(condition.name, condition.description)
        delivery.update(getattr(delivery, outcome.upper()))
        self._settled(arrived)
        self.wire.flush()

    def accept_within(self, arrived: Arrived, unit: bytes, *, keep: bool = False) -> bool:
        """Accept a message within a transaction: it is gone with the commit, and without one it comes again.

        Args:
            arrived: The message.
            unit: The transaction's identifier.
            keep: Whether it stays out with us until it is settled: where the transaction comes to nothing, something
                else may still become of it.

        False where the link is no more, or the broker has taken the message back.
        """
        delivery = self._out.get(arrived)
        if self._ended is not None or delivery is None:
            return False
        proton = load_proton()
        delivery.local.data = [unit, proton.Described(proton.ulong(ACCEPTED), [])]
        delivery.update(TRANSACTIONAL)
        if not keep:
            self._settled(arrived)
        self.wire.flush()
        return True

    # --- told by the wire ---------------------------------------------------------------------------------------------

    def on_delivery(self, delivery: Any) -> None:
        """A piece of a message, or the broker's settlement of one."""
        known = self._known.get(delivery._impl)
        if known is not None:
            if delivery.settled:
                self._settled(known)
            return
        if delivery.aborted:
            self._pieces, self._size = [], 0
            delivery.settle()
            return
        if not delivery.readable:
            return
        piece = self._link.recv(delivery.pending)
        if piece:
            self._size += len(piece)
            if self._size <= TOO_LARGE:
                self._pieces.append(bytes(piece))
        if delivery.partial:
            return
        data, size = b"".join(self._pieces), self._size
        self._pieces, self._size = [], 0
        self._link.advance()
        arrived = Arrived(data)
        self._out[arrived], self._known[delivery._impl] = delivery, arrived
        if size > TOO_LARGE:
            self.settle(arrived, "rejected", Condition("amqp:link:message-size-exceeded", f"more than {TOO_LARGE}"))
            self.want(1)
        elif delivery.settled:  # sent without wanting to hear of it
            arrived.presettled = True
            self._settled(arrived)
            self._hand_on(arrived)
        else:
            self._hand_on(arrived)

    def on_ended(self, condition: Condition | None) -> None:
        """The broker has ended it."""
        super().on_ended(condition)
        self._over()

    def on_lost(self, error: ConnectorError) -> None:
        """The connection is no more."""
        super().on_lost(error)
        self._over()

    # --- inside -------------------------------------------------------------------------------------------------------

    def _hand_on(self, arrived: Arrived) -> None:
        if self._on_message is not None:
            self._on_message(arrived)
        else:
            self._arrived.append(arrived)
            self._wake()

    def _settled(self, arrived: Arrived) -> None:
        delivery = self._out.pop(arrived, None)
        if delivery is not None:
            del self._known[delivery._impl]
            delivery.settle()

    def _over(self) -> None:
        self._out.clear()
        self._known.clear()
        if self.on_end is not None:
            self.on_end()

    async def _drain(self) -> None:
        if not self.wire.has_link_control:
            if not self._arrived:
                self.close()
            return
        self._link.drain(0)
        self.wire.flush()
        while self._link.draining() and not self._arrived:
            await self._change()
        self._link.drain_mode = False

    def _make(self, session: Any) -> Any:
        proton = load_proton()
        link = session.receiver(self.wire.new_name())
        if self._address is None:
            link.source.dynamic = True
        else:
            link.source.address = self._address
        if self._copy:
            link.source.distribution_mode = link.source.DIST_MODE_COPY
        if self._selector is not None:
            symbol = proton.symbol("apache.org:selector-filter:string")
            link.source.filter.put_dict({proton.symbol("selector"): proton.Described(symbol, self._selector)})
        link.target.address = link.name
        link.snd_settle_mode = link.SND_UNSETTLED
        link.rcv_settle_mode = link.RCV_FIRST
        return link

    def _is_refused(self) -> bool:
        return bool(self._link.remote_source.type == self._link.remote_source.UNSPECIFIED)


def _has_filter(source: Any) -> bool:
    source.filter.rewind()
    return bool(source.filter.next()) and bool(source.filter.get_object())
