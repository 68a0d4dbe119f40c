r"""Another identity on one PostgreSQL session: SET ROLE and back (TRUST-1 to TRUST-4).

Theory of operation
-------------------
The physical connection is signed on as a login role that has no rights of its own and may become its callers::

    clean --become(alice)--> awaiting alice --her first statement--> alice --rollback()--> alice --release()--> clean
                                                                                             \--escaped------> (raises)

* The switch happens outside a transaction, since a rollback would undo it, and reads back who the session is in the
  same round trip. It goes along with the BEGIN of the caller's first statement (`postgresql_assertion`), if this
  session has taken the role before (`familiar_roles`): then a refusal is heard only there. Others are asserted at once.
* SET ROLE confines honest code only: any SQL may say RESET ROLE or SET ROLE bob, in a SELECT by set_config too. Where
  that is still visible on rollback or return, the connection is destroyed and the escape reported; SQL that covers its
  tracks isn't noticed. Where callers may send SQL of their own, let them sign on as themselves.
* Which role is in force is asked before a ROLLBACK, which would put right what the transaction did, and after it, which
  shows what earlier transactions did: in one round trip with the ROLLBACK, and with what takes back the role and
  everything else in the session (`postgresql_reset`): settings, temporary tables, cursors, prepared statements,
  advisory locks. `SHOW role` costs the server two thirds of a SELECT; the session's user, which only a superuser can
  change, the server reports by itself.
* The driver's object goes as well (`postgresql_driver`).

What a request costs: as many round trips as with a plain pool, since the one that ends its transaction takes all back
as well. One more for a caller's first one, for each rollback of the application's own, and where each statement commits
itself. Threads and asyncio differ in the exchanges (`postgresql_wire`) only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, final

from psycopg.pq import TransactionStatus
from psycopg.pq.abc import PGresult

from connector.errors import IdentityMismatch, Reason
from connector_sql.familiar_roles import FamiliarRoles
from connector_sql.login_role import LoginRoleFacts, read_facts
from connector_sql.postgresql_assertion import Assertion, Results
from connector_sql.postgresql_driver import DriverState
from connector_sql.postgresql_reset import DISCARD_ALL, reset_beside_others
from connector_sql.postgresql_wire import Wire
from connector_sql.role_statements import ANSWERS, ENDS, NO_ROLE, switch_to

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

#: The setting in which the server reports the session's user by itself.
_SESSION_USER: Final = b"session_authorization"
_IDLE: Final = TransactionStatus.IDLE


@final
class RoleSession:
    """The identity in force on one psycopg connection.

    Args:
        wire: The driver's connection, clean, and how to exchange with it.
        refused: Called with what was raised where a caller's first statement could not assert him; answers what to
            raise instead. The session is at its end then.

    Not safe for several threads. Raises psycopg.Error where the server refuses or is gone.
    """

    def __init__(self, wire: Wire, refused: Callable[[BaseException], BaseException]) -> None:
        self._wire = wire
        self._refused = refused
        self._login = wire.connection.info.user
        self._login_answer = self._login.encode(wire.encoding)
        reset = reset_beside_others(wire.connection.info.server_version)
        self._endings = {status: b"%b; %b" % (end, reset) for status, end in ENDS.items()} if reset else None
        self._driver_state: DriverState | None = None  # set by `begun`, once
        self._familiar = FamiliarRoles(wire.connection.pgconn.socket)
        # The mutable state; changed by become, rollback, release and discard only:
        self._role: str | None = None  # who was asserted
        self._role_answer = b""  # how the server says it
        self._strayed: tuple[str, str] | None = None  # whom a rollback found instead

    def begun(self) -> Any:
        """The session has just begun: take note of the driver's settings. Answers the driver's connection from then
        on: another object. Does not block.
        """
        self._driver_state = DriverState(self._wire.connection)
        return self._renewed()

    @property
    def is_broken(self) -> bool:
        """Whether the server is gone. Does not ask it."""
        return self._wire.is_broken

    def become(self, role: str) -> None:
        """Assert a role on a session at rest and verify it: one round trip, now or with the first statement.

        Raises IdentityMismatch where the role can't be asserted, or was not taken.
        """
        statements, answer = switch_to(role, self._wire.encoding)
        self._role, self._role_answer = role, answer
        self.require_rest()
        wire = self._wire
        if self._familiar.may_wait(role):
            wire.assert_first(Assertion(self, statements, wire.encoding))
            return
        self.verify(wire.exchange(statements))
        self._familiar.taken(role)

    def require_rest(self) -> None:
        """See `AssertedSession`."""
        status = self._wire.connection.pgconn.transaction_status
        if status != _IDLE:
            raise self._busy(status)

    def verify(self, answer: PGresult) -> None:
        """See `AssertedSession`."""
        role, session = answer.get_value(0, 0), self._session_user()
        if role != self._role_answer or session != self._login_answer:
            raise self._mismatch(NOT_TAKEN, self._said(role, session))

    def failed(self, error: BaseException) -> BaseException:
        """See `AssertedSession`: without a word to the server, since it may be within an exchange."""
        try:
            return self._refused(error)
        finally:  # whatever an audit log raises
            self._wire.connection.pgconn.finish()

    def rollback(self) -> None:
        """Roll the open transaction back, looking at the role before, which a rollback would put right, and after.

        One round trip; none without a transaction. An escape is kept for `release`.
        """
        status = self._wire.status
        if status in {TransactionStatus.INTRANS, TransactionStatus.INERROR}:
            session = self._session_user()
            results = self._wire.several(ENDS[status])
            self._look_at(results, session)
            self._wire.checked(results)

    def release(self) -> Any:
        """Roll back, look at the role, and take it back with all of the session's state: one round trip; two on a
        server that is newer than this. Answers the driver's connection from then on: another object.

        Raises IdentityMismatch for a session that is or was not who it should be, or is busy; psycopg.Error where the
        reset has failed or the server is gone: what is left in the session nobody knows.
        """
        wire = self._wire
        status = wire.connection.pgconn.transaction_status
        if status not in ENDS:
            raise self._busy(status)
        if wire.connection.lock.locked():  # perhaps for ever: by a generator that nobody goes on with
            raise self._busy(TransactionStatus.ACTIVE)
        session = self._session_user()
        results = wire.several(ENDS[status] if self._endings is None else self._endings[status])
        self._look_at(results[: ANSWERS[status]], session)
        if self._strayed is not None:  # said first: SQL that changed its role may have seen to it that the rest fails
            raise self._mismatch(ESCAPED, self._strayed)
        wire.checked(results)
        if self._endings is None:
            wire.exchange(DISCARD_ALL)
        return self._renewed()

    def discard(self) -> Any:
        """Take back all that a session at rest holds: one round trip. Answers and raises as `release`."""
        self.require_rest()
        self._wire.exchange(DISCARD_ALL)
        return self._renewed()

    def login_role_facts(self) -> LoginRoleFacts:
        """What the login role may do by itself: three round trips on a session at rest."""
        self.require_rest()
        return read_facts(self._wire.rows, self._wire.connection.info.server_version)

    def _session_user(self) -> bytes | None:
        """Who the session is, as the server has reported it last: before an end that takes that back as well."""
        reported: bytes | None = self._wire.connection.pgconn.parameter_status(_SESSION_USER)
        return reported

    def _look_at(self, results: Results, session: bytes | None) -> None:
        """Compare which role is in force, and who the session was; the first stray is kept."""
        if self._wire.is_to_assert:
            return  # none is: the caller has sent nothing
        # As the server says it: to decode the answers that are as expected would cost as much as to compare them.
        for result in results:
            if not result.ntuples:
                continue  # the rollback's
            role = result.get_value(0, 0)
            if (role != self._role_answer or session != self._login_answer) and self._strayed is None:
                self._strayed = self._said(role, session)

    def _said(self, *answers: bytes | None) -> tuple[str, str]:
        """Who is at work and who has signed on, for people, by what the server says of its role and session's user."""
        # Its SQL may have set another encoding, which is not to keep an escape from being reported.
        found, user = ((answer or b"").decode(self._wire.encoding, "replace") for answer in answers)
        return (user if found == NO_ROLE else found, user)

    def _renewed(self) -> Any:
        """The session is as after its log-in, and nobody who kept the driver's object has it."""
        state, wire = self._driver_state, self._wire
        assert state is not None, "`begun` comes before any use"
        with wire.lock:  # a thread that still has the object is through with its statement, or finds it dead
            self.require_rest()
            pgconn = wire.connection.pgconn
            while pgconn.notifies() is not None:
                pass  # of channels that the one before listened to: none of the next one's business
            wire.connection, unset = state.renewed(wire.connection)
        for name, value in unset.items():
            wire.set(name, value)
        self._role, self._role_answer = None, b""
        self._familiar.answered()
        return wire.connection

    def _busy(self, status: int) -> IdentityMismatch:
        role = self._role or self._login
        return IdentityMismatch(SESSION_BUSY, role=role, status=TransactionStatus(status).name)

    def _mismatch(self, reason: Reason, who: tuple[str, str]) -> IdentityMismatch:
        found, session = who
        return IdentityMismatch(reason, role=self._role, found=found, session=session)
