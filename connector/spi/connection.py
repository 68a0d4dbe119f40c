"""The outbound contract of an adapter: managed connection factory, managed connection, request info (POOL, TRUST)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from connector.spi.capability import Capability
from connector.spi.credentials import IdentityAssertion
from connector.spi.secret import Secret
from connector.spi.subject import Subject

if TYPE_CHECKING:
    from connector.spi.async_connection import AsyncManagedConnection
    from connector.spi.manager import ConnectionManager
    from connector.spi.transaction import RecoverableBranches, TransactionParticipant, UnitOfWork


@dataclass(frozen=True, slots=True)
class ConnectionRequestInfo:
    """What an application passed when it asked for a connection. Adapters may subclass it with frozen fields.

    Attributes:
        user: User given in the call, or None.
        password: Password given in the call, or None. User and password are one unit (SIGN-1).
        properties: Further properties that make one connection unlike another, as sorted pairs.
    """

    user: str | None = None
    password: Secret | None = field(default=None, compare=False)
    properties: tuple[tuple[str, str], ...] = ()

    def key(self) -> Hashable:
        """What makes connections differ beyond the sign-on: goes into the pool key. Without user and password. Pure."""
        return self.properties

    def __hash__(self) -> int:
        return hash((self.user, self.key()))


@dataclass(frozen=True, slots=True)
class ConnectionDescription:
    """What the external system says of itself (`test connection`).

    Attributes:
        product: Its name.
        version: Its version.
        user: The user actually signed on, as the external system sees it; None where it has no users.
    """

    product: str
    version: str
    user: str | None


class ConnectionEventListener(Protocol):
    """Who wants to know what befalls a managed connection: the pool. May be told from any thread."""

    def connection_error_occurred(self, connection: ManagedConnection, cause: BaseException | None) -> None:
        """The physical connection is broken. Does not block and does not raise; may come more than once."""
        ...


class ManagedConnection(ABC):
    """One physical connection, signed on as one identity; compared by identity, never by content.

    The pool calls its methods one at a time, never two at once, from whichever thread has or returns it.
    """

    _listener: ConnectionEventListener | None = None
    _unheard: tuple[BaseException | None] | None = None  # what was reported before anybody listened

    def set_event_listener(self, listener: ConnectionEventListener | None) -> None:
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
    def cleanup(self) -> None:
        """Take back everything that its user did to the session, the asserted identity included (TRUST-3).

        Called on every return, before anybody else can get the connection; may block for a round trip. Raises
        anything at all when the state is in doubt: the connection is then destroyed. Keeps the physical connection.
        """

    @abstractmethod
    def destroy(self) -> None:
        """Close the physical connection; may block.

        Harmless when called twice. What it raises is logged and dropped.
        """

    @abstractmethod
    def describe(self) -> ConnectionDescription:
        """Ask the external system who and what it is. Blocks for a round trip.

        What it raises, the test connection fails with.
        """

    def validate(self) -> bool:
        """Whether it is still good. Only asked with Capability.VALIDATION. Blocks for a round trip.

        Raising means that it is not.
        """
        return True

    def reauthenticate(self, subject: Subject | None, request: ConnectionRequestInfo | None) -> None:
        """Sign on anew as another user in place. Only asked with Capability.REAUTHENTICATION. Blocks for round trips.

        If it raises, the identity is in doubt and the pool destroys the connection.
        """
        raise TypeError(f"{type(self).__name__} declares no {'reauthentication'!r} capability")

    def switch_identity(self, asserted: IdentityAssertion) -> None:
        """Assert the caller's identity on a clean trusted connection. Only asked with Capability.IDENTITY_SWITCH.

        Blocks for round trips. Must verify that the external system took it, and raise if not: the pool then destroys
        the connection. For an identity that this connection has had before, both may be left to the first use, which
        then raises instead, before anything of the caller's is sent; `cleanup` raises after that.
        """
        raise TypeError(f"{type(self).__name__} declares no {'identity-switch'!r} capability")

    def take_part(self, unit: UnitOfWork) -> TransactionParticipant | None:
        """Take part in a unit of work: what is done on it from now on is one branch of the unit's. Only asked with
        Capability.LOCAL_TRANSACTION or TWO_PHASE, on a connection that was just lent and on which nothing was done.

        It is not cleaned up before the unit has ended, however many handles are closed meanwhile; then `cleanup` comes
        as usual. The participant's `two_phase` may be True only with Capability.TWO_PHASE; its `resource` is not asked
        for. May block for a round trip; if it raises, the connection is destroyed.

        None: what is done on it belongs to a branch that the adapter has in this unit already, such as that of the
        delivery whose handler asks for the connection; so it is no branch of its own.
        """
        raise TypeError(f"{type(self).__name__} declares no {'local-transaction'!r} capability")


class ManagedConnectionFactory(ABC):
    """Makes the physical connections of one resource, and the connection factory that applications see.

    Equal only to itself unless an adapter defines otherwise. Safe to use from several threads.
    """

    def effective_capabilities(self, declared: frozenset[Capability]) -> frozenset[Capability]:
        """What this very resource can do of what the adapter declares; asked once, before anything else.

        An adapter of many systems declares what any of them can: narrow it here to what the configured one has. What is
        not in the answer is never asked of the resource; what is not declared is ignored. Does not block.

        Args:
            declared: The adapter's declaration; the default answer.
        """
        return declared

    @abstractmethod
    def create_connection_factory(self, manager: ConnectionManager) -> Any:
        """What a look-up of one reference returns: it asks `manager` for leases. Called once a reference.

        Does not connect. Applications use it from any thread.
        """

    @abstractmethod
    def create_managed_connection(
        self, subject: Subject | None, request: ConnectionRequestInfo | None
    ) -> ManagedConnection:
        """Open a physical connection, signed on with the subject's credential *for this factory*.

        A null subject means the factory's own defaults, an empty one means nobody. Blocks for as long as connecting
        takes. Raises LoginRefused where the system refused the credential, ConnectionFailed where it can't be reached,
        SignOnError where it needs a credential and has none.
        """

    async def create_managed_connection_async(
        self, subject: Subject | None, request: ConnectionRequestInfo | None
    ) -> AsyncManagedConnection:
        """Open a physical connection for the running event loop. Only asked with Capability.ASYNC (POOL-7).

        Means and raises the same as `create_managed_connection`; waits instead of blocking. The pool runs it as a task
        of its own, which goes on where the borrower is cancelled: the connection then serves the next one.
        """
        raise TypeError(f"{type(self).__name__} declares no {'async'!r} capability")

    def recoverable_branches(self, subject: Subject | None) -> RecoverableBranches:
        """What is prepared at the resource, to be finished by recovery. Only asked with Capability.TWO_PHASE.

        They are an OutcomeArchive as well where the resource's participants are an OutcomeWitness.

        Args:
            subject: Whom to sign on as for it, with a credential for this factory; see `create_managed_connection`.

        Does not connect; what it answers connects when it is asked, by itself, and keeps no connection.
        """
        raise TypeError(f"{type(self).__name__} declares no {'two-phase'!r} capability")

    def match(
        self, candidates: tuple[ManagedConnection, ...], subject: Subject | None, request: ConnectionRequestInfo | None
    ) -> ManagedConnection | None:
        """Choose among free connections of one partition. Only asked with Capability.MATCHING. Does not block.

        Each of them is signed on as the subject says and was asked for by an equal request (`ConnectionRequestInfo.key`
        is what keeps unlike ones apart), so any would do: this is a preference. None leaves the choice to the pool.
        """
        return candidates[-1] if candidates else None

    def close(self) -> None:
        """The container stops or the resource is removed: let go of what the factory itself holds; may block, shortly.

        Comes after all its connections have been destroyed, or given up. What it raises is logged.
        """
