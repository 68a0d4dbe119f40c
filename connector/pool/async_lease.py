"""The lease of asyncio: a physical connection on loan, and the application's handle, in one object (POOL-3)."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, final

from connector.errors import HandleClosed
from connector.pool.entry import Entry
from connector.pool.lease import USED_AFTER_CLOSE
from connector.spi import AsyncManagedConnection, SignOnPlan

if TYPE_CHECKING:
    from connector.pool.async_pool import AsyncManagedConnectionPool


@final
class AsyncPooledLease:
    """Implements `connector.spi.AsyncLease`. Made by the pool only.

    Use it from one task of its event loop at a time; of several closings one has effect. One that is never closed is
    found by the garbage collector, on whatever thread: its loop then destroys the connection, and a warning names the
    reference and the user.

    Attributes:
        plan: The sign-on plan that it was lent by.
    """

    __slots__ = ("_pool", "_held", "plan", "__weakref__")

    def __init__(self, pool: AsyncManagedConnectionPool, entry: Entry, plan: SignOnPlan) -> None:
        self.plan = plan
        self._pool = pool
        # A list of one, because popping from a list is atomic: of two that close, one gets the entry. The entry knows
        # it too, so that the pool can end the lease.
        self._held = entry.held = [entry]

    @property
    def physical(self) -> AsyncManagedConnection:
        """The managed connection. Raises HandleClosed (CF-POOL-001) after `close`. Does not block."""
        try:
            physical: Any = self._held[0].physical
        except IndexError:
            raise HandleClosed(
                USED_AFTER_CLOSE, reference=self.plan.reference, user=self.plan.effective_user or "the default user"
            ) from None
        found: AsyncManagedConnection = physical
        return found

    @property
    def closed(self) -> bool:
        """Whether it has been given back or invalidated. Does not block."""
        return not self._held

    async def close(self) -> None:
        """Give the connection back: cleaned up, then it serves the next. Harmless when called twice.

        Waits for the clean-up's round trip. A clean-up that fails or is cancelled destroys the connection; a failure is
        logged, not raised. Raises IdentityMismatch (CF-POOL-060) on another event loop than its own.
        """
        self._pool.require_own_loop(self.plan)
        try:
            entry = self._held.pop()
        except IndexError:
            return
        await self._pool.give_back(entry)

    async def invalidate(self, cause: BaseException | None = None) -> None:
        """Destroy the connection instead of giving it back. Harmless when called twice or after `close`.

        Args:
            cause: What went wrong, for the log.

        Waits for as long as closing the physical connection takes; cancelled, that goes on by itself. Raises
        IdentityMismatch (CF-POOL-060) on another event loop than its own.
        """
        self._pool.require_own_loop(self.plan)
        try:
            entry = self._held.pop()
        except IndexError:
            return
        await self._pool.destroy(entry, cause)

    async def __aenter__(self) -> AsyncPooledLease:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __del__(self) -> None:
        try:
            held = self._held
        except AttributeError:  # the constructor was interrupted
            return
        if held:
            self._pool.abandon(held.pop(), self.plan)

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a lease can't be pickled or copied: it stands for one physical connection")

    def __repr__(self) -> str:
        condition = "closed" if self.closed else "open"
        return f"<AsyncPooledLease of {self.plan.reference} as {self.plan.effective_user}, {condition}>"
