"""A subscription of a topic space, and its being in use (BUS-6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

from connector.errors import ConnectorError, MessagingError
from connector.spi import Subject
from connector_bus.engine.destination import Destination
from connector_bus.engine.interrupt import Interrupt
from connector_bus.engine.message_queue import QUEUE_CLOSED, MessageQueue
from connector_bus.engine.topic_pattern import parse_pattern
from connector_bus.selector.selector import parse_selector
from connector_bus.store.subscription import StoredSubscription


@final
class Subscription:
    """One that the engine knows, whether it is in use or not. Its owner (`Topics`) guards what changes.

    Attributes:
        record: What it is.
        destination: Its queue.
        pattern: Its topics.
        selector: Which of their messages; None for all.
        subject: Who subscribed, for one that isn't durable; None: the record's owner as the registry knows it.
        consumers: How many use it.
        leaving: Those of them that are about to end, on whatever thread.
    """

    __slots__ = ("consumers", "destination", "leaving", "pattern", "record", "selector", "subject")

    def __init__(self, record: StoredSubscription, destination: Destination, subject: Subject | None = None) -> None:
        self.record = record
        self.destination = destination
        self.subject = subject
        self.pattern = parse_pattern(record.pattern)
        self.selector = None if record.selector is None else parse_selector(record.selector)
        self.consumers = 0
        self.leaving: set[OpenSubscription] = set()

    @property
    def is_in_use(self) -> bool:
        """Whether somebody uses it who isn't about to end."""
        return self.consumers > len(self.leaving)

    @property
    def place(self) -> str:
        """The name of its queue."""
        return self.record.place

    def __repr__(self) -> str:
        return f"<Subscription {self.record.name or self.place} of {self.record.space}, {self.record.pattern}>"


@final
class OpenSubscription:
    """A subscription in use by one consumer, until `close`. Safe to use from any thread; one waits at a time.

    What loses the right to it is told by `lost`, and whoever waits gets the refusal.

    Mutable state: `_closed` and `_listener`, set once each.
    """

    def __init__(self, subscription: Subscription, leave: Callable[[], None]) -> None:
        self.subscription = subscription
        self.interrupt = Interrupt()
        self._leave = leave
        self._closed = False
        self._listener: Callable[[ConnectorError], None] | None = None

    @property
    def destination(self) -> Destination:
        """Its queue as a destination: what the engine's `take` is given."""
        return self.subscription.destination

    @property
    def queue(self) -> MessageQueue:
        """Its queue."""
        return self.subscription.destination.queue

    @property
    def closed(self) -> bool:
        """Whether it is in use no more."""
        return self._closed

    def on_lost(self, listener: Callable[[ConnectorError], None]) -> None:
        """Have somebody told of the refusal when the right is lost; at once if it is by now."""
        self._listener = listener
        if self.interrupt.error is not None:
            listener(self.interrupt.error)

    def lost(self, error: ConnectorError) -> None:
        """The right is gone. Does not block."""
        self.interrupt.fire(error)
        if self._listener is not None:
            self._listener(error)

    def about_to_close(self) -> None:
        """`close` has been handed to another thread, and is as good as done. Does not block."""
        if not self._closed:
            self.subscription.leaving.add(self)

    def close(self) -> None:
        """It is in use no more; one that isn't durable ends with its last consumer. May block for the database.

        Harmless when called twice.
        """
        if not self._closed:
            self._closed = True
            self.interrupt.fire(MessagingError(QUEUE_CLOSED, queue=self.subscription.place))
            self._leave()
            self.subscription.leaving.discard(self)

    def require_usable(self) -> None:
        """Raise the refusal where the right was lost, MessagingError CF-BUS-036 where it was closed."""
        if self.interrupt.error is not None:
            raise self.interrupt.error

    def __repr__(self) -> str:
        return f"<OpenSubscription {'closed' if self._closed else 'open'}, {self.subscription!r}>"
