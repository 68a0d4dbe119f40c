"""What a killed process left prepared on PostgreSQL: found and finished over a connection of its own (FLOW-8).

`pg_prepared_xacts` shows all prepared transactions of the server. A transaction is finished in its own database, by its
owner or a superuser: so whoever signs on for it must be one of these, or be able to become the owner (SET ROLE).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import final

import psycopg
from psycopg import sql

from connector.errors import ConnectionFailed, Reason, TransactionError
from connector_sql.managed_connection import SqlManagedConnection
from connector_sql.postgresql_wire import Wire

NOT_THE_OWNER = Reason(
    "CF-SQL-178",
    "the prepared transaction {branch} on resource {resource} belongs to {owner!r}, and {user!r} may not finish it.",
    "Give the resource a recovery_alias whose user is a superuser or a member of {owner}; or finish it by hand: sign on"
    " as {owner} and send {what} PREPARED.",
)
UNREACHABLE = Reason(
    "CF-SQL-179",
    "the database of resource {resource} did not answer recovery (SQLSTATE {sqlstate}).",
    "It is asked again.",
)

_FOUND = "select gid, owner, current_user from pg_prepared_xacts where database = current_database()"
_REFUSED = "42501"
_GONE = "42704"


@final
class PostgresqlBranches:
    """Implements `connector.spi.RecoverableBranches` and `OutcomeArchive`. Each call connects and closes again, which
    blocks.

    Args:
        resource: The resource's name.
        connect: Opens a managed connection, signed on for recovery.
    """

    def __init__(self, resource: str, connect: Callable[[], SqlManagedConnection]) -> None:
        self._resource = resource
        self._connect = connect

    def in_doubt(self) -> list[str]:
        """See RecoverableBranches. Raises ConnectionFailed, LoginRefused, SignOnError."""
        with self._connected() as wire:
            return [gid for gid, _owner, _user in wire.rows(_FOUND)]

    def commit(self, branch: str) -> None:
        """See RecoverableBranches. Raises as `in_doubt`, and TransactionError (CF-SQL-178)."""
        self._finish("COMMIT", branch)

    def rollback(self, branch: str) -> None:
        """See RecoverableBranches. Raises as `commit`."""
        self._finish("ROLLBACK", branch)

    def has_committed(self, branch: str, evidence: str) -> bool | None:
        """See OutcomeArchive; the evidence is the transaction's number. Raises as `in_doubt`.

        None for one that is so old that the server has forgotten, and while its session is still at work.
        """
        with self._connected() as wire:
            ((status,),) = wire.rows(f"select txid_status({int(evidence)})")
        return {"committed": True, "aborted": False}.get(status)

    def _finish(self, what: str, branch: str) -> None:
        with self._connected() as wire:
            found = {gid: (owner, user) for gid, owner, user in wire.rows(_FOUND)}
            if branch not in found:
                return
            owner, user = found[branch]
            statement = f"{what} PREPARED {sql.quote(branch)}"
            try:
                try:
                    wire.exchange(statement)
                except psycopg.errors.InsufficientPrivilege:
                    wire.exchange(f"SET ROLE {sql.Identifier(owner).as_string(wire.connection)}")
                    wire.exchange(statement)
            except psycopg.Error as error:
                if error.sqlstate == _REFUSED:
                    raise TransactionError(
                        NOT_THE_OWNER, resource=self._resource, branch=branch, owner=owner, user=user, what=what
                    ) from error
                if error.sqlstate != _GONE:
                    raise

    @contextmanager
    def _connected(self) -> Iterator[Wire]:
        connection = self._connect()
        try:
            driver = connection.dialect.get_driver_connection(connection.dbapi_connection)
            yield Wire(driver)
        except psycopg.Error as error:
            raise ConnectionFailed(UNREACHABLE, resource=self._resource, sqlstate=error.sqlstate) from error
        finally:
            connection.destroy()
