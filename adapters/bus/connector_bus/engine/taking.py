"""How messages are taken off queues, or looked at: with the check of who may (BUS-8)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import final

from connector.errors import AccessDenied, MessagingError, Reason
from connector.spi import Clock, Message, Subject
from connector_bus.engine.access import AccessControl
from connector_bus.engine.commits import Commits
from connector_bus.engine.destination import QUEUE_TYPES, Destination, DestinationTable
from connector_bus.engine.interrupt import Interrupt
from connector_bus.engine.participant import Participants
from connector_bus.engine.queue_state import Entry
from connector_bus.engine.rights import Right, RightsWatch
from connector_bus.policy.roles import ResourceType, Role
from connector_bus.selector.selector import Selector
from connector_bus.store.contract import MessageStore
from connector_bus.store.record import StoredMessage
from connector_bus.store.unread import Unread

REPLY_QUEUE_PRIVATE = Reason(
    "CF-BUS-023",
    "{destination} on bus {bus} is the reply queue of another connection",
    "Only the connection that made a temporary queue consumes from it.",
)
MESSAGE_GONE = Reason(
    "CF-BUS-055",
    "message {sequence} of {destination} is no longer in the store",
    "Something other than the bus has changed its store.",
)
NO_QUEUE = Reason(
    "CF-BUS-182",
    "nothing can be received from {destination} on bus {bus}: it is of type {kind}",
    "Receive from a queue; subscribe to a topic space.",
)


@final
class Taking:
    """Takes messages off the queues of one bus. Safe to use from any thread; it has no state of its own.

    Args:
        bus: The name of the bus, for errors.
        destinations: Whose queues.
        store: Where the messages rest.
        access: The role checks.
        rights: Tells a wait that its right is gone.
        participants: The units of work that receipts belong to.
        commits: Where receipts without one are carried out.
        clock: For what is past its time.
    """

    def __init__(
        self,
        bus: str,
        destinations: DestinationTable,
        store: MessageStore,
        access: AccessControl,
        rights: RightsWatch,
        participants: Participants,
        commits: Commits,
        clock: Clock,
    ) -> None:
        self._bus = bus
        self._destinations = destinations
        self._store = store
        self._access = access
        self._rights = rights
        self._participants = participants
        self._commits = commits
        self._clock = clock

    def as_it_came(self, entry: Entry) -> Unread | None:
        """The message of a claimed entry as it came over the wire, where it is in memory so. Does not block."""
        return entry.unread if entry.in_memory else self._store.as_it_came(entry.sequence)

    def fetch(self, name: str, entry: Entry) -> StoredMessage:
        """The message of a claimed entry. Blocks for the disk. Raises MessagingError CF-BUS-055."""
        stored = entry.stored or self._store.read(entry.sequence)
        if stored is None:
            raise MessagingError(MESSAGE_GONE, sequence=entry.sequence, destination=name)
        return stored

    def receive(
        self,
        subject: Subject,
        name: str,
        timeout: float | None,
        consumer: object = None,
        selector: Selector | None = None,
    ) -> Message | None:
        """Take the next message off a queue; None if none came within `timeout` seconds (None: without limit).

        Blocks for that long. It is acknowledged by this; within a unit of work only with its commit.
        Raises AccessDenied CF-BUS-021 or -023, NameNotFound CF-BUS-030, MessagingError.
        """
        destination = self.consumable(subject, name, consumer, Role.RECEIVER)
        if destination.is_temporary or (timeout is not None and timeout <= 0):
            return self.take(destination, timeout, selector)
        # Whoever waits may lose the right meanwhile: then the wait ends with the refusal.
        interrupt = Interrupt()
        unwatch = self._rights.watch(Right(subject, Role.RECEIVER, name), interrupt.fire)
        try:
            return self.take(destination, timeout, selector, interrupt)
        finally:
            unwatch()

    def take(
        self,
        destination: Destination,
        timeout: float | None,
        selector: Selector | None = None,
        interrupt: Interrupt | None = None,
    ) -> Message | None:
        """Receive without a check: from what was checked when it was opened, such as a subscription. See `receive`.

        Raises the error of the interrupt as well, when that comes first.
        """
        queue = destination.queue
        entry = queue.receive(timeout, selector, interrupt)
        if entry is None:
            return None
        try:
            stored = self.fetch(destination.name, entry)
            unit = None if destination.is_temporary else self._participants.collecting()
            if unit is not None:
                unit.enlist(receipts=((queue, entry),))
            else:
                self._commits.commit((), ((queue, entry),))
        except BaseException:
            queue.release(entry)
            raise
        return stored.message()

    def browse(
        self, subject: Subject, name: str, consumer: object = None, selector: Selector | None = None
    ) -> Iterator[Message]:
        """The messages that could be received now, in order, without taking them. Rights are checked at once.

        The iterator blocks for the disk at each message; those taken meanwhile are left out.
        """
        destination = self.consumable(subject, name, consumer, Role.BROWSER)
        return self.peek(destination, selector)

    def peek(self, destination: Destination, selector: Selector | None = None) -> Iterator[Message]:
        """Browse without a check: for administration."""
        for entry in destination.queue.entries():
            if entry.expires_at is not None and entry.expires_at <= self._clock.time():
                continue
            if selector is not None and entry.header is not None and not selector.matches(entry.header):
                continue  # nothing is read of what is not wanted, where its header is known
            stored = entry.stored or self._store.read(entry.sequence)
            if stored is not None and (selector is None or selector.matches(stored.header)):
                yield stored.message()

    def consumable(self, subject: Subject, name: str, consumer: object, role: Role) -> Destination:
        """The queue that a name leads to, for somebody who may receive from it, or browse it.

        May block for the registry where roles have unique names. Raises AccessDenied CF-BUS-021, -022, -023 or -125,
        NameNotFound CF-BUS-030, MessagingError CF-BUS-180 or -182.
        """
        route = self._destinations.route(name)
        if route.kind is ResourceType.TEMPORARY:
            destination = self._destinations.get(name)
            if destination.owner is not consumer:
                raise AccessDenied(REPLY_QUEUE_PRIVATE, destination=name, bus=self._bus)
            if destination.is_topic_space:
                raise MessagingError(NO_QUEUE, destination=name, bus=self._bus, kind=str(ResourceType.TOPIC_SPACE))
            return destination
        self._access.require(subject, role, name)
        if route.kind not in QUEUE_TYPES:
            raise MessagingError(NO_QUEUE, destination=name, bus=self._bus, kind=str(route.kind))
        return self._destinations.get(route.name)
