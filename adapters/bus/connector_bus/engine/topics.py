"""The topic spaces of one bus: their subscriptions, and the copies of what is published to them (BUS-1, BUS-6).

Theory of operation
-------------------
A subscription is a queue of its own. What is published is copied to the queue of each subscription that matches its
topic, whose selector takes it, that isn't without what its publisher sends, and whose subscriber may have it; from then
on it is a message like any other: stored, received, expired, failed and settled by itself. The copies of one
publication share its body in memory; in the store each has a row with it. The queue of a subscription that isn't
durable is in memory only, except in a store that several engines share, where all of them have to know of it.
"""

from __future__ import annotations

import dataclasses
import logging
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import final

from connector.errors import AccessDenied, MessagingError, NameNotFound
from connector.spi import Clock, Subject
from connector_bus.engine.access import AccessControl
from connector_bus.engine.audience import Audience
from connector_bus.engine.destination import Destination, DestinationTable
from connector_bus.engine.rights import Right, RightsWatch
from connector_bus.engine.subscribers import Subscribers
from connector_bus.engine.subscription import OpenSubscription, Subscription
from connector_bus.engine.terms import (
    IN_USE,
    NAME_NEEDED,
    NO_TOPIC_SPACE,
    NOT_THE_DELETER,
    NOT_THE_OWNER,
    SUBSCRIPTION_UNKNOWN,
    TEMPORARY_PRIVATE,
    Terms,
    require_same,
)
from connector_bus.engine.topic_pattern import TopicPattern, parse_pattern
from connector_bus.policy.definition import ROOT
from connector_bus.policy.roles import ResourceType, Role
from connector_bus.selector.selector import parse_selector
from connector_bus.settings import MEMORY_SUBSCRIPTION, SUBSCRIPTION_PREFIX, DestinationSettings
from connector_bus.store.contract import MessageStore, SharedStore
from connector_bus.store.record import StoredMessage
from connector_bus.store.subscription import StoredSubscription

_LOG = logging.getLogger("connector_bus.engine")


@final
class Topics:
    """All subscriptions of one bus. Safe to use from any thread.

    Args:
        bus: The bus, for errors.
        destinations: Its destinations, which get the queues of the subscriptions.
        store: Where the durable ones are kept.
        shared: The same store, where other engines work on it as well; else None.
        access: The role checks.
        rights: Tells when a right is lost.
        clock: The time.

    Mutable state: `_spaces`, `_by_place`, `_by_name` and `_version` (of the subscriptions in a shared store), changed
    under `_lock`; whoever makes or deletes one holds `_changing` as well, while it blocks.
    """

    def __init__(
        self,
        bus: str,
        destinations: DestinationTable,
        store: MessageStore,
        shared: SharedStore | None,
        access: AccessControl,
        rights: RightsWatch,
        clock: Clock,
    ) -> None:
        self._bus = bus
        self._destinations = destinations
        self._store = store
        self._shared = shared
        self._access = access
        self._rights = rights
        self._clock = clock
        self._subscribers = Subscribers(access, rights, destinations)
        self._changing = threading.RLock()
        self._lock = threading.Lock()
        self._spaces: dict[str, Audience] = {}
        self._by_place: dict[str, Subscription] = {}
        self._by_name: dict[str, Subscription] = {}
        self._version = -1
        access.subscribe(self.forget)

    def load(self) -> None:
        """Take up the subscriptions that the store keeps. Blocks for the disk; once, before any use."""
        if self._shared is not None:
            for record in self._store.subscriptions():
                if record.engine == self._shared.engine_name:  # an earlier run of this engine has left it
                    self._store.unsubscribe(record.place)
            self._refresh()
            return
        for record in self._store.subscriptions():
            self._add(Subscription(record, self._make(record)))

    def attach(self, name: str) -> None:
        """There is a topic space of this name from now on, with the subscriptions that are known. Does not block."""
        audience = Audience(self._clock, self._subscribers.admitted)
        with self._lock:
            mine = [each for each in self._by_place.values() if each.record.space == name]
            for each in mine:
                each.destination.settings = self._settings(each.record)
                audience.add(each)
            self._spaces = {**self._spaces, name: audience}

    def detach(self, name: str) -> None:
        """It is gone: nothing is published any more. Its subscriptions stay, with what they hold. Does not block."""
        with self._lock:
            self._spaces = {key: each for key, each in self._spaces.items() if key != name}

    def forget(self) -> None:
        """Rights may have changed. Does not block."""
        for audience in list(self._spaces.values()):
            audience.forget()

    def published(self, sends: Sequence[StoredMessage], number: Callable[[], int]) -> Sequence[StoredMessage]:
        """What has to be stored, with a copy for each subscription in the place of what is published.

        May block for the registry, in a shared store for the database. Raises AuthenticationFailed where the registry
        can't be asked about a subscriber: who may have a message is never guessed.
        """
        spaces = self._spaces
        if not spaces or not any(_is_publication(stored, spaces) for stored in sends):
            return sends
        if self._shared is not None:
            self._refresh()
            spaces = self._spaces
        return [
            copy
            for stored in sends
            for copy in (self._copies(stored, spaces, number) if _is_publication(stored, spaces) else (stored,))
        ]

    def may_ask(self, sends: Sequence[StoredMessage]) -> bool:
        """Whether `published` may block for these: for the registry, or the database. Does not block itself."""
        spaces = self._spaces
        return any(
            self._shared is not None or not spaces[stored.destination].knows(stored.header.topic or ROOT)
            for stored in sends
            if _is_publication(stored, spaces)
        )

    def open(self, subject: Subject, asked: str, terms: Terms, consumer: object = None) -> OpenSubscription:
        """Subscribe, or use a subscription that is there. Blocks for the disk where it is durable, and the registry.

        Args:
            subject: Who.
            asked: The topic space, or an alias of it; or a temporary topic.
            terms: What is wanted.
            consumer: The connection, where a temporary topic is asked for.

        Raises AccessDenied CF-BUS-021, -121, -125, -186 or -192, NameNotFound CF-BUS-030, MessagingError CF-BUS-170 or
        -183 (unfit), -185, -188, -189, -190.
        """
        pattern = parse_pattern(terms.topic)
        space, right = self._admit(subject, asked, pattern, consumer)
        if terms.selector is not None:
            terms = dataclasses.replace(terms, selector=parse_selector(terms.selector).text)
        is_named = terms.durable or terms.shared
        if is_named and (not terms.name or right is None):
            raise MessagingError(NAME_NEEDED, destination=asked, bus=self._bus)
        if is_named and self._shared is not None:
            self._refresh()
        with self._changing:
            found = self._by_name.get(terms.name) if is_named and terms.name else None
            if found is not None:
                self._join(found, subject, space, pattern, terms)
                subscription = found
            else:
                subscription = self._made(subject, space, asked, pattern, terms, is_local=right is None)
            subscription.consumers += 1
        opened = OpenSubscription(subscription, lambda: self._leave(subscription, unwatch))
        unwatch = (lambda: None) if right is None else self._rights.watch(right, opened.lost)
        return opened

    def delete(self, name: str, subject: Subject | None = None) -> None:
        """End a durable subscription, with what it holds. Blocks for the disk.

        Args:
            name: Its name.
            subject: Who does it; None for administration.

        Raises NameNotFound CF-BUS-191, AccessDenied CF-BUS-187, MessagingError CF-BUS-190.
        """
        with self._changing:
            subscription = self.named(name)
            if subject is not None:
                self._access.require_owner(subject, subscription.record.owner, name, NOT_THE_DELETER)
            if subscription.consumers:
                raise MessagingError(IN_USE, subscription=name, bus=self._bus)
            self._end(subscription)

    def deletable(self, name: str, subject: Subject) -> StoredSubscription:
        """A durable subscription that somebody may delete, once those who are about to end have done so.

        Blocks for the database of a shared store only. Raises what `delete` raises.
        """
        subscription = self.named(name)
        self._access.require_owner(subject, subscription.record.owner, name, NOT_THE_DELETER)
        if subscription.is_in_use:
            raise MessagingError(IN_USE, subscription=name, bus=self._bus)
        return subscription.record

    def named(self, name: str) -> Subscription:
        """The subscription of a name. Raises NameNotFound CF-BUS-191."""
        if self._shared is not None:
            self._refresh()
        found = self._by_name.get(name)
        if found is None:
            raise NameNotFound(SUBSCRIPTION_UNKNOWN, subscription=name, bus=self._bus)
        return found

    def find(self, place: str) -> Subscription | None:
        """The subscription whose queue has a name, or None. Does not block."""
        return self._by_place.get(place)

    def all(self) -> list[Subscription]:
        """All subscriptions, by topic space and name."""
        if self._shared is not None:
            self._refresh()
        with self._lock:
            present = list(self._by_place.values())
        return sorted(present, key=lambda each: (each.record.space, each.record.name or "", each.place))

    def temporary_gone(self, space: str) -> None:
        """A temporary topic is gone, and its subscriptions with it. Does not block."""
        self.detach(space)
        with self._lock:
            gone = [each for each in self._by_place.values() if each.record.space == space]
        for each in gone:
            self._drop(each)

    def _admit(self, subject: Subject, asked: str, pattern: TopicPattern, consumer: object) -> tuple[str, Right | None]:
        """The topic space, and the right that is needed as long as it is open; None for one's own temporary topic."""
        route = self._destinations.route(asked)
        if route.kind is ResourceType.TEMPORARY:
            destination = self._destinations.temporary(asked)
            if destination is None or not destination.is_topic_space:
                kind = ResourceType.QUEUE if destination is not None else ResourceType.TEMPORARY
                raise MessagingError(NO_TOPIC_SPACE, destination=asked, bus=self._bus, kind=str(kind))
            if destination.owner is not consumer:
                raise AccessDenied(TEMPORARY_PRIVATE, destination=asked, bus=self._bus)
            return asked, None
        # Of a pattern the topics are asked about message by message (BUS-6).
        right = Right(subject, Role.RECEIVER, asked, None if pattern.is_wildcard else pattern.text)
        self._access.require(subject, Role.RECEIVER, asked)
        if route.kind is not ResourceType.TOPIC_SPACE:
            raise MessagingError(NO_TOPIC_SPACE, destination=asked, bus=self._bus, kind=str(route.kind))
        if right.topic is not None:
            self._access.require_topic(subject, Role.RECEIVER, asked, right.topic)
        return route.name, right

    def _join(self, found: Subscription, subject: Subject, space: str, pattern: TopicPattern, terms: Terms) -> None:
        record = found.record
        assert record.name is not None
        self._access.require_owner(subject, record.owner, record.name, NOT_THE_OWNER)
        require_same(self._bus, record, space, pattern, terms)
        if found.consumers and not record.shared:
            raise MessagingError(IN_USE, subscription=record.name, bus=self._bus)

    def _made(
        self,
        subject: Subject,
        space: str,
        asked: str,
        pattern: TopicPattern,
        terms: Terms,
        *,
        is_local: bool,
    ) -> Subscription:
        in_memory = is_local or (self._shared is None and not terms.durable)
        if in_memory:
            place = f"{MEMORY_SUBSCRIPTION}{uuid.uuid4().hex}"
        else:
            place = f"{SUBSCRIPTION_PREFIX}{terms.name if terms.durable else uuid.uuid4().hex}"
        record = StoredSubscription(
            place=place,
            space=space,
            through=asked,
            name=terms.name,
            pattern=pattern.text,
            selector=terms.selector,
            owner=self._access.identity_of(subject),
            durable=terms.durable,
            shared=terms.shared,
            engine=None if self._shared is None or terms.durable or is_local else self._shared.engine_name,
            made_at=self._clock.time(),
            no_local=terms.no_local,
        )
        if not in_memory:
            self._store.subscribe(record)
        if self._shared is not None and terms.durable:
            self._refresh()
            present = self.named(record.name or "")  # another engine may have been quicker
            self._join(present, subject, space, pattern, terms)
            return present
        subscription = Subscription(record, self._make(record), None if terms.durable else subject)
        self._add(subscription)
        return subscription

    def _leave(self, subscription: Subscription, unwatch: Callable[[], None]) -> None:
        unwatch()
        with self._changing:
            subscription.consumers -= 1
            if subscription.record.durable or subscription.consumers or subscription.place not in self._by_place:
                return
            try:
                self._end(subscription)
            except MessagingError as error:  # it is gone here; what the store has of it goes with the next start
                _LOG.warning("bus %s: a subscription of %s is left: %s", self._bus, subscription.record.space, error)

    def _end(self, subscription: Subscription) -> None:
        """Under `_changing`. First nothing more arrives, then what is there goes."""
        self._drop(subscription)
        if not subscription.place.startswith(MEMORY_SUBSCRIPTION):
            self._store.unsubscribe(subscription.place)

    def _make(self, record: StoredSubscription) -> Destination:
        in_memory = record.place.startswith(MEMORY_SUBSCRIPTION)
        return self._destinations.add_subscription(self._settings(record), in_memory=in_memory)

    def _settings(self, record: StoredSubscription) -> DestinationSettings:
        """Its queue is run as its topic space says; one that isn't durable never holds up a publication."""
        space = self._destinations.find(record.space)
        settings = None if space is None else space.settings
        if settings is None:
            return DestinationSettings(record.place)
        return dataclasses.replace(
            settings, name=record.place, kind=ResourceType.QUEUE, mediations=(), drops_when_full=not record.durable
        )

    def _add(self, subscription: Subscription) -> None:
        record = subscription.record
        with self._lock:
            self._by_place[record.place] = subscription
            if record.name is not None and (record.durable or record.shared):
                self._by_name[record.name] = subscription
            audience = self._spaces.get(record.space)
            if audience is not None:
                audience.add(subscription)

    def _drop(self, subscription: Subscription) -> None:
        record = subscription.record
        with self._lock:
            self._by_place.pop(record.place, None)
            if record.name is not None and self._by_name.get(record.name) is subscription:
                del self._by_name[record.name]
            audience = self._spaces.get(record.space)
            if audience is not None:
                audience.remove(subscription)
        self._destinations.remove_subscription(record.place)

    def _refresh(self) -> None:
        """Other engines make and delete subscriptions as well. Blocks for the database."""
        assert self._shared is not None
        if self._shared.subscriptions_version() == self._version:
            return
        with self._changing:
            version = self._shared.subscriptions_version()
            stored = {record.place: record for record in self._store.subscriptions()}
            for place, each in list(self._by_place.items()):
                if place not in stored and not place.startswith(MEMORY_SUBSCRIPTION):
                    self._drop(each)
            for place, record in stored.items():
                # One of this engine's own that isn't durable is added by whoever has just made it.
                if place not in self._by_place and record.engine != self._shared.engine_name:
                    self._add(Subscription(record, self._make(record)))
            self._version = version

    def _copies(
        self, stored: StoredMessage, spaces: dict[str, Audience], number: Callable[[], int]
    ) -> Iterator[StoredMessage]:
        header = stored.header
        for each in spaces[stored.destination].of(header.topic or ROOT):
            if each.record.no_local is not None and each.record.no_local in stored.publishers:
                continue
            if each.selector is None or each.selector.matches(header):
                yield dataclasses.replace(stored, sequence=number(), place=each.place)

    def __repr__(self) -> str:
        return f"<Topics of {self._bus}, {len(self._by_place)} subscription(s)>"


def _is_publication(stored: StoredMessage, spaces: dict[str, Audience]) -> bool:
    return stored.place is None and stored.mediated and stored.destination in spaces
