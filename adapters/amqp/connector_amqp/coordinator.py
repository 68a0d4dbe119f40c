"""Local transactions at the broker: its coordinator, and a connection's part in a unit of work (AMQP 1.0, part 4).

What is sent carries the transaction's identifier and is there with its commit; what is received is acknowledged within
it, and comes again if it is rolled back. A branch can't prepare: it is the unit's last resource, and ends in one phase.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, final

from connector.errors import ConnectionFailed, ConnectorError, MessagingError, OutcomeUnknown, Reason, TransactionError
from connector.spi import UnitOfWork, Vote
from connector_amqp.library import load_proton
from connector_amqp.link import BrokerLink
from connector_amqp.refusals import Condition, condition_of, refusal
from connector_amqp.wire import Wire

if TYPE_CHECKING:
    from connector_amqp.managed import AmqpManagedConnection

NO_TRANSACTIONS = Reason(
    "CF-AMQP-464",
    "{broker} has no local transactions: {why}",
    "Set transactions = false for this resource, whose messages are then in no unit of work. RabbitMQ 3 has none.",
)
CANT_PREPARE = Reason(
    "CF-AMQP-465", "a connection to {broker} was asked to prepare, which it can't.", "Report it: it has said so."
)
ANSWER_LOST = Reason(
    "CF-AMQP-466",
    "{broker} did not answer a commit; whether it was done is not known.",
    "Look there for the messages of the unit, before they are sent again.",
)
ROLLED_BACK = Reason(
    "CF-AMQP-467", "{broker} has rolled a transaction back: {why}", "See the reason; what was in it has not happened."
)
REQUEST_WITHIN_UNIT = Reason(
    "CF-AMQP-468",
    "a request to {destination} within a unit of work: it would be sent with the commit, and the reply never come.",
    "Make requests outside of the unit, or suspend it for them.",
)

DECLARED: Final = 0x33
TRANSACTIONAL: Final = 0x34
ACCEPTED: Final = 0x24


@final
class Coordinator(BrokerLink):
    """The link to the broker's coordinator. For the adapter's loop only.

    Mutable state, besides that of all links: `_answers`, who waits for which answer; `_tags`.
    """

    def __init__(self, wire: Wire) -> None:
        super().__init__(wire, "a transaction")
        self._answers: dict[str, asyncio.Future[bytes]] = {}
        self._tags = 0

    async def declare(self) -> bytes:
        """Begin a transaction; answers its identifier. Raises what the broker refuses, ConnectionFailed."""
        return await self._ask("declare", None)

    async def discharge(self, unit: bytes, *, fail: bool) -> None:
        """End one; `fail` rolls it back. Raises what the broker refuses: it is rolled back then; ConnectionFailed."""
        await self._ask("discharge", unit, fail)

    async def _ask(self, what: str, *fields: Any) -> bytes:
        while self._link.credit <= 0:
            await self._change()
        proton = load_proton()
        self._tags += 1
        tag, answer = str(self._tags), asyncio.get_running_loop().create_future()
        self._answers[tag] = answer
        self._link.delivery(tag)
        self._link.stream(proton.Message(body=proton.Described(proton.symbol(f"amqp:{what}:list"), [*fields])).encode())
        self._link.advance()
        self.wire.flush()
        try:
            return bytes(await answer)
        finally:
            self._answers.pop(tag, None)

    def on_delivery(self, delivery: Any) -> None:
        """The coordinator's answer."""
        if not delivery.updated:
            return
        answer, state = self._answers.get(delivery.tag), delivery.remote_state
        if answer is not None and not answer.done():
            if state == DECLARED:
                answer.set_result(bytes(delivery.remote.data[0]))
            elif state == delivery.ACCEPTED:
                answer.set_result(b"")
            elif state == delivery.REJECTED or delivery.settled:
                answer.set_exception(refusal(self.wire.broker, self.what, condition_of(delivery.remote.condition)))
        delivery.settle()

    def on_ended(self, condition: Condition | None) -> None:
        """The broker has ended it, and with it what was not committed."""
        super().on_ended(condition)
        self._fail_all()

    def on_lost(self, error: ConnectorError) -> None:
        """The connection is no more."""
        super().on_lost(error)
        self._fail_all()

    def _fail_all(self) -> None:
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(self.error())

    def _make(self, session: Any) -> Any:
        proton = load_proton()
        link = session.sender(self.wire.new_name())
        link.source.address = link.name
        link.target.type = link.target.COORDINATOR
        link.target.capabilities.put_object(proton.symbol("amqp:local-transactions"))
        link.snd_settle_mode = link.SND_UNSETTLED
        link.rcv_settle_mode = link.RCV_FIRST
        return link

    def _is_refused(self) -> bool:
        return bool(self._link.remote_target.type == self._link.remote_target.UNSPECIFIED)


@final
class AmqpBranch:
    """A connection's part in one unit. Implements `connector.spi.TransactionParticipant`.

    Args:
        connection: The connection.
        unit: The unit.
        resource: The resource's name.
    """

    two_phase = False

    def __init__(self, connection: AmqpManagedConnection, unit: UnitOfWork, resource: str) -> None:
        self._connection = connection
        self._unit = unit
        self._resource = resource

    @property
    def resource(self) -> str:
        """See TransactionParticipant."""
        return self._resource

    def prepare(self, branch: str) -> Vote:
        """It can't; raises TransactionError CF-AMQP-465."""
        raise TransactionError(CANT_PREPARE, broker=self._connection.broker)

    def commit(self, branch: str, *, one_phase: bool = False) -> None:
        """Commit. Blocks for a round trip.

        Raises TransactionError CF-AMQP-467 where the broker has rolled it back, OutcomeUnknown CF-AMQP-466.
        """
        broker = self._connection.broker
        if self._connection.is_lost:  # before anything was said: the broker has rolled it back
            raise TransactionError(ROLLED_BACK, broker=broker, why="the connection was lost")
        try:
            self._connection.discharge(fail=False)
        except (ConnectionFailed, TimeoutError) as error:
            raise OutcomeUnknown(ANSWER_LOST, broker=broker) from error
        except MessagingError as error:
            if error.code == "CF-AMQP-035":  # no answer in time
                raise OutcomeUnknown(ANSWER_LOST, broker=broker) from error
            raise TransactionError(ROLLED_BACK, broker=broker, why=error.text) from error
        except ConnectorError as error:
            raise TransactionError(ROLLED_BACK, broker=broker, why=error.text) from error

    def rollback(self, branch: str) -> None:
        """Roll back. Blocks for a round trip; nothing to do where the connection is lost."""
        if not self._connection.is_lost:
            self._connection.discharge(fail=True)
