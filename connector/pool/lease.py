"""The lease: a physical connection on loan, and the application's handle, in one object (POOL-3)."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, NoReturn, final

from connector.errors import HandleClosed, Reason
from connector.pool.entry import Entry
from connector.spi import ManagedConnection, SignOnPlan

if TYPE_CHECKING:
    from connector.pool.pool import ManagedConnectionPool

USED_AFTER_CLOSE = Reason(
    "CF-POOL-001",
    "the connection of reference {reference}, lent to {user}, was used after it had been given back",
    "Ask the connection factory for a new connection; keep none beyond its `with` block.",
)


@final
class PooledLease:
    """Implements `connector.spi.Lease`. Made by the pool only.

    Use it from one thread or task at a time; `close` and `invalidate` may come from any other, and of several calls
    one has effect. One that is never closed is found by the garbage collector: the connection is then destroyed, not
    pooled, because nobody knows what state it is in, and a warning names the reference and the user.

    Attributes:
        plan: The sign-on plan that it was lent by.
    """

    __slots__ = ("_pool", "_held", "plan", "__weakref__")

    def __init__(self, pool: ManagedConnectionPool, entry: Entry, plan: SignOnPlan) -> None:
        self.plan = plan
        self._pool = pool
        # A list of one, because popping from a list is atomic: of two that close, one gets the entry. The entry knows
        # it too, so that the pool can end the lease.
        self._held = entry.held = [entry]

    @property
    def physical(self) -> ManagedConnection:
        """The managed connection. Raises HandleClosed (CF-POOL-001) after `close`. Does not block."""
        try:
            return self._held[0].physical
        except IndexError:
            raise HandleClosed(
                USED_AFTER_CLOSE, reference=self.plan.reference, user=self.plan.effective_user or "the default user"
            ) from None

    @property
    def closed(self) -> bool:
        """Whether it has been given back or invalidated. Does not block."""
        return not self._held

    def close(self) -> None:
        """Give the connection back: cleaned up, then it serves the next. Harmless when called twice.

        Blocks for the clean-up's round trip. A clean-up that fails destroys the connection and is logged, not raised.
        """
        try:
            entry = self._held.pop()
        except IndexError:
            return
        self._pool.give_back(entry)

    def invalidate(self, cause: BaseException | None = None) -> None:
        """Destroy the connection instead of giving it back. Harmless when called twice or after `close`.

        Args:
            cause: What went wrong, for the log.

        Blocks for as long as closing the physical connection takes.
        """
        try:
            entry = self._held.pop()
        except IndexError:
            return
        self._pool.discard(entry, cause)

    def __enter__(self) -> PooledLease:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

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
        return f"<PooledLease of {self.plan.reference} as {self.plan.effective_user}, {condition}>"
