"""The managed connection factory, and the connection factory that a look-up returns."""

from __future__ import annotations

from connector.errors import ConnectionFailed, Reason
from connector.spi import (
    AsyncManagedConnection,
    ConnectionManager,
    ConnectionRequestInfo,
    ManagedConnection,
    ManagedConnectionFactory,
    Subject,
)
from connector_echo.async_connection import AsyncEchoConnection, AsyncEchoManagedConnection, AsyncWire
from connector_echo.connection import EchoConnection, EchoManagedConnection, credential_for
from connector_echo.wire import Wire

UNREACHABLE = Reason(
    "CF-ECHO-005", "the echo server of {resource} at {host}:{port} can't be reached: {why}.", "Check that it runs."
)


class EchoManagedConnectionFactory(ManagedConnectionFactory):
    """Makes connections to one echo server. Immutable, safe to use from several threads."""

    def __init__(self, resource: str, address: tuple[str, int], timeout: float) -> None:
        self._resource = resource
        self._address = address
        self._timeout = timeout

    def create_connection_factory(self, manager: ConnectionManager) -> EchoConnectionFactory:
        """What the look-up of one reference returns."""
        return EchoConnectionFactory(manager)

    def create_managed_connection(
        self, subject: Subject | None, request: ConnectionRequestInfo | None
    ) -> ManagedConnection:
        """Open a connection signed on with this factory's credential. Blocks for two round trips.

        Raises SignOnError without a credential, LoginRefused, ConnectionFailed.
        """
        credential_for(self, subject)  # before the wire is troubled
        try:
            wire = Wire(self._address, self._timeout)
        except OSError as error:
            raise self._unreachable(error) from error
        connection = EchoManagedConnection(wire, self)
        try:
            connection.reauthenticate(subject, request)
        except BaseException:
            connection.destroy()
            raise
        return connection

    async def create_managed_connection_async(
        self, subject: Subject | None, request: ConnectionRequestInfo | None
    ) -> AsyncManagedConnection:
        """The same for the running event loop. Waits for two round trips, and raises the same."""
        credential_for(self, subject)
        try:
            wire = await AsyncWire.connect(self._address, self._timeout)
        except OSError as error:
            raise self._unreachable(error) from error
        connection = AsyncEchoManagedConnection(wire, self)
        try:
            await connection.reauthenticate(subject, request)
        except BaseException:
            await connection.destroy()
            raise
        return connection

    def _unreachable(self, error: OSError) -> ConnectionFailed:
        host, port = self._address
        why = type(error).__name__
        return ConnectionFailed(UNREACHABLE, resource=self._resource, host=host, port=port, why=why)


class EchoConnectionFactory:
    """Gives connections signed on as its reference says."""

    def __init__(self, manager: ConnectionManager) -> None:
        self._manager = manager

    def get_connection(self) -> EchoConnection:
        """Borrow a connection. Blocks up to the pool's connection timeout."""
        return EchoConnection(self._manager.allocate())

    def get_async_connection(self) -> AsyncEchoConnection:
        """A connection for the running task; use it in an `async with` block, which borrows it."""
        return AsyncEchoConnection(self._manager)
