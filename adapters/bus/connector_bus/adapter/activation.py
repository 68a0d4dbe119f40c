"""An endpoint activation: one handler that consumes from one queue or subscription (CHAIN-6, FLOW-8)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, final

from connector.errors import ConnectorError
from connector.spi import ActivationHealth, MessageEndpointFactory, Ordering, PasswordCredential, Subject
from connector_bus.adapter.bus import Bus
from connector_bus.adapter.delivery import Delivery
from connector_bus.engine.consumer import Consumer
from connector_bus.engine.message_queue import MessageQueue
from connector_bus.engine.rights import Right
from connector_bus.engine.subscription import OpenSubscription
from connector_bus.engine.terms import Terms
from connector_bus.policy.roles import ResourceType, Role
from connector_bus.selector.selector import Selector, parse_selector

#: All messages of all topics, by a subscription of the handler's own.
EVERYTHING: Final = Terms()


@final
class Activation:
    """Consumes for one handler, up to its concurrency at once.

    Args:
        bus: The bus.
        destination: The name of the queue, or of the topic space.
        factory: The handler's endpoints.
        terms: What of a topic space is subscribed to, and which messages are taken.
        before: The activation of the same handler that this one follows, for example after a pause; None for none.
    """

    def __init__(
        self,
        bus: Bus,
        destination: str,
        factory: MessageEndpointFactory,
        terms: Terms = EVERYTHING,
        before: Activation | None = None,
    ) -> None:
        self._terms = terms
        self._opened: OpenSubscription | None = None
        self._unwatch: Callable[[], None] = lambda: None
        self._bus = bus
        self._destination = destination
        self._factory = factory
        self._before = None if before is None else before._consumer
        self._consumer: Consumer | None = None

    def start(self) -> None:
        """Sign on, check the receiver role, begin. Blocks for the registry.

        Raises what makes an activation fail at once, not at its first message: SignOnError CF-BUS-010 (no alias),
        LoginRefused CF-BUS-011, AccessDenied CF-BUS-012 or -021, NameNotFound CF-BUS-030, AuthDataError,
        MessagingError CF-BUS-056 or -171; for a topic space everything that `Topics.open` raises.
        """
        given = self._factory.sign_on()
        held = () if given is None else given.credentials_of(PasswordCredential)
        subject = self._bus.sign_on.with_credential(next(iter(held), None))
        opened, queue, selector = self._source(subject)
        consumer = Consumer(
            queue,
            self._factory.concurrency,
            lambda taken: Delivery(self._bus, consumer, taken, self._factory).schedule(),
            self._bus.engine.alarm,
            keeps_groups=self._factory.ordering is Ordering.GROUP,
            alone=self._factory.ordering is Ordering.QUEUE,
            selector=selector,
            on_lost=self._factory.lost,
        )
        self._consumer = consumer
        self._opened = opened
        in_order = self._factory.ordering is not Ordering.NONE
        try:
            consumer.start(after=self._before if in_order else None)
        except BaseException:
            self._leave()
            raise
        self._before = None
        if opened is not None:
            opened.on_lost(self._lost)
        else:
            right = Right(subject, Role.RECEIVER, self._destination)
            self._unwatch = self._bus.engine.rights.watch(right, self._lost)

    def _source(self, subject: Subject) -> tuple[OpenSubscription | None, MessageQueue, Selector | None]:
        """The queue to consume from, and the selector to do it with: a subscription has applied its own by then."""
        engine, terms = self._bus.engine, self._terms
        if engine.destinations.route(self._destination).kind is ResourceType.TOPIC_SPACE:
            opened = engine.topics.open(subject, self._destination, terms, self)
            return opened, opened.queue, None
        queue = engine.consumable(subject, self._destination, None, Role.RECEIVER).queue
        return None, queue, None if terms.selector is None else parse_selector(terms.selector)

    def _lost(self, error: ConnectorError) -> None:
        """The right is gone: no delivery begins any more, and what was taken goes back. Does not block."""
        consumer = self._consumer
        if consumer is not None and not consumer.is_stopped:
            consumer.stop(0.0)
            self._factory.lost(error)

    def _leave(self) -> None:
        self._unwatch()
        if self._opened is not None:
            self._opened.close()

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
        ended = self._consumer is None or self._consumer.stop(grace)
        self._leave()
        return ended
