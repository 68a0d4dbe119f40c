"""The managed connection: one physical connection, signed on as one user, with the links that it has opened so far."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections import OrderedDict
from collections.abc import Coroutine
from typing import Any, Final, TypeVar, final

from connector.errors import ConnectionFailed, ConnectorError, MessagingError, Reason
from connector.spi import ConnectionDescription, ManagedConnection, Message, UnitOfWork
from connector_amqp.codec import decoded, encoded
from connector_amqp.coordinator import NO_TRANSACTIONS, REQUEST_WITHIN_UNIT, AmqpBranch, Coordinator
from connector_amqp.inlet import Arrived, Inlet
from connector_amqp.loop import LoopThread
from connector_amqp.outlet import Outlet
from connector_amqp.refusals import Condition
from connector_amqp.settings import Broker
from connector_amqp.wire import Wire

NO_ANSWER = Reason(
    "CF-AMQP-035",
    "{broker} did not answer within {seconds:g} s: {what}.",
    "What was to be sent may have been taken or not. See how the broker is; operation_timeout says how long to wait.",
)

#: Sending links that are kept open.
KEPT_OUTLETS: Final = 32
#: What an engine of ours calls itself.
ENGINE: Final = "connector-framework"

T = TypeVar("T")


@final
class AmqpManagedConnection(ManagedConnection):
    """One connection to a broker; used by one thread at a time, as the pool promises.

    Args:
        loop: The adapter's thread, which has the connection.
        broker: The resource.
        wire: The connection, opened.
        user: Who is signed on; None for nobody, or whom the certificate says.

    Mutable state: the links by address; changed on the loop only.
    """

    def __init__(self, loop: LoopThread, broker: Broker, wire: Wire, user: str | None) -> None:
        self._loop = loop
        self._broker = broker
        self._wire = wire
        self._user = user
        self._outlets: OrderedDict[str, Outlet] = OrderedDict()
        self._inlets: dict[str, Inlet] = {}
        self._replies: Inlet | None = None
        self._coordinator: Coordinator | None = None
        self._unit: bytes | None = None  # the transaction that it takes part in

    @property
    def is_lost(self) -> bool:
        """Whether the connection is no more."""
        return self._wire.lost_because is not None

    @property
    def broker(self) -> str:
        """The endpoint that it is connected to."""
        return self._wire.broker

    # --- the contract -------------------------------------------------------------------------------------------------

    def cleanup(self) -> None:
        """End the receiving links, and with them temporary queues; sending links are kept. Blocks for a round trip."""
        self._run(self._clean(), "the clean-up")

    def destroy(self) -> None:
        """Say goodbye and close. Blocks for at most about a second; harmless when called twice."""
        # What it raises is that the adapter has stopped, and its connections with it.
        with contextlib.suppress(ConnectorError, asyncio.CancelledError):
            self._loop.run(self._wire.close())

    def describe(self) -> ConnectionDescription:
        """What the broker says of itself, after a round trip. Raises ConnectionFailed CF-AMQP-023."""
        self._run(self._wire.ping(), "a round trip")
        known = self._wire.peer_properties
        product = " ".join(str(known[name]) for name in ("product", "bus") if known.get(name))
        return ConnectionDescription(product or "AMQP 1.0 broker", str(known.get("version") or "AMQP 1.0"), self._user)

    def validate(self) -> bool:
        """Whether the broker still answers. Blocks for a round trip."""
        try:
            self._run(self._wire.ping(), "a round trip")
        except (ConnectionFailed, MessagingError):
            return False
        return True

    def take_part(self, unit: UnitOfWork) -> AmqpBranch:
        """Take part in a unit of work as its last resource. Blocks for a round trip or two.

        Raises MessagingError CF-AMQP-464 where the broker has no transactions, ConnectionFailed CF-AMQP-023.
        """
        try:
            self._unit = self._run(self._declare(), "the beginning of a transaction")
        except ConnectionFailed:
            raise
        except ConnectorError as error:
            raise MessagingError(NO_TRANSACTIONS, broker=self.broker, why=error.text) from error
        return AmqpBranch(self, unit, self._broker.resource)

    def discharge(self, *, fail: bool) -> None:
        """End the transaction that it takes part in. Blocks for a round trip. Raises as the coordinator does."""
        ended, self._unit = self._unit, None
        coordinator = self._coordinator
        if ended is not None and coordinator is not None:
            self._run(coordinator.discharge(ended, fail=fail), "the end of a transaction")

    # --- messages -----------------------------------------------------------------------------------------------------

    def send(self, destination: str, message: Message) -> str:
        """Send; answers the message's id. Blocks until the broker has accepted it."""
        message_id = message.message_id or f"ID:{uuid.uuid4()}"
        user_id = self._user if self._broker.send_user_id else None
        data = encoded(message.replace(message_id=message_id), destination, user_id)
        self._run(self._send(destination, data), f"sending to {destination}")
        return message_id

    def receive(self, destination: str, timeout: float | None, selector: str | None) -> Message | None:
        """Receive one message and acknowledge it; None after `timeout` seconds. Blocks."""
        receiving = self._receive(destination, timeout, selector)
        return self._run(receiving, f"receiving from {destination}", timeout, waits=True)

    def browse(self, destination: str, limit: int, selector: str | None) -> list[Message]:
        """What is there now, at most so many. Blocks."""
        found = self._run(self._look(destination, limit, selector), f"looking at {destination}")
        return [self._read(data, destination) for data in found]

    def request(self, destination: str, message: Message, timeout: float | None) -> Message | None:
        """Send and wait for the reply on a temporary queue; None after `timeout` seconds. Blocks.

        Raises MessagingError CF-AMQP-468 within a unit of work.
        """
        if self._unit is not None:
            raise MessagingError(REQUEST_WITHIN_UNIT, destination=destination)
        message_id = message.message_id or f"ID:{uuid.uuid4()}"
        reply_to = self._run(self._reply_queue(), "a temporary reply queue")
        self.send(destination, message.replace(message_id=message_id, reply_to=reply_to))
        what = f"the reply to a request to {destination}"
        return self._run(self._reply(message_id, timeout), what, timeout, waits=True)

    # --- on the loop --------------------------------------------------------------------------------------------------

    async def _send(self, destination: str, data: bytes) -> None:
        outlet = await self._outlet(destination)
        try:
            await outlet.send(data, self._unit)
        except asyncio.CancelledError:
            self._outlets.pop(destination, None)
            outlet.close()  # whether it was taken is not known: nothing later must be taken for its answer
            raise

    async def _outlet(self, destination: str) -> Outlet:
        outlet = self._outlets.pop(destination, None)
        if outlet is None or not outlet.stands:
            outlet = Outlet(self._wire, destination)
            await outlet.open()
        self._outlets[destination] = outlet
        while len(self._outlets) > KEPT_OUTLETS:
            self._outlets.popitem(last=False)[1].close()
        return outlet

    async def _receive(self, destination: str, timeout: float | None, selector: str | None) -> Message | None:
        if selector is not None:
            return await self._select(destination, timeout, selector)
        inlet = self._inlets.get(destination)
        if inlet is None or not inlet.stands:
            inlet = Inlet(self._wire, destination)
            await inlet.open()
            self._inlets[destination] = inlet
        try:
            arrived = await inlet.take(timeout)
        except asyncio.CancelledError:
            self._inlets.pop(destination, None)
            inlet.close()  # with it goes the credit, and what came too late goes back
            raise
        return None if arrived is None else self._acknowledged(inlet, arrived, destination)

    async def _select(self, destination: str, timeout: float | None, selector: str) -> Message | None:
        """By a link of its own: hardly any two receipts have the same selector."""
        inlet = Inlet(self._wire, destination, selector=selector)
        await inlet.open()
        try:
            arrived = await inlet.take(timeout)
            return None if arrived is None else self._acknowledged(inlet, arrived, destination)
        finally:
            inlet.close()

    def _acknowledged(self, inlet: Inlet, arrived: Arrived, source: str) -> Message:
        try:
            message = self._read(arrived.data, source)
        except MessagingError as error:
            inlet.settle(arrived, "rejected", Condition("amqp:decode-error", error.text))
            raise
        if self._unit is None:
            inlet.settle(arrived, "accepted")
        else:
            inlet.accept_within(arrived, self._unit)
        return message

    async def _declare(self) -> bytes:
        if self._coordinator is None or not self._coordinator.stands:
            coordinator = Coordinator(self._wire)
            await coordinator.open()
            self._coordinator = coordinator
        return await self._coordinator.declare()

    async def _look(self, destination: str, limit: int, selector: str | None) -> list[bytes]:
        inlet = Inlet(self._wire, destination, copy=True, selector=selector)
        await inlet.open()
        try:
            return await inlet.look(limit)
        finally:
            inlet.close()

    async def _reply_queue(self) -> str:
        if self._replies is None or not self._replies.stands:
            self._replies = Inlet(self._wire, None)
            await self._replies.open()
        return self._replies.address

    async def _reply(self, message_id: str, timeout: float | None) -> Message | None:
        replies = self._replies
        assert replies is not None
        try:
            async with asyncio.timeout(timeout):
                while True:
                    arrived = await replies.take(None)
                    assert arrived is not None
                    reply = self._acknowledged(replies, arrived, replies.address)
                    if reply.correlation_id in (message_id, None):  # else a late one, to an earlier request
                        return reply
        except TimeoutError:
            return None
        finally:
            if replies.has_credit:
                self._replies = None
                replies.close()  # a late reply that names no request must not be taken for the next one's

    async def _clean(self) -> None:
        inlets, self._inlets = list(self._inlets.values()), {}
        for inlet in (*inlets, *(() if self._replies is None else (self._replies,))):
            inlet.close()
        self._replies = None
        if inlets or self._wire.lost_because is not None:
            await self._wire.ping()

    def _read(self, data: bytes, source: str) -> Message:
        from_engine = self._wire.peer_properties.get("product") == ENGINE
        return decoded(data, source, from_engine=from_engine).message

    def _run(self, work: Coroutine[Any, Any, T], what: str, timeout: float | None = 0.0, *, waits: bool = False) -> T:
        """Do something on the loop; a connection that is found broken is told to the pool.

        Args:
            work: What.
            what: For errors.
            timeout: Seconds that it waits by itself; None for without limit.
            waits: Whether it does wait by itself.
        """
        limit = self._broker.operation_timeout
        seconds = None if waits and timeout is None else limit + (timeout or 0.0)
        try:
            return self._loop.run(_within(seconds, work))
        except TimeoutError:
            error: ConnectorError = MessagingError(NO_ANSWER, broker=self.broker, seconds=limit, what=what)
            self.connection_error_occurred(error)
            raise error from None
        except ConnectionFailed as failure:
            self.connection_error_occurred(failure)
            raise
        except asyncio.CancelledError:
            raise self._wire.error() from None

    def __repr__(self) -> str:
        return f"<AmqpManagedConnection to {self.broker} as {self._user}>"


async def _within(seconds: float | None, work: Coroutine[Any, Any, T]) -> T:
    async with asyncio.timeout(seconds):
        return await work
