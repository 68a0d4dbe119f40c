"""The managed connection: one physical connection, signed on as one user, for threads."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, final

from connector.errors import ConnectionFailed, ConnectorError, MessagingError
from connector.spi import ConnectionDescription, ManagedConnection, Message, TransactionParticipant, UnitOfWork
from connector_amqp.answers import NO_ANSWER, answered
from connector_amqp.branch import REQUEST_WITHIN_UNIT, AmqpBranch
from connector_amqp.codec import encoded
from connector_amqp.conversation import Conversation
from connector_amqp.coordinator import NO_TRANSACTIONS, Coordinators, Transaction
from connector_amqp.loop import LoopThread
from connector_amqp.settings import Broker
from connector_amqp.under_way import DeliveriesUnderWay
from connector_amqp.wire import Wire

T = TypeVar("T")


@final
class AmqpManagedConnection(ManagedConnection):
    """One connection to a broker; used by one thread at a time, as the pool promises.

    Args:
        loop: The adapter's thread, which has the connection.
        broker: The resource.
        wire: The connection, opened.
        user: Who is signed on; None for nobody, or whom the certificate says.
        deliveries: Those whose units of work it may be asked to take part in.

    Attributes:
        wire: See above.

    Mutable state: `_conversation`, what is done by now on which connection: its own, or in the unit of a delivery that
    of the activation; `_transaction`, while it takes part in a unit.
    """

    def __init__(
        self, loop: LoopThread, broker: Broker, wire: Wire, user: str | None, deliveries: DeliveriesUnderWay
    ) -> None:
        self._loop = loop
        self._broker = broker
        self.wire = wire
        self._user = user
        self._deliveries = deliveries
        self._own = self._conversation = Conversation(wire)
        self._coordinators = Coordinators(wire)

    @property
    def is_lost(self) -> bool:
        """Whether the connection is no more."""
        return self.wire.lost_because is not None

    @property
    def broker(self) -> str:
        """The endpoint that it is connected to."""
        return self.wire.broker

    # --- the contract -------------------------------------------------------------------------------------------------

    def cleanup(self) -> None:
        """End the receiving links, and with them temporary queues; sending links are kept. Blocks for a round trip."""
        self._conversation, self._own.transaction = self._own, None
        self._run(self._own.clean, "the clean-up")

    def destroy(self) -> None:
        """Say goodbye and close. Blocks for at most about a second; harmless when called twice."""
        # What it raises is that the adapter has stopped, and its connections with it.
        with contextlib.suppress(ConnectorError):
            self._loop.run(self.wire.close())

    def describe(self) -> ConnectionDescription:
        """What the broker says of itself, after a round trip. Raises ConnectionFailed CF-AMQP-023."""
        self._run(self.wire.ping, "a round trip")
        return described(self.wire, self._user)

    def validate(self) -> bool:
        """Whether the broker still answers. Blocks for a round trip."""
        try:
            self._run(self.wire.ping, "a round trip")
        except (ConnectionFailed, MessagingError):
            return False
        return True

    def take_part(self, unit: UnitOfWork) -> TransactionParticipant | None:
        """Take part in a unit of work as its last resource. Blocks for a round trip or two.

        None in the unit of a delivery to whose broker this is a connection of the same user: what is done here is then
        done in the delivery's transaction.

        Raises MessagingError CF-AMQP-464 where the broker has no transactions, ConnectionFailed CF-AMQP-023.
        """
        delivery = self._deliveries.of(unit)
        if delivery is not None and delivery.serves(self._broker, self.wire):
            self._conversation = delivery.conversation
            return None
        transaction = Transaction(self._coordinators)
        try:
            self._run(transaction.identifier, "the beginning of a transaction")
        except ConnectionFailed:
            raise
        except ConnectorError as error:
            if error.code == NO_TRANSACTIONS.code:
                raise
            raise MessagingError(NO_TRANSACTIONS, broker=self.broker, why=error.text) from error
        self._own.transaction = transaction
        return AmqpBranch(self, self._broker.resource)

    def discharge(self, *, fail: bool) -> None:
        """End the transaction that it takes part in. Blocks for a round trip. Raises as the coordinator does."""
        transaction, self._own.transaction = self._own.transaction, None
        if transaction is not None:
            self._run(lambda: transaction.discharge(fail=fail), "the end of a transaction")

    # --- messages -----------------------------------------------------------------------------------------------------

    def send(self, destination: str, message: Message) -> str:
        """Send; answers the message's id. Blocks until the broker has accepted it."""
        message_id = message.message_id or f"ID:{uuid.uuid4()}"
        user_id = self._user if self._broker.send_user_id else None
        data = encoded(message.replace(message_id=message_id), destination, user_id)
        self._run(lambda: self._conversation.send(destination, data), f"sending to {destination}")
        return message_id

    def receive(self, destination: str, timeout: float | None, selector: str | None) -> Message | None:
        """Receive one message and acknowledge it; None after `timeout` seconds. Blocks.

        It is acknowledged by the thread that gets it: where that is interrupted just before, it has gone back.
        """
        conversation, what = self._conversation, f"receiving from {destination}"
        if conversation.transaction is not None:
            return self._run(lambda: conversation.receive(destination, timeout, selector), what, timeout)
        taken = self._run(
            lambda: conversation.take(destination, timeout, selector),
            what,
            timeout,
            undo=lambda late: None if late is None else conversation.give_back(late),
        )
        if taken is None:
            return None
        self._loop.soon(lambda: conversation.acknowledge(taken))
        return taken.message

    def browse(self, destination: str, limit: int, selector: str | None) -> list[Message]:
        """What is there now, at most so many. Blocks."""
        conversation = self._conversation
        return self._run(lambda: conversation.look(destination, limit, selector), f"looking at {destination}")

    def request(self, destination: str, message: Message, timeout: float | None) -> Message | None:
        """Send and wait for the reply on a temporary queue; None after `timeout` seconds. Blocks.

        Raises MessagingError CF-AMQP-468 within a unit of work.
        """
        conversation = self._conversation
        if conversation.transaction is not None:
            raise MessagingError(REQUEST_WITHIN_UNIT, destination=destination)
        reply_to = self._run(conversation.reply_queue, "a temporary reply queue")
        asked = message.replace(message_id=message.message_id or f"ID:{uuid.uuid4()}", reply_to=reply_to)
        self.send(destination, asked)
        what = f"the reply to a request to {destination}"
        return self._run(lambda: conversation.reply(asked, timeout), what, timeout)

    def _run(
        self,
        work: Callable[[], Coroutine[Any, Any, T]],
        what: str,
        waits: float | None = 0.0,
        undo: Callable[[T], Any] | None = None,
    ) -> T:
        """Do something on the loop; a connection that is found broken is told to the pool.

        Args:
            work: Begins it.
            what: For errors.
            waits: Seconds that it waits by itself; None for without limit.
            undo: As in `LoopThread.run`.
        """
        limit = self._broker.operation_timeout
        try:
            return self._loop.run(answered(work, self._conversation.wire, limit, what, waits), undo)
        except (ConnectionFailed, MessagingError) as error:
            if isinstance(error, ConnectionFailed) or error.code == NO_ANSWER.code:
                self.connection_error_occurred(error)
            raise

    def __repr__(self) -> str:
        return f"<AmqpManagedConnection to {self.broker} as {self._user}>"


def described(wire: Wire, user: str | None) -> ConnectionDescription:
    """What a broker has said of itself."""
    known = wire.peer_properties
    product = " ".join(str(known[name]) for name in ("product", "bus") if known.get(name))
    return ConnectionDescription(product or "AMQP 1.0 broker", str(known.get("version") or "AMQP 1.0"), user)
