"""One physical database connection of an event loop: the one for threads, run as SQLAlchemy runs asyncio.

SQLAlchemy's drivers for asyncio look like those for threads: each of their calls hands its awaitable to the event loop
and goes on when that is done, as long as it is made within a greenlet. So the whole logic (what is taken back, how a
caller is asserted and verified) stands once, in `managed_connection`, and this is the way in.
"""

from __future__ import annotations

from threading import Thread
from typing import TYPE_CHECKING, Any, final

from sqlalchemy.util import greenlet_spawn

from connector.spi import (
    AsyncManagedConnection,
    ConnectionDescription,
    ConnectionRequestInfo,
    IdentityAssertion,
    Subject,
)
from connector_sql.awaiting import run_within
from connector_sql.managed_connection import SqlManagedConnection

if TYPE_CHECKING:
    from connector.spi import ManagedConnection
    from connector_sql.factory import SqlManagedConnectionFactory


async def opened_on_loop(
    factory: SqlManagedConnectionFactory, subject: Subject | None, request: ConnectionRequestInfo | None
) -> AsyncSqlManagedConnection:
    """Have a factory with a driver for asyncio open a connection; waits and raises as that does."""
    return AsyncSqlManagedConnection(await greenlet_spawn(factory.create_managed_connection, subject, request))


@final
class AsyncSqlManagedConnection(AsyncManagedConnection):
    """A connection of an asyncio driver. For one task of its loop at a time, as the contract says.

    Args:
        within: The connection as code within a greenlet sees it.
    """

    def __init__(self, within: SqlManagedConnection) -> None:
        self.within = within
        # Kept here, since the one within forgets it when it is destroyed, also where that is cancelled half-way.
        driver: Any = within.record.driver_connection
        # Of PostgreSQL's not the driver's object, which is another one for each caller, but what is below it.
        self._wire: Any = getattr(driver, "pgconn", driver)
        # Set by `abort`, once, perhaps by another thread.
        self._let_go = False
        within.set_event_listener(_PassOn(self))

    async def cleanup(self) -> None:
        """As `SqlManagedConnection.cleanup`; waits for its round trips."""
        await run_within(self.within.cleanup)

    async def destroy(self) -> None:
        """Close the physical connection. Harmless when called twice, and after `abort`."""
        if self._let_go:
            return  # aiosqlite would wait for its thread, which has ended, for ever
        await run_within(self.within.destroy)

    def abort(self) -> None:
        """Drop the socket, or end the thread of an SQLite connection, at once. Harmless when called twice."""
        self._let_go = True
        if hasattr(self._wire, "finish"):
            self._wire.finish()
        elif hasattr(self._wire, "stop"):
            # From a thread without an event loop: else aiosqlite tells the one that runs here when it is done, from its
            # own thread, and perhaps after that loop's end.
            stopping = Thread(target=self._wire.stop, daemon=True)
            stopping.start()
            stopping.join()

    async def describe(self) -> ConnectionDescription:
        """Ask the database who is at work. Waits for a round trip."""
        return await run_within(self.within.describe)

    async def validate(self) -> bool:
        """Whether the server still answers. Waits for a round trip; leaves no transaction open."""
        return await run_within(self.within.validate)

    async def switch_identity(self, asserted: IdentityAssertion) -> None:
        """Become the caller, verified, as `SqlManagedConnection.switch_identity` (TRUST-1); raises the same."""
        await run_within(self.within.switch_identity, asserted)

    def __repr__(self) -> str:
        return f"<Async{repr(self.within).removeprefix('<')}"


@final
class _PassOn:
    """Listens to the connection within, and tells whoever listens to the one around it."""

    __slots__ = ("_around",)

    def __init__(self, around: AsyncSqlManagedConnection) -> None:
        self._around = around

    def connection_error_occurred(self, connection: ManagedConnection, cause: BaseException | None) -> None:
        self._around.connection_error_occurred(cause)
