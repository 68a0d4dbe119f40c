"""The short way from the wire to a queue: a message goes there unread, over the disk or not (CHAIN-6)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

from connector.spi import Message, Principal
from connector_bus.engine.destination import Destination, DestinationTable
from connector_bus.engine.intake import Stamp, new_message_id, stamped
from connector_bus.engine.queue_state import Entry
from connector_bus.engine.route import Route
from connector_bus.policy.roles import ResourceType
from connector_bus.reliability import Reliability
from connector_bus.settings import MAX_MESSAGE_SIZE
from connector_bus.store.record import StoredMessage
from connector_bus.store.unread import Unread


@final
class ShortWay:
    """Puts unread messages on the queues of one bus. Safe to use from any thread; it has no state of its own.

    Args:
        destinations: Whose queues.
        is_shared: Whether other engines are to have the messages of configured destinations as well.
    """

    def __init__(self, destinations: DestinationTable, *, is_shared: bool) -> None:
        self._destinations = destinations
        self._is_shared = is_shared

    def unread_target(self, route: Route) -> Destination | None:
        """Where a message goes straight from the wire to its queue, see `show_unread`; None where it doesn't.

        So it is where it stays in memory if it is one that need not survive, nobody has to look into it first, and no
        place has to be had for it. One that has to survive is stored on the way, see `kept_as` and `show_kept`.
        """
        if route.bus is not None:
            return None
        destination = self._destinations.find(route.name)
        if destination is None or destination.unmediated is not None or destination.queue.is_closed:
            return None
        if destination.is_topic_space:
            return None
        settings = destination.settings
        if settings is None:
            return destination if destination.is_temporary else None
        plain = not self._is_shared and settings.max_depth is None and route.kind is ResourceType.QUEUE
        return destination if plain else None

    def largest(self, destination: Destination) -> int:
        """How many bytes of body a message for a destination has at most."""
        return MAX_MESSAGE_SIZE if destination.settings is None else destination.settings.max_message_size

    def kept_as(self, destination: Destination) -> Reliability | None:
        """How a durable message is stored that goes straight from the wire to a queue; None where it isn't."""
        settings = destination.settings
        return settings.reliability if settings is not None and settings.reliability.is_persistent else None

    def read_unread(self, unread: Unread, message: Message, identity: Principal) -> StoredMessage:
        """The engine's form of a message that has been on a queue unread until now. Safe from any thread."""
        stamp = Stamp(
            unread.sequence,
            message.message_id or new_message_id(),
            identity,
            unread.timestamp,
            unread.destination,
            mediated=True,
            reliability=Reliability.EXPRESS,
        )
        return stamped(message, stamp)

    def show_unread(self, destination: Destination, messages: Sequence[Unread]) -> bool:
        """Put messages on a destination that takes them unread; False if its queue has closed. Does not block."""
        return destination.queue.add(
            [
                Entry(message.sequence, message.priority, message.expires_at, group=message.group, unread=message)
                for message in messages
            ]
        )

    def show_kept(self, name: str, messages: Sequence[Unread]) -> None:
        """Show messages that came over the wire and are in the store by now on their queue. Does not block."""
        destination = self._destinations.find(name)
        if destination is None:
            return
        by_sequence = {message.sequence: message for message in messages}
        destination.side(mediated=True).add(
            [Entry(each.sequence, each.priority, each.expires_at, group=each.group) for each in messages],
            lambda entry: by_sequence[entry.sequence].stored().header,
        )
