"""Callers asserted on one MariaDB connection, and sessions of MariaDB and MySQL reset: by signing on anew.

Between the managed connection, which speaks of connections, and `mariadb_role`, which speaks of SQL. These servers have
no statement that resets a session, so the one that is to be left behind is ended by signing the same user on again.
"""

from __future__ import annotations

import logging
from typing import final

from connector.errors import ConnectionFailed, IdentityMismatch, LoginRefused
from connector.spi import AuditEvent, AuditLog, Outcome
from connector_sql.caller_assertion import CallerAssertion
from connector_sql.describing import is_mariadb
from connector_sql.mariadb_role import MariaDbRoleSession
from connector_sql.opening import Opening
from connector_sql.physical_session import PhysicalSession
from connector_sql.settings import SqlSettings
from connector_sql.sign_on import SqlCredential
from connector_sql.user_change import UserChange

_log = logging.getLogger("connector.sql")


@final
class MariaDbCallers(CallerAssertion):
    """See `CallerAssertion`; where the resource asserts nobody it resets what comes back.

    Args:
        physical: The connection, just signed on.
        settings: The resource.
        opening: How it was signed on.
        credential: With what: kept, since the same user is signed on again.
        user_change: What it is signed on anew by.
        audit: Where an escaped identity is reported.
    """

    def __init__(
        self,
        physical: PhysicalSession,
        settings: SqlSettings,
        opening: Opening,
        credential: SqlCredential | None,
        user_change: UserChange,
        audit: AuditLog | None,
    ) -> None:
        super().__init__(physical, settings)
        self._opening = opening
        self._user_change = user_change
        self._audit = audit
        self._roles = MariaDbRoleSession(physical.dbapi_connection, settings, opening.user(credential) or "")
        # The mutable state, beside `user`:
        self._credential = credential
        self._pristine = True  # whether the session is as after signing on

    def become(self, user: str) -> None:
        """See `CallerAssertion`: SET ROLE. What went wrong on the wire is noted for the pool.

        Blocks for a round trip, two more on a connection's first caller, some ten where the login has used it.
        """
        if not (self._settings.asserts_roles and is_mariadb(self._physical.dialect)):
            raise self._cannot(user)
        try:
            if not self._pristine:
                with self._physical.for_nobody_if_it_fails():
                    self._sign_on_again()
            self._roles.become(user)
        except ConnectionFailed:
            self._physical.is_broken = True
            raise
        self._pristine = False
        self.user = user

    def release(self) -> None:
        """See `CallerAssertion`: look for an escape, then end the session by signing the login user on anew.

        Blocks for some ten round trips. An escape is also reported to the audit log.
        """
        user = self.user or ""
        with self._physical.for_nobody_if_it_fails():
            try:
                self._roles.verify()
                self._sign_on_again()
            except (IdentityMismatch, LoginRefused) as error:  # refused: its SQL may have changed the login's password
                self._report_escape(user, error)
                raise

    def used_as_login(self) -> None:
        """See `CallerAssertion`. Blocks for some ten round trips where the resource discards sessions."""
        self._pristine = False
        if self._settings.discards:
            with self._physical.for_nobody_if_it_fails():
                self._sign_on_again()

    def signed_on_anew(self, credential: SqlCredential | None) -> None:
        """See `CallerAssertion`. Raises IdentityMismatch where a role is active all the same."""
        self._roles.began_anew(self._opening.user(credential) or "")
        self._credential = credential
        self._pristine = True
        self.user = None

    def acting_user(self) -> str | None:
        """See `CallerAssertion`: the active role, else the signed-on user, where roles are asserted."""
        return self._roles.acting_user() if self._settings.asserts_roles else None

    def _sign_on_again(self) -> None:
        self._user_change.sign_on(self._credential)
        self.signed_on_anew(self._credential)

    def _report_escape(self, role: str, error: IdentityMismatch | LoginRefused) -> None:
        _log.warning("%s", error)
        if self._audit is not None:
            self._audit.record(
                AuditEvent("assert-identity", role, self._settings.resource, Outcome.DENIED, reason=error.code)
            )
