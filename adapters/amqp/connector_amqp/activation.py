"""An endpoint activation: one handler that consumes from one source, over a connection of its own (CHAIN-6, FLOW-8).

A place is credit at the broker, or a message that is out with us. There are as many as the concurrency, and one where
an order is to be kept; what waits for its redelivery keeps its place only there. So nothing overtakes what has failed,
and nothing more is taken than can be handled.

It does not reconnect by itself: it tells the container that it is lost, which begins it again, after a while and again
and again.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final, final

from connector.errors import ConnectionFailed, ConnectorError, MessagingError, Reason
from connector.spi import (
    ActivationHealth,
    Message,
    MessageEndpointFactory,
    Ordering,
    PasswordCredential,
    TransactionService,
    UnitOfWork,
    WorkManager,
)
from connector_amqp.answers import answered
from connector_amqp.codec import encoded
from connector_amqp.conversation import ENGINE
from connector_amqp.coordinator import Coordinators
from connector_amqp.delivery import Delivery
from connector_amqp.delivery_branch import DeliveryBranch
from connector_amqp.factory import Dialler
from connector_amqp.failures import FailureCounts
from connector_amqp.inlet import Arrived, Inlet
from connector_amqp.outlet import Outlet
from connector_amqp.refusals import Condition
from connector_amqp.settings import Subscription
from connector_amqp.wire import Wire

NO_TRANSACTED_DELIVERY = Reason(
    "CF-AMQP-510",
    "{resource} wants the deliveries to handler {application}:{activation} in transactions of its broker: {why}",
    "Leave `transactions` out of its properties, or set it to false: messages are then settled after the commit of the "
    "handler's unit of work, and may come again. RabbitMQ 3 has no transactions over AMQP 1.0.",
)

#: Transacted deliveries at once: each may open some links, of which a connection can't have any number.
MOST_TRANSACTED: Final = 50
#: Seconds before a delivery that the work manager refused is offered again.
REFUSAL_PAUSE: Final = 1.0
#: Seconds that deliveries pause where a registry does not answer: the first time, and at most.
FIRST_OUTAGE_PAUSE, LONGEST_OUTAGE_PAUSE = 0.5, 60.0

_LOG = logging.getLogger("connector_amqp")


def outage_pause(outages: int) -> float:
    """Seconds to pause after so many outages in a row, at least one. Pure."""
    return float(min(FIRST_OUTAGE_PAUSE * 2 ** min(max(outages, 1) - 1, 16), LONGEST_OUTAGE_PAUSE))


@final
class Activation:
    """Consumes for one handler. Safe to use from any thread; what is marked so runs on the adapter's loop.

    Attributes:
        subscription: What is consumed.
        factory: The handler's endpoints.
        works: Where deliveries run.
        failures: How often what has failed.
        stopped: Whether no delivery may begin any more.
        in_order: Whether an order is kept.

    Mutable state: `_coordinators`, where deliveries are in transactions; `_out`, deliveries whose message is not
    settled, changed under `_lock`; `_timers`, what waits, on the loop only; `_held`, `_outages`.
    """

    def __init__(
        self,
        dialler: Dialler,
        subscription: Subscription,
        factory: MessageEndpointFactory,
        works: WorkManager,
        failures: FailureCounts,
        transactions: TransactionService,
    ) -> None:
        self._dialler = dialler
        self._transactions = transactions
        self.subscription = subscription
        self.factory = factory
        self.works = works
        self.failures = failures
        self.stopped = False
        self.in_order = factory.ordering is not Ordering.NONE
        self._places = 1 if self.in_order else factory.concurrency
        self._wire: Wire | None = None
        self._inlet: Inlet | None = None
        self._relay: Outlet | None = None
        self._coordinators: Coordinators | None = None
        self._lock = threading.Condition()
        self._out: set[Delivery] = set()
        self._timers: dict[Delivery, asyncio.TimerHandle] = {}
        self._held = ""
        self._outages = 0
        self._lost = False

    @property
    def source(self) -> str:
        """Where from, for log and errors."""
        return f"{self.subscription.destination} at {self.subscription.broker}"

    @property
    def from_engine(self) -> bool:
        """Whether the broker is an engine of ours, whose word on a sender counts."""
        return self._wire is not None and self._wire.peer_properties.get("product") == ENGINE

    # --- life ---------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Sign on, subscribe, begin. Blocks for the broker.

        Raises what makes an activation fail at once, not at its first message: what connecting raises (SignOnError
        CF-AMQP-013 without an alias where the broker wants a user), AccessDenied CF-AMQP-020, NameNotFound CF-AMQP-021,
        MessagingError CF-AMQP-022 or -032, AuthDataError.
        """
        given = self.factory.sign_on()
        held = () if given is None else given.credentials_of(PasswordCredential)
        wire = self._dialler.open(self.subscription.broker, next(iter(held), None), by_certificate=given is None)
        try:
            self._dialler.loop.run(self._subscribe(wire))
        except BaseException:
            self.stopped = True
            self._dialler.loop.run(wire.close())
            raise

    async def _subscribe(self, wire: Wire) -> None:
        inlet = Inlet(
            wire, self.subscription.destination, selector=self.subscription.selector, on_message=self._arrived
        )
        limit = self.subscription.broker.operation_timeout
        if self.factory.transacted and self.subscription.transactions is not False:
            self._coordinators = await answered(lambda: self._coordinators_of(wire), wire, limit, "a transaction")
        await answered(inlet.open, wire, limit, f"subscribing to {self.subscription.destination}")
        self._wire, self._inlet = wire, inlet
        inlet.on_end = self._on_end
        inlet.want(self._places if self._coordinators is None else min(self._places, MOST_TRANSACTED))

    async def _coordinators_of(self, wire: Wire) -> Coordinators | None:
        """The way to the broker's coordinator; None for one that has none, where that may be."""
        coordinators = Coordinators(wire)
        try:
            await coordinators.get()
        except ConnectionFailed:
            raise
        except ConnectorError as error:
            factory, resource = self.factory, self.subscription.broker.resource
            if self.subscription.transactions:
                names = {"application": factory.application, "activation": factory.activation}
                raise MessagingError(NO_TRANSACTED_DELIVERY, resource=resource, why=error.text, **names) from error
            _LOG.warning("%s: messages are settled after the unit of work of their handler: %s", resource, error.text)
            return None
        return coordinators

    def stop(self, grace: float) -> bool:
        """No delivery begins after this; waits up to `grace` seconds for those under way, and answers whether they
        ended. The message of one that did not goes back to the broker, and comes again.
        """
        self.stopped = True
        inlet, wire = self._inlet, self._wire
        if inlet is None or wire is None:
            return True
        self._dialler.loop.run(self._wind_down(inlet))
        with self._lock:
            ended = self._lock.wait_for(lambda: not self._out, grace)
        self._dialler.loop.run(self._close(inlet, wire))
        return ended

    async def _wind_down(self, inlet: Inlet) -> None:
        inlet.want_no_more()
        for delivery, timer in list(self._timers.items()):
            timer.cancel()
            self._say(delivery, "released", None)
        self._timers.clear()

    @staticmethod
    async def _close(inlet: Inlet, wire: Wire) -> None:
        inlet.close()
        await wire.close()

    def health(self) -> ActivationHealth:
        """Whether messages reach it. Does not block."""
        wire, inlet = self._wire, self._inlet
        if self.stopped or wire is None or inlet is None or not inlet.stands:
            return ActivationHealth(subscribed=False)
        return ActivationHealth(subscribed=True, polled=time.monotonic() - wire.seen, waiting=self._held)

    def _on_end(self) -> None:
        """On the loop: the broker has ended the subscription, or the connection is lost."""
        if self.stopped or self._lost or self._inlet is None:
            return
        self._lost = True
        error = self._inlet.error()
        _LOG.warning("the subscription to %s is lost: %s", self.source, error)
        self.factory.lost(error)

    # --- deliveries ---------------------------------------------------------------------------------------------------

    def _arrived(self, arrived: Arrived) -> None:
        """On the loop: a message has come."""
        delivery = Delivery(self, arrived)
        with self._lock:
            self._out.add(delivery)
        if self.stopped:
            self._say(delivery, "released", None)
        else:
            delivery.schedule()

    def succeeded(self) -> None:
        """A delivery has come to a good end: whatever was waited for answers again."""
        self._held, self._outages = "", 0

    def settle(self, delivery: Delivery, outcome: str, *, condition: Condition | None = None, delay: float = 0) -> None:
        """Say what becomes of a message, after so many seconds; does not block."""
        self._dialler.loop.soon(lambda: self._settle(delivery, outcome, condition, delay))

    def offer_again(self, delivery: Delivery, refusal: BaseException | None) -> None:
        """Nobody was called, for want of a thread or while paused: no failure of the message's; it keeps its place.

        Does not block.
        """
        code = refusal.code if isinstance(refusal, ConnectorError) else "a full work manager"
        _LOG.warning("a delivery of %s must wait: %s", self.source, code)
        self._dialler.loop.soon(lambda: self._later(delivery, REFUSAL_PAUSE, delivery.schedule))

    def deliver_again(self, delivery: Delivery, delay: float) -> None:
        """It has failed and keeps its place: again from here, after so many seconds. Does not block."""
        self._dialler.loop.soon(lambda: self._later(delivery, delay, delivery.schedule))

    def wait_for_outage(self, delivery: Delivery, outage: ConnectorError) -> None:
        """Nobody was refused and the message is not to blame: it is delivered again from here. Does not block."""
        self._outages += 1
        self._held = outage.code
        seconds = outage_pause(self._outages)
        _LOG.warning("deliveries of %s pause for %.1f s, no attempt is counted: %s", self.source, seconds, outage)
        self._dialler.loop.soon(lambda: self._later(delivery, seconds, delivery.schedule))

    def branch(self, arrived: Arrived) -> DeliveryBranch | None:
        """A delivery's part in the unit of work of its handler; None where the message is settled after it."""
        coordinators, inlet = self._coordinators, self._inlet
        if coordinators is None or inlet is None:
            return None
        return DeliveryBranch(self._dialler.loop, self.subscription.broker, coordinators, inlet, arrived)

    def current_unit(self) -> UnitOfWork | None:
        """The unit of work in force on the running thread."""
        return self._transactions.current()

    def noted(self, unit: UnitOfWork, branch: DeliveryBranch) -> AbstractContextManager[None]:
        """Let the handler's own connections to this broker take part in the delivery's transaction, in the block."""
        return self._dialler.deliveries.noted(unit, branch)

    def reply(self, destination: str, message: Message) -> None:
        """Send a reply, as the user that the activation is signed on as. Blocks until the broker has accepted it.

        Raises what sending raises.
        """
        data, wire = encoded(message, destination), self._wire
        assert wire is not None
        limit = self.subscription.broker.operation_timeout
        sending = answered(lambda: self._send(wire, destination, data), wire, limit, f"replying to {destination}")
        self._dialler.loop.run(sending)

    async def _send(self, wire: Wire, destination: str, data: bytes) -> None:
        if wire.offers_relay:
            if self._relay is None or not self._relay.stands:
                self._relay = Outlet(wire, None)
                await self._relay.open()
            await self._relay.send(data)
            return
        outlet = Outlet(wire, destination)
        await outlet.open()
        try:
            await outlet.send(data)
        finally:
            outlet.close()

    # --- on the loop --------------------------------------------------------------------------------------------------

    def _settle(self, delivery: Delivery, outcome: str, condition: Condition | None, delay: float) -> None:
        if delay <= 0 or self.stopped:
            self._say(delivery, outcome, condition)
            self._want_more()
            return
        self._want_more()  # others go on meanwhile
        self._later(delivery, delay, lambda: self._say(delivery, outcome, condition))

    def _later(self, delivery: Delivery, seconds: float, action: Callable[[], None]) -> None:
        earlier = self._timers.pop(delivery, None)
        if earlier is not None:  # told twice, as of a work that is refused at once: it is one delivery all the same
            earlier.cancel()
        if self.stopped:
            self._say(delivery, "released", None)
            return

        def due() -> None:
            self._timers.pop(delivery, None)
            action()

        self._timers[delivery] = asyncio.get_running_loop().call_later(seconds, due)

    def _say(self, delivery: Delivery, outcome: str, condition: Condition | None) -> None:
        if self._inlet is not None:
            self._inlet.settle(delivery.arrived, outcome, condition)
        with self._lock:
            self._out.discard(delivery)
            self._lock.notify_all()

    def _want_more(self) -> None:
        if not self.stopped and self._inlet is not None:
            self._inlet.want(1)

    def __repr__(self) -> str:
        return f"<Activation on {self.source}>"
