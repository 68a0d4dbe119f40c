"""An endpoint activation: one handler that consumes from one queue (CHAIN-6, FLOW-8)."""

from __future__ import annotations

from typing import final

from connector.spi import ActivationHealth, MessageEndpointFactory, Ordering, PasswordCredential
from connector_bus.adapter.bus import Bus
from connector_bus.adapter.delivery import Delivery
from connector_bus.engine.consumer import Consumer
from connector_bus.policy.roles import Role
from connector_bus.selector.selector import Selector


@final
class Activation:
    """Consumes for one handler, up to its concurrency at once.

    Args:
        bus: The bus.
        destination: The queue's name.
        factory: The handler's endpoints.
        selector: Which messages it takes; None for any.
        before: The activation of the same handler that this one follows, for example after a pause; None for none.
    """

    def __init__(
        self,
        bus: Bus,
        destination: str,
        factory: MessageEndpointFactory,
        selector: Selector | None = None,
        before: Activation | None = None,
    ) -> None:
        self._selector = selector
        self._bus = bus
        self._destination = destination
        self._factory = factory
        self._before = None if before is None else before._consumer
        self._consumer: Consumer | None = None

    def start(self) -> None:
        """Sign on, check the receiver role, begin. Blocks for the registry.

        Raises what makes an activation fail at once, not at its first message: SignOnError CF-BUS-010 (no alias),
        LoginRefused CF-BUS-011, AccessDenied CF-BUS-012 or -021, NameNotFound CF-BUS-030, AuthDataError,
        MessagingError CF-BUS-056 or -171.
        """
        given = self._factory.sign_on()
        held = () if given is None else given.credentials_of(PasswordCredential)
        subject = self._bus.sign_on.with_credential(next(iter(held), None))
        destination = self._bus.engine.consumable(subject, self._destination, None, Role.RECEIVER)
        consumer = Consumer(
            destination.queue,
            self._factory.concurrency,
            lambda taken: Delivery(self._bus, consumer, taken, self._factory).schedule(),
            self._bus.engine.alarm,
            keeps_groups=self._factory.ordering is Ordering.GROUP,
            alone=self._factory.ordering is Ordering.QUEUE,
            selector=self._selector,
            on_lost=self._factory.lost,
        )
        self._consumer = consumer
        in_order = self._factory.ordering is not Ordering.NONE
        consumer.start(after=self._before if in_order else None)
        self._before = None

    def health(self) -> ActivationHealth:
        """Whether messages of its queue reach it. Does not block."""
        consumer = self._consumer
        if consumer is None or consumer.is_stopped or consumer.queue.is_closed:
            return ActivationHealth(subscribed=False)
        return ActivationHealth(subscribed=True, polled=consumer.queue.polled(), waiting=consumer.held)

    def stop(self, grace: float) -> bool:
        """No delivery begins after this; waits up to `grace` seconds for those under way, and answers whether they
        ended. One that did not may still settle its message.
        """
        return self._consumer is None or self._consumer.stop(grace)
