"""How callers are asserted where it is not by SET ROLE: one strategy for each database, chosen by `identity` (TRUST-2).

=============== ======================================= =========================================================
identity        database and SQLAlchemy's driver        how
=============== ======================================= =========================================================
trusted-context Db2, `db2+ibm_db` (ibm_db_sa)           the user of an explicit trusted connection is switched
proxy-user      Oracle, `oracle+oracledb`               a session of the caller's own is opened through the proxy
execute-as      SQL Server, `mssql+pyodbc`              EXECUTE AS USER, taken back with a cookie
=============== ======================================= =========================================================

They are written by the drivers' documentation and tested with recorded calls. None has been run against a server.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy.engine import Dialect
from sqlalchemy.engine.interfaces import DBAPIConnection

from connector.errors import AccessDenied, ConfigError, ConnectionFailed, ConnectorError, IdentityMismatch, Reason
from connector.spi import PasswordCredential
from connector_sql.caller_assertion import CallerAssertion
from connector_sql.opening import Opening
from connector_sql.physical_session import PhysicalSession
from connector_sql.settings import SqlSettings
from connector_sql.sign_on import SqlCredential

CALLER_REFUSED = Reason(
    "CF-SQL-090",
    "the database of resource {resource} refused {login!r} to work as {user!r}: {why}.",
    "{advice}",
)
SOMEBODY_ELSE_AT_WORK = Reason(
    "CF-SQL-091",
    "a connection of resource {resource} was to work as {user!r}, and the database says {found!r}.",
    "It was destroyed. Look into the set-up of the identity strategy {identity!r} (docs: Identity strategies).",
)
BROKEN_ON_THE_WAY = Reason(
    "CF-SQL-093",
    "a connection of resource {resource} broke before {user!r} could use it: {why}.",
    "It was destroyed; try again.",
)
LOGIN_NEEDS_PASSWORD = Reason(
    "CF-SQL-094",
    "callers can't be asserted on resource {resource}, whose connection was opened without user and password.",
    "Give the reference the `alias` of the trusted user.",
)


def strategy_for(
    physical: PhysicalSession, settings: SqlSettings, opening: Opening, credential: SqlCredential | None
) -> CallerAssertion:
    """The strategy of a connection just opened, for a resource that has one. Does not block."""
    session = TrustedSession(physical, settings, opening, credential)
    # Here: each for the connections of its database only.
    if settings.strategy == "trusted-context":
        from connector_sql.db2_trusted import Db2TrustedContext

        return Db2TrustedContext(session)
    if settings.strategy == "proxy-user":
        from connector_sql.oracle_proxy import OracleProxy

        return OracleProxy(session)
    from connector_sql.mssql_impersonation import SqlServerImpersonation

    return SqlServerImpersonation(session)


class TrustedSession:
    """What the strategies have in common: asking on a connection, opening another one, and what is said of failures.

    Args:
        physical: The connection, just opened by the trusted user.
        settings: The resource.
        opening: How it was opened.
        credential: With what.

    Attributes:
        physical: The connection.
        settings: The resource.
    """

    def __init__(
        self, physical: PhysicalSession, settings: SqlSettings, opening: Opening, credential: SqlCredential | None
    ) -> None:
        self.physical = physical
        self.settings = settings
        self._opening = opening
        self._credential = credential
        # Mutable: who has used the session (None: nobody, LOGIN: the trusted user itself).
        self._owner: str | None = None

    @property
    def connection(self) -> DBAPIConnection:
        """The driver's connection as it is now: another one where a session can't be passed on."""
        return self.physical.dbapi_connection

    @property
    def resource(self) -> str:
        """The resource's name, for messages."""
        return self.settings.resource

    @property
    def dialect(self) -> Dialect:
        """SQLAlchemy's dialect of the resource."""
        return self.settings.dialect

    def login(self) -> PasswordCredential:
        """The trusted user. Raises ConfigError where the connection was opened otherwise."""
        if not isinstance(self._credential, PasswordCredential):
            raise ConfigError(LOGIN_NEEDS_PASSWORD, resource=self.settings.resource)
        return self._credential

    def ask(self, sql: str) -> tuple[Any, ...]:
        """Run SQL without parameters; answers the first row. Blocks for a round trip; raises what the driver raises."""
        cursor = self.connection.cursor()
        try:
            cursor.execute(sql)
            row = cursor.fetchone()
            return tuple(row) if row is not None else ()
        finally:
            cursor.close()

    def end_transaction(self) -> None:
        """Roll back: identities change between transactions only. Blocks for a round trip."""
        self.connection.rollback()

    def open_another(self, credential: PasswordCredential) -> None:
        """Close the session and open one with a credential, begun as any new one. Blocks for connecting.

        Raises ConnectionFailed; no connection is left then.
        """
        self.connection.close()
        self.physical.began_anew(self._opening.connect(credential))
        self._opening.begin_session(self.connection)

    def taken_back(self) -> None:
        """The session was taken back from a caller: another one for SQLAlchemy's listeners. Does not block."""
        self.physical.began_anew(self.connection)

    def begin_for(self, user: str) -> None:
        """A session that nobody else has used: where one has, another one is opened by the trusted user.

        For databases that take an identity back and leave temporary tables and settings, or of which it isn't known.
        Blocks for connecting, perhaps. Raises ConnectionFailed.
        """
        if self._owner is not None and self._owner != user:
            self._owner = None
            self.open_another(self.login())
        self._owner = user

    def require(self, found: object, expected: str, user: str) -> None:
        """See to it that the database says who was expected. Pure. Raises IdentityMismatch."""
        if not isinstance(found, str) or found.strip() != expected:
            raise IdentityMismatch(
                SOMEBODY_ELSE_AT_WORK,
                resource=self.settings.resource,
                user=user,
                found=found,
                identity=self.settings.strategy,
            )

    def refusal(self, error: Exception, user: str, advice: str) -> Exception:
        """The error to raise for a driver's error. Pure."""
        if isinstance(error, ConnectorError):
            return error
        resource, why = self.settings.resource, " ".join(str(error).split()) or type(error).__name__
        dbapi_error = self.dialect.loaded_dbapi.Error
        if isinstance(error, dbapi_error) and self.dialect.is_disconnect(error, None, None):
            return ConnectionFailed(BROKEN_ON_THE_WAY, resource=resource, user=user, why=why)
        login = self._credential.user if self._credential is not None else None
        return AccessDenied(CALLER_REFUSED, resource=resource, login=login, user=user, why=why, advice=advice)


#: Whom a session belongs to that the trusted user itself has used: no user of a database has this name.
LOGIN: Final = ""
#: What may stand in a user's name where it becomes a part of a longer text, for Db2 and Oracle.
PLAIN_NAME: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_$#")
