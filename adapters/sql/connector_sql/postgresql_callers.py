"""Callers asserted on one trusted PostgreSQL connection: who may be, on which login role, and what is said if not.

Between the managed connection, which speaks of connections, and `postgresql_role`, which speaks of SQL.
"""

from __future__ import annotations

import logging
from typing import Any, final

import psycopg
from sqlalchemy.engine.interfaces import DBAPIConnection

from connector.errors import AccessDenied, ConfigError, ConnectionFailed, IdentityMismatch, Reason
from connector.spi import AuditEvent, AuditLog, Outcome
from connector_sql.login_role import faults
from connector_sql.postgresql_role import RoleSession
from connector_sql.postgresql_wire import Wire
from connector_sql.settings import SqlSettings

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
_log = logging.getLogger("connector.sql")


@final
class AssertedCallers:
    """One connection's callers, one after the other. For whoever has the connection, one at a time.

    Args:
        dbapi_connection: SQLAlchemy's view of the driver's connection, just signed on.
        settings: The resource.
        login: The login role, for messages.
        audit: Where an escaped identity is reported.
    """

    def __init__(
        self, dbapi_connection: DBAPIConnection, settings: SqlSettings, login: str | None, audit: AuditLog | None
    ) -> None:
        self._settings = settings
        self._login = login
        self._audit = audit
        self._session = _session(dbapi_connection, settings)
        # The mutable state:
        self._seen = dbapi_connection  # the driver's connection as SQLAlchemy sees it: another one after each reset
        self._pristine = True  # whether the session is as after a DISCARD ALL
        self._verified = not settings.verify_login_role  # whether the login role was looked at

    def begun(self) -> None:
        """The session has begun, and nobody has used it. Does not block."""
        self._session.begun()

    @property
    def role(self) -> str | None:
        """Who is asserted; None on a session that is its login role."""
        return self._session.role

    @property
    def dbapi_connection(self) -> DBAPIConnection:
        """The driver's connection as SQLAlchemy sees it now."""
        return self._seen

    def become(self, role: str) -> None:
        """Assert a caller; blocks for a round trip, for some more on the connection's first caller.

        Raises AccessDenied, IdentityMismatch, ConfigError, ConnectionFailed as `SqlManagedConnection.switch_identity`.
        """
        session, resource = self._session, self._settings.resource
        try:
            if not self._pristine:  # somebody used it as the login role itself, for example by a component alias
                self.discard()
            if not self._verified:
                self._verify_login_role()
            session.become(role)
        except psycopg.Error as error:
            if error.sqlstate is None or session.is_broken:
                why = type(error).__name__
                raise ConnectionFailed(BROKEN_AT_SWITCH, resource=resource, role=role, why=why) from error
            raise AccessDenied(
                ROLE_REFUSED, resource=resource, login=self._login, role=role, sqlstate=error.sqlstate
            ) from error
        self._pristine = False

    def rollback(self) -> None:
        """Roll back, looking for an escape first. Blocks for a round trip where a transaction is open."""
        self._session.rollback()

    def release(self) -> None:
        """Take the session, all of it, back from its caller. Blocks for a round trip.

        Raises psycopg.Error where that fails, IdentityMismatch where its SQL had changed who it is, which is also
        reported to the audit log.
        """
        role = self._session.role or ""
        try:
            self._session.release()
        except IdentityMismatch as error:
            _log.warning("%s", error)
            if self._audit is not None:
                event = AuditEvent("assert-identity", role, self._settings.resource, Outcome.DENIED, reason=error.code)
                self._audit.record(event)
            raise
        self._renew()

    def used_by_login_role(self) -> None:
        """The session was lent without a caller: whatever was left in it, the next caller gets none of it."""
        self._pristine = False

    def discard(self) -> None:
        """Take the whole session back and wait for it. Blocks for a round trip; raises psycopg.Error."""
        self._session.discard()
        self._renew()

    def _verify_login_role(self) -> None:
        """Once a connection, so that a right that was granted meanwhile is noticed by the next one."""
        found = faults(self._session.login_role_facts(), self._settings.trust_domain)
        if found:
            raise ConfigError(
                LOGIN_ROLE_UNFIT, login=self._login, resource=self._settings.resource, faults="; ".join(found)
            )
        self._verified = True

    def _renew(self) -> None:
        self._pristine = True
        driver: Any = self._session.connection
        if self._settings.dialect.is_async:
            shell: Any = self._seen
            driver = type(shell)(shell.dbapi, driver)
        self._seen = driver


def _session(dbapi_connection: DBAPIConnection, settings: SqlSettings) -> RoleSession:
    driver_connection = settings.dialect.get_driver_connection(dbapi_connection)
    if settings.dialect.is_async:
        from connector_sql.postgresql_async_wire import AsyncWire

        return RoleSession(AsyncWire(driver_connection))
    return RoleSession(Wire(driver_connection))
