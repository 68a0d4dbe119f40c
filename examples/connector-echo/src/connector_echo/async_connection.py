"""The same for asyncio: one physical connection of an event loop, and the handle that tasks use."""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import suppress
from types import TracebackType
from typing import Any

from connector.errors import AccessDenied, ConnectionFailed, LoginRefused
from connector.spi import (
    AsyncLease,
    AsyncManagedConnection,
    ConnectionDescription,
    ConnectionManager,
    ConnectionRequestInfo,
    IdentityAssertion,
    PasswordCredential,
    Subject,
)
from connector_echo.connection import ASSERTION_REFUSED, BROKEN, LOGIN_REFUSED, credential_for
from connector_echo.wire import Refused


class AsyncWire:
    """The wire on an event loop. One task at a time; what waits does so for `timeout` seconds at most.

    A plain socket, not a transport: that could be closed by its own loop only, and `abort` has to do without.
    """

    def __init__(self, connected: socket.socket, timeout: float) -> None:
        self._socket = connected
        self._timeout = timeout
        self._received = b""
        # Mutable: whether a question is under way, whether its answer may still come, whether its end is to close all.
        self._asking = self._in_doubt = self._let_go = False
        #: How the server knows this connection.
        self.local_port = int(connected.getsockname()[1])

    @classmethod
    async def connect(cls, address: tuple[str, int], timeout: float) -> AsyncWire:
        """Connect. Raises OSError."""
        connecting = socket.socket()
        connecting.setblocking(False)
        try:
            async with asyncio.timeout(timeout):
                await asyncio.get_running_loop().sock_connect(connecting, address)
        except BaseException:
            connecting.close()
            raise
        return cls(connecting, timeout)

    async def ask(self, *words: str) -> Any:
        """One round trip. Raises Refused where the server says no, OSError where it is gone.

        Cancelled, the answer may still be on its way: whatever is asked next raises, since it would get that.
        """
        if self._in_doubt:
            raise ConnectionAbortedError("a question on it was cancelled")
        self._asking = self._in_doubt = True
        try:
            async with asyncio.timeout(self._timeout):
                await asyncio.get_running_loop().sock_sendall(self._socket, json.dumps(words).encode() + b"\n")
                verdict, answer = json.loads(await self._line())
            self._in_doubt = False
        finally:
            self._asking = False
            if self._let_go:
                self._socket.close()
        if verdict != "ok":
            raise Refused(answer)
        return answer

    def close(self) -> None:
        """Close it, at once. Harmless when called twice, on any thread, and without a loop."""
        self._let_go = True
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # whoever is asking hears of it, and closes it
        if not self._asking:
            self._socket.close()

    async def _line(self) -> bytes:
        while b"\n" not in self._received:
            more = await asyncio.get_running_loop().sock_recv(self._socket, 65536)
            if not more:
                raise ConnectionResetError("the server closed the connection")
            self._received += more
        line, _, self._received = self._received.partition(b"\n")
        return line


class AsyncEchoManagedConnection(AsyncManagedConnection):
    """Signed on as one user, perhaps working as another. One task at a time, as the contract says."""

    def __init__(self, wire: AsyncWire, factory: object) -> None:
        self.wire = wire
        self._factory = factory

    async def reauthenticate(self, subject: Subject | None, request: ConnectionRequestInfo | None) -> None:
        """As `EchoManagedConnection.reauthenticate`."""
        credential = credential_for(self._factory, subject)
        if not await self._accepts(credential):
            await self.destroy()
            raise LoginRefused(LOGIN_REFUSED, user=credential.user)

    async def switch_identity(self, asserted: IdentityAssertion) -> None:
        """Work as the caller; the server's answer says whom it made of it."""
        try:
            became = await self.ask("become", asserted.user)
        except Refused:
            raise AccessDenied(ASSERTION_REFUSED, user=asserted.user) from None
        if became != asserted.user:
            raise AccessDenied(ASSERTION_REFUSED, user=asserted.user)

    async def cleanup(self) -> None:
        """The server forgets the asserted caller and the session's notes."""
        await self.ask("reset")

    async def destroy(self) -> None:
        """Close the socket."""
        self.wire.close()

    def abort(self) -> None:
        """Close the socket: this server needs no goodbye."""
        self.wire.close()

    async def describe(self) -> ConnectionDescription:
        """What the server says of itself."""
        product, version, user = await self.ask("describe")
        return ConnectionDescription(product, version, user)

    async def validate(self) -> bool:
        """Whether it still answers."""
        try:
            await self.ask("whoami")
        except ConnectionFailed:
            return False
        return True

    async def ask(self, *words: str) -> Any:
        """One round trip. A broken connection is reported, so that it is never pooled, then ConnectionFailed raised."""
        try:
            return await self.wire.ask(*words)
        except OSError as error:
            self.connection_error_occurred(error)
            raise ConnectionFailed(BROKEN, why=type(error).__name__) from None

    async def _accepts(self, credential: PasswordCredential) -> bool:
        try:
            await self.ask("login", credential.user, credential.password.reveal())
        except Refused:
            return False
        return True

    def __repr__(self) -> str:
        return f"<AsyncEchoManagedConnection from port {self.wire.local_port}>"


class AsyncEchoConnection:
    """The handle of a task; it signs on where its `async with` block begins."""

    def __init__(self, manager: ConnectionManager) -> None:
        self._manager = manager
        self._lease: AsyncLease | None = None

    async def echo(self, text: str) -> str:
        """The server's user and the text. Waits for two round trips. Raises ConnectionFailed, HandleClosed."""
        assert self._lease is not None, "use it in an `async with` block"
        connection = self._lease.physical
        assert isinstance(connection, AsyncEchoManagedConnection)
        return f"{await connection.ask('whoami')}: {await connection.ask('echo', text)}"

    async def __aenter__(self) -> AsyncEchoConnection:
        self._lease = await self._manager.allocate_async()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._lease is not None
        await self._lease.close()
