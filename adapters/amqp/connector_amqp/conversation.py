"""What is said on one connection by one user of it: the links that are open so far, and what is done on them.

A managed connection has one, and a transacted delivery has one of its own on the connection of its activation. What is
done within a transaction carries its identifier; the transaction is begun where it is first needed.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final, final

from connector.errors import MessagingError
from connector.spi import Message
from connector_amqp.codec import decoded
from connector_amqp.coordinator import Transaction
from connector_amqp.inlet import Arrived, Inlet
from connector_amqp.outlet import Outlet
from connector_amqp.refusals import Condition
from connector_amqp.wire import Wire

#: Sending links that are kept open.
KEPT_OUTLETS: Final = 32
#: What an engine of ours calls itself.
ENGINE: Final = "connector-framework"


@dataclass(frozen=True, slots=True)
class Taken:
    """A message that has come and is not acknowledged yet. It goes to other threads, and so without its link.

    Attributes:
        message: The message.
        arrived: What is out with us.
    """

    message: Message
    arrived: Arrived


@final
class Conversation:
    """The links of one user of a connection. For the adapter's loop only; one coroutine of it at a time, but in a
    transacted delivery, whose handler may use several connections at once.

    Args:
        wire: The connection.
        transaction: What everything belongs to; None for nothing.

    Attributes:
        wire: See above.
        transaction: See above; may be set while nothing is under way.

    Mutable state: the links, by address; `_taken`, the link of each message that was taken and is not dealt with yet,
    and whether it ends with that.
    """

    def __init__(self, wire: Wire, transaction: Transaction | None = None) -> None:
        self.wire = wire
        self.transaction = transaction
        self._outlets: OrderedDict[str, Outlet] = OrderedDict()
        self._inlets: dict[str, Inlet] = {}
        self._replies: Inlet | None = None
        self._taken: dict[Arrived, tuple[Inlet, bool]] = {}

    # --- sending ------------------------------------------------------------------------------------------------------

    async def send(self, destination: str, data: bytes) -> None:
        """Send, and wait until the broker has accepted it. Raises as `Outlet.send`, and as beginning a transaction."""
        unit = await self._unit()
        outlet = await self._outlet(destination)
        try:
            await outlet.send(data, unit)
        except asyncio.CancelledError:
            self._outlets.pop(destination, None)
            outlet.close()  # whether it was taken is not known: nothing later must be taken for its answer
            raise

    async def _outlet(self, destination: str) -> Outlet:
        outlet = self._outlets.pop(destination, None)
        if outlet is None or not outlet.stands:
            outlet = Outlet(self.wire, destination)
            await outlet.open()
            other = self._outlets.pop(destination, None)
            if other is not None and other.stands:  # opened meanwhile by another coroutine
                outlet.close()
                outlet = other
        self._outlets[destination] = outlet
        while len(self._outlets) > KEPT_OUTLETS:
            self._outlets.popitem(last=False)[1].close()
        return outlet

    # --- receiving ----------------------------------------------------------------------------------------------------

    async def receive(self, destination: str, timeout: float | None, selector: str | None) -> Message | None:
        """The next message, acknowledged in the transaction, if any; None where none came in `timeout` seconds."""
        unit = await self._unit()
        taken = await self.take(destination, timeout, selector)
        if taken is None:
            return None
        self.acknowledge(taken, unit)
        return taken.message

    async def take(self, destination: str, timeout: float | None, selector: str | None = None) -> Taken | None:
        """The next message, to be acknowledged or given back by whoever gets it; None as for `receive`.

        Raises MessagingError CF-AMQP-034 for one that can't be read, which is rejected; and what the broker refuses.
        """
        if selector is not None:
            return await self._select(destination, timeout, selector)
        inlet = self._inlets.get(destination)
        if inlet is None or not inlet.stands:
            inlet = Inlet(self.wire, destination)
            await inlet.open()
            other = self._inlets.get(destination)
            if other is not None and other.stands:  # opened meanwhile by another coroutine
                inlet.close()
                inlet = other
            self._inlets[destination] = inlet
        try:
            arrived = await inlet.take(timeout)
        except asyncio.CancelledError:
            self._inlets.pop(destination, None)
            inlet.close()  # with it goes the credit, and what came too late goes back
            raise
        return None if arrived is None else self._took(arrived, inlet, destination, once=False)

    async def _select(self, destination: str, timeout: float | None, selector: str) -> Taken | None:
        """By a link of its own: hardly any two receipts have the same selector."""
        inlet = Inlet(self.wire, destination, selector=selector)
        await inlet.open()
        taken = None
        try:
            arrived = await inlet.take(timeout)
            if arrived is not None:
                taken = self._took(arrived, inlet, destination, once=True)
            return taken
        finally:
            if taken is None:
                inlet.close()

    def acknowledge(self, taken: Taken, unit: bytes | None = None) -> None:
        """Accept it, within a transaction where one is given."""
        inlet, once = self._taken.pop(taken.arrived)
        if unit is None:
            inlet.settle(taken.arrived, "accepted")
        else:
            inlet.accept_within(taken.arrived, unit)
        if once:
            inlet.close()

    def give_back(self, taken: Taken) -> None:
        """Nobody has seen it: it goes back to its place."""
        inlet, once = self._taken.pop(taken.arrived)
        inlet.settle(taken.arrived, "released")
        if once:
            inlet.close()

    def _took(self, arrived: Arrived, inlet: Inlet, source: str, *, once: bool) -> Taken:
        taken = Taken(self._read(arrived, inlet, source), arrived)
        self._taken[arrived] = inlet, once
        return taken

    async def look(self, destination: str, limit: int, selector: str | None) -> list[Message]:
        """What is there now, at most so many, without taking it."""
        inlet = Inlet(self.wire, destination, copy=True, selector=selector)
        await inlet.open()
        try:
            found = await inlet.look(limit)
        finally:
            inlet.close()
        return [self._decoded(data, destination) for data in found]

    # --- requests -----------------------------------------------------------------------------------------------------

    async def reply_queue(self) -> str:
        """The temporary queue that replies come to; made where there is none."""
        if self._replies is None or not self._replies.stands:
            self._replies = Inlet(self.wire, None)
            await self._replies.open()
        return self._replies.address

    async def reply(self, request: Message, timeout: float | None) -> Message | None:
        """The reply to a request that was sent with `reply_queue`; None where none came in so many seconds.

        It is one whose correlation id is the request's, or its message id, or which has none.
        """
        replies = self._replies
        assert replies is not None
        names = (request.correlation_id, request.message_id, None)
        try:
            async with asyncio.timeout(timeout):
                while True:
                    reply = await self._next_reply(replies)
                    if reply.correlation_id in names:  # else a late one, to an earlier request
                        return reply
        except TimeoutError:
            return None
        finally:
            if replies.has_credit:
                self._replies = None
                replies.close()  # a late reply that names no request must not be taken for the next one's

    async def next_reply(self) -> Message:
        """Whatever comes next to the temporary queue, acknowledged."""
        assert self._replies is not None
        return await self._next_reply(self._replies)

    async def _next_reply(self, replies: Inlet) -> Message:
        arrived = await replies.take(None)
        assert arrived is not None
        message = self._read(arrived, replies, replies.address)
        replies.settle(arrived, "accepted")
        return message

    # --- its end ------------------------------------------------------------------------------------------------------

    async def clean(self) -> None:
        """End the receiving links, and with them temporary queues; sending links are kept. One round trip, if any."""
        if self._close_inlets() or self.wire.lost_because is not None:
            await self.wire.ping()

    def close(self) -> None:
        """End all links; waits for nothing."""
        self._close_inlets()
        while self._outlets:
            self._outlets.popitem()[1].close()

    def _close_inlets(self) -> bool:
        inlets, self._inlets = list(self._inlets.values()), {}
        for inlet in (*inlets, *(() if self._replies is None else (self._replies,))):
            inlet.close()
        self._replies = None
        return bool(inlets)

    # --- inside -------------------------------------------------------------------------------------------------------

    async def _unit(self) -> bytes | None:
        return None if self.transaction is None else await self.transaction.identifier()

    def _read(self, arrived: Arrived, inlet: Inlet, source: str) -> Message:
        try:
            return self._decoded(arrived.data, source)
        except MessagingError as error:
            inlet.settle(arrived, "rejected", Condition("amqp:decode-error", error.text))
            raise

    def _decoded(self, data: bytes, source: str) -> Message:
        from_engine = self.wire.peer_properties.get("product") == ENGINE
        return decoded(data, source, from_engine=from_engine).message

    def __repr__(self) -> str:
        return f"<Conversation at {self.wire.broker}>"
