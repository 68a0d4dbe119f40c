"""One physical database connection, signed on as one user, perhaps asserting another (POOL-1, TRUST)."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, final

from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor

from connector.errors import ConfigError, ConnectionFailed, IdentityMismatch, LoginRefused, Reason
from connector.spi import (
    AuditEvent,
    AuditLog,
    ConnectionDescription,
    ConnectionRequestInfo,
    IdentityAssertion,
    ManagedConnection,
    Outcome,
    Subject,
    TransactionParticipant,
    UnitOfWork,
)
from connector_sql.awaiting import closed_by_awaiting
from connector_sql.caller_strategy import strategy_for
from connector_sql.describing import is_mariadb, product_of, user_in, user_question, version_of
from connector_sql.kept_cursors import KeptCursors
from connector_sql.mariadb_role import MariaDbRoleSession, mariadb_role_session
from connector_sql.opening import Opening
from connector_sql.physical_record import PhysicalRecord
from connector_sql.settings import SqlSettings
from connector_sql.sign_on import SqlCredential
from connector_sql.user_change import UserChange

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect

    from connector_sql.branch import LocalBranch
    from connector_sql.caller_strategy import CallerStrategy
    from connector_sql.postgresql_callers import AssertedCallers

CANNOT_ASSERT = Reason(
    "CF-SQL-020",
    "resource {resource} is to assert {role!r}, and its database or its property identity doesn't allow that.",
    'Use PostgreSQL with the driver psycopg, or MariaDB with mysqldb, and identity = "set-role"; or another login'
    " configuration.",
)
FOR_NOBODY = Reason(
    "CF-SQL-061",
    "a connection of resource {resource} was to be signed on anew, which failed: it was closed and works for nobody.",
    "Destroy it and open another one.",
)

_log = logging.getLogger("connector.sql")


@final
class SqlManagedConnection(ManagedConnection):
    """A driver's connection with all that must be taken back from its user.

    Args:
        dbapi_connection: The driver's connection, just signed on.
        settings: The resource.
        opening: How it was signed on, and is signed on anew.
        credential: With what; None for "by the URL alone".
        audit: Where an escaped identity is reported.

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
        self._callers = _callers(dbapi_connection, settings, opening.user(credential), audit)
        self._user_change = UserChange(dbapi_connection, settings, opening) if settings.changes_user else None
        self._strategy = strategy_for(dbapi_connection, settings, opening, credential)
        # The mutable state; changed by whoever has the connection, one at a time:
        self._dbapi_connection = dbapi_connection
        self._record = PhysicalRecord(dbapi_connection, self._dialect)  # this session, for SQLAlchemy's listeners
        self._user = opening.user(credential)  # who it is signed on as; None if the driver decides
        self._audit = audit
        self._mariadb = mariadb_role_session(dbapi_connection, settings, self._user)
        self._pristine = True  # of MariaDB's roles: whether the session is as after signing on
        # Kept only where a return signs the same user on again, which is how MariaDB resets a session:
        renews = self._mariadb is not None or settings.discards
        self._credential = credential if self._user_change is not None and renews else None
        self._for_nobody = False  # whether signing on anew failed
        # handed out in this lease:
        self._cursors = KeptCursors(closed_by_awaiting) if self._dialect.is_async else KeptCursors()
        self._destroyed = False
        self._branch: LocalBranch | None = None  # of the unit that it takes part in; till the next clean-up

    def begin_session(self) -> None:
        """What comes first in a new session; may block for a round trip, and raise what the driver raises."""
        self._opening.begin_session(self._dbapi_connection)
        if self._callers is not None:
            self._callers.begun()

    @property
    def dialect(self) -> Dialect:
        """SQLAlchemy's dialect."""
        return self._dialect

    @property
    def branch(self) -> LocalBranch | None:
        """Its part in a unit of work; None outside of one."""
        return self._branch

    @property
    def asserted_role(self) -> str | None:
        """The caller that is asserted on PostgreSQL; None where it is the login role that works."""
        return self._callers.role if self._callers is not None else None

    def is_lost(self, error: BaseException) -> bool:
        """Whether a driver's error says that the server is gone. Does not ask it."""
        dbapi = self._dialect.loaded_dbapi
        return isinstance(error, dbapi.Error) and self._dialect.is_disconnect(error, self._dbapi_connection, None)

    @property
    def is_asserting(self) -> bool:
        """Whether a caller is asserted whose return rolls back by itself (PostgreSQL)."""
        return self._callers is not None and self._callers.role is not None

    @property
    def dbapi_connection(self) -> DBAPIConnection:
        """The driver's connection as SQLAlchemy's dialect sees it; another object after each clean-up that took a
        session back.
        """
        return self._dbapi_connection

    @property
    def record(self) -> PhysicalRecord:
        """This session, for SQLAlchemy's event listeners."""
        return self._record

    def begin_use(self) -> None:
        """Whoever has the lease begins; where nobody is asserted, it is the trusted user itself that works.

        Blocks for connecting at most, and only where a session can't be passed on. Raises ConnectionFailed.
        """
        self._require_usable()
        strategy = self._strategy
        if strategy is None or strategy.user is not None:
            return
        try:
            strategy.use_as_login()
        finally:
            if strategy.dbapi_connection is not self._dbapi_connection:
                self._renew()

    def cursor(self, *args: Any, **kwargs: Any) -> DBAPICursor:
        """A driver's cursor, which dies when the connection goes back.

        Raises ConnectionFailed after a failed `reauthenticate`.
        """
        self._require_usable()
        cursor = self._dbapi_connection.cursor(*args, **kwargs)
        # SQLAlchemy's cursor for asyncio is a shell, without weak references, around the driver's, which runs the SQL.
        self._cursors.add(getattr(cursor, "_cursor", cursor) if self._dialect.is_async else cursor)
        return cursor

    def rollback(self) -> None:
        """Roll back, for the application. On a session with an asserted caller it looks for an escape first."""
        self._require_usable()
        if self._callers is not None and self._callers.role is not None:
            self._callers.rollback()
        else:
            self._dbapi_connection.rollback()

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
        self._branch = branch
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
        self._require_usable()
        if self._user_change is None:
            super().reauthenticate(subject, request)
            return
        with self._for_nobody_if_it_fails():
            credential = self._opening.credential(subject)
            self._cursors.close_all()
            self._sign_on_anew(credential)
        if self._credential is not None:
            self._credential = credential

    def switch_identity(self, asserted: IdentityAssertion) -> None:
        """Become the caller, outside a transaction, verified in the same round trip (TRUST-1).

        Blocks for a round trip, for some more on the connection's first switch. The groups of the assertion mean
        nothing here: the database knows what it granted to the role.

        Raises AccessDenied where the database refuses, IdentityMismatch where it answers somebody else, ConfigError for
        a login role that has rights of its own or a database that can't, ConnectionFailed for a broken connection. The
        pool destroys the connection.
        """
        self._require_usable()
        if self._strategy is not None:
            self._assert_by(self._strategy, asserted.user)
            return
        if self._mariadb is not None:
            self._become_on_mariadb(self._mariadb, asserted.user)
            return
        if self._callers is None or not self._settings.asserts_roles:
            raise ConfigError(CANNOT_ASSERT, resource=self._settings.resource, role=asserted.user)
        try:
            self._callers.become(asserted.user)
        except ConnectionFailed as error:
            self.connection_error_occurred(error)
            raise
        if self._callers.dbapi_connection is not self._dbapi_connection:  # the login role's own use was discarded first
            self._renew()

    def cleanup(self) -> None:
        """Take back cursors, transaction, identity and session state (TRUST-3).

        Blocks for one round trip with a transaction open or a caller asserted; for some ten where MariaDB discards the
        session (`reset`), which signs the same user on anew. Raises ConnectionFailed after a failed `reauthenticate`,
        IdentityMismatch where the session's SQL had changed who it is (reported to the audit
        log), LoginRefused and ConnectionFailed from signing on anew, else what the driver raises; the pool then
        destroys the connection.
        """
        self._branch = None
        self._require_usable()
        self._cursors.close_all()
        record = self._record
        record.lent = False
        if record.finalize_callback:
            self.rollback()  # an isolation level can be set between transactions only
            record.finalize(self._dbapi_connection)
        if self._strategy is not None and self._strategy.user is not None:
            self._strategy.release()
            self._renew()
            return
        if self._mariadb is not None and self._mariadb.role is not None:
            self._take_back_on_mariadb(self._mariadb, self._mariadb.role)
            return
        callers = self._callers
        if callers is not None and callers.role is not None:
            callers.release()
            self._renew()
            return
        self._dialect.do_rollback(self._dbapi_connection)  # type: ignore[arg-type]  # takes the driver's as well
        self._pristine = False
        if callers is not None:
            callers.used_by_login_role()
        if not self._settings.discards:
            return
        if callers is not None:
            callers.discard()
            self._renew()
        else:
            with self._for_nobody_if_it_fails():
                self._sign_on_anew(self._credential)

    def destroy(self) -> None:
        """Close the physical connection. Harmless when called twice."""
        if self._destroyed:
            return
        self._destroyed = True
        self._record.dbapi_connection = None
        if self._dialect.is_async:
            # Not SQLAlchemy's terminate(): it closes by a task of its own, which nobody waits for where this one is
            # cancelled, and which the end of the loop then leaves hanging. What is cancelled the pool aborts.
            self._dialect.do_close(self._dbapi_connection)
        else:
            self._dialect.do_terminate(self._dbapi_connection)

    def describe(self) -> ConnectionDescription:
        """Ask the database who is at work. Blocks for a round trip."""
        self.begin_use()
        user = self._mariadb.acting_user() if self._mariadb is not None else self._current_user()
        return ConnectionDescription(product_of(self._dialect), version_of(self._dialect), user)

    def validate(self) -> bool:
        """Whether the server still answers. Blocks for a round trip; leaves no transaction open.

        Raises ConnectionFailed after a failed `reauthenticate`: whoever asks then has missed that.
        """
        if self._for_nobody:
            raise ConnectionFailed(FOR_NOBODY, resource=self._settings.resource)
        try:
            alive = self._dialect.do_ping(self._dbapi_connection)
            self.rollback()
        except self._dialect.loaded_dbapi.Error:
            return False
        return alive

    def _current_user(self) -> str | None:
        question = user_question(self._dialect)
        if question is None:
            return None
        cursor = self._dbapi_connection.cursor()
        try:
            cursor.execute(question)
            row = cursor.fetchone()
        finally:
            cursor.close()
            self.rollback()
        return user_in(self._dialect, row[0]) if row is not None else None

    def _assert_by(self, strategy: CallerStrategy, user: str) -> None:
        try:
            strategy.become(user)
        finally:
            self._renew()  # perhaps another session, also where that was all that went well

    def _become_on_mariadb(self, session: MariaDbRoleSession, role: str) -> None:
        """As `switch_identity`; what went wrong on the wire is reported to the pool."""
        if not is_mariadb(self._dialect):
            raise ConfigError(CANNOT_ASSERT, resource=self._settings.resource, role=role)
        try:
            if not self._pristine:
                with self._for_nobody_if_it_fails():
                    self._sign_on_anew(self._credential)
            session.become(role)
        except ConnectionFailed as error:
            self.connection_error_occurred(error)
            raise
        self._pristine = False
        self._record = PhysicalRecord(self._dbapi_connection, self._dialect)

    def _take_back_on_mariadb(self, session: MariaDbRoleSession, role: str) -> None:
        """As `cleanup`: look for an escape, then end the session by signing the login user on anew."""
        with self._for_nobody_if_it_fails():
            try:
                session.verify()
                self._sign_on_anew(self._credential)
            except (IdentityMismatch, LoginRefused) as error:  # refused: its SQL may have changed the login's password
                self._report_escape(role, error)
                raise

    def _sign_on_anew(self, credential: SqlCredential | None) -> None:
        assert self._user_change is not None
        failure = self._user_change.failure(credential)
        if isinstance(failure, ConnectionFailed) and not isinstance(failure, LoginRefused):
            self.connection_error_occurred(failure)
        if failure is not None:
            raise failure
        self._user = self._opening.user(credential)
        if self._mariadb is not None:
            self._mariadb.began_anew(self._user or "")
        self._pristine = True
        self._renew()

    @contextmanager
    def _for_nobody_if_it_fails(self) -> Iterator[None]:
        """Ends the connection at once on any error: its session may be anybody's."""
        try:
            yield
        except BaseException:
            self._for_nobody = True
            self.destroy()
            raise

    def _require_usable(self) -> None:
        if self._for_nobody:
            raise ConnectionFailed(FOR_NOBODY, resource=self._settings.resource)

    def _renew(self) -> None:
        """The session is another one for SQLAlchemy's listeners, and perhaps another object for everybody."""
        if self._callers is not None:
            self._dbapi_connection = self._callers.dbapi_connection
        elif self._strategy is not None:
            self._dbapi_connection = self._strategy.dbapi_connection
        self._record = PhysicalRecord(self._dbapi_connection, self._dialect)

    def _report_escape(self, role: str, error: IdentityMismatch | LoginRefused) -> None:
        _log.warning("%s", error)
        if self._audit is not None:
            self._audit.record(
                AuditEvent("assert-identity", role, self._settings.resource, Outcome.DENIED, reason=error.code)
            )

    def __repr__(self) -> str:
        asserting = self._mariadb or self._callers
        role = asserting.role if asserting is not None else None
        if self._strategy is not None:
            role = self._strategy.user
        acting = f", working as {role!r}" if role is not None else ""
        return f"<SqlManagedConnection to {self._settings.resource!r} as {self._user!r}{acting}>"


def _callers(
    dbapi_connection: DBAPIConnection, settings: SqlSettings, login: str | None, audit: AuditLog | None
) -> AssertedCallers | None:
    if settings.dialect.name != "postgresql" or not (settings.asserts_roles or settings.discards):
        return None
    # Here, since it loads psycopg: only for connections that are psycopg's.
    from connector_sql.postgresql_callers import AssertedCallers

    return AssertedCallers(dbapi_connection, settings, login, audit)
