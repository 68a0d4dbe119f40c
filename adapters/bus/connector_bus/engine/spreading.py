"""Where the copies of a message rest: on links to other buses, on subscriptions, on its destination (BUS-6, BUS-13)."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import final

from connector_bus.engine.destination import DestinationTable
from connector_bus.engine.route import Route
from connector_bus.engine.topics import Topics
from connector_bus.store.record import Passage, StoredMessage


@final
class Spreading:
    """Makes the copies of what is sent on one bus. Safe to use from any thread; it has no state of its own.

    Args:
        destinations: What there is, and the ways to other buses.
        topics: The subscriptions.
        next_sequence: Gives a copy its number.
    """

    def __init__(self, destinations: DestinationTable, topics: Topics, next_sequence: Callable[[], int]) -> None:
        self._destinations = destinations
        self._topics = topics
        self._next_sequence = next_sequence

    def fan_out(self, route: Route, stored: StoredMessage) -> tuple[StoredMessage, ...]:
        """What has to be stored for a message that has been let in: where each copy of it rests next.

        Raises NameNotFound CF-BUS-200 for another bus that nothing leads to.
        """
        if route.bus is not None:
            return (self._towards(route.bus, route.name, stored),)
        return (stored,)

    def spread(self, sends: Sequence[StoredMessage]) -> Sequence[StoredMessage]:
        """The same with a copy for each subscription, and for each link that the topic space is mapped on, in the place
        of what is published. May block for the registry, see `Topics.published`.
        """
        abroad = [copy for stored in sends for copy in self._mapped(stored)]
        published = self._topics.published(sends, self._next_sequence)
        return [*published, *abroad] if abroad else published

    def _mapped(self, stored: StoredMessage) -> Iterator[StoredMessage]:
        """Copies of a publication for other buses. What came from one goes to no further one: with buses in a ring it
        would never come to rest.
        """
        if stored.origin is not None or not stored.mediated or stored.passage is not None:
            return
        for bus, space in self._destinations.ways.mapped(stored.destination):
            yield replace(self._towards(bus, space, stored), sequence=self._next_sequence())

    def _towards(self, bus: str, destination: str, stored: StoredMessage) -> StoredMessage:
        """The message as it rests on the queue of the link that leads to another bus."""
        ways = self._destinations.ways
        queue = ways.queue_to(bus)
        header = ways.leaving(stored.header, lambda name: self._destinations.find(name) is not None)
        passage = Passage(uuid.uuid4().hex, bus, destination)
        return replace(stored, header=header.replace(destination=queue), mediated=True, passage=passage)
