r"""Another identity on one PostgreSQL session: SET ROLE and back (TRUST-1 to TRUST-4).

Theory of operation
-------------------
The physical connection is signed on as a login role that has no rights of its own and may become its callers::

    clean --become(alice)--> alice --rollback()--> alice --release()--> leaving --settle()--> clean
                                                      \--escaped------> (raises: the pool destroys the connection)

* The switch happens outside a transaction, since a rollback would undo it, and reads back who the session is in the
  same round trip.
* SET ROLE confines honest code only: any SQL may say RESET ROLE or SET ROLE bob, in a SELECT by set_config too. Where
  that is still visible on rollback or return, the connection is destroyed and the escape reported; SQL that covers its
  tracks isn't noticed. Where callers may send SQL of their own, let them sign on as themselves.
* Who the session is is asked before a ROLLBACK, which would put right what the transaction did, and after it, which
  shows what earlier transactions did: in one round trip with the ROLLBACK.
* DISCARD ALL takes back the role and everything else in the session: settings, temporary tables, cursors, prepared
  statements, advisory locks. It can't stand in a transaction nor beside another statement. It is sent on return and its
  answer is read before the session is used again, so that no caller waits for it. Until then the session is `leaving`,
  and nothing may be sent on it: whoever has the connection calls `settle` first.
* The driver's object goes as well (`postgresql_driver`).

What a request costs: one round trip for the switch, one on return, two where the application has rolled back itself.
Threads and asyncio differ in the exchanges (`postgresql_wire`) only.
"""

from __future__ import annotations

from typing import Any, Final, final

import psycopg
from psycopg.pq import TransactionStatus

from connector.errors import IdentityMismatch, Reason
from connector_sql.login_role import LoginRoleFacts, read_facts
from connector_sql.postgresql_driver import DriverState
from connector_sql.postgresql_wire import Wire

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

#: Keywords, which no search_path and no function of the session's can shadow.
_WHO: Final = "SELECT current_user, session_user"
_WHO_AND_BACK: Final = f"{_WHO}; ROLLBACK; {_WHO}"
_BACK_AND_WHO: Final = f"ROLLBACK; {_WHO}"
#: What takes all of a session back.
RESET: Final = "DISCARD ALL"


@final
class RoleSession:
    """The identity in force on one psycopg connection.

    Args:
        wire: The driver's connection, clean, and how to exchange with it.

    Not safe for several threads. Raises psycopg.Error where the server refuses or is gone.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._login = wire.connection.info.user
        self._driver_state: DriverState | None = None  # set by `begun`, once
        # The mutable state; changed by become, rollback, release, discard and settle only:
        self._role: str | None = None  # who was asserted
        self._strayed: tuple[str, ...] | None = None  # whom a rollback found instead
        self._leaving = False  # whether the answer to DISCARD ALL is still to be read
        self._notify_handler: Any = None  # the driver's own, while nobody is to hear anything

    def begun(self) -> None:
        """Take note of the driver's settings: the session has just begun. Does not block."""
        self._driver_state = DriverState(self._wire.connection)

    @property
    def connection(self) -> Any:
        """The driver's connection; another object after each `release` and `discard`."""
        return self._wire.connection

    @property
    def role(self) -> str | None:
        """Who is asserted; None on a session that is its login role."""
        return self._role

    @property
    def is_leaving(self) -> bool:
        """Whether it has to be settled before anything is sent."""
        return self._leaving

    @property
    def is_broken(self) -> bool:
        """Whether the server is gone. Does not ask it."""
        return self._wire.is_broken

    def become(self, role: str) -> None:
        """Assert a role on a session at rest and verify it: one round trip.

        Raises IdentityMismatch where the role can't be asserted, or was not taken.
        """
        statement = f"SET ROLE {quoted(role)}; {_WHO}"
        self._at_rest(role)
        who = self._wire.row(self._wire.exchange(statement))
        if who != (role, self._login):
            raise self._mismatch(NOT_TAKEN, role, who)
        self._role = role

    def rollback(self) -> None:
        """Roll the open transaction back, looking at the role before, which a rollback would put right, and after.

        One round trip; none without a transaction. An escape is kept for `release`.
        """
        status = self._wire.status
        if status == TransactionStatus.INTRANS:
            self._look_at(*(result for result in self._wire.several(_WHO_AND_BACK) if result.ntuples))
        elif status == TransactionStatus.INERROR:  # nothing can be asked in a failed transaction
            self._look_at(self._wire.exchange(_BACK_AND_WHO))

    def release(self) -> None:
        """Take the role back, and all of the session's state, without waiting for that: one round trip, then `settle`.

        Raises IdentityMismatch for a session that is or was not who it should be, or is busy.
        """
        if self._wire.status == TransactionStatus.IDLE:
            self._look_at(self._wire.exchange(_WHO))
        else:
            self.rollback()
        if self._strayed is not None:
            raise self._mismatch(ESCAPED, self._role, self._strayed)
        self._begin_reset()

    def discard(self) -> None:
        """Take back all that a session at rest holds, and wait for it: one round trip."""
        self._begin_reset()
        self.settle()

    def settle(self) -> None:
        """Read the answer to what `release` has sent: it is there, as a rule, else this waits for it.

        Raises psycopg.Error where the reset has failed or the server is gone: what is left in the session nobody knows.
        """
        if not self._leaving:
            return
        self._wire.answers()
        pgconn = self._wire.connection.pgconn
        while pgconn.notifies() is not None:
            pass
        pgconn.notify_handler = self._notify_handler
        self._leaving = False

    def login_role_facts(self) -> LoginRoleFacts:
        """What the login role may do by itself: three round trips on a session at rest."""
        self._at_rest(None)
        return read_facts(self._wire.rows, self._wire.connection.info.server_version)

    def _look_at(self, *results: psycopg.pq.abc.PGresult) -> None:
        """Compare who the session is; the first stray is kept."""
        for result in results:
            who = self._wire.row(result)
            if who != (self._role, self._login) and self._strayed is None:
                self._strayed = who

    def _begin_reset(self) -> None:
        self._at_rest(self._role)
        state, wire = self._driver_state, self._wire
        assert state is not None, "`begun` comes before any use"
        wire.connection, unset = state.renewed(wire.connection)
        for name, value in unset.items():
            wire.set(name, value)
        pgconn = wire.connection.pgconn
        # Of channels that the one before listened to: none of the next one's business. Read and dropped by `settle`.
        self._notify_handler, pgconn.notify_handler = pgconn.notify_handler, None
        self._role, self._leaving = None, True
        wire.send(RESET)

    def _at_rest(self, role: str | None) -> None:
        status = self._wire.status
        if status != TransactionStatus.IDLE:
            raise IdentityMismatch(SESSION_BUSY, role=role or self._login, status=TransactionStatus(status).name)

    @staticmethod
    def _mismatch(reason: Reason, role: str | None, who: tuple[str, ...]) -> IdentityMismatch:
        found, session = who or ("", "")
        return IdentityMismatch(reason, role=role, found=found, session=session)


def quoted(role: str) -> str:
    """A role's name as an SQL identifier.

    Raises IdentityMismatch for a name that is no role: empty, with a NUL, or "none", which PostgreSQL takes for the
    login role even in quotes.
    """
    if not role or "\0" in role or role.lower() == "none":
        raise IdentityMismatch(ROLE_NOT_ALLOWED, role=role)
    return '"' + role.replace('"', '""') + '"'
