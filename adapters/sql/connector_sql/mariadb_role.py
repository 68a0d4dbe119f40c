r"""Another identity on one MariaDB session: SET ROLE and back (TRUST-1 to TRUST-4).

Theory of operation
-------------------
The connection is signed on as a login user who has no rights of its own and was granted its callers' roles::

    clean --become(anna)--> anna --verify()--> (signed on anew as the login user) --began_anew()--> clean
                                  \--escaped--> (raises: the pool destroys the connection)

* The switch reads back in the same exchange which role is active and who is signed on. No transaction undoes it.
* SET ROLE confines honest code only: any SQL may say SET ROLE ben, in a compound statement or a prepared one too.
  What is still visible on return destroys the connection and is reported; SQL that covers its tracks isn't noticed.
* MariaDB has no statement that resets a session, and a role given up leaves variables and temporary tables. So the
  session is ended by signing the login user on anew (`change_user`), and then no role may be active: a caller's SQL
  can make a role the login user's *default*, for all sessions to come.
* The database of the URL is selected with the role, since the login user may not enter it.

Answers are hexadecimal digits: whatever the session's character sets and the driver's converters have become.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, final

from sqlalchemy.engine.interfaces import DBAPIConnection

from connector.errors import AccessDenied, ConfigError, ConnectionFailed, IdentityMismatch, Reason
from connector_sql.mariadb_login_role import faults, read_facts
from connector_sql.settings import SqlSettings

NOT_A_ROLE = Reason(
    "CF-SQL-080",
    "the role {role!r} can't be asserted: it is empty, holds a NUL, or means no role or everybody's.",
    "Map the caller to the name of a role.",
)
NOT_TAKEN = Reason(
    "CF-SQL-081",
    "role {role!r} was asserted, but the session of {login!r} has {found!r} (signed on as {session!r}).",
    "Check the role's name (MariaDB cuts blanks off its end) and that nothing between changes it.",
)
ESCAPED = Reason(
    "CF-SQL-082",
    "a connection lent to {role!r} came back with {found!r} (signed on as {session!r}): its SQL changed the role.",
    "The connection is destroyed. Find the SQL that did it; where callers send SQL of their own, let them sign on"
    " as themselves.",
)
DEFAULT_ROLE = Reason(
    "CF-SQL-083",
    "after {role!r} had it a new session of {login!r} begins with the role {found!r}: some SQL made it the default.",
    "The connection is destroyed. Say SET DEFAULT ROLE NONE FOR the login user, and find that SQL.",
)
REFUSED = Reason(
    "CF-SQL-084",
    "the database of resource {resource} refused {login!r} to become {role!r} there (error {number}).",
    "The role must exist and be granted to the login user: GRANT {role} TO {login}; and it must have a right in the"
    " url's database.",
)
BROKEN = Reason(
    "CF-SQL-085",
    "a connection of resource {resource} broke before {role!r} could use it: {why}.",
    "It was destroyed; try again.",
)
LOGIN_USER_UNFIT = Reason(
    "CF-SQL-086",
    "callers can't be asserted on login user {login!r} of resource {resource}: {faults}.",
    "Change that, since whoever is asserted can give the role up: the user must have no rights of its own and lead to"
    " its callers' roles only.",
)

_WHO: Final = "SELECT HEX(CONVERT(current_role() USING utf8mb4)), HEX(CONVERT(current_user() USING utf8mb4))"
#: No such role, or not granted; no right in the database.
_REFUSALS: Final = frozenset({1959, 1044})
#: What MariaDB takes for no role, or for what everybody has, in quotes too.
_NO_ROLES: Final = frozenset({"none", "public"})


@final
class MariaDbRoleSession:
    """The identity in force on one mysqlclient connection. Not safe for several threads.

    Args:
        connection: The driver's connection, clean.
        settings: The resource.
        login: Who it is signed on as.
    """

    def __init__(self, connection: DBAPIConnection, settings: SqlSettings, login: str) -> None:
        self._connection: Any = connection
        self._settings = settings
        # The mutable state; changed by become and began_anew only:
        self._login = login
        self._role: str | None = None  # who was asserted
        self._is_verified = False  # whether the login user was looked at

    def become(self, role: str) -> None:
        """Assert a role on a clean session and verify it: one round trip, two more on a connection's first.

        Raises IdentityMismatch where the role can't be asserted or was not taken, AccessDenied where the database
        refuses, ConfigError for a login user with rights of its own, ConnectionFailed for a broken connection.
        """
        resource = self._settings.resource
        statements = [f"SET ROLE {quoted(role)}", *self._enter_database(), _WHO]
        try:
            self._verify_login_user()
            found, session = self._who(statements)
        except self._settings.dialect.loaded_dbapi.Error as error:
            number = error.args[0] if error.args else None
            if number in _REFUSALS:
                raise AccessDenied(REFUSED, resource=resource, login=self._login, role=role, number=number) from error
            raise ConnectionFailed(BROKEN, resource=resource, role=role, why=type(error).__name__) from error
        except UnicodeEncodeError:  # no name in the session's character set
            raise IdentityMismatch(NOT_A_ROLE, role=role) from None
        if (found, session) != (role, self._login):
            raise IdentityMismatch(NOT_TAKEN, role=role, login=self._login, found=found, session=session)
        self._role = role

    def verify(self) -> None:
        """Before the session is ended: one round trip. Raises IdentityMismatch where it is not who it should be."""
        found, session = self._who([_WHO])
        if (found, session) != (self._role, self._login):
            raise IdentityMismatch(ESCAPED, role=self._role, found=found, session=session)

    def acting_user(self) -> str:
        """Who is at work: the active role, else the signed-on user. One round trip."""
        found, session = self._who([_WHO])
        return session if found is None else found

    def began_anew(self, login: str) -> None:
        """The connection was signed on anew: one round trip after a caller's use, none else.

        Raises IdentityMismatch where a role is active all the same.
        """
        role, self._role = self._role, None
        if login != self._login:
            self._login, self._is_verified = login, False
        if role is None:
            return
        found, _ = self._who([_WHO])
        if found is not None:
            raise IdentityMismatch(DEFAULT_ROLE, role=role, login=login, found=found)

    def _verify_login_user(self) -> None:
        """Once a connection, so that a right that was granted meanwhile is noticed by the next one."""
        if self._is_verified or not self._settings.verify_login_role:
            return
        found = faults(read_facts(self._texts, quoted))
        if found:
            resource = self._settings.resource
            raise ConfigError(LOGIN_USER_UNFIT, login=self._login, resource=resource, faults="; ".join(found))
        self._is_verified = True

    def _enter_database(self) -> list[str]:
        database = self._settings.role_database
        return ["USE `" + database.replace("`", "``") + "`"] if database else []

    def _who(self, statements: Sequence[str]) -> tuple[str | None, str]:
        """The active role and the signed-on user's name, by the last statement's answer."""
        role, account = self._exchange(statements)[-1][0]
        session = bytes.fromhex((account or b"").decode("ascii")).decode().rpartition("@")[0]
        return (None if role is None else bytes.fromhex(role.decode("ascii")).decode()), session

    def _texts(self, statements: Sequence[str]) -> list[list[tuple[str, ...]]]:
        encoding = self._connection.encoding
        return [
            [tuple((value or b"").decode(encoding) for value in row) for row in result]
            for result in self._exchange(statements)
        ]

    def _exchange(self, statements: Sequence[str]) -> list[list[tuple[bytes | None, ...]]]:
        """Several statements in one round trip, past cursors and converters; the rows of those that have any."""
        connection = self._connection
        converter, connection.converter = connection.converter, {}
        try:
            connection.query("; ".join(statements).encode(connection.encoding))
            results = [connection.store_result()]
            while connection.next_result() == 0:
                results.append(connection.store_result())
        finally:
            connection.converter = converter
        return [list(result.fetch_row(0)) for result in results if result is not None]


def quoted(role: str) -> str:
    """A role's name as an SQL identifier. Raises IdentityMismatch for a name that is no role."""
    if not role or "\0" in role or role.strip().lower() in _NO_ROLES:
        raise IdentityMismatch(NOT_A_ROLE, role=role)
    return "`" + role.replace("`", "``") + "`"
