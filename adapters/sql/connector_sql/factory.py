"""The managed connection factory of one SQL resource: opens physical connections, signed on as it is told."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any, Final, final

from sqlalchemy.engine import Connection
from sqlalchemy.engine.interfaces import DBAPIConnection

from connector.errors import ConnectionFailed, LoginRefused, Reason
from connector.spi import (
    AsyncManagedConnection,
    AuditLog,
    ConnectionManager,
    ConnectionRequestInfo,
    ManagedConnectionFactory,
    PasswordCredential,
    Subject,
)
from connector_sql.connection_factory import SqlConnectionFactory
from connector_sql.initialising import InitialisingConnection
from connector_sql.managed_connection import SqlManagedConnection
from connector_sql.settings import SqlSettings
from connector_sql.sign_on import credential_for, is_refusal

LOGIN_REFUSED = Reason(
    "CF-SQL-011",
    "the database of resource {resource} refused user {user!r} or its password.",
    "Correct the authentication data that the sign-on took it from (`connector explain` shows which); it is not tried"
    " again by itself, since that may lock the account.",
)
UNREACHABLE = Reason(
    "CF-SQL-012",
    "the database of resource {resource} ({where}) can't be connected to: {why}.",
    "Check that it runs and can be reached from here, and the url of the resource.",
)

#: What a driver must be told, by SQLAlchemy's names of database and driver.
_DRIVER_ARGUMENTS: Final[Mapping[tuple[str, str], Mapping[str, Any]]] = {
    # It prepares a statement after some uses, and loses step when DISCARD ALL drops it on the server.
    ("postgresql", "psycopg"): {"prepare_threshold": None},
    # The pool hands a connection from thread to thread, one at a time; memory databases would refuse.
    ("sqlite", "pysqlite"): {"check_same_thread": False},
}


@final
class SqlManagedConnectionFactory(ManagedConnectionFactory):
    """Makes the physical connections of one resource. Safe to use from several threads.

    All references of the resource share its dialect, which learns about the server from the first connection.

    Args:
        settings: The resource.
        audit: Where escaped identities are reported; None for nowhere.
        signs_on_for: The factory whose credentials are used; itself by default. The one that opens connections for
            asyncio is a second one, with a driver for asyncio, behind the resource's own.
    """

    def __init__(
        self, settings: SqlSettings, audit: AuditLog | None = None, *, signs_on_for: object | None = None
    ) -> None:
        self._settings = settings
        self._signs_on_for = signs_on_for or self
        self._dialect = settings.dialect
        self._audit = audit
        on_connect = self._dialect.on_connect_url(settings.url)
        self._on_connect = (on_connect,) if on_connect is not None else ()
        # Mutable state: whether the dialect knows the server; changed once, under the lock, which is held for the
        # first connection's round trips: no other connection is of use before.
        self._initialised = False
        # On an event loop a lock that is held across a round trip would stop everybody: there the first few
        # connections may ask the server at the same time, and get the same answers.
        self._lock = nullcontext() if self._dialect.is_async else threading.Lock()
        # Set by `_for_asyncio`, once:
        self._async_twin: SqlManagedConnectionFactory | None = None

    @property
    def settings(self) -> SqlSettings:
        """What the resource is configured as."""
        return self._settings

    def create_connection_factory(self, manager: ConnectionManager) -> SqlConnectionFactory:
        """What the look-up of one reference returns. Does not block."""
        return SqlConnectionFactory(manager, self._settings)

    async def create_managed_connection_async(
        self, subject: Subject | None, request: ConnectionRequestInfo | None
    ) -> AsyncManagedConnection:
        """Open a physical connection of the running event loop, as `create_managed_connection` does (POOL-7).

        Waits for connecting; raises the same, and ConfigError where SQLAlchemy has no driver for asyncio or it is not
        installed.
        """
        # Here, since it loads SQLAlchemy's extension: for those who use it only.
        from connector_sql.async_managed_connection import opened_on_loop

        return await opened_on_loop(self._for_asyncio(), subject, request)

    def _for_asyncio(self) -> SqlManagedConnectionFactory:
        twin = self._async_twin
        if twin is None:
            # Two threads may both make one; it holds nothing but its dialect, and either will do.
            twin = SqlManagedConnectionFactory(self._settings.for_asyncio, self._audit, signs_on_for=self)
            self._async_twin = twin
        return twin

    def create_managed_connection(
        self, subject: Subject | None, request: ConnectionRequestInfo | None
    ) -> SqlManagedConnection:
        """Open a physical connection with this factory's user and password out of `subject` (SIGN-6).

        A null subject signs on by the URL alone. Databases without users (SQLite) take any subject. Blocks for
        connecting, the first time also for the questions that SQLAlchemy asks a server.

        Raises LoginRefused, ConnectionFailed, SignOnError; none of them holds the password.
        """
        settings = self._settings
        credential = credential_for(
            self._signs_on_for, settings.resource, self._dialect.name, settings.url.username, subject
        )
        dbapi_connection = self._connect(credential)
        user = credential.user if credential is not None else settings.url.username
        connection = SqlManagedConnection(dbapi_connection, settings, user=user, audit=self._audit)
        try:
            for hook in self._on_connect:
                hook(dbapi_connection)
            self._initialise_once(connection)
        except BaseException as error:
            connection.destroy()
            if isinstance(error, self._dialect.loaded_dbapi.Error):
                raise self._unreachable(error, credential) from error
            raise
        return connection

    def _connect(self, credential: PasswordCredential | None) -> DBAPIConnection:
        opened = self._opened(credential)
        if isinstance(opened, ConnectionFailed):
            raise opened
        return opened

    def _opened(self, credential: PasswordCredential | None) -> DBAPIConnection | ConnectionFailed:
        """The driver's connection, or the error to raise instead: a value, so that neither this frame nor the driver's,
        which hold the password, hang on it for whoever prints tracebacks with their variables.
        """
        url = self._settings.url
        if credential is not None:
            url = url.set(username=credential.user, password=credential.password.reveal())
        positional, named = self._dialect.create_connect_args(url)
        arguments: dict[str, Any] = {**named, **self._settings.connect_args}
        arguments |= _DRIVER_ARGUMENTS.get((self._dialect.name, self._dialect.driver), {})
        try:
            return self._dialect.connect(*positional, **arguments)
        # TypeError, ValueError: an unknown connect argument, or one that the driver can't use.
        except (self._dialect.loaded_dbapi.Error, OSError, TypeError, ValueError) as error:
            if credential is not None and is_refusal(error):
                return LoginRefused(LOGIN_REFUSED, resource=self._settings.resource, user=credential.user)
            return self._unreachable(error, credential)

    def _unreachable(self, error: BaseException, credential: PasswordCredential | None) -> ConnectionFailed:
        """The driver's own words, unless the password is among them; then only what kind of error it was."""
        why = " ".join(str(error).split()) or type(error).__name__
        if credential is not None and credential.password and credential.password.reveal() in why:
            why = type(error).__name__
        where = self._settings.url.render_as_string(hide_password=True)
        return ConnectionFailed(UNREACHABLE, resource=self._settings.resource, where=where, why=why)

    def _initialise_once(self, connection: SqlManagedConnection) -> None:
        if self._initialised:
            return
        with self._lock:
            if self._initialised:
                return
            proxied = InitialisingConnection(connection.record)
            with Connection(self._settings.template, connection=proxied) as asking:
                self._dialect.initialize(asking)
            self._initialised = True

    def __repr__(self) -> str:
        return f"<SqlManagedConnectionFactory {self._settings.resource!r} to {self._settings.url!r}>"
