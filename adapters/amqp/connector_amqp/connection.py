"""The connection that applications use: send, receive, browse, request; the same as of the bus in this process."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Final, final

from connector.errors import MessagingError, Reason, RequestFailed
from connector.spi import Body, Lease, Message, PropertyValue, ServerPrincipal
from connector_amqp.managed import AmqpManagedConnection

NO_REPLY = Reason(
    "CF-AMQP-036",
    "no reply to the request to {destination} at {broker} within {timeout} seconds",
    "See whether somebody consumes there; a reply that comes later is discarded.",
)
REQUEST_FAILED = Reason(
    "CF-AMQP-037",
    "the request to {destination} at {broker} failed with {fault_code}: {fault_text}",
    "The request stands in the exception destination with the same reason.",
)
TIME_TO_LIVE_UNFIT = Reason("CF-AMQP-038", "a time to live of {found} seconds is not possible", "Give more than 0.")

#: How many messages are looked at in one go.
BROWSED: Final = 1000
#: By this an engine of ours says that a reply is a fault; it counts only with the engine's own identity.
_FAULT: Final = "connector_fault"


@final
class AmqpConnection:
    """A handle on a connection to a broker; use it from one thread or task at a time, and close it.

    Any use after `close` raises HandleClosed. Where the connection breaks in a call, the call raises ConnectionFailed
    CF-AMQP-023, and the next connection is a new one.
    """

    __slots__ = ("_lease",)

    def __init__(self, lease: Lease) -> None:
        self._lease = lease

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
    ) -> str:
        """Send a message; when this returns the broker has accepted it, and it answers the message's id.

        Blocks for the broker's answer, at most for `operation_timeout`; a broker that is full gives no credit, and the
        message waits for it. Within a unit of work it is sent with the commit, where the resource has `transactions`.

        Args:
            destination: Where to: the address at the broker.
            body: The body, or a whole Message; the arguments given beside it win over what it holds.
            properties: Application properties.
            reply_to: Where a reply is wanted.
            correlation_id: Which request it answers.
            priority: 0 to 9; 4 is normal.
            time_to_live: Seconds until it may be dropped; None for never.
            group: The group within which order is kept.
            topic: What it is about: the subject, by which an engine's topic spaces deliver.

        Raises:
            AccessDenied: CF-AMQP-020, not allowed there.
            NameNotFound: CF-AMQP-021.
            MessagingError: CF-AMQP-022 (refused), -030 (not taken), -033 and -038 (unfit), -035 (no answer: it may
                have been taken or not).
            ConnectionFailed: CF-AMQP-023, the same.
        """
        message = message_of(body, properties, reply_to, correlation_id, priority, time_to_live, group, topic)
        return self._physical().send(destination, message)

    def receive(self, destination: str, timeout: float | None = None, *, selector: str | None = None) -> Message | None:
        """Take the next message that matches; None if none came within `timeout` seconds (None: wait without limit).

        It is acknowledged by this; where the connection is lost before the broker has heard that, the broker delivers
        it again. Raises AccessDenied CF-AMQP-020, NameNotFound CF-AMQP-021, MessagingError
        CF-AMQP-022, -034, -035, ConnectionFailed CF-AMQP-023.
        """
        return self._physical().receive(destination, timeout, selector)

    def browse(self, destination: str, *, selector: str | None = None) -> Iterator[Message]:
        """What could be received now and matches, in order, without taking it; the first thousand.

        Blocks for all of them. Raises what `receive` raises, and MessagingError CF-AMQP-031 where the broker can't.
        """
        return iter(self._physical().browse(destination, BROWSED, selector))

    def request(
        self,
        destination: str,
        body: Body | Message = None,
        *,
        timeout: float | None,
        properties: Mapping[str, PropertyValue] | None = None,
    ) -> Message:
        """Send a request and wait for its reply on a temporary queue, which the broker makes for this connection.

        Blocks for up to `timeout` seconds (None: without limit), plus sending. The request itself does not expire with
        the wait; a late reply is discarded.

        Raises:
            RequestFailed: CF-AMQP-037 with the code and text of the failure on the other side, where an engine of ours
                tells of it.
            MessagingError: CF-AMQP-036 where no reply came in time, -022 where the broker makes no temporary queues;
                and everything that `send` raises.
        """
        physical = self._physical()
        message = message_of(body, properties, None, None, None, None, None, None)
        return reply_of(physical.request(destination, message, timeout), destination, physical.broker, timeout)

    @property
    def closed(self) -> bool:
        """Whether it has been closed."""
        return self._lease.closed

    def close(self) -> None:
        """Give the connection back; its temporary queues go. Harmless when called twice."""
        self._lease.close()

    def __enter__(self) -> AmqpConnection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _physical(self) -> AmqpManagedConnection:
        physical = self._lease.physical
        assert isinstance(physical, AmqpManagedConnection)
        return physical

    def __repr__(self) -> str:
        return f"<AmqpConnection, {'closed' if self.closed else 'open'}>"


def reply_of(reply: Message | None, destination: str, broker: str, timeout: float | None) -> Message:
    """What a request answers. Raises MessagingError CF-AMQP-036 without a reply, RequestFailed CF-AMQP-037 for a fault.

    A fault is one with the engine's own identity, so that no client can forge one.
    """
    if reply is None:
        raise MessagingError(NO_REPLY, destination=destination, broker=broker, timeout=timeout)
    if _FAULT in reply.properties and isinstance(reply.identity, ServerPrincipal) and isinstance(reply.body, dict):
        raise RequestFailed(
            REQUEST_FAILED,
            destination=destination,
            broker=broker,
            fault_code=str(reply.body.get("code")),
            fault_text=str(reply.body.get("text")),
        )
    return reply


def message_of(
    body: Body | Message,
    properties: Mapping[str, PropertyValue] | None,
    reply_to: str | None,
    correlation_id: str | None,
    priority: int | None,
    time_to_live: float | None,
    group: str | None,
    topic: str | None,
) -> Message:
    """The message that the arguments of `send` mean. Raises MessagingError CF-AMQP-038."""
    message = body if isinstance(body, Message) else Message(body)
    expires_at = None
    if time_to_live is not None:
        if not time_to_live > 0:
            raise MessagingError(TIME_TO_LIVE_UNFIT, found=time_to_live)
        expires_at = time.time() + time_to_live
    given = {
        "properties": properties,
        "reply_to": reply_to,
        "correlation_id": correlation_id,
        "priority": priority,
        "group": group,
        "topic": topic,
        "expires_at": expires_at,
    }
    return message.replace(**{name: value for name, value in given.items() if value is not None})
