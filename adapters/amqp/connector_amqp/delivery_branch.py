"""A transacted delivery's part in its unit of work: the message, the reply, and what its handler sends (FLOW-8).

::

    delivered --first send, or commit--> begun: the message is accepted within the transaction
    begun --commit--> gone, with all that was sent        begun --rollback--> still out with us, as if never accepted

The transaction begins late: a handler that takes its time and sends nothing is under no time limit of the broker's. The
message stays out until the delivery settles it, so that after a rollback it is dealt with as any other that has failed.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, final

from connector.errors import OutcomeUnknown, TransactionError
from connector.spi import Message, Vote
from connector_amqp.answers import answered
from connector_amqp.branch import CANT_PREPARE, ROLLED_BACK, commit_by
from connector_amqp.codec import encoded
from connector_amqp.conversation import Conversation
from connector_amqp.coordinator import Coordinators, Transaction
from connector_amqp.inlet import Arrived, Inlet
from connector_amqp.loop import LoopThread
from connector_amqp.settings import Broker
from connector_amqp.wire import Wire


@final
class DeliveryBranch:
    """One delivery's part in one unit. Implements `connector.spi.TransactionParticipant`.

    Args:
        loop: The adapter's thread.
        broker: The broker, as the activation is configured for it.
        coordinators: The way to its coordinator.
        inlet: The subscription.
        arrived: The message.

    Attributes:
        conversation: What is sent and received within it; for the loop only.
        is_unknown: Whether the broker's answer to the commit was lost.

    Mutable state: `_accepted`, on the loop; `is_unknown`.
    """

    two_phase = False

    def __init__(
        self, loop: LoopThread, broker: Broker, coordinators: Coordinators, inlet: Inlet, arrived: Arrived
    ) -> None:
        self._loop = loop
        self._broker = broker
        self._inlet = inlet
        self._arrived = arrived
        self._transaction = Transaction(coordinators, self._begun)
        self._accepted = arrived.presettled
        self.conversation = Conversation(inlet.wire, self._transaction)
        self.is_unknown = False

    @property
    def resource(self) -> str:
        """See TransactionParticipant."""
        return self._broker.resource

    @property
    def is_lost(self) -> bool:
        """Whether its connection is no more: what was not committed has been rolled back."""
        return self._inlet.wire.lost_because is not None

    def serves(self, broker: Broker, wire: Wire) -> bool:
        """Whether another connection is to the same endpoint as the same user, so that this one can do for it. Pure."""
        own, where = self._inlet.wire, (self._broker.virtual_host, self._broker.tls)
        return (
            own.broker == wire.broker and own.signed_on == wire.signed_on and where == (broker.virtual_host, broker.tls)
        )

    def send(self, destination: str, message: Message) -> None:
        """Send a message within it. Blocks until the broker has taken it. Raises what sending raises."""
        data = encoded(message, destination)
        sending = answered(
            lambda: self.conversation.send(destination, data),
            self._inlet.wire,
            self._broker.operation_timeout,
            f"replying to {destination}",
        )
        self._loop.run(sending)

    def prepare(self, branch: str) -> Vote:
        """It can't; raises TransactionError CF-AMQP-465."""
        raise TransactionError(CANT_PREPARE, broker=self._inlet.wire.broker)

    def commit(self, branch: str, *, one_phase: bool = False) -> None:
        """Commit. Blocks for a round trip or two.

        Raises TransactionError CF-AMQP-467 where the broker has rolled it back, or has taken the message back;
        OutcomeUnknown CF-AMQP-466. After that nothing may be said of the message any more: the connection is ended.
        """
        try:
            commit_by(lambda: self._ask(self._commit, "the commit of a delivery"), self._inlet.wire)
        except OutcomeUnknown:
            self.is_unknown = True
            self._loop.soon(lambda: self._inlet.wire.abort("a commit was not answered"))
            raise

    def rollback(self, branch: str) -> None:
        """Roll back. Blocks for a round trip, where it has begun; nothing to do where the connection is lost."""
        if not self.is_lost:
            self._ask(lambda: self._transaction.discharge(fail=True), "the rollback of a delivery")

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Commit it with the end of the block, or roll it back: in a container whose deliveries have no units."""
        try:
            yield
        except BaseException:
            self.rollback("")
            raise
        self.commit("", one_phase=True)

    def end(self) -> None:
        """It is over: its links go. Does not block."""
        self._loop.soon(self.conversation.close)

    def _ask(self, work: Callable[[], Coroutine[Any, Any, None]], what: str) -> None:
        self._loop.run(answered(work, self._inlet.wire, self._broker.operation_timeout, what))

    # --- on the loop --------------------------------------------------------------------------------------------------

    def _begun(self, unit: bytes) -> None:
        self._accepted = self._accepted or self._inlet.accept_within(self._arrived, unit, keep=True)

    async def _commit(self) -> None:
        await self._transaction.identifier()
        if not self._accepted or not (self._inlet.stands or self._arrived.presettled):
            await self._transaction.discharge(fail=True)
            raise TransactionError(ROLLED_BACK, broker=self._inlet.wire.broker, why="the message was taken back before")
        await self._transaction.discharge(fail=False)

    def __repr__(self) -> str:
        return f"<DeliveryBranch of {self._inlet!r}>"
