"""One physical database connection, signed on as one user, perhaps asserting another (POOL-1, TRUST)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final, final

from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor

from connector.errors import AccessDenied, ConfigError, ConnectionFailed, IdentityMismatch, Reason
from connector.spi import AuditEvent, AuditLog, ConnectionDescription, IdentityAssertion, ManagedConnection, Outcome
from connector_sql.awaiting import closed_by_awaiting
from connector_sql.kept_cursors import KeptCursors
from connector_sql.login_role import faults
from connector_sql.physical_record import PhysicalRecord
from connector_sql.settings import SqlSettings

if TYPE_CHECKING:
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

#: Who the session is, by SQLAlchemy's name of the database; a database that isn't here isn't asked.
_CURRENT_USER: Final = {
    "postgresql": "SELECT current_user",
    "mysql": "SELECT current_user()",
    "mariadb": "SELECT current_user()",
    "mssql": "SELECT suser_sname()",
    "oracle": "SELECT user FROM dual",
}
_PRODUCTS: Final = {"postgresql": "PostgreSQL", "mysql": "MySQL", "mariadb": "MariaDB", "sqlite": "SQLite"}

_log = logging.getLogger("connector.sql")


@final
class SqlManagedConnection(ManagedConnection):
    """A driver's connection with all that must be taken back from its user.

    Args:
        dbapi_connection: The driver's connection, just signed on.
        settings: The resource.
        user: Who it is signed on as; None if the driver decides.
        audit: Where an escaped identity is reported.

    One thread at a time, as the contract says.
    """

    def __init__(
        self, dbapi_connection: DBAPIConnection, settings: SqlSettings, *, user: str | None, audit: AuditLog | None
    ) -> None:
        self.dbapi_connection = dbapi_connection
        self._settings = settings
        self._dialect = settings.dialect
        self._user = user
        self._audit = audit
        self._roles = _role_session(dbapi_connection, settings)
        # The mutable state; changed by whoever has the connection, one at a time:
        self._record = PhysicalRecord(dbapi_connection, self._dialect)  # this session, for SQLAlchemy's listeners
        # handed out in this lease:
        self._cursors = KeptCursors(closed_by_awaiting) if self._dialect.is_async else KeptCursors()
        self._pristine = True  # whether the session is as after a DISCARD ALL
        self._verified = False  # whether the login role was looked at
        self._destroyed = False

    @property
    def record(self) -> PhysicalRecord:
        """This session, for SQLAlchemy's event listeners."""
        return self._record

    def cursor(self, *args: Any, **kwargs: Any) -> DBAPICursor:
        """A driver's cursor, which dies when the connection goes back."""
        cursor = self.dbapi_connection.cursor(*args, **kwargs)
        # SQLAlchemy's cursor for asyncio is a shell, without weak references, around the driver's, which runs the SQL.
        self._cursors.add(getattr(cursor, "_cursor", cursor) if self._dialect.is_async else cursor)
        return cursor

    def rollback(self) -> None:
        """Roll back, for the application. On a session with an asserted caller it looks for an escape first."""
        if self._roles is not None and self._roles.role is not None:
            self._roles.rollback()
        else:
            self.dbapi_connection.rollback()

    def switch_identity(self, asserted: IdentityAssertion) -> None:
        """Become the caller, outside a transaction, verified in the same round trip (TRUST-1).

        Blocks for a round trip, for some more on the connection's first switch. The groups of the assertion mean
        nothing here: the database knows what it granted to the role.

        Raises AccessDenied where the database refuses, IdentityMismatch where it answers somebody else, ConfigError for
        a login role that has rights of its own or a database that can't, ConnectionFailed for a broken connection. The
        pool destroys the connection.
        """
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

        Blocks for one round trip with a transaction open, for two more where a caller was asserted. Raises
        IdentityMismatch where the session's SQL had changed who it is (reported to the audit log), else what the driver
        raises; the pool then destroys the connection.
        """
        self._cursors.close_all()
        record = self._record
        record.lent = False
        if record.finalize_callback:
            self.rollback()  # an isolation level can be set between transactions only
            record.finalize(self.dbapi_connection)
        roles = self._roles
        if roles is None or roles.role is None:
            self._dialect.do_rollback(self.dbapi_connection)  # type: ignore[arg-type]  # takes the driver's as well
            self._pristine = False
            if roles is not None and self._settings.discards:
                roles.discard()
                self._renew()
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
        version = self._dialect.server_version_info
        return ConnectionDescription(
            product=_PRODUCTS.get(self._dialect.name, self._dialect.name),
            version=".".join(str(part) for part in version) if version else "unknown",
            user=self._current_user(),
        )

    def validate(self) -> bool:
        """Whether the server still answers. Blocks for a round trip; leaves no transaction open."""
        try:
            alive = self._dialect.do_ping(self.dbapi_connection)
            self.rollback()
        except self._dialect.loaded_dbapi.Error:
            return False
        return alive

    def _current_user(self) -> str | None:
        question = _CURRENT_USER.get(self._dialect.name)
        if question is None:
            return None
        cursor = self.dbapi_connection.cursor()
        try:
            cursor.execute(question)
            row = cursor.fetchone()
        finally:
            cursor.close()
            self.rollback()
        return str(row[0]) if row is not None else None

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

    def _renew(self) -> None:
        """After DISCARD ALL: a session that nothing is left of."""
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
    if not settings.asserts_roles and not settings.discards:
        return None
    # Here, since it loads psycopg: only for connections that are psycopg's.
    from connector_sql.postgresql_role import RoleSession

    driver_connection = dialect.get_driver_connection(dbapi_connection)
    if dialect.is_async:
        from connector_sql.postgresql_async_role import AsyncRoleSession

        return AsyncRoleSession(driver_connection)
    return RoleSession(driver_connection)
