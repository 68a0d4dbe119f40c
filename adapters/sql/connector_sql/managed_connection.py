"""One physical database connection, signed on as one user, perhaps asserting another (POOL-1, TRUST)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, final

from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor

from connector.errors import ConnectionFailed
from connector.spi import (
    AuditLog,
    ConnectionDescription,
    ConnectionRequestInfo,
    IdentityAssertion,
    ManagedConnection,
    Subject,
    TransactionParticipant,
    UnitOfWork,
)
from connector_sql.awaiting import closed_by_awaiting
from connector_sql.caller_assertion import caller_assertion
from connector_sql.describing import product_of, user_in, user_question, version_of
from connector_sql.kept_cursors import KeptCursors
from connector_sql.opening import Opening
from connector_sql.physical_record import PhysicalRecord
from connector_sql.physical_session import PhysicalSession
from connector_sql.settings import SqlSettings
from connector_sql.sign_on import SqlCredential
from connector_sql.user_change import UserChange

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect

    from connector_sql.branch import LocalBranch


@final
class SqlManagedConnection(ManagedConnection):
    """A driver's connection with all that must be taken back from its user.

    Args:
        dbapi_connection: The driver's connection, just signed on.
        settings: The resource.
        opening: How it was signed on, and is signed on anew.
        credential: With what; None for "by the URL alone".
        audit: Where an escaped identity is reported.

    Attributes:
        branch: Its part in the unit of work that it takes part in, till the next clean-up; None outside of one. Not to
            be set from outside.

    One thread at a time, as the contract says.
    """

    def __init__(
        self,
        dbapi_connection: DBAPIConnection,
        settings: SqlSettings,
        *,
        opening: Opening,
        credential: SqlCredential | None,
        audit: AuditLog | None,
    ) -> None:
        self._settings = settings
        self._dialect = settings.dialect
        self._opening = opening
        self._session = session = PhysicalSession(dbapi_connection, settings.dialect)
        self._user_change = UserChange(session, settings, opening) if settings.changes_user else None
        self._callers = caller_assertion(session, settings, opening, credential, self._user_change, audit)
        # The mutable state, beside the session's and the callers'; changed by whoever has the connection:
        self._user = opening.user(credential)  # who it is signed on as; None if the driver decides
        # handed out in this lease:
        self._cursors = KeptCursors(closed_by_awaiting) if self._dialect.is_async else KeptCursors()
        self.branch: LocalBranch | None = None

    def begin_session(self) -> None:
        """What comes first in a new session; may block for a round trip, and raise what the driver raises."""
        self._opening.begin_session(self._session.dbapi_connection)
        self._callers.begun()

    @property
    def dialect(self) -> Dialect:
        """SQLAlchemy's dialect."""
        return self._dialect

    @property
    def asserted_role(self) -> str | None:
        """The caller that is asserted; None where it is the login that works."""
        return self._callers.user

    def is_lost(self, error: BaseException) -> bool:
        """Whether a driver's error says that the server is gone. Does not ask it."""
        dbapi = self._dialect.loaded_dbapi
        return isinstance(error, dbapi.Error) and self._dialect.is_disconnect(
            error, self._session.dbapi_connection, None
        )

    @property
    def is_for_nobody(self) -> bool:
        """Whether another user was to have the session, which failed: then it was closed."""
        return self._session.is_for_nobody

    def require_session(self) -> None:
        """Raise ConnectionFailed where `is_for_nobody`. Does not block."""
        if self._session.is_for_nobody:
            raise self._refusal()

    @property
    def is_asserting(self) -> bool:
        """Whether a caller is asserted whose return rolls back by itself (PostgreSQL)."""
        callers = self._callers
        return callers.user is not None and callers.release_rolls_back

    @property
    def dbapi_connection(self) -> DBAPIConnection:
        """The driver's connection as SQLAlchemy's dialect sees it; another object after each clean-up that took a
        session back.
        """
        return self._session.dbapi_connection

    @property
    def record(self) -> PhysicalRecord:
        """This session, for SQLAlchemy's event listeners."""
        return self._session.record

    def begin_use(self) -> PhysicalRecord:
        """Whoever has the lease begins; where nobody is asserted, it is the trusted user itself that works. Answers
        the session's `record`.

        Blocks for connecting at most, and only where a session can't be passed on. Raises ConnectionFailed.
        """
        if self._session.is_for_nobody:
            raise self._refusal()
        callers = self._callers
        if callers.user is None:
            callers.use_as_login()
        return self._session.record

    def cursor(self, *args: Any, **kwargs: Any) -> DBAPICursor:
        """A driver's cursor, which dies when the connection goes back.

        Raises ConnectionFailed after a failed `reauthenticate`.
        """
        session = self._session
        if session.is_for_nobody:
            raise self._refusal()
        cursor = session.dbapi_connection.cursor(*args, **kwargs)
        # SQLAlchemy's cursor for asyncio is a shell, without weak references, around the driver's, which runs the SQL.
        self._cursors.add(getattr(cursor, "_cursor", cursor) if self._dialect.is_async else cursor)
        return cursor

    def rollback(self) -> None:
        """Roll back, for the application. On a session with an asserted caller it looks for an escape first."""
        if self._session.is_for_nobody:
            raise self._refusal()
        self._callers.rollback()

    def take_part(self, unit: UnitOfWork) -> TransactionParticipant:
        """Take part in a unit of work: in two phases where the resource does, else as a last resource.

        Does not block, but for what `begin_use` does. Raises TransactionError for a connection on AUTOCOMMIT.
        """
        self.begin_use()
        settings = self._settings
        if settings.recovers:
            from connector_sql.postgresql_branch import PostgresqlBranch, PostgresqlLastBranch  # loads psycopg

            kind = PostgresqlBranch if settings.two_phase else PostgresqlLastBranch
            branch: LocalBranch = kind(self, unit, settings.resource)
        else:
            from connector_sql.branch import LocalBranch

            branch = LocalBranch(self, unit, settings.resource)
        branch.require_transaction()
        self.branch = branch
        return branch

    def reauthenticate(self, subject: Subject | None, request: ConnectionRequestInfo | None) -> None:
        """Sign on anew with this factory's user and password out of `subject`, verified, in a new session (POOL-5).

        MariaDB and MySQL with the driver mysqldb. What the session was is gone (transaction, variables, temporary
        tables, role), kept cursors are closed, the database of the URL is selected. Blocks for some ten round trips;
        MariaDB takes a second over a refusal.

        Raises LoginRefused, ConnectionFailed and SignOnError as `create_managed_connection` does, IdentityMismatch
        where the database takes the user for another one. The server would let the connection go on as the user
        *before*: so it is closed whatever was raised, and all use of it raises ConnectionFailed from then on.
        """
        session, user_change = self._session, self._user_change
        if session.is_for_nobody:
            raise self._refusal()
        if user_change is None:
            super().reauthenticate(subject, request)
            return
        try:
            with session.for_nobody_if_it_fails():
                credential = self._opening.credential(subject)
                self._cursors.close_all()
                user_change.sign_on(credential)
                self._callers.signed_on_anew(credential)
        except ConnectionFailed as error:
            self._report_if_broken(error)
            raise
        self._user = self._opening.user(credential)

    def switch_identity(self, asserted: IdentityAssertion) -> None:
        """Become the caller, outside a transaction, verified in the same round trip (TRUST-1).

        Blocks for a round trip, for some more on the connection's first switch. On PostgreSQL a caller whom this
        connection has had before is asserted, and verified, with his first statement instead, which then raises what is
        said here, the driver's own error for a broken connection, and ends the session; nothing of his reaches the
        database before. The groups of the assertion mean nothing here: the database knows what it granted to the role.

        Raises AccessDenied where the database refuses, IdentityMismatch where it answers somebody else, ConfigError for
        a login role that has rights of its own or a database that can't, ConnectionFailed for a broken connection. The
        pool destroys the connection.
        """
        if self._session.is_for_nobody:
            raise self._refusal()
        try:
            self._callers.become(asserted.user)
        except ConnectionFailed as error:
            self._report_if_broken(error)
            raise

    def cleanup(self) -> None:
        """Take back cursors, transaction, identity and session state (TRUST-3).

        Blocks for one round trip with a transaction open or a caller asserted; for some ten where MariaDB discards the
        session (`reset`), which signs the same user on anew. Raises ConnectionFailed after a failed `reauthenticate`,
        IdentityMismatch where the session's SQL had changed who it is (reported to the audit
        log), LoginRefused and ConnectionFailed from signing on anew, else what the driver raises; the pool then
        destroys the connection.
        """
        self.branch = None
        session = self._session
        self._cursors.close_all()
        if session.is_for_nobody:
            refusal = self._refusal()
            self._report_if_broken(refusal)
            raise refusal
        record = session.record
        record.lent = False
        if record.finalize_callback:
            self.rollback()  # an isolation level can be set between transactions only
            record.finalize(session.dbapi_connection)
        callers = self._callers
        try:
            if callers.user is not None:
                callers.release()
            else:
                self._dialect.do_rollback(session.dbapi_connection)  # type: ignore[arg-type]  # takes the driver's too
                callers.used_as_login()
        except ConnectionFailed as error:
            self._report_if_broken(error)
            raise

    def destroy(self) -> None:
        """Close the physical connection. Harmless when called twice."""
        self._session.close()

    def describe(self) -> ConnectionDescription:
        """Ask the database who is at work. Blocks for a round trip."""
        self.begin_use()
        user = self._callers.acting_user()
        if user is None:
            user = self._current_user()
        return ConnectionDescription(product_of(self._dialect), version_of(self._dialect), user)

    def validate(self) -> bool:
        """Whether the server still answers. Blocks for a round trip; leaves no transaction open.

        Raises ConnectionFailed after a failed `reauthenticate`: whoever asks then has missed that.
        """
        session = self._session
        if session.is_for_nobody:
            raise self._refusal()
        try:
            alive = self._dialect.do_ping(session.dbapi_connection)
            self.rollback()
        except self._dialect.loaded_dbapi.Error:
            return False
        return alive

    def _current_user(self) -> str | None:
        question = user_question(self._dialect)
        if question is None:
            return None
        cursor = self._session.dbapi_connection.cursor()
        try:
            cursor.execute(question)
            row = cursor.fetchone()
        finally:
            cursor.close()
            self.rollback()
        return user_in(self._dialect, row[0]) if row is not None else None

    def _refusal(self) -> ConnectionFailed:
        return self._session.refusal(self._settings.resource)

    def _report_if_broken(self, error: ConnectionFailed) -> None:
        if self._session.is_broken:
            self.connection_error_occurred(error)

    def __repr__(self) -> str:
        user = self._callers.user
        acting = f", working as {user!r}" if user is not None else ""
        return f"<SqlManagedConnection to {self._settings.resource!r} as {self._user!r}{acting}>"
