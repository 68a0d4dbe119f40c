"""How a message is let in: who may send where, how far it goes, and its stamp; nothing is stored yet (BUS-8)."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

from connector.errors import MessagingError, Reason
from connector.spi import Clock, Message, Principal, Subject
from connector_bus.engine.access import AccessControl
from connector_bus.engine.destination import RESTING_TYPES, DestinationTable
from connector_bus.engine.forward_path import Arrival, follow
from connector_bus.engine.intake import Stamp, new_message_id, stamped
from connector_bus.engine.route import Route
from connector_bus.policy.definition import ROOT
from connector_bus.policy.roles import ResourceType, Role
from connector_bus.policy.topics import is_topic
from connector_bus.reliability import Reliability
from connector_bus.settings import LINK_PREFIX, MAX_MESSAGE_SIZE
from connector_bus.store.record import StoredMessage

LINK_QUEUE = Reason(
    "CF-BUS-206",
    "{destination} on bus {bus} is the queue of a link, and takes no messages from senders",
    "Send to a destination of the other bus: NAME@BUS, or a foreign destination.",
)
TOPIC_UNFIT = Reason(
    "CF-BUS-184",
    "nothing can be published to the topic {topic} of {destination}",
    'Give "/" for the root, or levels such as "sports/football", without wildcards.',
)


@final
class Entrance:
    """Lets messages into one bus. Safe to use from any thread; it has no state of its own.

    Args:
        bus: The name of the bus, for errors.
        destinations: Where names lead.
        access: The role checks.
        clock: The time, for stamps.
        next_sequence: Gives a message its number.
    """

    def __init__(
        self,
        bus: str,
        destinations: DestinationTable,
        access: AccessControl,
        clock: Clock,
        next_sequence: Callable[[], int],
    ) -> None:
        self._bus = bus
        self._destinations = destinations
        self._access = access
        self._clock = clock
        self._next_sequence = next_sequence

    def require_sender(self, subject: Subject, name: str, topic: str | None = None) -> Route:
        """Where a message for a name goes, if the subject may send there: on each hop that is checked (BUS-8, BUS-13).

        Of a topic space the topic is asked about as well, if one is given. May block for the registry where roles have
        unique names. Raises AccessDenied CF-BUS-020, -120, -123 or -124, NameNotFound CF-BUS-030, MessagingError
        CF-BUS-180, -184 or -206.
        """
        if name.startswith(LINK_PREFIX):
            raise MessagingError(LINK_QUEUE, destination=name, bus=self._bus)
        route = self._destinations.route(name)
        if route.bus is not None and not self._destinations.is_alias(name):
            self._access.require_foreign(subject, route.bus, route.name)
        elif route.kind is ResourceType.TEMPORARY:
            destination = self._destinations.temporary(name)
            if destination is None:
                return route  # what comes for one that is gone is discarded, whoever sends it
            if destination.prefix is None:
                self._access.require(subject, Role.SENDER, destination.resource)
            else:
                self._access.require_prefix(subject, Role.SENDER, destination.prefix)
        elif route.kind is ResourceType.TOPIC_SPACE and topic is not None:
            _require_topic(topic, name)
            self._access.require(subject, Role.SENDER, name, topic)
        else:
            self._access.require(subject, Role.SENDER, name)
        return route

    def follow(self, subject: Subject, name: str, message: Message) -> Arrival:
        """How far a message gets along its path, with the sender role asked for at each destination (BUS-8).

        Raises what `require_sender` raises, MessagingError CF-BUS-043 or -221.
        """

        def is_mediated(route: Route) -> bool:
            found = self._destinations.find(route.name) if route.bus is None else None
            return found is not None and found.unmediated is not None

        return follow(
            self._bus,
            name,
            message,
            lambda each: self.require_sender(subject, each, message.topic or ROOT),
            is_mediated,
        )

    def accept(
        self,
        message: Message,
        name: str,
        identity: Principal,
        *,
        message_id: str | None = None,
        timestamp: float | None = None,
        mediated: bool | None = None,
        hops: int = 0,
        reliability: Reliability | None = None,
    ) -> StoredMessage:
        """Stamp a message for where a name leads; nothing is stored yet. Ids and time are new unless given.

        What counts is what the destination at the end says of reliability and size. Raises NameNotFound CF-BUS-030,
        MessagingError CF-BUS-180 and everything that `stamped` raises.
        """
        route = self._destinations.route(name)
        find = self._destinations.get if route.kind in RESTING_TYPES else self._destinations.find
        destination = None if route.bus is not None else find(route.name)
        if mediated is None:
            mediated = destination is None or destination.unmediated is None
        time = self._clock.time() if timestamp is None else timestamp
        settings = None if destination is None else destination.settings
        if destination is not None and destination.is_topic_space:
            topic = message.topic or ROOT
            _require_topic(topic, name)
            message = message.replace(topic=topic)
        stamp = Stamp(
            self._next_sequence(),
            message_id or new_message_id(),
            identity,
            time,
            route.name,
            mediated,
            hops,
            reliability or (Reliability.ASSURED if settings is None else settings.reliability),
            MAX_MESSAGE_SIZE if settings is None else settings.max_message_size,
        )
        return stamped(message, stamp)


def _require_topic(topic: str, name: str) -> None:
    if not is_topic(topic):
        raise MessagingError(TOPIC_UNFIT, topic=repr(topic), destination=name)
