"""Two-phase commit on PostgreSQL: PREPARE TRANSACTION and what comes after it, on the connection that did the work.

A transaction that has failed is rolled back by the server when it is told to commit or to prepare, without an error:
only the answer's tag says so. Whoever is in force when it is prepared owns it, and nobody but the owner, or a
superuser, may finish it: so it is finished before the caller's role is taken back.
"""

from __future__ import annotations

from typing import Final, final

import psycopg
from psycopg.pq import TransactionStatus

from connector.errors import OutcomeUnknown, Reason, TransactionError
from connector.spi import UnitOfWork, Vote
from connector_sql.branch import ANSWER_LOST, LocalBranch
from connector_sql.managed_connection import SqlManagedConnection
from connector_sql.postgresql_wire import Wire

FAILED_BEFORE = Reason(
    "CF-SQL-174",
    "a statement of the unit on resource {resource} has failed before, so the database can only roll back.",
    "See to that error; where the unit is to go on after one, put the statement into a savepoint (begin_nested()).",
)
PREPARE_REFUSED = Reason(
    "CF-SQL-175",
    "the database of resource {resource} refused to prepare (SQLSTATE {sqlstate}).",
    "PREPARE TRANSACTION allows no temporary tables, no LISTEN or NOTIFY and no cursors WITH HOLD; see the database's"
    " log.",
)
PREPARING_DISABLED = Reason(
    "CF-SQL-176",
    "the database of resource {resource} prepares no transactions: its setting max_prepared_transactions is 0, or all"
    " of them are taken.",
    "Set max_prepared_transactions in postgresql.conf to the number of its connections and start it again; or set"
    " two_phase = false on the resource, which makes it a last resource.",
)
ANOTHER_ROLE = Reason(
    "CF-SQL-177",
    "the unit's SQL on resource {resource} has changed who it is, from {role!r} to {found!r}.",
    "The unit is rolled back. SQL of callers must not SET ROLE.",
)

#: What the server says where it prepares none (object not in prerequisite state), or has no room (out of memory).
_DISABLED: Final = frozenset({"55000", "53200"})
#: Undefined object: there is none of that name.
_GONE: Final = "42704"


class PostgresqlBranch(LocalBranch):
    """One that can be prepared. Implements `connector.spi.TransactionParticipant`.

    For whoever ends the unit, one thread at a time; blocks for a round trip or two a call.
    """

    two_phase = True

    def __init__(self, connection: SqlManagedConnection, unit: UnitOfWork, resource: str) -> None:
        super().__init__(connection, unit, resource)
        self._wire = Wire(connection.dialect.get_driver_connection(connection.dbapi_connection))
        self._prepared = False  # changed by `prepare`

    def prepare(self, branch: str) -> Vote:
        """See TransactionParticipant; READ_ONLY where nothing was written.

        Raises TransactionError (CF-SQL-174 to CF-SQL-177), and what the driver raises.
        """
        self.require_transaction()
        if self._wire.status == TransactionStatus.IDLE:
            return Vote.READ_ONLY  # nothing was done on it at all
        self._require_sound()
        ((written, role),) = self._wire.rows("select txid_current_if_assigned() is not null, current_user")
        asserted = self._connection.asserted_role
        if asserted is not None and role != asserted:
            raise TransactionError(ANOTHER_ROLE, resource=self._resource, role=asserted, found=role)
        if written != "t":
            self._connection.dbapi_connection.commit()
            return Vote.READ_ONLY
        try:
            result = self._wire.exchange(f"PREPARE TRANSACTION '{branch}'")
        except psycopg.Error as error:
            reason = PREPARING_DISABLED if error.sqlstate in _DISABLED else PREPARE_REFUSED
            raise TransactionError(reason, resource=self._resource, sqlstate=error.sqlstate) from error
        if result.command_status != b"PREPARE TRANSACTION":
            raise TransactionError(FAILED_BEFORE, resource=self._resource)
        self._prepared = True
        return Vote.PREPARED

    def commit(self, branch: str, *, one_phase: bool = False) -> None:
        """See TransactionParticipant. Raises TransactionError for a transaction that has failed, OutcomeUnknown where
        the connection is lost over a commit in one phase, and what the driver raises.
        """
        if not one_phase:
            self._wire.exchange(f"COMMIT PREPARED '{branch}'")
            return
        self.require_transaction()
        if self._wire.status == TransactionStatus.IDLE:
            return
        self._require_sound()
        try:
            result = self._wire.exchange("COMMIT")
        except psycopg.Error as error:
            if self._wire.is_broken or self._connection.is_lost(error):
                raise OutcomeUnknown(ANSWER_LOST, resource=self._resource) from error
            raise
        if result.command_status != b"COMMIT":
            raise TransactionError(FAILED_BEFORE, resource=self._resource)

    def rollback(self, branch: str) -> None:
        """See TransactionParticipant. Raises what the driver raises."""
        if not self._prepared:
            super().rollback(branch)
            return
        try:
            self._wire.exchange(f"ROLLBACK PREPARED '{branch}'")
        except psycopg.Error as error:
            if error.sqlstate != _GONE:
                raise

    def _require_sound(self) -> None:
        if self._wire.status == TransactionStatus.INERROR:
            raise TransactionError(FAILED_BEFORE, resource=self._resource)


@final
class PostgresqlLastBranch(PostgresqlBranch):
    """One of a resource that is not to prepare: a last resource, which can be asked afterwards what it has done.

    Implements `connector.spi.OutcomeWitness` besides.
    """

    two_phase = False

    def prepare(self, branch: str) -> Vote:
        """It is not to; raises TransactionError."""
        return LocalBranch.prepare(self, branch)

    def evidence(self, branch: str) -> str | None:
        """The number of the transaction, by which the server tells whether it was committed. Blocks for a round trip.

        Raises TransactionError for a transaction that has failed, and what the driver raises.
        """
        self.require_transaction()
        self._require_sound()
        ((number,),) = self._wire.rows("select txid_current()")
        return number
