"""The managed connection for asyncio: the conversation is the one for threads, asked from another event loop (POOL-7).

The physical connection is the adapter's loop's, like all others: whatever keeps the application's loop busy, heartbeats
are answered and frames are read. A call that is cancelled leaves nothing behind: no credit, and no message that was
taken and that nobody has seen.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, final

from connector.errors import ConnectionFailed, ConnectorError, MessagingError
from connector.spi import AsyncManagedConnection, ConnectionDescription, Message
from connector_amqp.answers import NO_ANSWER, answered
from connector_amqp.codec import encoded
from connector_amqp.conversation import Conversation
from connector_amqp.loop import LoopThread
from connector_amqp.managed import described
from connector_amqp.settings import Broker
from connector_amqp.wire import Wire

T = TypeVar("T")


@final
class AsyncAmqpManagedConnection(AsyncManagedConnection):
    """One connection to a broker, for the tasks of one event loop, one at a time, as the pool promises.

    Args:
        loop: The adapter's thread, which has the connection.
        broker: The resource.
        wire: The connection, opened.
        user: Who is signed on; None for nobody, or whom the certificate says.

    Attributes:
        wire: See above.
    """

    def __init__(self, loop: LoopThread, broker: Broker, wire: Wire, user: str | None) -> None:
        self._loop = loop
        self._broker = broker
        self.wire = wire
        self._user = user
        self._conversation = Conversation(wire)
        # A call that was cancelled may still be on its way to its end there: the next one comes after that.
        self._turn = asyncio.Lock()

    @property
    def broker(self) -> str:
        """The endpoint that it is connected to."""
        return self.wire.broker

    # --- the contract -------------------------------------------------------------------------------------------------

    async def cleanup(self) -> None:
        """End the receiving links, and with them temporary queues; sending links are kept. Waits for a round trip."""
        await self._run(self._conversation.clean, "the clean-up")

    async def destroy(self) -> None:
        """Say goodbye and close. Waits for at most about a second; harmless when called twice."""
        with contextlib.suppress(ConnectorError):  # the adapter has stopped, and its connections with it
            await self._loop.awaited(self.wire.close())

    def abort(self) -> None:
        """End it without a word; does not block."""
        self._loop.soon(lambda: self.wire.abort("it was let go"))

    async def describe(self) -> ConnectionDescription:
        """What the broker says of itself, after a round trip. Raises ConnectionFailed CF-AMQP-023."""
        await self._run(self.wire.ping, "a round trip")
        return described(self.wire, self._user)

    async def validate(self) -> bool:
        """Whether the broker still answers. Waits for a round trip."""
        try:
            await self._run(self.wire.ping, "a round trip")
        except (ConnectionFailed, MessagingError):
            return False
        return True

    # --- messages -----------------------------------------------------------------------------------------------------

    async def send(self, destination: str, message: Message) -> str:
        """Send; answers the message's id, once the broker has accepted it."""
        message_id = message.message_id or f"ID:{uuid.uuid4()}"
        user_id = self._user if self._broker.send_user_id else None
        data = encoded(message.replace(message_id=message_id), destination, user_id)
        await self._run(lambda: self._conversation.send(destination, data), f"sending to {destination}")
        return message_id

    async def receive(self, destination: str, timeout: float | None, selector: str | None) -> Message | None:
        """Receive one message and acknowledge it; None after `timeout` seconds.

        It is acknowledged by the task that gets it: cancelled just before, it has gone back.
        """
        conversation, what = self._conversation, f"receiving from {destination}"
        taken = await self._run(
            lambda: conversation.take(destination, timeout, selector),
            what,
            timeout,
            undo=lambda late: None if late is None else conversation.give_back(late),
        )
        if taken is None:
            return None
        self._loop.soon(lambda: conversation.acknowledge(taken))
        return taken.message

    async def browse(self, destination: str, limit: int, selector: str | None) -> list[Message]:
        """What is there now, at most so many."""
        conversation = self._conversation
        return await self._run(lambda: conversation.look(destination, limit, selector), f"looking at {destination}")

    async def request(self, destination: str, message: Message, timeout: float | None) -> Message | None:
        """Send and wait for the reply on a temporary queue; None after `timeout` seconds."""
        conversation = self._conversation
        reply_to = await self._run(conversation.reply_queue, "a temporary reply queue")
        asked = message.replace(message_id=message.message_id or f"ID:{uuid.uuid4()}", reply_to=reply_to)
        await self.send(destination, asked)
        what = f"the reply to a request to {destination}"
        return await self._run(lambda: conversation.reply(asked, timeout), what, timeout)

    async def _run(
        self,
        work: Callable[[], Coroutine[Any, Any, T]],
        what: str,
        waits: float | None = 0.0,
        undo: Callable[[T], Any] | None = None,
    ) -> T:
        """As `AmqpManagedConnection._run`, waiting instead of blocking; `undo` as in `LoopThread.awaited`."""

        async def in_turn() -> T:
            async with self._turn:
                return await work()

        limit = self._broker.operation_timeout
        try:
            return await self._loop.awaited(answered(in_turn, self.wire, limit, what, waits), undo)
        except (ConnectionFailed, MessagingError) as error:
            if isinstance(error, ConnectionFailed) or error.code == NO_ANSWER.code:
                self.connection_error_occurred(error)
            raise

    def __repr__(self) -> str:
        return f"<AsyncAmqpManagedConnection to {self.broker} as {self._user}>"
