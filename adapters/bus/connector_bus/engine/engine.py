"""The messaging engine of one bus: send, receive, browse, commit (BUS-1, BUS-8, BUS-11).

Theory of operation
-------------------
A message is first committed to the store and then shown to its queue; it is first removed from the store and then from
its queue. So a crash at any instant leaves either a message that was not acknowledged, or one that will be delivered
(again). `commit` is the only place where that happens. Reply queues live in memory and die with their connection; what
arrives for one that is gone is discarded and counted.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import final

from connector.errors import AccessDenied, MessagingError, Reason
from connector.spi import Clock, Message, Principal, Subject, TransactionService
from connector_bus.engine.access import AccessControl
from connector_bus.engine.alarm import Alarm
from connector_bus.engine.branches import Branch, PreparedBranches
from connector_bus.engine.delivery_unit import DeliveryUnit, Outside, Receipt, current_unit
from connector_bus.engine.destination import (
    QUEUE_TYPES,
    RESTING_TYPES,
    Destination,
    DestinationTable,
    is_reply_queue,
)
from connector_bus.engine.feeder import Feeder
from connector_bus.engine.forward_path import Arrival, follow
from connector_bus.engine.intake import Stamp, check_paths, new_message_id, stamped
from connector_bus.engine.interrupt import Interrupt
from connector_bus.engine.message_queue import MessageQueue
from connector_bus.engine.participant import Participants
from connector_bus.engine.queue_state import Entry
from connector_bus.engine.rights import Right, RightsWatch
from connector_bus.engine.rooms import Rooms
from connector_bus.engine.route import Route
from connector_bus.engine.topics import Topics
from connector_bus.engine.ways_out import WaysOut
from connector_bus.policy.definition import ROOT
from connector_bus.policy.roles import ResourceType, Role
from connector_bus.policy.topics import is_topic
from connector_bus.reliability import Reliability
from connector_bus.selector.selector import Selector
from connector_bus.settings import LINK_PREFIX, MAX_MESSAGE_SIZE, SUBSCRIPTION_PREFIX, BusSettings, DestinationSettings
from connector_bus.store.contract import IndexLine, MessageStore, PreparedUnit, SharedStore
from connector_bus.store.record import Passage, StoredMessage
from connector_bus.store.shared_changes import CLAIM_LOST
from connector_bus.store.unit import StoreUnit
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

LINK_QUEUE = Reason(
    "CF-BUS-206",
    "{destination} on bus {bus} is the queue of a link, and takes no messages from senders",
    "Send to a destination of the other bus: NAME@BUS, or a foreign destination.",
)
NO_QUEUE = Reason(
    "CF-BUS-182",
    "nothing can be received from {destination} on bus {bus}: it is of type {kind}",
    "Receive from a queue; subscribe to a topic space.",
)

TOPIC_UNFIT = Reason(
    "CF-BUS-184",
    "nothing can be published to the topic {topic} of {destination}",
    'Give "/" for the root, or levels such as "sports/football", without wildcards.',
)

_LOG = logging.getLogger("connector_bus.engine")


@final
class BusEngine:
    """One bus. Safe to use from any thread.

    Args:
        settings: The bus.
        store: Where its messages rest; closed by `stop`.
        shared: The same store, where other engines work on it as well; else None.
        access: Its role checks.
        clock: The time.
        alarm: For what is due later; closed by whoever made it.
        transactions: The container's units of work.

    Attributes:
        settings, access, store, clock, alarm: As given.
        destinations: All destinations.
        topics: The subscriptions of its topic spaces.
        rights: Tells what is open that it may be so no more.
        branches: Prepared units that wait for the decision of their transaction.
        rooms: The places of destinations that have a limit.
        participants: The units of work that it takes part in.
        discarded_replies: How many replies came too late.
        expired: How many messages were past their time.
        dropped: How many best-effort messages were dropped.

    Mutable state: `discarded_replies`, `expired`, `dropped`, changed under `_lock`; `_limited`, only ever set;
    everything else has its own lock.
    """

    def __init__(
        self,
        settings: BusSettings,
        store: MessageStore,
        access: AccessControl,
        clock: Clock,
        alarm: Alarm,
        *,
        transactions: TransactionService,
        shared: SharedStore | None = None,
    ) -> None:
        self.settings = settings
        self.store = store
        self.access = access
        self.clock = clock
        self.alarm = alarm
        self._feeder = None if shared is None else Feeder(settings.name, shared, clock, alarm)
        self.destinations = DestinationTable(
            settings.name, settings.destinations.values(), clock, self._expired, self._feeder, store.headers
        )
        self.rights = RightsWatch(access)
        self.topics = Topics(settings.name, self.destinations, store, shared, access, self.rights, clock)
        for each in settings.destinations.values():
            if each.kind is ResourceType.TOPIC_SPACE:
                self.topics.attach(each.name)
        self.destinations.ways = WaysOut(settings.name, settings.ways)
        self.branches = PreparedBranches(store)
        self.participants = Participants(self, transactions)
        self.rooms = Rooms(settings.name, self.destinations.find, clock, waits=shared is None)
        self._limited = any(each.max_depth is not None for each in settings.destinations.values())
        self._lock = threading.Lock()
        self.discarded_replies = 0
        self.expired = 0
        self.dropped = 0
        self._sequences = itertools.count(store.last_sequence() + 1)

    @property
    def name(self) -> str:
        """The name of the bus."""
        return self.settings.name

    @property
    def ways(self) -> WaysOut:
        """How other buses are reached; replaced as a whole, at the destinations, when that changes."""
        return self.destinations.ways

    @property
    def resource(self) -> str:
        """The name under which its branches of transactions are found again after a restart."""
        return f"bus:{self.name}"

    def load(self) -> None:
        """Put what the store holds on its queues. Blocks for disk; once, before any use.

        Messages of a destination that is no longer configured stay in the store, and a warning says so. What a
        prepared unit removes stays out until its transaction is decided. From a shared store messages are claimed
        as they are wanted.
        """
        self.topics.load()
        if self._feeder is not None:
            self._feeder.start()
        else:
            self._load()
        self.participants.recover()

    def _load(self) -> None:
        prepared = self.store.prepared()
        held = {line.sequence for unit in prepared for line in unit.removals}
        orphans: dict[str, int] = {}
        left: list[int] = []  # a crash between the end of a subscription and the last publication
        for line in self.store.index():
            if line.sequence in held or self._show_line(line):
                continue
            if line.destination.startswith(SUBSCRIPTION_PREFIX):
                left.append(line.sequence)
            else:
                orphans[line.destination] = orphans.get(line.destination, 0) + 1
        self.store.commit(StoreUnit(remove=tuple(left)))
        for unit in prepared:
            self.branches.found(unit.branch, self._branch(unit))
        for name, count in orphans.items():
            _LOG.warning("bus %s keeps %d message(s) of %s, which is not configured any more", self.name, count, name)

    def add(self, settings: DestinationSettings) -> Destination:
        """Make a destination while the bus runs, with what the store has kept for one of its name. Blocks for disk."""
        destination = self.destinations.make(settings)
        self._limited = self._limited or settings.max_depth is not None
        if self._feeder is None:
            # Filled before it can be found: what is sent to it from then on is shown when it is stored.
            held = {line.sequence for unit in self.store.prepared() for line in unit.removals}
            for line in self.store.index():
                if line.destination == settings.name and line.sequence not in held:
                    self._offer(destination.side(mediated=line.mediated), _entry_of(line), line.deliver_at)
        self.destinations.add(destination)
        if destination.is_topic_space:
            self.topics.attach(settings.name)
        return destination

    def remove(self, name: str) -> None:
        """Take a destination out, and end all waiting on it; what the store holds for it stays. Does not block."""
        self.topics.detach(name)
        self.destinations.remove(name)

    def stop(self) -> None:
        """End all waiting, write what was handed in, let go of the store. Claims end with the engine: no loss."""
        self.rooms.close()
        self.destinations.close()
        if self._feeder is not None:
            self._feeder.stop()
        self.store.close()

    def send(self, subject: Subject, name: str, message: Message, reliability: Reliability | None = None) -> str:
        """Accept a message for a destination; answers its id. Within a unit of work it waits for the commit.

        Blocks otherwise: for a place where the destination is full, and for the disk unless the reliability makes that
        needless. Without one that of the destination counts; for a message that says it isn't persistent, express.
        Raises AccessDenied CF-BUS-020, NameNotFound CF-BUS-030, MessagingError, DestinationFull CF-BUS-173.
        """
        check_paths(message)
        arrival = self.follow(subject, name, message)
        if reliability is None and not message.persistent:
            reliability = Reliability.EXPRESS
        stored = self.accept(
            arrival.message,
            arrival.name,
            self.access.identity_of(subject),
            hops=arrival.passed,
            reliability=reliability,
        )
        sends = self.fan_out(arrival.route, stored)
        unit = self._collecting()
        if unit is not None:
            unit.enlist(sends=sends)
        else:
            self.commit(sends)
        assert stored.header.message_id is not None
        return stored.header.message_id

    def require_sender(self, subject: Subject, name: str, topic: str | None = None) -> Route:
        """Where a message for a name goes, if the subject may send there: on each hop that is checked (BUS-8, BUS-13).

        Of a topic space the topic is asked about as well, if one is given. May block for the registry where roles have
        unique names. Raises AccessDenied CF-BUS-020, -120, -123 or -124, NameNotFound CF-BUS-030, MessagingError
        CF-BUS-180, -184 or -206.
        """
        if name.startswith(LINK_PREFIX):
            raise MessagingError(LINK_QUEUE, destination=name, bus=self.name)
        route = self.destinations.route(name)
        if route.bus is not None and not self.destinations.is_alias(name):
            self.access.require_foreign(subject, route.bus, route.name)
        elif route.kind is ResourceType.TEMPORARY:
            destination = self.destinations.temporary(name)
            if destination is None:
                return route  # what comes for one that is gone is discarded, whoever sends it
            if destination.prefix is None:
                self.access.require(subject, Role.SENDER, destination.resource)
            else:
                self.access.require_prefix(subject, Role.SENDER, destination.prefix)
        elif route.kind is ResourceType.TOPIC_SPACE and topic is not None:
            _require_topic(topic, name)
            self.access.require(subject, Role.SENDER, name, topic)
        else:
            self.access.require(subject, Role.SENDER, name)
        return route

    def follow(self, subject: Subject, name: str, message: Message) -> Arrival:
        """How far a message gets along its path, with the sender role asked for at each destination (BUS-8).

        Raises what `require_sender` raises, MessagingError CF-BUS-043 or -221.
        """

        def is_mediated(route: Route) -> bool:
            found = self.destinations.find(route.name) if route.bus is None else None
            return found is not None and found.unmediated is not None

        return follow(
            self.name,
            name,
            message,
            lambda each: self.require_sender(subject, each, message.topic or ROOT),
            is_mediated,
        )

    def fan_out(self, route: Route, stored: StoredMessage) -> tuple[StoredMessage, ...]:
        """What has to be stored for a message that has been let in: where each copy of it rests next.

        Raises NameNotFound CF-BUS-200 for another bus that nothing leads to.
        """
        if route.bus is not None:
            return (self._towards(route.bus, route.name, stored),)
        return (stored,)

    def _towards(self, bus: str, destination: str, stored: StoredMessage) -> StoredMessage:
        """The message as it rests on the queue of the link that leads to another bus."""
        queue = self.ways.queue_to(bus)
        header = self.ways.leaving(stored.header, lambda name: self.destinations.find(name) is not None)
        passage = Passage(uuid.uuid4().hex, bus, destination)
        return replace(stored, header=header.replace(destination=queue), mediated=True, passage=passage)

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
        route = self.destinations.route(name)
        find = self.destinations.get if route.kind in RESTING_TYPES else self.destinations.find
        destination = None if route.bus is not None else find(route.name)
        if mediated is None:
            mediated = destination is None or destination.unmediated is None
        time = self.clock.time() if timestamp is None else timestamp
        settings = None if destination is None else destination.settings
        if destination is not None and destination.is_topic_space:
            topic = message.topic or ROOT
            _require_topic(topic, name)
            message = message.replace(topic=topic)
        stamp = Stamp(
            next(self._sequences),
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

    def commit(
        self,
        sends: Sequence[StoredMessage],
        receipts: Sequence[Receipt] = (),
        *,
        limited: bool = True,
        wait: bool = True,
        received: Sequence[tuple[str, str]] = (),
    ) -> None:
        """Store arrivals and remove what was received, as one unit; then show it to the queues. Blocks for the disk.

        Args:
            sends: What arrives. Where all of it is reliable at most and nothing leaves, the disk is not waited for.
            receipts: What leaves.
            limited: Whether the depth limits of the destinations count.
            wait: Whether a place is waited for where one is full.
            received: The transfers, each as link and transfer, that the arrivals came by.

        Raises MessagingError CF-BUS-052 or -053, DestinationFull CF-BUS-173: then nothing of it has happened.
        """
        needed = Counter[str]()
        if limited:
            sends, needed = self.admit(sends, receipts, wait=wait)
        else:
            sends = self._spread(sends)
        try:
            unit = replace(self.store_unit(sends, receipts), received=tuple(received))
            if (
                unit.insert
                and not receipts
                and not received
                and all(each.reliability is Reliability.RELIABLE for each in unit.insert)
            ):
                future, later, needed = self.store.submit(unit), needed, Counter[str]()
                future.add_done_callback(lambda outcome: self._written(outcome, sends, later))
                return
            self.store.commit(unit)
            self.settled(sends, receipts)
        finally:
            self.rooms.entered(needed)

    def admit(
        self, sends: Sequence[StoredMessage], receipts: Sequence[Receipt], *, wait: bool
    ) -> tuple[Sequence[StoredMessage], Counter[str]]:
        """What is to be stored of messages: for what is published a copy for each subscription; and their places.

        Places are taken at destinations that have a limit; see `Rooms.admit`. What is dropped is counted here. May
        block for the registry, see `Topics.published`.
        """
        sends = self._spread(sends)
        if not self._limited:
            return sends, Counter()
        sends, needed, dropped = self.rooms.admit(sends, receipts, wait=wait)
        if dropped:
            self.drop(dropped)
        return sends, needed

    @property
    def has_limits(self) -> bool:
        """Whether any destination has a limit of depth."""
        return self._limited

    def _spread(self, sends: Sequence[StoredMessage]) -> Sequence[StoredMessage]:
        """The same with a copy for each subscription, and for each link that the topic space is mapped on, in the place
        of what is published.
        """
        abroad = [copy for stored in sends for copy in self._mapped(stored)]
        published = self.topics.published(sends, self.next_sequence)
        return [*published, *abroad] if abroad else published

    def _mapped(self, stored: StoredMessage) -> Iterator[StoredMessage]:
        """Copies of a publication for other buses. What came from one goes to no further one: with buses in a ring it
        would never come to rest.
        """
        if stored.origin is not None or not stored.mediated or stored.passage is not None:
            return
        for bus, space in self.ways.mapped(stored.destination):
            yield replace(self._towards(bus, space, stored), sequence=self.next_sequence())

    def drop(self, messages: int) -> None:
        """Count best-effort messages that were dropped."""
        with self._lock:
            self.dropped += messages

    def _written(self, outcome: Future[None], sends: Sequence[StoredMessage], needed: Counter[str]) -> None:
        """Reliable messages are on disk, or could not be written: their sender does not wait to hear of it."""
        if (error := outcome.exception()) is None:
            self.settled(sends, ())
        else:
            _LOG.error("bus %s: %d reliable message(s) could not be written: %s", self.name, len(sends), error)
        self.rooms.entered(needed)

    def store_unit(self, sends: Sequence[StoredMessage], receipts: Sequence[Receipt]) -> StoreUnit:
        """What the store has to do for sends and receipts; some messages live in memory only."""
        durable = tuple(stored for stored in sends if not self.stays_in_memory(stored))
        leaving = [entry for _, entry in receipts if not entry.in_memory]
        claims = {entry.claim for entry in leaving}
        if len(claims) > 1:
            raise MessagingError(CLAIM_LOST, count=len(leaving))
        return StoreUnit(durable, tuple(entry.sequence for entry in leaving), claim=max(claims, default=0))

    def settled(self, sends: Sequence[StoredMessage], receipts: Sequence[Receipt]) -> None:
        """Show to the queues what is in the store by now. Does not block."""
        for queue, entry in receipts:
            queue.remove(entry)
        for stored in sends:
            self._show(stored)
        if receipts and self._limited:
            self.rooms.freed()

    def unread_target(self, route: Route) -> Destination | None:
        """Where a message goes straight from the wire to its queue, see `show_unread`; None where it doesn't.

        So it is where it stays in memory if it is one that need not survive, nobody has to look into it first, and no
        place has to be had for it.
        """
        if route.bus is not None:
            return None
        destination = self.destinations.find(route.name)
        if destination is None or destination.unmediated is not None or destination.queue.is_closed:
            return None
        if destination.is_topic_space:
            return None
        settings = destination.settings
        if settings is None:
            return destination if destination.is_temporary else None
        plain = self._feeder is None and settings.max_depth is None and route.kind is ResourceType.QUEUE
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
        destination = self.destinations.find(name)
        if destination is None:
            return
        by_sequence = {message.sequence: message for message in messages}
        destination.side(mediated=True).add(
            [Entry(each.sequence, each.priority, each.expires_at, group=each.group) for each in messages],
            lambda entry: by_sequence[entry.sequence].stored().header,
        )

    def stays_in_memory(self, stored: StoredMessage) -> bool:
        """Those for reply queues; and what need not survive, unless other engines are to have it as well."""
        return is_reply_queue(stored.destination) or (not stored.reliability.is_persistent and self._feeder is None)

    def _collecting(self) -> DeliveryUnit | None:
        """What collects the sends and receipts here; None: each is done at once. Raises TransactionError."""
        unit = current_unit(self)
        if isinstance(unit, Outside):
            return None
        return self.participants.current() if unit is None else unit

    def next_sequence(self) -> int:
        """A number for a message that keeps everything else."""
        return next(self._sequences)

    def as_it_came(self, entry: Entry) -> Unread | None:
        """The message of a claimed entry as it came over the wire, where it is in memory so. Does not block."""
        return entry.unread if entry.in_memory else self.store.as_it_came(entry.sequence)

    def fetch(self, name: str, entry: Entry) -> StoredMessage:
        """The message of a claimed entry. Blocks for the disk. Raises MessagingError CF-BUS-055."""
        stored = entry.stored or self.store.read(entry.sequence)
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
        unwatch = self.rights.watch(Right(subject, Role.RECEIVER, name), interrupt.fire)
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
            unit = None if destination.is_temporary else self._collecting()
            if unit is not None:
                unit.enlist(receipts=((queue, entry),))
            else:
                self.commit((), ((queue, entry),))
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
            if entry.expires_at is not None and entry.expires_at <= self.clock.time():
                continue
            if selector is not None and entry.header is not None and not selector.matches(entry.header):
                continue  # nothing is read of what is not wanted, where its header is known
            stored = entry.stored or self.store.read(entry.sequence)
            if stored is not None and (selector is None or selector.matches(stored.header)):
                yield stored.message()

    def consumable(self, subject: Subject, name: str, consumer: object, role: Role) -> Destination:
        """The queue that a name leads to, for somebody who may receive from it, or browse it.

        May block for the registry where roles have unique names. Raises AccessDenied CF-BUS-021, -022, -023 or -125,
        NameNotFound CF-BUS-030, MessagingError CF-BUS-180 or -182.
        """
        route = self.destinations.route(name)
        if route.kind is ResourceType.TEMPORARY:
            destination = self.destinations.get(name)
            if destination.owner is not consumer:
                raise AccessDenied(REPLY_QUEUE_PRIVATE, destination=name, bus=self.name)
            if destination.is_topic_space:
                raise MessagingError(NO_QUEUE, destination=name, bus=self.name, kind=str(ResourceType.TOPIC_SPACE))
            return destination
        self.access.require(subject, role, name)
        if route.kind not in QUEUE_TYPES:
            raise MessagingError(NO_QUEUE, destination=name, bus=self.name, kind=str(route.kind))
        return self.destinations.get(route.name)

    def _show(self, stored: StoredMessage) -> None:
        destination = self.destinations.find(stored.destination)
        if self._feeder is not None and not self.stays_in_memory(stored):
            self._feeder.freed(stored.destination)  # sooner than the database's own notification comes round
            return
        kept = stored if self.stays_in_memory(stored) else None
        header = stored.header
        entry = Entry(
            stored.sequence,
            header.priority,
            header.expires_at,
            header.delivery_count,
            kept,
            group=header.group,
            header=header,
        )
        shown = destination is not None and self._offer(
            destination.side(mediated=stored.mediated), entry, header.deliver_at
        )
        if not shown and is_reply_queue(stored.destination):
            self.discarded(1)
        elif destination is None and stored.place is not None:
            # The subscription has ended since it was published: nobody is to find it after a restart.
            with contextlib.suppress(MessagingError):
                self.store.submit(StoreUnit(remove=(stored.sequence,)))

    def _show_line(self, line: IndexLine) -> bool:
        destination = self.destinations.find(line.destination)
        if destination is None:
            return False
        queue, entry = destination.side(mediated=line.mediated), _entry_of(line)
        if queue.selective and (stored := self.store.read(line.sequence)) is not None:
            entry.header = stored.header
        return self._offer(queue, entry, line.deliver_at)

    def _offer(self, queue: MessageQueue, entry: Entry, due: float | None) -> bool:
        """Show a message to its queue, once it is due. False if the queue is closed. Does not block."""
        wait = 0.0 if due is None else due - self.clock.time()
        if wait <= 0:
            return queue.add((entry,))
        if not queue.delay(entry):
            return False
        assert due is not None
        self.alarm.call_later(wait, lambda: self._come_due(queue, entry, due))
        return True

    def _come_due(self, queue: MessageQueue, entry: Entry, due: float) -> None:
        wait = due - self.clock.time()
        if wait > 0:  # the clock was put back meanwhile
            self.alarm.call_later(wait, lambda: self._come_due(queue, entry, due))
        elif not queue.come_due(entry) and is_reply_queue(queue.name):
            self.discarded(1)

    def _branch(self, unit: PreparedUnit) -> Branch:
        """What an earlier process left prepared: its arrivals are shown on commit, its removals on rollback."""

        def showing(lines: Sequence[IndexLine]) -> Callable[[], None]:
            def show() -> None:
                for line in lines:
                    self._show_line(line)

            return show

        return Branch(showing(unit.arrivals), showing(unit.removals))

    def discarded(self, replies: int) -> None:
        """Count replies that came too late."""
        with self._lock:
            self.discarded_replies += replies

    def _expired(self, entries: list[Entry]) -> None:
        with self._lock:
            self.expired += len(entries)
        # Not waited for: if it is not written, the message is past its time after a restart as well.
        with contextlib.suppress(MessagingError):
            for entry in entries:
                if not entry.in_memory:
                    self.store.submit(StoreUnit(remove=(entry.sequence,), claim=entry.claim))
        if self._limited:
            self.rooms.freed()

    def __repr__(self) -> str:
        return f"<BusEngine {self.name}>"


def _require_topic(topic: str, name: str) -> None:
    if not is_topic(topic):
        raise MessagingError(TOPIC_UNFIT, topic=repr(topic), destination=name)


def _entry_of(line: IndexLine) -> Entry:
    return Entry(line.sequence, line.priority, line.expires_at, line.attempts, group=line.group)


def new_connection_id() -> str:
    """An identifier that nobody can guess: it is what keeps reply queues apart."""
    return uuid.uuid4().hex
