"""Callers asserted on one trusted PostgreSQL connection: who may be, on which login role, and what is said if not.

Between the managed connection, which speaks of connections, and `postgresql_role`, which speaks of SQL.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, ClassVar, final

import psycopg

from connector.errors import AccessDenied, ConfigError, ConnectionFailed, IdentityMismatch, Reason
from connector.spi import AuditEvent, AuditLog, Outcome
from connector_sql.caller_assertion import CallerAssertion
from connector_sql.login_role import faults
from connector_sql.physical_session import PhysicalSession
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
class PostgresqlCallers(CallerAssertion):
    """See `CallerAssertion`; where the resource asserts nobody it resets what comes back.

    Args:
        physical: The connection, just signed on.
        settings: The resource.
        login: The login role, for messages.
        audit: Where an identity that escaped, or was refused late, is reported.
    """

    release_rolls_back: ClassVar[bool] = True

    def __init__(
        self, physical: PhysicalSession, settings: SqlSettings, login: str | None, audit: AuditLog | None
    ) -> None:
        super().__init__(physical, settings)
        self._login = login
        self._audit = audit
        self._session = _session(physical, self._failed)
        # The mutable state, beside `user`:
        self._pristine = True  # whether the session is as after a DISCARD ALL
        self._verified = not settings.verify_login_role  # whether the login role was looked at

    def begun(self) -> None:
        """See `CallerAssertion`."""
        self._began_anew(self._session.begun())

    def become(self, user: str) -> None:
        """See `CallerAssertion`: SET ROLE, with the first statement of a caller whom the connection has had before.

        Else blocks for a round trip, for some more on the connection's first caller.
        """
        settings = self._settings
        if not settings.asserts_roles:
            raise self._cannot(user)
        session = self._session
        try:
            if not self._pristine:  # somebody used it as the login role itself, for example by a component alias
                self._discard()
            if not self._verified:
                self._verify_login_role()
            session.become(user)
        except psycopg.Error as error:
            raise self._refusal(user, error) from error
        self._pristine = False
        self.user = user

    def rollback(self) -> None:
        """See `CallerAssertion`: with a caller asserted it looks for an escape first, and without a transaction there
        is no round trip then.
        """
        if self.user is None:
            super().rollback()
        else:
            self._session.rollback()

    def release(self) -> None:
        """See `CallerAssertion`: take the session, all of it, back from its caller. Blocks for a round trip.

        Raises psycopg.Error where that fails, IdentityMismatch where its SQL had changed who it is, which is also
        reported to the audit log.
        """
        try:
            driver = self._session.release()
        except IdentityMismatch as error:
            _log.warning("%s", error)
            self._record_denial(error)
            raise
        self.user = None
        self._began_anew(driver)

    def used_as_login(self) -> None:
        """See `CallerAssertion`. Blocks for a round trip where the resource discards sessions; raises psycopg.Error."""
        self._pristine = False
        if self._settings.discards:
            self._discard()

    def _discard(self) -> None:
        """Take the whole session back and wait for it."""
        self._began_anew(self._session.discard())

    def _failed(self, error: BaseException) -> BaseException:
        """The first statement of the caller could not assert him: nobody is to use the session any more.

        A refusal is recorded here: the manager, which records those at the checkout, doesn't hear of it. What isn't
        about the caller (a lost server, a statement that was cancelled) is the driver's error, as from any statement.
        """
        self._physical.is_for_nobody = True
        reason = self._refusal(self.user or "", error) if isinstance(error, psycopg.Error) else error
        if isinstance(reason, ConnectionFailed) or isinstance(error, psycopg.OperationalError):
            return error
        if isinstance(reason, AccessDenied | IdentityMismatch):
            self._record_denial(reason)
        return reason

    def _record_denial(self, error: AccessDenied | IdentityMismatch) -> None:
        if self._audit is not None:
            resource = self._settings.resource
            self._audit.record(
                AuditEvent("assert-identity", self.user or "", resource, Outcome.DENIED, reason=error.code)
            )

    def _refusal(self, user: str, error: psycopg.Error) -> ConnectionFailed | AccessDenied:
        resource = self._settings.resource
        if error.sqlstate is None or self._session.is_broken:
            self._physical.is_broken = True
            return ConnectionFailed(BROKEN_AT_SWITCH, resource=resource, role=user, why=type(error).__name__)
        return AccessDenied(ROLE_REFUSED, resource=resource, login=self._login, role=user, sqlstate=error.sqlstate)

    def _verify_login_role(self) -> None:
        """Once a connection, so that a right that was granted meanwhile is noticed by the next one."""
        found = faults(self._session.login_role_facts(), self._settings.trust_domain)
        if found:
            raise ConfigError(
                LOGIN_ROLE_UNFIT, login=self._login, resource=self._settings.resource, faults="; ".join(found)
            )
        self._verified = True

    def _began_anew(self, driver: Any) -> None:
        self._pristine = True
        physical = self._physical
        if physical.dialect.is_async:
            shell: Any = physical.dbapi_connection
            driver = type(shell)(shell.dbapi, driver)
        physical.began_anew(driver)


def _session(physical: PhysicalSession, refused: Callable[[BaseException], BaseException]) -> RoleSession:
    driver_connection = physical.dialect.get_driver_connection(physical.dbapi_connection)
    if physical.dialect.is_async:
        from connector_sql.postgresql_async_wire import AsyncWire

        return RoleSession(AsyncWire(driver_connection), refused)
    return RoleSession(Wire(driver_connection), refused)
