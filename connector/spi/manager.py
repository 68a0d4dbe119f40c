"""The connection manager: how a connection factory reaches sign-on and pool."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Protocol

from connector.spi.async_connection import AsyncLease
from connector.spi.connection import ConnectionRequestInfo, ManagedConnection
from connector.spi.explanation import Explanation
from connector.spi.plan import SignOnPlan


class Lease(Protocol):
    """A managed connection on loan; one object that is the handle as well. Use it from one thread or task at a time.

    As a context manager it closes itself.
    """

    @property
    def physical(self) -> ManagedConnection:
        """The managed connection. Raises HandleClosed after `close`."""
        ...

    @property
    def plan(self) -> SignOnPlan:
        """The sign-on plan that it was lent by."""
        ...

    @property
    def closed(self) -> bool:
        """Whether it has been given back or invalidated."""
        ...

    def close(self) -> None:
        """Give the connection back: it is cleaned up, then serves the next. Harmless when called twice. May block for
        the clean-up's round trip; a clean-up that fails destroys the connection and is logged, not raised.
        """
        ...

    def invalidate(self, cause: BaseException | None = None) -> None:
        """Destroy the connection instead of giving it back. Harmless when called twice or after `close`.

        Blocks for as long as closing the physical connection takes; what goes wrong is logged, not raised.
        """
        ...

    def __enter__(self) -> Lease: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class ConnectionManager(Protocol):
    """One reference's way to connections: current scope, sign-on, pool. Safe to use from any thread."""

    @property
    def reference(self) -> str:
        """The reference's name."""
        ...

    @property
    def resource(self) -> str:
        """The global name of the resource that it is bound to."""
        ...

    def allocate(self, request: ConnectionRequestInfo | None = None, *, plan: SignOnPlan | None = None) -> Lease:
        """Borrow a connection signed on for the caller on the running thread or task.

        Blocks up to the pool's connection timeout, plus the time that connecting takes. With `plan` it borrows by that
        very plan again (to replace a broken connection of an open handle), whoever the caller is now.
        Raises SignOnError, PoolTimeout, PoolClosed, LoginRefused, ConnectionFailed, ScopeError.
        """
        ...

    async def allocate_async(
        self, request: ConnectionRequestInfo | None = None, *, plan: SignOnPlan | None = None
    ) -> AsyncLease:
        """Borrow a connection of the running event loop, signed on for the caller on the running task (POOL-7).

        The same as `allocate`, waiting instead of blocking; login modules are asked on another thread. Cancelling it
        loses neither a connection nor a place in the pool. Needs Capability.ASYNC.
        Raises what `allocate` raises, and ConfigError where the adapter has no asyncio side.
        """
        ...

    def current_plan(self, request: ConnectionRequestInfo | None = None) -> SignOnPlan:
        """The plan that `allocate` would use now; for handles that must notice that their caller has changed.

        Blocks only where login modules have to be asked. Raises ScopeError, SignOnError.
        """
        ...

    def explain(self, request: ConnectionRequestInfo | None = None, *, caller: Any = None) -> Explanation:
        """How the sign-on for a caller (a user name, a Subject, or None for the current one) would come about,
        without connecting and without any secret (SIGN-8).

        Blocks for the login modules: nothing is taken from kept plans. A refusal is explained, not raised. Raises
        ScopeError where the caller here has left.
        """
        ...
