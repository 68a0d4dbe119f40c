"""The bus as one connection on the wire uses it: checked like everybody, and never waited for on the chain's loop."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import logging
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, Final, final

from connector.errors import ConnectorError, MessagingError, NameNotFound
from connector.spi import Message, Subject, UserPrincipal
from connector_bus.adapter.bus import Bus
from connector_bus.adapter.managed import BusManagedConnection
from connector_bus.chains.conditions import Refusal
from connector_bus.chains.inbox import Inbox
from connector_bus.chains.memory import Memory
from connector_bus.chains.settings import ChainSettings
from connector_bus.chains.subscriptions import SEPARATOR
from connector_bus.chains.writing import Writing
from connector_bus.engine.destination import Destination
from connector_bus.engine.message_queue import MessageQueue
from connector_bus.engine.queue_state import Entry
from connector_bus.engine.subscription import OpenSubscription
from connector_bus.engine.terms import OTHER_TERMS, Terms
from connector_bus.policy.definition import ROOT
from connector_bus.policy.roles import ResourceType, Role
from connector_bus.reliability import Reliability
from connector_bus.store.record import StoredMessage

_LOG = logging.getLogger("connector_bus.chains")

#: Bytes that wait for one client to read them, from which on it gets no more messages.
HIGH_WATER: Final = 1024 * 1024


@final
class BusSide:
    """One connection's way to its bus. For the chain's loop only.

    Args:
        bus: The bus.
        subject: Who is signed on: all checks and the identity in its messages are this subject's.
        inbox: Where what other threads have done is heard of.
        executor: Where what blocks is done.
        chain: What the client may.
        memory: What all clients of the chain hold in memory.

    Attributes:
        physical: The connection as the engine knows it: what is temporary belongs to it.
        writing: What is stored for it, and removed.
        refuse: Ends a link and says why; set by the peer.
        outgoing: Bytes that wait for the client to read them, by the last count.
        publishers: The names that the client publishes by: its connection's, and that of its client id.

    Mutable state: `subject`, `refuse`, `outgoing`, `publishers`.
    """

    def __init__(
        self, bus: Bus, subject: Subject, inbox: Inbox, executor: Executor, chain: ChainSettings, memory: Memory
    ) -> None:
        self.bus = bus
        self.subject = subject
        self.chain = chain
        self.memory = memory
        self.refuse: Callable[[Any, Refusal], None] = lambda _link, _refusal: None
        self.outgoing = 0
        self.publishers: tuple[str, ...] = ()
        self._inbox = inbox
        self._executor = executor
        self.physical = BusManagedConnection(bus, subject)
        executor.submit(self.physical.remember_user)
        self.writing = Writing(bus.engine, inbox, self.apart)

    @property
    def user(self) -> str | None:
        """Who is signed on; None for nobody."""
        caller = self.subject.caller
        return caller.name if self.subject.is_authenticated and caller is not None else None

    def now(self) -> float:
        """Seconds since 1970."""
        return self.bus.context.clock.time()

    @property
    def congested(self) -> bool:
        """Whether so much waits for the client to read it that it gets no more."""
        return self.outgoing > HIGH_WATER

    def sent(self, size: int) -> None:
        """So many bytes more wait for the client."""
        self.outgoing += size

    def known_now(self) -> Subject:
        """Who is signed on, with the groups of now. Blocks for the registry; raises what that raises.

        Raises AccessDenied CF-BUS-490 where the name is another user's now.
        """
        caller = self.subject.caller
        identity = self.bus.context.identity
        if not self.bus.access.active or not isinstance(caller, UserPrincipal) or caller.realm != identity.realm:
            return self.subject
        known = identity.assert_user(caller.name)
        self.physical.require_same_user()
        return known

    def is_now(self, subject: Subject) -> None:
        """From now on this is what is known of who is signed on."""
        self.subject = self.physical.subject = subject

    def later(self, seconds: float, call: Callable[[], None]) -> asyncio.TimerHandle:
        """Have something done on the loop in so many seconds, unless it is cancelled."""
        return self._inbox.later(seconds, call)

    def place_of(self, address: str) -> tuple[str, str | None]:
        """The destination that an address names, and the topic of a topic space after a slash.

        Raises NameNotFound CF-BUS-030.
        """
        space, slash, topic = address.partition(SEPARATOR)
        if not slash or not topic:
            return address, None
        destinations = self.bus.engine.destinations
        try:
            destinations.route(address)
        except NameNotFound:
            if self.is_topic_space(space):
                return space, topic
            raise
        return address, None

    def may_send(self, name: str, topic: str | None = None) -> None:
        """Raise AccessDenied CF-BUS-020 or NameNotFound CF-BUS-030 unless the user may send there."""
        self.bus.engine.require_sender(self.subject, name, topic)

    def consumable(self, name: str, role: Role) -> Destination:
        """A destination that the user may receive from, or browse. Raises AccessDenied, NameNotFound."""
        return self.bus.engine.consumable(self.subject, name, self.physical, role)

    def admit(self, name: str, message: Message) -> tuple[StoredMessage, ...]:
        """Check and stamp a message; nothing is kept yet. The client's own id stays: replies refer to it."""
        engine, identity = self.bus.engine, self.bus.access.identity_of(self.subject)
        route = engine.require_sender(self.subject, name, message.topic or ROOT)
        reliability = None if message.persistent else Reliability.EXPRESS
        stored = engine.accept(message, name, identity, message_id=message.message_id, reliability=reliability)
        return engine.fan_out(route, dataclasses.replace(stored, publishers=self.publishers))

    def failed(self, queue: MessageQueue, entry: Entry, error: ConnectorError, *, permanent: bool) -> None:
        """Book a failed delivery, on another thread: again, or to the exception destination. It logs its own errors."""
        settings = self.bus.engine.destinations.find(queue.name)
        limit = settings.settings.max_redeliveries if settings is not None and settings.settings is not None else 0
        book = functools.partial(self.bus.failures.failed, queue, entry, error, limit=limit, permanent=permanent)
        self._executor.submit(book)

    def apart(self, function: Callable[[], Any], done: Callable[[Any, BaseException | None], None]) -> None:
        """Do what blocks on another thread; `done` is called on the loop with its result or error."""

        def report(outcome: Future[Any]) -> None:
            error = outcome.exception()
            result = None if error is not None else outcome.result()
            self._inbox.put(functools.partial(done, result, error))

        self._executor.submit(function).add_done_callback(report)

    def call_soon(self, call: Callable[[], None]) -> None:
        """From any thread: have something done on the loop."""
        self._inbox.put(call)

    def new_temporary(self, prefix: str | None, *, is_topic_space: bool = False) -> str:
        """Make a temporary queue or topic that only this connection consumes from; a queue without a prefix is one for
        replies, which everybody may have. Raises AccessDenied CF-BUS-122.
        """
        if prefix is None and not is_topic_space:
            return self.physical.new_reply_queue()
        return self.physical.new_temporary(prefix or "", is_topic_space=is_topic_space)

    def drop_temporary(self, name: str) -> None:
        """Take one away; what comes later is discarded and counted."""
        if not self.physical.drop_temporary(name):
            self.physical.drop_reply_queue(name)

    def is_topic_space(self, name: str) -> bool:
        """Whether receiving from there is subscribing. Raises NameNotFound CF-BUS-030."""
        destinations = self.bus.engine.destinations
        temporary = destinations.temporary(name)
        if temporary is not None:
            return temporary.is_topic_space
        return destinations.route(name).kind is ResourceType.TOPIC_SPACE

    def subscribe(self, space: str, terms: Terms) -> OpenSubscription:
        """Subscribe. Blocks for the disk and the registry. See `Topics.open`.

        A durable subscription that is there on other terms is made anew, as JMS has it.
        """
        topics = self.bus.engine.topics
        try:
            return topics.open(self.subject, space, terms, self.physical)
        except MessagingError as error:
            if error.code != OTHER_TERMS.code or terms.shared or terms.name is None:
                raise
        topics.delete(terms.name, self.subject)
        return topics.open(self.subject, space, terms, self.physical)

    def unsubscribe(self, opened: OpenSubscription | None, name: str | None) -> None:
        """Use a subscription no more; with a name, delete it. On another thread; what fails is logged."""
        if opened is not None:
            opened.about_to_close()

        def done(_: Any, error: BaseException | None) -> None:
            if error is not None:
                _LOG.warning("a subscription could not be ended: %s", error)

        def end() -> None:
            if opened is not None:
                opened.close()
            if name is not None:
                self.bus.engine.topics.delete(name, self.subject)

        self.apart(end, done)

    def close(self) -> None:
        """The connection is over: its temporary queues and topics go."""
        self.physical.destroy()
