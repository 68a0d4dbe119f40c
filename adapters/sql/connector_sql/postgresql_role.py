r"""Another identity on one PostgreSQL session: SET ROLE and back (TRUST-1 to TRUST-4).

Theory of operation
-------------------
The physical connection is signed on as a login role that has no rights of its own and may become its callers::

    clean --become(alice)--> alice --rollback()--> alice --release()--> clean
                                                      \--escaped------> (raises: the pool destroys the connection)

* The switch happens outside a transaction, since a rollback would undo it, and reads back who the session is in the
  same round trip.
* SET ROLE confines honest code only: any SQL may say RESET ROLE or SET ROLE bob, in a SELECT by set_config too. Where
  that is still visible on rollback or return, the connection is destroyed and the escape reported; SQL that covers its
  tracks isn't noticed. Where callers may send SQL of their own, let them sign on as themselves.
* DISCARD ALL takes back the role and everything else in the session: settings, temporary tables, cursors, prepared
  statements, advisory locks. It can't stand in a transaction nor beside another statement.

All exchanges are simple queries on libpq's level: two statements in one round trip, no loaders or row factories of
the application in between.
"""

from __future__ import annotations

from typing import Any, Final

import psycopg
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus, TransactionStatus

from connector.errors import IdentityMismatch, Reason
from connector_sql.login_role import LoginRoleFacts, read_facts

ROLE_NOT_ALLOWED = Reason(
    "CF-SQL-030",
    "the role {role!r} can't be asserted: it is empty, holds a NUL, or means the login role itself.",
    "Map the caller to the name of a role.",
)
NOT_TAKEN = Reason(
    "CF-SQL-031",
    "role {role!r} was asserted, but the session is {found!r} (signed on as {session!r}).",
    "Check the role's name (PostgreSQL cuts names after 63 bytes) and that nothing between changes it.",
)
ESCAPED = Reason(
    "CF-SQL-032",
    "a connection lent to {role!r} came back as {found!r} (signed on as {session!r}): its SQL changed the role.",
    "The connection is destroyed. Find the SQL that did it; where callers send SQL of their own, let them sign on"
    " as themselves.",
)
SESSION_BUSY = Reason(
    "CF-SQL-033",
    "the session of {role!r} is not at rest (transaction status {status}).",
    "The connection is destroyed. Don't use a connection from another thread while it is being returned.",
)

_WHO: Final = "SELECT current_user, session_user"
#: What the driver keeps on its own side and an application may have changed.
_DRIVER_SETTINGS: Final = (
    "autocommit",
    "isolation_level",
    "read_only",
    "deferrable",
    "prepare_threshold",
    "row_factory",
    "cursor_factory",
)


class RoleSession:
    """The identity in force on one psycopg connection.

    Args:
        connection: The driver's connection, clean.

    Not safe for several threads; the driver's own lock is held during an exchange. Raises psycopg.Error where the
    server refuses or is gone.
    """

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self._login = connection.info.user
        self._driver_settings = {name: getattr(connection, name) for name in _DRIVER_SETTINGS}
        # The mutable state; changed by become, rollback, release and discard only:
        self._role: str | None = None  # who was asserted
        self._strayed: tuple[str, str] | None = None  # whom a rollback found instead

    @property
    def role(self) -> str | None:
        """Who is asserted; None on a session that is its login role."""
        return self._role

    @property
    def is_broken(self) -> bool:
        """Whether the server is gone. Does not ask it."""
        return self._connection.closed

    def become(self, role: str) -> None:
        """Assert a role on a session at rest and verify it: one round trip.

        Raises IdentityMismatch where the role can't be asserted, or was not taken.
        """
        statement = f"SET ROLE {quoted(role)}; {_WHO}"
        self._at_rest(role)
        found, session = self._ask(statement)
        if (found, session) != (role, self._login):
            raise IdentityMismatch(NOT_TAKEN, role=role, found=found, session=session)
        self._role = role

    def rollback(self) -> None:
        """Roll the open transaction back, looking at the role first, which a rollback would put right again.

        One round trip; none without a transaction. An escape is kept for `release`.
        """
        status = self._connection.pgconn.transaction_status
        if status == TransactionStatus.INERROR:
            self._exchange("ROLLBACK")  # nothing can be asked in a failed transaction
        elif status == TransactionStatus.INTRANS:
            who = _row(self._first_of(f"{_WHO}; ROLLBACK"), self._encoding)
            if who != (self._role, self._login):
                self._strayed = who

    def release(self) -> None:
        """Take the role and all session state back: two round trips, three with a transaction open.

        Raises IdentityMismatch for a session that is or was not who it should be, or is busy.
        """
        role = self._role
        self.rollback()
        self._at_rest(role)
        found, session = self._strayed or self._ask(_WHO)
        if (found, session) != (role, self._login):
            raise IdentityMismatch(ESCAPED, role=role, found=found, session=session)
        self.discard()

    def discard(self) -> None:
        """DISCARD ALL on a session at rest, and the driver's own settings as they were: one round trip."""
        self._at_rest(self._role)
        self._exchange("DISCARD ALL")
        for name, value in self._driver_settings.items():
            if getattr(self._connection, name) != value:
                self._set(name, value)
        self._role = None

    def login_role_facts(self) -> LoginRoleFacts:
        """What the login role may do by itself: three round trips on a session at rest."""
        self._at_rest(None)
        return read_facts(self._rows, self._connection.info.server_version)

    def _at_rest(self, role: str | None) -> None:
        status = TransactionStatus(self._connection.pgconn.transaction_status)
        if status is not TransactionStatus.IDLE:
            raise IdentityMismatch(SESSION_BUSY, role=role or self._login, status=status.name)

    @property
    def _encoding(self) -> str:
        return self._connection.info.encoding

    def _ask(self, statement: str) -> tuple[str, str]:
        return _row(self._exchange(statement), self._encoding)

    def _rows(self, statement: str) -> list[tuple[str, ...]]:
        result = self._exchange(statement)
        return [
            tuple((result.get_value(row, column) or b"").decode(self._encoding) for column in range(result.nfields))
            for row in range(result.ntuples)
        ]

    def _set(self, name: str, value: Any) -> None:
        """Put a setting of the driver's back as it was."""
        setattr(self._connection, name, value)

    def _first_of(self, statements: str) -> psycopg.pq.abc.PGresult | None:
        """Several statements in one round trip, within a transaction; answers the first one's result."""
        with psycopg.Cursor(self._connection) as cursor:
            cursor.execute(statements.encode(self._encoding))
            return cursor.pgresult

    def _exchange(self, statement: str) -> psycopg.pq.abc.PGresult:
        """One simple query; answers the last statement's result."""
        with self._connection.lock:
            result = self._connection.pgconn.exec_(statement.encode(self._encoding))
        if result.status not in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK):
            raise error_from_result(result, encoding=self._encoding)
        return result


def quoted(role: str) -> str:
    """A role's name as an SQL identifier.

    Raises IdentityMismatch for a name that is no role: empty, with a NUL, or "none", which PostgreSQL takes for the
    login role even in quotes.
    """
    if not role or "\0" in role or role.lower() == "none":
        raise IdentityMismatch(ROLE_NOT_ALLOWED, role=role)
    return '"' + role.replace('"', '""') + '"'


def _row(result: psycopg.pq.abc.PGresult | None, encoding: str) -> tuple[str, str]:
    """Current and session user; bytes from the wire, past any loader that the application may have registered."""
    if result is None or result.ntuples != 1:
        return "", ""
    current, session = result.get_value(0, 0) or b"", result.get_value(0, 1) or b""
    return current.decode(encoding), session.decode(encoding)
