"""The managed connection factory of one SQL resource: opens physical connections, signed on as it is told."""

from __future__ import annotations

import threading
from contextlib import nullcontext
from typing import final

from sqlalchemy.engine import Connection

from connector.spi import (
    AsyncManagedConnection,
    AuditLog,
    Capability,
    ConnectionManager,
    ConnectionRequestInfo,
    ManagedConnectionFactory,
    RecoverableBranches,
    Subject,
)
from connector_sql.connection_factory import SqlConnectionFactory
from connector_sql.initialising import InitialisingConnection
from connector_sql.managed_connection import SqlManagedConnection
from connector_sql.opening import Opening
from connector_sql.settings import SqlSettings


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
        self._opening = Opening(settings, self._signs_on_for)
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

    def effective_capabilities(self, declared: frozenset[Capability]) -> frozenset[Capability]:
        """What this resource's database and driver can do of what the adapter declares. Does not block."""
        settings = self._settings
        able = {
            Capability.IDENTITY_SWITCH: settings.asserts_roles or settings.strategy is not None,
            Capability.REAUTHENTICATION: settings.changes_user,
            Capability.ASYNC: settings.serves_asyncio,
            Capability.TWO_PHASE: settings.recovers,
        }
        return frozenset(capability for capability in declared if able.get(capability, True))

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
        opening = self._opening
        credential = opening.credential(subject)
        dbapi_connection = opening.connect(credential)
        connection = SqlManagedConnection(
            dbapi_connection, self._settings, opening=opening, credential=credential, audit=self._audit
        )
        try:
            connection.begin_session()
            self._initialise_once(connection)
        except BaseException as error:
            connection.destroy()
            if isinstance(error, self._dialect.loaded_dbapi.Error):
                raise opening.unreachable(error, credential) from error
            raise
        return connection

    def recoverable_branches(self, subject: Subject | None) -> RecoverableBranches:
        """What is prepared in the database; see `connector.spi.ManagedConnectionFactory.recoverable_branches`."""
        from connector_sql.postgresql_recovery import PostgresqlBranches  # loads psycopg

        return PostgresqlBranches(self._settings.resource, lambda: self.create_managed_connection(subject, None))

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
