"""Signing a physical connection on anew, verified (POOL-5): MariaDB and MySQL with the driver mysqldb.

As another user, or as the same one, which is how a session is reset there. After a refusal the server goes on as the
user *before*: so whoever signs on does it within `PhysicalSession.for_nobody_if_it_fails`.
"""

from __future__ import annotations

from typing import final

from connector.errors import ConnectionFailed, IdentityMismatch, LoginRefused, Reason
from connector.spi import PasswordCredential, Secret
from connector_sql.describing import is_mariadb, user_in
from connector_sql.mysql_session import MySqlSession
from connector_sql.opening import Opening
from connector_sql.physical_session import PhysicalSession
from connector_sql.settings import SqlSettings
from connector_sql.sign_on import SqlCredential

SOMEBODY_ELSE = Reason(
    "CF-SQL-060",
    "user {user!r} was signed on to the database of resource {resource}, which takes it for {found!r}.",
    "The connection was closed. Let the account be the user's own, no proxy and no anonymous account.",
)


@final
class UserChange:
    """What one connection is signed on anew by. Not safe for several threads.

    Args:
        physical: The connection, just connected.
        settings: The resource.
        opening: How it was signed on.
    """

    def __init__(self, physical: PhysicalSession, settings: SqlSettings, opening: Opening) -> None:
        self._physical = physical
        self._settings = settings
        self._opening = opening
        self._session = MySqlSession(physical.dbapi_connection, opening.arguments())

    def sign_on(self, credential: SqlCredential | None) -> None:
        """Sign on with a credential (None: by the URL alone) and begin the session as a new connection would.

        Blocks for some ten round trips. Raises LoginRefused, ConnectionFailed, IdentityMismatch: the connection is
        whoever's then, so end it.
        """
        failure = self._failure(credential)
        if failure is not None:
            if isinstance(failure, ConnectionFailed) and not isinstance(failure, LoginRefused):
                self._physical.is_broken = True
            raise failure
        self._physical.began_anew(self._physical.dbapi_connection)

    def _failure(self, credential: SqlCredential | None) -> ConnectionFailed | IdentityMismatch | None:
        """What went wrong is a value, not raised: so no frame that has the password hangs on it (as with
        `Opening.connect`).
        """
        dialect = self._settings.dialect
        user = self._opening.user(credential) or ""
        password = credential.password if isinstance(credential, PasswordCredential) else Secret("")
        try:
            self._session.change_user(user, password, has_roles=is_mariadb(dialect))
            self._opening.begin_session(self._physical.dbapi_connection)
            found = user_in(dialect, self._session.current_user())
        except (dialect.loaded_dbapi.Error, OSError, TypeError, ValueError) as error:
            return self._opening.failure(error, credential)
        if found != user:
            return IdentityMismatch(SOMEBODY_ELSE, user=user, resource=self._settings.resource, found=found)
        return None
