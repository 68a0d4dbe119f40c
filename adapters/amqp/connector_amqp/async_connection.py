"""The connection that tasks of asyncio use: send, receive, browse, request, each awaited."""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator, Mapping
from types import TracebackType
from typing import Any, final

from connector.errors import HandleClosed, Reason
from connector.spi import AsyncLease, Body, ConnectionManager, ConnectionRequestInfo, Message, PropertyValue
from connector_amqp.async_managed import AsyncAmqpManagedConnection
from connector_amqp.connection import BROWSED, message_of, reply_of

NOT_BEGUN = Reason(
    "CF-AMQP-511",
    "a connection of {reference} for asyncio was used before it was signed on.",
    "Use it in an `async with` block, or await it first.",
)


@final
class AsyncAmqpConnection:
    """A handle on a connection to a broker, for one task at a time; signs on when its `async with` block begins, or
    when it is awaited, as the task's caller then.

    Any use after `close` raises HandleClosed, as one before it is signed on does (CF-AMQP-511). Cancelling a call
    leaves the connection usable; whether what was being sent was taken is then not known.

    Args:
        manager: The reference's way to sign-on and pool.
        request: User and password given in the call, if any.
    """

    __slots__ = ("_lease", "_manager", "_request")

    def __init__(self, manager: ConnectionManager, request: ConnectionRequestInfo | None) -> None:
        self._manager = manager
        self._request = request
        self._lease: AsyncLease | None = None

    async def send(
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
        """Send a message; waits until the broker has accepted it, and answers its id.

        Arguments and errors are those of `AmqpConnection.send`.
        """
        message = message_of(body, properties, reply_to, correlation_id, priority, time_to_live, group, topic)
        return await self._physical().send(destination, message)

    async def receive(
        self, destination: str, timeout: float | None = None, *, selector: str | None = None
    ) -> Message | None:
        """Take the next message that matches; None if none came within `timeout` seconds (None: wait without limit).

        It is acknowledged by this. Where the task is cancelled meanwhile, nothing is taken. Raises what
        `AmqpConnection.receive` raises.
        """
        return await self._physical().receive(destination, timeout, selector)

    async def browse(self, destination: str, *, selector: str | None = None) -> AsyncIterator[Message]:
        """What could be received now and matches, in order, without taking it, for `async for`; the first thousand.

        They are there with the first one. Raises what `AmqpConnection.browse` raises.
        """
        for message in await self._physical().browse(destination, BROWSED, selector):
            yield message

    async def request(
        self,
        destination: str,
        body: Body | Message = None,
        *,
        timeout: float | None,
        properties: Mapping[str, PropertyValue] | None = None,
    ) -> Message:
        """Send a request and wait for its reply on a temporary queue, for up to `timeout` seconds, plus sending.

        Raises what `AmqpConnection.request` raises.
        """
        physical = self._physical()
        message = message_of(body, properties, None, None, None, None, None, None)
        return reply_of(await physical.request(destination, message, timeout), destination, physical.broker, timeout)

    @property
    def closed(self) -> bool:
        """Whether nothing can be done with it: it is not signed on yet, or has been closed."""
        return self._lease is None or self._lease.closed

    async def close(self) -> None:
        """Give the connection back; its temporary queues go. Harmless when called twice. Waits for the clean-up."""
        if self._lease is not None:
            await self._lease.close()

    async def begin(self) -> AsyncAmqpConnection:
        """Sign on, where that has not been done. Waits for up to the pool's connection timeout, plus connecting.

        Raises SignOnError, LoginRefused, ConnectionFailed, AccessDenied, PoolTimeout, PoolClosed, ScopeError; and
        TransactionError within a unit of work that the resource would take part in (CF-OUT-021).
        """
        if self._lease is None:
            self._lease = await self._manager.allocate_async(self._request)
            self._request = None  # and with it the password
        return self

    def __await__(self) -> Generator[Any, None, AsyncAmqpConnection]:
        return self.begin().__await__()

    async def __aenter__(self) -> AsyncAmqpConnection:
        return await self.begin()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _physical(self) -> AsyncAmqpManagedConnection:
        if self._lease is None:
            raise HandleClosed(NOT_BEGUN, reference=self._manager.reference)
        physical = self._lease.physical
        assert isinstance(physical, AsyncAmqpManagedConnection)
        return physical

    def __repr__(self) -> str:
        return f"<AsyncAmqpConnection, {'closed' if self.closed else 'open'}>"
