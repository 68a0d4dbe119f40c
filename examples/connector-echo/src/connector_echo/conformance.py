"""What the framework's conformance kit needs to certify this adapter: `connector_echo.conformance:EchoBackend`."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from connector.spi import AsyncManagedConnection, ManagedConnection, Secret
from connector.testing import Backend, Login, UserName
from connector_echo import EchoResourceAdapter
from connector_echo.async_connection import AsyncEchoManagedConnection, AsyncWire
from connector_echo.connection import EchoManagedConnection
from connector_echo.server import EchoServer


class EchoBackend(Backend):
    """A server of its own, with users whose passwords are new each time."""

    adapter = EchoResourceAdapter

    def __init__(self) -> None:
        self._logins = tuple(Login(user, Secret(secrets.token_urlsafe(16))) for user in ("alice", "bob", "door"))
        users = {login.user: login.password.reveal() for login in self._logins}
        self._server = EchoServer(users, {"door": frozenset({"carol", "dave"})})

    def open(self) -> None:
        self._server.start()

    def close(self) -> None:
        self._server.stop()

    @property
    def properties(self) -> Mapping[str, Any]:
        return {"port": self._server.port, "connect_timeout": "20s"}

    @property
    def logins(self) -> tuple[Login, ...]:
        return self._logins[:2]

    @property
    def trusted(self) -> Login:
        return self._logins[2]

    @property
    def callers(self) -> tuple[str, ...]:
        return ("carol", "dave")

    @contextmanager
    def borrowed(self, connections: Any) -> Iterator[Callable[[], UserName]]:
        with connections.get_connection() as connection:
            yield lambda: str(connection.echo("hello").partition(":")[0])

    def user_of(self, connection: ManagedConnection) -> UserName:
        return str(_wire(connection).ask("whoami"))

    def unreachable(self) -> Mapping[str, Any]:
        return {"port": 1}  # a reserved port, which nobody listens on

    def kill(self, connection: ManagedConnection) -> None:
        self._server.drop(_wire(connection).local_port)

    def soil(self, connection: ManagedConnection) -> None:
        _wire(connection).ask("note", "left behind")

    def is_soiled(self, connection: ManagedConnection) -> bool:
        return bool(_wire(connection).ask("notes"))

    # --- for asyncio ----------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def borrowed_async(self, connections: Any) -> AsyncIterator[Callable[[], Awaitable[UserName]]]:
        async with connections.get_async_connection() as connection:

            async def whoami() -> UserName:
                return str((await connection.echo("hello")).partition(":")[0])

            yield whoami

    async def user_of_async(self, connection: AsyncManagedConnection) -> UserName:
        return str(await _async_wire(connection).ask("whoami"))

    async def kill_async(self, connection: AsyncManagedConnection) -> None:
        await asyncio.to_thread(self._server.drop, _async_wire(connection).local_port)

    async def soil_async(self, connection: AsyncManagedConnection) -> None:
        await _async_wire(connection).ask("note", "left behind")

    async def is_soiled_async(self, connection: AsyncManagedConnection) -> bool:
        return bool(await _async_wire(connection).ask("notes"))

    def relayed(self, relay: Callable[[str, int], int]) -> Mapping[str, Any]:
        return {**self.properties, "port": relay("127.0.0.1", self._server.port)}


def _wire(connection: ManagedConnection) -> Any:
    assert isinstance(connection, EchoManagedConnection)
    return connection.wire


def _async_wire(connection: AsyncManagedConnection) -> AsyncWire:
    assert isinstance(connection, AsyncEchoManagedConnection)
    return connection.wire
