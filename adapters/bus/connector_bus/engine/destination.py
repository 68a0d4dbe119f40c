"""Destinations: the durable ones of the configuration, and the reply queues that come and go with their connections."""

from __future__ import annotations

import difflib
import functools
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Final, final

from connector.errors import NameNotFound, Reason
from connector.spi import Clock, Message
from connector_bus.engine.feeder import Feeder
from connector_bus.engine.message_queue import MessageQueue
from connector_bus.engine.queue_state import Entry
from connector_bus.engine.route import Hop, Route, resolve
from connector_bus.engine.ways_out import WaysOut
from connector_bus.policy.roles import ResourceType
from connector_bus.settings import MEMORY_SUBSCRIPTION, REPLY_PREFIX, TEMPORARY_PREFIX, DestinationSettings

DESTINATION_UNKNOWN = Reason(
    "CF-BUS-030",
    "bus {bus} has no destination {destination}{suggestion}",
    'Define it under [buses."{bus}".destinations], or correct the name.',
)

ExpiryListener = Callable[[list[Entry]], None]

#: Those that messages rest on; all others only lead somewhere.
QUEUE_TYPES: Final = frozenset({ResourceType.QUEUE, ResourceType.PORT})
#: Those, and those before which messages may wait for their mediations.
RESTING_TYPES: Final = QUEUE_TYPES | {ResourceType.TOPIC_SPACE}


@final
class Destination:
    """One queue with its two sides: what its mediations have yet to see, and what consumers can have.

    Attributes:
        name: Its name.
        resource: Its name in the policy; for reply queues that of their prefix.
        settings: The configuration, None for a reply queue.
        owner: The connection that alone may consume from it; None for a durable one.
        queue: What consumers take from.
        unmediated: What the mediations take from; None without mediations.
        prefix: Of a temporary one that was made with a prefix; None for all else.
        is_topic_space: Whether what is sent to it is published; then nothing is ever on its queue.
    """

    __slots__ = ("is_topic_space", "name", "owner", "prefix", "queue", "resource", "settings", "unmediated")

    def __init__(
        self,
        name: str,
        settings: DestinationSettings | None,
        owner: object,
        queue: MessageQueue,
        unmediated: MessageQueue | None = None,
        *,
        prefix: str | None = None,
        is_topic_space: bool = False,
    ) -> None:
        self.name = name
        self.settings = settings
        self.owner = owner
        self.resource = REPLY_PREFIX if settings is None else name
        self.queue = queue
        self.unmediated = unmediated
        self.prefix = prefix
        self.is_topic_space = is_topic_space

    @property
    def is_temporary(self) -> bool:
        """Whether it is a reply queue, whose messages are never stored."""
        return self.settings is None

    def side(self, *, mediated: bool) -> MessageQueue:
        """The queue for a message that the mediations have seen, or have not."""
        return self.queue if mediated or self.unmediated is None else self.unmediated

    def close(self) -> None:
        """End all waiting on it."""
        self.queue.close()
        if self.unmediated is not None:
            self.unmediated.close()


@final
class DestinationTable:
    """All destinations of one bus by name. Safe to use from any thread; nothing in it blocks.

    Args:
        bus: The bus, for errors.
        settings: The durable destinations.
        clock: For expiry.
        on_expired: Told of entries that left because they are past their time.
        feeder: Makes the durable queues where the store is shared with other engines.
        headers: What the store holds of a destination, without bodies; may block.

    Mutable state: `durable`, `_known` (the settings of all types) and `_routes` (what `route` has found; a cache),
    changed under `_lock` by replacing them, except for `_routes`; `_temporary` and `_subscriptions`, changed under
    `_lock`. A durable destination stays as configured.
    """

    def __init__(
        self,
        bus: str,
        settings: Iterable[DestinationSettings],
        clock: Clock,
        on_expired: ExpiryListener,
        feeder: Feeder | None = None,
        headers: Callable[[str], Iterable[tuple[int, Message]]] = lambda _name: (),
    ) -> None:
        self._headers = headers
        self._bus = bus
        self._clock = clock
        self._on_expired = on_expired
        self._feeder = feeder
        self._known: Mapping[str, DestinationSettings] = {each.name: each for each in settings}
        self._routes: dict[str, Route] = {}
        self.ways = WaysOut(bus)
        self.durable = {
            name: self._make_durable(each, feeder) for name, each in self._known.items() if each.kind in RESTING_TYPES
        }
        self._lock = threading.Lock()
        self._temporary: dict[str, Destination] = {}
        self._subscriptions: dict[str, Destination] = {}

    def make(self, settings: DestinationSettings) -> Destination:
        """Make a durable destination that nobody can find yet."""
        return self._make_durable(settings, self._feeder)

    def add(self, destination: Destination) -> None:
        """Let it be found. The table is replaced: who goes through it sees a whole one."""
        with self._lock:
            self.durable = {**self.durable, destination.name: destination}

    def configured(self, settings: Mapping[str, DestinationSettings]) -> None:
        """The configuration has changed: aliases are as they are there from now on. Does not block."""
        with self._lock:
            self._known, self._routes = dict(settings), {}

    def route(self, name: str) -> Route:
        """Where a name leads. Does not block. Raises NameNotFound CF-BUS-030, MessagingError CF-BUS-180."""
        found = self._routes.get(name)
        if found is not None:
            return found
        if name.startswith(MEMORY_SUBSCRIPTION):
            raise self.unknown(name)  # what is on a subscription was published: nobody sends there
        with self._lock:
            known, routes = self._known, self._routes
        if name not in known and self.find(name) is None and (address := self.ways.address(name)) is not None:
            # Not kept: which buses are known may change.
            hops = (Hop(name, checked=True),)
            return Route(hops, ResourceType.FOREIGN_DESTINATION, address.destination, address.bus)
        route = resolve(self._bus, known, name)
        if route is None:
            raise self.unknown(name)
        if route.kind is not ResourceType.TEMPORARY:  # those are too many to keep, and lead nowhere else
            routes[name] = route
        return route

    def is_alias(self, name: str) -> bool:
        """Whether it is the name of an alias, which has roles of its own."""
        known = self._known.get(name)
        return known is not None and known.alias is not None

    def remove(self, name: str) -> None:
        """Take a durable destination out, and end all waiting on it. What the store holds for it stays there."""
        with self._lock:
            gone = self.durable[name]
            self.durable = {key: each for key, each in self.durable.items() if key != name}
        gone.close()

    def _make_durable(self, settings: DestinationSettings, feeder: Feeder | None) -> Destination:
        def make(*, mediated: bool | None) -> MessageQueue:
            if feeder is None:
                headers = functools.partial(self._headers, settings.name)
                return MessageQueue(settings.name, self._clock, self._on_expired, headers)
            # Mediations take one message at a time, so that their order is kept: over all engines as well.
            exclusive = mediated is False
            return feeder.queue(settings.name, self._on_expired, mediated=mediated, exclusive=exclusive)

        publishes = settings.kind is ResourceType.TOPIC_SPACE
        if not settings.mediations:
            return Destination(settings.name, settings, None, make(mediated=None), is_topic_space=publishes)
        sides = (make(mediated=True), make(mediated=False))
        return Destination(settings.name, settings, None, *sides, is_topic_space=publishes)

    def find(self, name: str) -> Destination | None:
        """What messages of a name rest on, or None; None is also the answer for a temporary one that is gone.

        The queues of subscriptions are found here as well: never by a name that somebody sends to, see `route`.
        """
        return self.durable.get(name) or self._temporary.get(name) or self._subscriptions.get(name)

    def temporary(self, name: str) -> Destination | None:
        """A temporary destination that lives, or None."""
        return self._temporary.get(name)

    def get(self, name: str) -> Destination:
        """The destination. Raises NameNotFound CF-BUS-030 with a suggestion."""
        found = self.find(name)
        if found is None:
            raise self.unknown(name)
        return found

    def unknown(self, name: str) -> NameNotFound:
        """The error for a name that there is nothing of, with a suggestion."""
        close = difflib.get_close_matches(name, self._known, n=1)
        suggestion = f" (did you mean {close[0]}?)" if close else ""
        return NameNotFound(DESTINATION_UNKNOWN, bus=self._bus, destination=name, suggestion=suggestion)

    def add_reply_queue(self, name: str, owner: object) -> Destination:
        """Make a reply queue that only `owner` may consume from."""
        return self.add_temporary(name, owner)

    def add_temporary(
        self, name: str, owner: object, *, prefix: str | None = None, is_topic_space: bool = False
    ) -> Destination:
        """Make a temporary queue or topic that only `owner` may consume from; without a prefix a reply queue."""
        queue = MessageQueue(name, self._clock, self._on_expired)
        destination = Destination(name, None, owner, queue, prefix=prefix, is_topic_space=is_topic_space)
        with self._lock:
            self._temporary[name] = destination
        return destination

    def add_subscription(self, settings: DestinationSettings, *, in_memory: bool) -> Destination:
        """Make the queue of a subscription."""
        if in_memory:
            queue = MessageQueue(settings.name, self._clock, self._on_expired)
            destination = Destination(settings.name, settings, None, queue)
        else:
            destination = self._make_durable(settings, self._feeder)
        with self._lock:
            self._subscriptions[settings.name] = destination
        return destination

    def remove_subscription(self, name: str) -> None:
        """Take the queue of a subscription away, and end all waiting on it. Harmless when it is gone."""
        with self._lock:
            gone = self._subscriptions.pop(name, None)
        if gone is not None:
            gone.close()
            if self._feeder is not None:
                self._feeder.drop(gone.queue)

    def remove_reply_queue(self, name: str) -> int:
        """Take a reply queue away; answers how many messages are discarded with it. Harmless when it is gone."""
        with self._lock:
            destination = self._temporary.pop(name, None)
        if destination is None:
            return 0
        destination.close()
        return sum(destination.queue.counts())

    def close(self) -> None:
        """End all waiting on all of them."""
        with self._lock:
            temporary, self._temporary = list(self._temporary.values()), {}
            subscriptions = list(self._subscriptions.values())
        for destination in (*self.durable.values(), *temporary, *subscriptions):
            destination.close()


def is_reply_queue(name: str) -> bool:
    """Whether a name is one of a temporary destination, a reply queue among them, living or gone."""
    return name.startswith(TEMPORARY_PREFIX)
