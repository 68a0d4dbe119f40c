"""The messaging engine of one bus: send, receive, browse, commit (BUS-1, BUS-8, BUS-11).

Theory of operation
-------------------
The engine is put together of parts, each with one duty, and others reach them through it:

* `entrance`: who may send where, and what a message looks like once it is let in;
* `spreading`: which copies of it there are: for subscriptions, for other buses;
* `commits`: the only place where messages come and go for good, first in the store and then on the queues;
* `arrivals`: how what is stored comes onto its queue, at once, when it is due, or after a restart;
* `short_way`: what comes over the wire goes to its queue unread, over the disk or not;
* `taking`: receiving and browsing.

Reply queues live in memory and die with their connection; what arrives for one that is gone is discarded and counted.
"""

from __future__ import annotations

import contextlib
import itertools
import uuid
from typing import final

from connector.errors import MessagingError
from connector.spi import Clock, Message, Subject, TransactionService
from connector_bus.engine.access import AccessControl
from connector_bus.engine.alarm import Alarm
from connector_bus.engine.arrivals import Arrivals
from connector_bus.engine.branches import PreparedBranches
from connector_bus.engine.commits import Commits
from connector_bus.engine.counts import Counts
from connector_bus.engine.destination import Destination, DestinationTable
from connector_bus.engine.entrance import Entrance
from connector_bus.engine.feeder import Feeder
from connector_bus.engine.intake import check_paths
from connector_bus.engine.participant import Participants
from connector_bus.engine.queue_state import Entry
from connector_bus.engine.rights import RightsWatch
from connector_bus.engine.rooms import Rooms
from connector_bus.engine.short_way import ShortWay
from connector_bus.engine.spreading import Spreading
from connector_bus.engine.taking import MESSAGE_GONE, Taking
from connector_bus.engine.topics import Topics
from connector_bus.engine.ways_out import WaysOut
from connector_bus.policy.roles import ResourceType
from connector_bus.reliability import Reliability
from connector_bus.settings import BusSettings, DestinationSettings
from connector_bus.store.contract import MessageStore, SharedStore
from connector_bus.store.unit import StoreUnit

__all__ = ["MESSAGE_GONE", "BusEngine", "new_connection_id"]


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
        counts: What has left without being received.
        next_sequence: A number for a message that keeps everything else.
        require_sender, follow, accept: See `Entrance`.
        fan_out: See `Spreading`.
        commit, admit, store_unit, settled: See `Commits`.
        stays_in_memory: See `Arrivals`.
        unread_target, largest, read_unread, show_unread, kept_as, show_kept: See `ShortWay`.
        fetch, as_it_came, receive, take, browse, peek, consumable: See `Taking`.

    Mutable state: none of its own; each part has its own lock.
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
        self.counts = Counts()
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
        for each in settings.destinations.values():
            self.rooms.limit(each)
        self.next_sequence = itertools.count(store.last_sequence() + 1).__next__

        entrance = Entrance(settings.name, self.destinations, access, clock, self.next_sequence)
        self.require_sender = entrance.require_sender
        self.follow = entrance.follow
        self.accept = entrance.accept
        spreading = Spreading(self.destinations, self.topics, self.next_sequence)
        self.fan_out = spreading.fan_out
        self._arrivals = Arrivals(settings.name, self.destinations, store, self._feeder, clock, alarm, self.counts)
        self.stays_in_memory = self._arrivals.stays_in_memory
        commits = Commits(settings.name, store, self.rooms, spreading, self._arrivals, self.counts)
        self.commit = commits.commit
        self.admit = commits.admit
        self.store_unit = commits.store_unit
        self.settled = commits.settled
        short_way = ShortWay(self.destinations, is_shared=shared is not None)
        self.unread_target = short_way.unread_target
        self.largest = short_way.largest
        self.read_unread = short_way.read_unread
        self.show_unread = short_way.show_unread
        self.kept_as = short_way.kept_as
        self.show_kept = short_way.show_kept
        taking = Taking(settings.name, self.destinations, store, access, self.rights, self.participants, commits, clock)
        self.fetch = taking.fetch
        self.as_it_came = taking.as_it_came
        self.receive = taking.receive
        self.take = taking.take
        self.browse = taking.browse
        self.peek = taking.peek
        self.consumable = taking.consumable

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

    @property
    def has_limits(self) -> bool:
        """Whether any destination has a limit of depth."""
        return self.rooms.are_limited

    @property
    def discarded_replies(self) -> int:
        """How many replies came too late."""
        return self.counts.discarded_replies

    @property
    def expired(self) -> int:
        """How many messages were past their time."""
        return self.counts.expired

    @property
    def dropped(self) -> int:
        """How many best-effort messages were dropped."""
        return self.counts.dropped

    def load(self) -> None:
        """Put what the store holds on its queues. Blocks for disk; once, before any use.

        Messages of a destination that is no longer configured stay in the store, and a warning says so. What a
        prepared unit removes stays out until its transaction is decided. From a shared store messages are claimed
        as they are wanted.
        """
        self.topics.load()
        self._arrivals.load(self.branches)
        self.participants.recover()

    def add(self, settings: DestinationSettings) -> Destination:
        """Make a destination while the bus runs, with what the store has kept for one of its name. Blocks for disk."""
        destination = self.destinations.make(settings)
        self.rooms.limit(settings)
        self._arrivals.fill(destination)
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
        unit = self.participants.collecting()
        if unit is not None:
            unit.enlist(sends=sends)
        else:
            self.commit(sends)
        assert stored.header.message_id is not None
        return stored.header.message_id

    def drop(self, messages: int) -> None:
        """Count best-effort messages that were dropped."""
        self.counts.drop(messages)

    def discarded(self, replies: int) -> None:
        """Count replies that came too late."""
        self.counts.discard(replies)

    def _expired(self, entries: list[Entry]) -> None:
        self.counts.expire(len(entries))
        # Not waited for: if it is not written, the message is past its time after a restart as well.
        with contextlib.suppress(MessagingError):
            for entry in entries:
                if not entry.in_memory:
                    self.store.submit(StoreUnit(remove=(entry.sequence,), claim=entry.claim))
        if self.rooms.are_limited:
            self.rooms.freed()

    def __repr__(self) -> str:
        return f"<BusEngine {self.name}>"


def new_connection_id() -> str:
    """An identifier that nobody can guess: it is what keeps reply queues apart."""
    return uuid.uuid4().hex
