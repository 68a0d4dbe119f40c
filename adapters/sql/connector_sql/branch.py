"""One connection's part in a unit of work: the driver's own transaction, ended by the unit instead of the application.

What the application's `commit()` means within a unit is "my part is done": nothing is sent. Its `rollback()` undoes
what was done on the connection, and with it the unit, which can only be rolled back from then on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connector.errors import OutcomeUnknown, Reason, TransactionError
from connector.spi import UnitOfWork, Vote

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect

    from connector_sql.managed_connection import SqlManagedConnection

CANT_PREPARE = Reason(
    "CF-SQL-170",
    "a connection of resource {resource} was asked to prepare, which its database or driver can't.",
    "Report it: it has declared that it can't.",
)
AUTOCOMMIT_WITHIN_UNIT = Reason(
    "CF-SQL-171",
    "a connection of resource {resource} is on AUTOCOMMIT within unit of work {unit}: each statement would stand"
    " alone.",
    "Leave the isolation level AUTOCOMMIT out there, or suspend the unit for what must not depend on it.",
)
ANSWER_LOST = Reason(
    "CF-SQL-172",
    "the connection to the database of resource {resource} was lost over a commit; whether it was done is not known.",
    "Look there for what it did, before it is done again.",
)
DETACHED_WITHIN_UNIT = Reason(
    "CF-SQL-173",
    "a connection of resource {resource} can't be detached within unit of work {unit}, which it stays with.",
    "Detach one that was obtained outside of a unit.",
)


class LocalBranch:
    """One that commits or rolls back at once: a last resource. Implements `connector.spi.TransactionParticipant`.

    Args:
        connection: The managed connection.
        unit: The unit that it takes part in.
        resource: The resource's name.
    """

    two_phase = False

    def __init__(self, connection: SqlManagedConnection, unit: UnitOfWork, resource: str) -> None:
        self._connection = connection
        self._unit = unit
        self._resource = resource

    @property
    def resource(self) -> str:
        """See TransactionParticipant."""
        return self._resource

    def prepare(self, branch: str) -> Vote:
        """It can't; raises TransactionError."""
        raise TransactionError(CANT_PREPARE, resource=self._resource)

    def commit(self, branch: str, *, one_phase: bool = False) -> None:
        """Commit. Blocks for a round trip.

        Raises what the driver raises, and OutcomeUnknown where the connection is lost over it.
        """
        self.require_transaction()
        connection = self._connection.dbapi_connection
        try:
            connection.commit()
        except Exception as error:
            if self._connection.is_lost(error):
                raise OutcomeUnknown(ANSWER_LOST, resource=self._resource) from error
            raise

    def rollback(self, branch: str) -> None:
        """Roll back. Blocks for a round trip. Raises what the driver raises."""
        if not self._connection.is_for_nobody:  # else there is nothing: its session was closed
            self._connection.rollback()

    def require_transaction(self) -> None:
        """Raise TransactionError where statements stand alone, ConnectionFailed where the session is at its end without
        any: a caller could not get it. Does not block.
        """
        self._connection.require_session()
        if autocommits(self._connection.dialect, self._connection.dbapi_connection):
            raise TransactionError(AUTOCOMMIT_WITHIN_UNIT, resource=self._resource, unit=self._unit.id)

    def undone(self) -> None:
        """The application has rolled back what was done on the connection."""
        self._unit.set_rollback_only()

    def refuse_to_detach(self) -> None:
        """Raise TransactionError."""
        raise TransactionError(DETACHED_WITHIN_UNIT, resource=self._resource, unit=self._unit.id)


def autocommits(dialect: Dialect, connection: Any) -> bool:
    """Whether a driver's connection commits each statement by itself. Does not ask the server."""
    if dialect.name == "sqlite":
        return connection.isolation_level is None
    if hasattr(connection, "get_autocommit"):  # the drivers of MariaDB and MySQL
        return bool(connection.get_autocommit())
    return bool(getattr(connection, "autocommit", False))
