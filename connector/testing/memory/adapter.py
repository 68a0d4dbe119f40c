"""The resource adapter to messages in memory.

Each step of a delivery is a method of its own (`begin`, `run`, `settle`, `failed`), for whoever wants to see one go
wrong: the kit's own saboteurs override them.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from typing import Any

from connector.errors import AuthenticationFailed, DeliveryPostponed, LoginRefused, Reason
from connector.spi import (
    UNAUTHENTICATED,
    ActivationHealth,
    ActivationSpec,
    BootstrapContext,
    Message,
    MessageEndpointFactory,
    PasswordCredential,
    Principal,
    ResourceAdapter,
    SecurityContext,
    Subject,
    identity_outage,
)
from connector.testing.memory.delivery import MemoryDelivery, SenderContext, Settlement
from connector.testing.memory.letters import DeadLetter, Letter, Rest, next_letter, reason_of
from connector.testing.memory.subscription import Subscription

CONSUMER_REFUSED = Reason(
    "CF-KIT-010",
    "the user {user} may not consume from memory: {cause}",
    "Give the activation an alias of a user of the realm.",
)

#: Seconds that deliveries under way are waited for when their activation ends.
GRACE = 2.0
#: Seconds before what the work manager refused is offered again.
REFUSAL_PAUSE = 0.05
#: Seconds that deliveries pause by an outage: the first time, and at most.
FIRST_OUTAGE_PAUSE, LONGEST_OUTAGE_PAUSE = 0.05, 1.0

Later = Callable[[float, Callable[[], None]], None]


def by_timer(delay: float, action: Callable[[], None]) -> None:
    """Do something later, in real time."""
    timer = threading.Timer(delay, action)
    timer.daemon = True
    timer.start()


class MemoryResourceAdapter(ResourceAdapter):
    """Queues in memory; nothing outlives it. Safe to use from any thread.

    Args:
        later: Does something after so many seconds; by default in real time.
    """

    # Mutable state, changed under `_lock`: `_queues`, `_subscriptions`, `_dead` and the subscriptions' own.

    def __init__(self, later: Later = by_timer) -> None:
        self._later = later
        self._lock = threading.Condition()
        self._queues: dict[str, list[Letter]] = {}
        self._subscriptions: dict[tuple[MessageEndpointFactory, ActivationSpec], Subscription] = {}
        self._dead: list[DeadLetter] = []
        self._context: BootstrapContext | None = None

    def start(self, context: BootstrapContext) -> None:
        """Keep the context."""
        self._context = context

    def stop(self) -> None:
        """Begin no delivery any more."""
        with self._lock:
            for subscription in self._subscriptions.values():
                subscription.ended = True

    @property
    def context(self) -> BootstrapContext:
        """The container."""
        assert self._context is not None, "it was not started"
        return self._context

    # --- from outside -----------------------------------------------------------------------------------------------

    def send(self, queue: str, message: Message, sender: Principal | None = None) -> str:
        """Put a message on a queue, from a sender; answers its id. Does not block."""
        message_id = uuid.uuid4().hex
        identity = sender or UNAUTHENTICATED
        stamped = message.replace(message_id=message_id, identity=identity, destination=queue, delivery_count=0)
        with self._lock:
            self._queues.setdefault(queue, []).append(Letter(stamped))
        self.dispatch(queue)
        return message_id

    def at_rest(self, queue: str) -> tuple[Message, ...]:
        """What is not settled, in order."""
        with self._lock:
            return tuple(letter.message for letter in self._queues.get(queue, ()))

    def dead_letters(self) -> tuple[DeadLetter, ...]:
        """What was given up, in order."""
        with self._lock:
            return tuple(self._dead)

    def wait_until_idle(self, timeout: float) -> bool:
        """Wait until no subscription has anything in delivery; answers whether that came about."""
        with self._lock:
            return self._lock.wait_for(lambda: not any(one.out for one in self._subscriptions.values()), timeout)

    # --- activations ------------------------------------------------------------------------------------------------

    def activate_endpoint(self, endpoint_factory: MessageEndpointFactory, spec: ActivationSpec) -> None:
        """Begin to deliver. Raises LoginRefused (CF-KIT-010) for a consumer that the realm doesn't accept."""
        self.admit(endpoint_factory.sign_on())
        subscription = Subscription(endpoint_factory, str(spec.properties["queue"]))
        with self._lock:
            self._subscriptions[endpoint_factory, spec] = subscription
        self.dispatch(subscription.queue)

    def admit(self, consumer: Subject | None) -> None:
        """Check who consumes; without an alias anybody may."""
        for credential in () if consumer is None else consumer.credentials_of(PasswordCredential):
            try:
                self.context.identity.authenticate(credential.user, credential.password)
            except AuthenticationFailed as error:
                raise LoginRefused(CONSUMER_REFUSED, user=credential.user, cause=error.text) from error

    def deactivate_endpoint(self, endpoint_factory: MessageEndpointFactory, spec: ActivationSpec) -> None:
        """End it; waits a little for deliveries under way."""
        with self._lock:
            subscription = self._subscriptions.get((endpoint_factory, spec))
            if subscription is not None:
                subscription.ended = True
                self._lock.wait_for(lambda: not subscription.out, GRACE)
                if not subscription.out:
                    del self._subscriptions[endpoint_factory, spec]

    def activation_health(self, endpoint_factory: MessageEndpointFactory, spec: ActivationSpec) -> ActivationHealth:
        """Whether it delivers, and what it waits for."""
        with self._lock:
            subscription = self._subscriptions.get((endpoint_factory, spec))
            if subscription is None or subscription.ended:
                return ActivationHealth(subscribed=False)
            return ActivationHealth(subscribed=True, waiting=subscription.held)

    # --- the steps of a delivery ------------------------------------------------------------------------------------

    def dispatch(self, queue: str) -> None:
        """Begin what can begin on a queue. Does not block."""
        begun: list[tuple[Subscription, Letter]] = []
        with self._lock:
            letters = self._queues.get(queue, [])
            for subscription in self._subscriptions.values():
                while subscription.queue == queue and (letter := next_letter(letters, subscription)) is not None:
                    letter.rest = Rest.OUT
                    subscription.out.add(letter)
                    begun.append((subscription, letter))
        for subscription, letter in begun:
            self.begin(subscription, letter)

    def begin(self, subscription: Subscription, letter: Letter) -> None:
        """Hand a delivery to the work manager."""
        delivery = MemoryDelivery(self, subscription, letter)
        delivery.submit(self.security_context(delivery))

    def security_context(self, delivery: MemoryDelivery) -> SecurityContext:
        """Who the caller is."""
        return SenderContext(delivery)

    def run(self, delivery: MemoryDelivery) -> None:
        """Deliver, on the work's thread, under the sender's identity."""
        subscription, letter = delivery.subscription, delivery.letter
        if subscription.ended:
            self.refused(delivery)
            return
        settlement = Settlement(self, subscription, letter)
        try:
            self.deliver(subscription.factory, letter, settlement)
        except Exception as error:  # noqa: BLE001 - whatever it failed by, the message is not lost
            self.failed(delivery, error)
        else:
            subscription.outages = 0
            settlement.settle()

    def deliver(self, factory: MessageEndpointFactory, letter: Letter, settlement: Settlement) -> None:
        """Call the handler between the brackets, the reply and the settlement in its unit of work."""
        endpoint = factory.create_endpoint(settlement)
        try:
            endpoint.before_delivery()
            try:
                settlement.reply = endpoint.deliver(letter.message.replace(delivery_count=letter.failures))
                settlement.replier = factory.run_as() or self.context.identity.current_subject()
            finally:
                endpoint.after_delivery()
        finally:
            endpoint.release()

    def settle(self, subscription: Subscription, letter: Letter, reply: Any, replier: Subject | None) -> None:
        """The message is gone, and its reply is on its way."""
        with self._lock:
            letters = self._queues[subscription.queue]
            if letter in letters:
                letters.remove(letter)
            subscription.out.discard(letter)
            self._lock.notify_all()
        request = letter.message
        if reply is not None and request.reply_to is not None:
            answer = reply if isinstance(reply, Message) else Message(reply)
            correlated = answer.replace(correlation_id=answer.correlation_id or request.reply_correlation_id)
            self.send(request.reply_to, correlated, None if replier is None else replier.caller)
        self.dispatch(subscription.queue)

    def failed(self, delivery: MemoryDelivery, error: BaseException) -> None:
        """A delivery has failed: again after a while, or given up; not counted where nobody is to blame."""
        subscription, letter = delivery.subscription, delivery.letter
        if subscription.ended or isinstance(error, DeliveryPostponed):
            self.refused(delivery)
            return
        outage = identity_outage(error)
        if outage is not None:
            self._pause(delivery, outage.code)
            return
        letter.failures += 1
        policy = subscription.factory.redelivery
        if letter.failures > policy.limit:
            self.bury(subscription, letter, reason_of(error))
        else:
            self._put_back(subscription, letter, policy.pause(letter.failures))

    def bury(self, subscription: Subscription, letter: Letter, reason: str) -> None:
        """Give a message up; it is kept apart with the reason."""
        with self._lock:
            self._dead.append(DeadLetter(letter.message, reason, letter.failures))
        self.settle(subscription, letter, None, None)

    def refused(self, delivery: MemoryDelivery) -> None:
        """A delivery could not begin: the message goes back as it was."""
        self._put_back(delivery.subscription, delivery.letter, REFUSAL_PAUSE)

    def _put_back(self, subscription: Subscription, letter: Letter, delay: float) -> None:
        def ready() -> None:
            with self._lock:
                letter.rest = Rest.READY
            self.dispatch(subscription.queue)

        with self._lock:
            letter.rest = Rest.WAITING
            subscription.out.discard(letter)
            self._lock.notify_all()
        if delay > 0:
            self._later(delay, ready)
        else:
            ready()
        self.dispatch(subscription.queue)

    def _pause(self, delivery: MemoryDelivery, code: str) -> None:
        """Take nothing for a while, each time in a row for longer; the message goes back as it was."""
        subscription = delivery.subscription

        def go_on() -> None:
            with self._lock:
                subscription.held = ""
            self.dispatch(subscription.queue)

        with self._lock:
            already, subscription.held = bool(subscription.held), code
            subscription.outages += not already
            delay = min(FIRST_OUTAGE_PAUSE * 2 ** min(subscription.outages - 1, 10), LONGEST_OUTAGE_PAUSE)
        self._put_back(subscription, delivery.letter, 0.0)
        if not already:
            self._later(delay, go_on)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} with {len(self._subscriptions)} activation(s)>"
