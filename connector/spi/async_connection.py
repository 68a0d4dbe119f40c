"""The asyncio twins of managed connection and lease, for adapters with Capability.ASYNC (POOL-7).

The same contract as for threads, with `async` before what may wait for the external system. A connection belongs to the
event loop that it was opened on and is never used on another one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Protocol

from connector.spi.connection import ConnectionDescription, ConnectionRequestInfo
from connector.spi.credentials import IdentityAssertion
from connector.spi.plan import SignOnPlan
from connector.spi.subject import Subject


class AsyncConnectionEventListener(Protocol):
    """Who wants to know what befalls a managed connection of asyncio: the pool."""

    def connection_error_occurred(self, connection: AsyncManagedConnection, cause: BaseException | None) -> None:
        """The physical connection is broken. Does not block and does not raise; may come more than once."""
        ...


class AsyncManagedConnection(ABC):
    """One physical connection of one event loop, signed on as one identity; compared by identity, never by content.

    The pool calls its coroutines one at a time, on its loop. A coroutine of it that is cancelled raises
    `asyncio.CancelledError`; the pool then takes the connection for one whose state is in doubt and destroys it.
    """

    _listener: AsyncConnectionEventListener | None = None
    _unheard: tuple[BaseException | None] | None = None  # what was reported before anybody listened

    def set_event_listener(self, listener: AsyncConnectionEventListener | None) -> None:
        """Called by the pool after creation; an error that was reported before that is told now. Does not block."""
        self._listener = listener
        unheard, self._unheard = self._unheard, None
        if listener is not None and unheard is not None:
            listener.connection_error_occurred(self, *unheard)

    def connection_error_occurred(self, cause: BaseException | None = None) -> None:
        """For the adapter: report that the physical connection is broken, just before raising to the application.

        The pool will destroy it instead of pooling it. Does not block.
        """
        listener = self._listener
        if listener is not None:
            listener.connection_error_occurred(self, cause)
        else:
            self._unheard = (cause,)

    @abstractmethod
    async def cleanup(self) -> None:
        """Take back everything that its user did to the session, the asserted identity included (TRUST-3).

        Called on every return, before anybody else can get the connection; may wait for a round trip. Raises anything
        at all when the state is in doubt: the connection is then destroyed. Keeps the physical connection.
        """

    @abstractmethod
    async def destroy(self) -> None:
        """Close the physical connection. Harmless when called twice; what it raises is logged and dropped."""

    @abstractmethod
    def abort(self) -> None:
        """Let go of the physical connection at once, without a word to the external system.

        Called instead of `destroy` where nothing can be awaited any more: its event loop has ended, or destroying it
        was cancelled. Does not block and needs no loop; harmless when called twice or after `destroy`; may come from
        any thread.
        """

    @abstractmethod
    async def describe(self) -> ConnectionDescription:
        """Ask the external system who and what it is. Waits for a round trip."""

    async def validate(self) -> bool:
        """Whether it is still good. Only asked with Capability.VALIDATION. Waits for a round trip.

        Raising means that it is not.
        """
        return True

    async def reauthenticate(self, subject: Subject | None, request: ConnectionRequestInfo | None) -> None:
        """Sign on anew as another user in place. Only asked with Capability.REAUTHENTICATION.

        If it raises, cancellation included, the identity is in doubt and the pool destroys the connection.
        """
        raise TypeError(f"{type(self).__name__} declares no {'reauthentication'!r} capability")

    async def switch_identity(self, asserted: IdentityAssertion) -> None:
        """Assert the caller's identity on a clean trusted connection. Only asked with Capability.IDENTITY_SWITCH.

        Must verify that the external system took it, and raise if not: the pool then destroys the connection. What may
        be left to the first use, see `ManagedConnection.switch_identity`.
        """
        raise TypeError(f"{type(self).__name__} declares no {'identity-switch'!r} capability")


class AsyncLease(Protocol):
    """A managed connection of asyncio on loan; one object that is the handle as well. For one task at a time.

    As an async context manager it closes itself.
    """

    @property
    def physical(self) -> AsyncManagedConnection:
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

    async def close(self) -> None:
        """Give the connection back: it is cleaned up, then serves the next. Harmless when called twice.

        May wait for the clean-up's round trip. A clean-up that fails or is cancelled destroys the connection; a failure
        is logged, not raised.
        """
        ...

    async def invalidate(self, cause: BaseException | None = None) -> None:
        """Destroy the connection instead of giving it back. Harmless when called twice or after `close`.

        Waits for the connection's end; what goes wrong is logged, not raised.
        """
        ...

    async def __aenter__(self) -> AsyncLease: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
