"""One physical database connection, signed on as one user, perhaps asserting another (POOL-1, TRUST)."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, final

from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor

from connector.errors import AccessDenied, ConfigError, ConnectionFailed, IdentityMismatch, LoginRefused, Reason
from connector.spi import (
    AuditEvent,
    AuditLog,
    ConnectionDescription,
    ConnectionRequestInfo,
    IdentityAssertion,
    ManagedConnection,
    Outcome,
    Subject,
)
from connector_sql.awaiting import closed_by_awaiting
from connector_sql.caller_strategy import strategy_for
from connector_sql.describing import product_of, user_in, user_question, version_of
from connector_sql.kept_cursors import KeptCursors
from connector_sql.login_role import faults
from connector_sql.opening import Opening
from connector_sql.physical_record import PhysicalRecord
from connector_sql.settings import SqlSettings
from connector_sql.sign_on import SqlCredential
from connector_sql.user_change import UserChange

if TYPE_CHECKING:
    from connector_sql.caller_strategy import CallerStrategy
    from connector_sql.postgresql_role import RoleSession

CANNOT_ASSERT = Reason(
    "CF-SQL-020",
    "resource {resource} is to assert {role!r}, and its database or its property identity doesn't allow that.",
    'Use PostgreSQL with the driver psycopg and identity = "set-role", or another login configuration.',
)
ROLE_REFUSED = Reason(
    "CF-SQL-021",
    "the database of resource {resource} refused {login!r} to become {role!r} (SQLSTATE {sqlstate}).",
    "The role must exist and be granted to the login role: GRANT {role} TO {login} WITH INHERIT FALSE, SET TRUE.",
)
BROKEN_AT_SWITCH = Reason(
    "CF-SQL-022",
    "a connection of resource {resource} broke before {role!r} could use it: {why}.",
    "It was destroyed; try again.",
)
LOGIN_ROLE_UNFIT = Reason(
    "CF-SQL-023",
    "callers can't be asserted on login role {login!r} of resource {resource}: {faults}.",
    "Change that, since whoever is asserted can become the login role again: it must be NOINHERIT, have no rights of"
    " its own and lead to its callers' roles only.",
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
        self.dbapi_connection = dbapi_connection
        self._settings = settings
        self._dialect = settings.dialect
        self._opening = opening
        self._audit = audit
        self._roles = _role_session(dbapi_connection, settings)
        self._user_change = UserChange(dbapi_connection, settings, opening) if settings.changes_user else None
        self._strategy = strategy_for(dbapi_connection, settings, opening, credential)
        # The mutable state; changed by whoever has the connection, one at a time:
        self._record = PhysicalRecord(dbapi_connection, self._dialect)  # this session, for SQLAlchemy's listeners
        self._user = opening.user(credential)  # who it is signed on as; None if the driver decides
        # Kept only where a return signs the same user on again, which is how MariaDB resets a session:
        self._credential = credential if self._user_change is not None and settings.discards else None
        self._for_nobody = False  # whether signing on anew failed
        # handed out in this lease:
        self._cursors = KeptCursors(closed_by_awaiting) if self._dialect.is_async else KeptCursors()
        self._pristine = True  # whether the session is as after a DISCARD ALL
        self._verified = False  # whether the login role was looked at
        self._destroyed = False

    @property
    def record(self) -> PhysicalRecord:
        """This session, for SQLAlchemy's event listeners."""
        return self._record

    def begin_use(self) -> None:
        """Whoever has the lease begins: without an asserted caller it is the trusted user itself that works.

        Blocks for connecting at most, and only where a session can't be passed on. Raises ConnectionFailed.
        """
        self._require_somebody()
        strategy = self._strategy
        if strategy is None or strategy.user is not None:
            return
        strategy.use_as_login()
        if strategy.dbapi_connection is not self.dbapi_connection:
            self.dbapi_connection = strategy.dbapi_connection
            self._record = PhysicalRecord(self.dbapi_connection, self._dialect)

    def cursor(self, *args: Any, **kwargs: Any) -> DBAPICursor:
        """A driver's cursor, which dies when the connection goes back.

        Raises ConnectionFailed after a failed `reauthenticate`.
        """
        self._require_somebody()
        cursor = self.dbapi_connection.cursor(*args, **kwargs)
        # SQLAlchemy's cursor for asyncio is a shell, without weak references, around the driver's, which runs the SQL.
        self._cursors.add(getattr(cursor, "_cursor", cursor) if self._dialect.is_async else cursor)
        return cursor

    def rollback(self) -> None:
        """Roll back, for the application. On a session with an asserted caller it looks for an escape first."""
        self._require_somebody()
        if self._roles is not None and self._roles.role is not None:
            self._roles.rollback()
        else:
            self.dbapi_connection.rollback()

    def reauthenticate(self, subject: Subject | None, request: ConnectionRequestInfo | None) -> None:
        """Sign on anew with this factory's user and password out of `subject`, verified, in a new session (POOL-5).

        MariaDB and MySQL with the driver mysqldb. What the session was is gone (transaction, variables, temporary
        tables, role), kept cursors are closed, the database of the URL is selected. Blocks for some ten round trips;
        MariaDB takes a second over a refusal.

        Raises LoginRefused, ConnectionFailed and SignOnError as `create_managed_connection` does, IdentityMismatch
        where the database takes the user for another one. The server would let the connection go on as the user
        *before*: so it is closed whatever was raised, and all use of it raises ConnectionFailed from then on.
        """
        self._require_somebody()
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
        self._require_somebody()
        if self._strategy is not None:
            self._assert_by(self._strategy, asserted.user)
            return
        roles = self._roles
        resource = self._settings.resource
        if roles is None or not self._settings.asserts_roles:
            raise ConfigError(CANNOT_ASSERT, resource=resource, role=asserted.user)
        import psycopg  # loaded already: only its connections have roles

        try:
            if not self._pristine:  # somebody used it as the login role itself, for example by a component alias
                roles.discard()
                self._pristine = True
            self._verify_login_role(roles)
            roles.become(asserted.user)
        except psycopg.Error as error:
            if error.sqlstate is None or roles.is_broken:
                self.connection_error_occurred(error)
                why = type(error).__name__
                raise ConnectionFailed(BROKEN_AT_SWITCH, resource=resource, role=asserted.user, why=why) from error
            raise AccessDenied(
                ROLE_REFUSED, resource=resource, login=self._user, role=asserted.user, sqlstate=error.sqlstate
            ) from error
        self._pristine = False
        self._record = PhysicalRecord(self.dbapi_connection, self._dialect)

    def cleanup(self) -> None:
        """Take back cursors, transaction, identity and session state (TRUST-3).

        Blocks for one round trip with a transaction open, for two more where a caller was asserted, for some ten
        where MariaDB discards the session (`reset`), which signs the same user on anew. Raises ConnectionFailed after a
        failed `reauthenticate`, IdentityMismatch where the session's SQL had changed who it is (reported to the audit
        log), LoginRefused and ConnectionFailed from signing on anew, else what the driver raises; the pool then
        destroys the connection.
        """
        self._require_somebody()
        self._cursors.close_all()
        record = self._record
        record.lent = False
        if record.finalize_callback:
            self.rollback()  # an isolation level can be set between transactions only
            record.finalize(self.dbapi_connection)
        if self._strategy is not None and self._strategy.user is not None:
            self._strategy.release()
            self._record = PhysicalRecord(self.dbapi_connection, self._dialect)
            return
        roles = self._roles
        if roles is None or roles.role is None:
            self._dialect.do_rollback(self.dbapi_connection)  # type: ignore[arg-type]  # takes the driver's as well
            self._pristine = False
            if roles is not None and self._settings.discards:
                roles.discard()
                self._renew()
            elif self._settings.discards:
                with self._for_nobody_if_it_fails():
                    self._sign_on_anew(self._credential)
            return
        role = roles.role
        try:
            roles.release()
        except IdentityMismatch as error:
            self._report_escape(role, error)
            raise
        self._renew()

    def destroy(self) -> None:
        """Close the physical connection. Harmless when called twice."""
        if self._destroyed:
            return
        self._destroyed = True
        self._record.dbapi_connection = None
        if self._dialect.is_async:
            # Not SQLAlchemy's terminate(): it closes by a task of its own, which nobody waits for where this one is
            # cancelled, and which the end of the loop then leaves hanging. What is cancelled the pool aborts.
            self._dialect.do_close(self.dbapi_connection)
        else:
            self._dialect.do_terminate(self.dbapi_connection)

    def describe(self) -> ConnectionDescription:
        """Ask the database who is at work. Blocks for a round trip."""
        self.begin_use()
        return ConnectionDescription(product_of(self._dialect), version_of(self._dialect), self._current_user())

    def validate(self) -> bool:
        """Whether the server still answers. Blocks for a round trip; leaves no transaction open.

        Raises ConnectionFailed after a failed `reauthenticate`: whoever asks then has missed that.
        """
        self._require_somebody()
        try:
            alive = self._dialect.do_ping(self.dbapi_connection)
            self.rollback()
        except self._dialect.loaded_dbapi.Error:
            return False
        return alive

    def _current_user(self) -> str | None:
        question = user_question(self._dialect)
        if question is None:
            return None
        cursor = self.dbapi_connection.cursor()
        try:
            cursor.execute(question)
            row = cursor.fetchone()
        finally:
            cursor.close()
            self.rollback()
        return user_in(self._dialect, row[0]) if row is not None else None

    def _verify_login_role(self, roles: RoleSession) -> None:
        """Once a connection, so that a right that was granted meanwhile is noticed by the next one."""
        if self._verified or not self._settings.verify_login_role:
            return
        found = faults(roles.login_role_facts())
        if found:
            raise ConfigError(
                LOGIN_ROLE_UNFIT, login=self._user, resource=self._settings.resource, faults="; ".join(found)
            )
        self._verified = True

    def _sign_on_anew(self, credential: SqlCredential | None) -> None:
        assert self._user_change is not None
        failure = self._user_change.failure(credential)
        if isinstance(failure, ConnectionFailed) and not isinstance(failure, LoginRefused):
            self.connection_error_occurred(failure)
        if failure is not None:
            raise failure
        self._user = self._opening.user(credential)
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

    def _require_somebody(self) -> None:
        if self._for_nobody:
            raise ConnectionFailed(FOR_NOBODY, resource=self._settings.resource)

    def _assert_by(self, strategy: CallerStrategy, user: str) -> None:
        try:
            strategy.become(user)
        finally:
            # Perhaps another session, also where that was all that went well.
            self.dbapi_connection = strategy.dbapi_connection
            self._record = PhysicalRecord(self.dbapi_connection, self._dialect)

    def _renew(self) -> None:
        """After DISCARD ALL or a new sign-on: a session that nothing is left of."""
        self._pristine = True
        self._record = PhysicalRecord(self.dbapi_connection, self._dialect)

    def _report_escape(self, role: str, error: IdentityMismatch) -> None:
        _log.warning("%s", error)
        if self._audit is not None:
            self._audit.record(
                AuditEvent("assert-identity", role, self._settings.resource, Outcome.DENIED, reason=error.code)
            )

    def __repr__(self) -> str:
        role = self._roles.role if self._roles is not None else None
        acting = f", working as {role!r}" if role is not None else ""
        return f"<SqlManagedConnection to {self._settings.resource!r} as {self._user!r}{acting}>"


def _role_session(dbapi_connection: DBAPIConnection, settings: SqlSettings) -> RoleSession | None:
    dialect = settings.dialect
    if dialect.name != "postgresql" or not (settings.asserts_roles or settings.discards):
        return None
    # Here, since it loads psycopg: only for connections that are psycopg's.
    from connector_sql.postgresql_role import RoleSession

    driver_connection = dialect.get_driver_connection(dbapi_connection)
    if dialect.is_async:
        from connector_sql.postgresql_async_role import AsyncRoleSession

        return AsyncRoleSession(driver_connection)
    return RoleSession(driver_connection)
