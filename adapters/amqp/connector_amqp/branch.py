"""A connection's part in a unit of work: the unit's last resource, for AMQP's transactions can't prepare (FLOW-8)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, final

from connector.errors import ConnectionFailed, ConnectorError, OutcomeUnknown, Reason, TransactionError
from connector.spi import Vote
from connector_amqp.answers import NO_ANSWER
from connector_amqp.wire import Wire

if TYPE_CHECKING:
    from connector_amqp.managed import AmqpManagedConnection

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


def commit_by(discharge: Callable[[], None], wire: Wire) -> None:
    """Commit in one phase by what asks the broker for it. Blocks for a round trip.

    Raises TransactionError CF-AMQP-467 where the broker has rolled it back, OutcomeUnknown CF-AMQP-466.
    """
    broker = wire.broker
    if wire.lost_because is not None:  # before anything was said: the broker has rolled it back
        raise TransactionError(ROLLED_BACK, broker=broker, why="the connection was lost")
    try:
        discharge()
    except ConnectionFailed as error:
        raise OutcomeUnknown(ANSWER_LOST, broker=broker) from error
    except TransactionError:
        raise
    except ConnectorError as error:
        if error.code == NO_ANSWER.code:
            raise OutcomeUnknown(ANSWER_LOST, broker=broker) from error
        raise TransactionError(ROLLED_BACK, broker=broker, why=error.text) from error


@final
class AmqpBranch:
    """A managed connection's part in one unit. Implements `connector.spi.TransactionParticipant`.

    Args:
        connection: The connection.
        resource: The resource's name.
    """

    two_phase = False

    def __init__(self, connection: AmqpManagedConnection, resource: str) -> None:
        self._connection = connection
        self._resource = resource

    @property
    def resource(self) -> str:
        """See TransactionParticipant."""
        return self._resource

    def prepare(self, branch: str) -> Vote:
        """It can't; raises TransactionError CF-AMQP-465."""
        raise TransactionError(CANT_PREPARE, broker=self._connection.broker)

    def commit(self, branch: str, *, one_phase: bool = False) -> None:
        """Commit. Blocks for a round trip. Raises as `commit_by`."""
        commit_by(lambda: self._connection.discharge(fail=False), self._connection.wire)

    def rollback(self, branch: str) -> None:
        """Roll back. Blocks for a round trip; nothing to do where the connection is lost."""
        if not self._connection.is_lost:
            self._connection.discharge(fail=True)
