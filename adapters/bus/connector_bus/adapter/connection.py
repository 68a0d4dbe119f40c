"""The connection that applications use: send, receive, browse, request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, final

from connector.errors import IdentityMismatch, MessagingError, Reason, RequestFailed
from connector.spi import Body, ConnectionManager, Lease, Message, PropertyValue
from connector_bus.adapter.managed import BusManagedConnection
from connector_bus.adapter.subscription import BusSubscription
from connector_bus.engine.delivery_unit import outside_of_units
from connector_bus.engine.failure import is_fault
from connector_bus.engine.forward_path import way_back
from connector_bus.engine.terms import Terms
from connector_bus.reliability import Reliability
from connector_bus.selector.selector import parse_selector

NO_REPLY = Reason(
    "CF-BUS-034",
    "no reply to the request to {destination} on bus {bus} within {timeout} seconds",
    "See whether somebody consumes there; a reply that comes later is discarded.",
)
REQUEST_FAILED = Reason(
    "CF-BUS-038",
    "the request to {destination} on bus {bus} failed with {fault_code}: {fault_text}",
    "The request stands in the exception destination with the same reason.",
)
CALLER_CHANGED = Reason(
    "CF-BUS-017",
    "a connection of reference {reference} was obtained as {first} and is used by another caller",
    "Ask the connection factory for a connection of the present caller's own.",
)
TIME_TO_LIVE_UNFIT = Reason("CF-BUS-039", "a time to live of {found} seconds is not possible", "Give more than 0.")
DELAY_UNFIT = Reason("CF-BUS-172", "a delay of {found} seconds is not possible", "Give 0 to 315360000 (ten years).")
RELIABILITY_UNFIT = Reason("CF-BUS-175", "the reliability {found} is not known", "Give one of {allowed}.")

#: Seconds.
LONGEST_DELAY = 315_360_000.0


@final
class BusConnection:
    """A handle on a connection to the bus; use it from one thread or task at a time, and close it.

    Everything is checked for, and messages carry, the identity that the connection was signed on as; a name in a
    Message that is passed counts for nothing (BUS-4). Any use after `close` raises HandleClosed; where the connection
    asserts its caller, any use by another caller or after the caller has left raises IdentityMismatch (CF-BUS-017),
    ScopeError or SignOnError.
    """

    __slots__ = ("_lease", "_manager")

    def __init__(self, lease: Lease, manager: ConnectionManager) -> None:
        self._lease = lease
        self._manager = manager

    def send(
        self,
        destination: str,
        body: Body | Message = None,
        *,
        properties: Mapping[str, PropertyValue] | None = None,
        reply_to: str | None = None,
        correlation_id: str | None = None,
        priority: int | None = None,
        time_to_live: float | None = None,
        group: str | None = None,
        topic: str | None = None,
        delay: float | None = None,
        persistent: bool | None = None,
        reliability: str | None = None,
        forward_path: Sequence[str] | None = None,
        reverse_path: Sequence[str] | None = None,
    ) -> str:
        """Send a message; when this returns it is kept as its reliability says, and it answers the message's id.

        Within a transacted delivery of this bus it is sent with the delivery's commit, or never. Blocks for the disk
        where it is assured, and for up to the destination's `send_timeout` where that is full.

        Args:
            destination: Where to.
            body: The body, or a whole Message; the arguments given beside it win over what it holds.
            properties: Application properties.
            reply_to: Where a reply is wanted.
            correlation_id: Which request it answers.
            priority: 0 to 9; 4 is normal.
            time_to_live: Seconds until it may be dropped; None for never.
            group: The group within which order is kept.
            topic: What it is about; a topic space delivers by it. The root, "/", unless given.
            delay: Seconds before which nobody can receive or browse it, 0 to ten years; it outlives a restart.
            persistent: False for express, unless `reliability` says otherwise.
            reliability: best-effort, express, reliable or assured; that of the destination unless given.
            forward_path: Where it goes on from there, destination after destination; the sender role is asked for at
                each, up to a mediated one in this call.
            reverse_path: Which destinations a reply passes before it comes to `reply_to`.

        Raises:
            AccessDenied: CF-BUS-020 or -124, not a sender there, or further on the path: nothing is stored then; -120,
                not of the topic; -123, not of a temporary prefix.
            NameNotFound: CF-BUS-030, with a suggestion.
            MessagingError: CF-BUS-031 to -033, -035, -039, -172, -174, -175, -184 (unfit), -037 (delivery over), -052,
                -053 (store), -173 (full: `retryable` is true).
        """
        physical = self._physical()
        message = body if isinstance(body, Message) else Message(body)
        given = {
            "properties": properties,
            "reply_to": reply_to,
            "correlation_id": correlation_id,
            "priority": priority,
            "group": group,
            "topic": topic,
            "expires_at": self._expiry(physical, time_to_live),
            "deliver_at": self._due(physical, delay),
            "persistent": persistent,
            "forward_path": None if forward_path is None else tuple(forward_path),
            "reverse_path": None if reverse_path is None else tuple(reverse_path),
        }
        message = message.replace(**{name: value for name, value in given.items() if value is not None})
        if reliability is not None and reliability not in list(Reliability):
            raise MessagingError(RELIABILITY_UNFIT, found=repr(reliability), allowed=", ".join(Reliability))
        kept = None if reliability is None else Reliability(reliability)
        return physical.bus.engine.send(physical.subject, destination, message, kept)

    def reply(self, request: Message, body: Body | Message = None) -> str | None:
        """Answer a request: along its reverse path to its `reply_to`. The reply's correlation id is the request's, or,
        where the request has none, its message id (`Message.reply_correlation_id`), unless the reply has its own.

        Answers the reply's id; None where the request wants no reply. Blocks and raises as `send` does.
        """
        back = way_back(request)
        if back is None:
            return None
        message = body if isinstance(body, Message) else Message(body)
        correlation = message.correlation_id or request.reply_correlation_id
        return self.send(back[0], message, correlation_id=correlation, forward_path=back[1])

    def receive(self, destination: str, timeout: float | None = None, *, selector: str | None = None) -> Message | None:
        """Take the next message; None if none came within `timeout` seconds (None: wait without limit).

        With a selector, the next one that matches: whoever receives without one gets the others, and nobody waits for
        anybody. The first selector on a queue blocks for the disk.

        It is acknowledged by this; within a transacted delivery of this bus only with the delivery's commit.
        Raises AccessDenied CF-BUS-021 or -023, NameNotFound CF-BUS-030, MessagingError CF-BUS-036 when the bus stops,
        CF-BUS-170 or -171 for a selector that can't be used.
        """
        physical = self._physical()
        wanted = None if selector is None else parse_selector(selector)
        return physical.bus.engine.receive(physical.subject, destination, timeout, physical, wanted)

    def browse(self, destination: str, *, selector: str | None = None) -> Iterator[Message]:
        """What could be received now, in order, without taking it. Rights are checked at once.

        The iterator blocks for the disk. Raises AccessDenied CF-BUS-022 or -023, NameNotFound CF-BUS-030,
        MessagingError CF-BUS-170 for a selector that can't be used.
        """
        physical = self._physical()
        wanted = None if selector is None else parse_selector(selector)
        return physical.bus.engine.browse(physical.subject, destination, physical, wanted)

    def request(
        self,
        destination: str,
        body: Body | Message = None,
        *,
        timeout: float | None,
        properties: Mapping[str, PropertyValue] | None = None,
    ) -> Message:
        """Send a request and wait for its reply on a queue of its own.

        Sent at once even within a transacted delivery: nobody could answer before the commit. Blocks for up to
        `timeout` seconds (None: without limit). The request itself does not expire with the wait: it is served or
        ends in the exception destination, and only its late reply is discarded.

        Raises:
            RequestFailed: CF-BUS-038 with the code and text of the failure on the other side.
            MessagingError: CF-BUS-034 where no reply came in time; and everything that `send` raises.
        """
        physical = self._physical()
        reply_to = physical.new_reply_queue()
        try:
            with outside_of_units():
                self.send(destination, body, properties=properties, reply_to=reply_to)
                reply = physical.bus.engine.receive(physical.subject, reply_to, timeout, physical)
        finally:
            physical.drop_reply_queue(reply_to)
        if reply is None:
            raise MessagingError(NO_REPLY, destination=destination, bus=physical.bus.name, timeout=timeout)
        if is_fault(reply):
            fault: dict[str, Any] = reply.body
            raise RequestFailed(
                REQUEST_FAILED,
                destination=destination,
                bus=physical.bus.name,
                fault_code=fault["code"],
                fault_text=fault["text"],
            )
        return reply

    def subscribe(
        self,
        topic_space: str,
        topic: str = "#",
        *,
        name: str | None = None,
        durable: bool = False,
        shared: bool = False,
        selector: str | None = None,
    ) -> BusSubscription:
        """Get what is published to a topic space from now on. Blocks for the disk where it is durable.

        Args:
            topic_space: Where; an alias of one or a temporary topic of this connection as well.
            topic: The topics: `*` stands for one level, `#` for any number of them.
            name: The name of a durable or shared one, unique on the bus.
            durable: Whether it gathers messages while nobody uses it, until `unsubscribe`; only for its maker.
            shared: Whether several consumers of its maker may use it at once; each message goes to one of them.
            selector: Which messages; the others are never put there.

        Raises:
            AccessDenied: CF-BUS-021, not a receiver there; -121, not of the topic, where it is no pattern; -125, on
                another bus; -186, somebody else's subscription; -192, another connection's temporary topic.
            NameNotFound: CF-BUS-030, with a suggestion.
            MessagingError: CF-BUS-170 or -183 (unfit), -185 (no topic space), -188 (without a name), -189 (there
                already, but another one), -190 (in use), -052, -053 (store).
        """
        physical = self._physical()
        opened = physical.subscribe(topic_space, Terms(topic, name, durable, shared, selector))
        return BusSubscription(physical.bus.engine, opened, self._physical)

    def unsubscribe(self, name: str) -> None:
        """Delete a durable subscription with all that waits on it. Blocks for the disk.

        Raises NameNotFound CF-BUS-191, AccessDenied CF-BUS-187 for anybody but its maker, MessagingError CF-BUS-190
        while it is in use.
        """
        physical = self._physical()
        physical.bus.engine.topics.delete(name, physical.subject)

    def create_temporary_queue(self, prefix: str = "") -> str:
        """Make a queue that only this connection receives from, and that ends with it; answers its name.

        Others send to it who hold the sender role on the prefix. Raises AccessDenied CF-BUS-122 without the creator
        role on the prefix.
        """
        return self._physical().new_temporary(prefix, is_topic_space=False)

    def create_temporary_topic(self, prefix: str = "") -> str:
        """Make a topic space that only this connection subscribes to; see `create_temporary_queue`."""
        return self._physical().new_temporary(prefix, is_topic_space=True)

    def delete_temporary(self, name: str) -> None:
        """End a temporary queue or topic of this connection before the connection. Raises NameNotFound CF-BUS-030."""
        physical = self._physical()
        if not physical.drop_temporary(name):
            raise physical.bus.engine.destinations.unknown(name)

    @property
    def closed(self) -> bool:
        """Whether it has been closed."""
        return self._lease.closed

    def close(self) -> None:
        """Give the connection back; its reply queues go. Harmless when called twice."""
        self._lease.close()

    def __enter__(self) -> BusConnection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _physical(self) -> BusManagedConnection:
        physical = self._lease.physical
        assert isinstance(physical, BusManagedConnection)
        plan = self._lease.plan
        # A connection that asserts its caller is that caller's while its scope lasts: kept by a thread that a handler
        # left behind it would go on sending in the name of somebody who has left (FLOW-4).
        if plan.asserted is not None and self._manager.current_plan().sharing_key != plan.sharing_key:
            raise IdentityMismatch(CALLER_CHANGED, reference=plan.reference, first=plan.effective_user)
        return physical

    @staticmethod
    def _expiry(physical: BusManagedConnection, time_to_live: float | None) -> float | None:
        if time_to_live is None:
            return None
        if not time_to_live > 0:
            raise MessagingError(TIME_TO_LIVE_UNFIT, found=time_to_live)
        return physical.bus.engine.clock.time() + time_to_live

    @staticmethod
    def _due(physical: BusManagedConnection, delay: float | None) -> float | None:
        if not delay:
            return None
        if not 0 < delay <= LONGEST_DELAY:
            raise MessagingError(DELAY_UNFIT, found=delay)
        return physical.bus.engine.clock.time() + delay

    def __repr__(self) -> str:
        return f"<BusConnection, {'closed' if self.closed else 'open'}>"
