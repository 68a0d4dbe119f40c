"""What an adapter's author supplies: the external system, seen from the outside (OPS-4)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, TypeAlias

from connector.spi import (
    AsyncManagedConnection,
    Capability,
    ManagedConnection,
    ManagedConnectionFactory,
    ResourceAdapter,
    Secret,
)
from connector.testing.opened import Opened
from connector.testing.requirement import Facet

#: Who somebody is in the external system, as the system itself says; None where it has no users.
UserName: TypeAlias = str | None

#: The global name of the resource that the kit makes factories for.
RESOURCE = "kit/resource"
#: The realm of the callers that are asserted, and of the kit's identity service.
REALM = "kit"


@dataclass(frozen=True, slots=True)
class Login:
    """A user and its password in the external system.

    Attributes:
        user: The name, spelt as the external system answers it.
        password: At least eight characters, and like nothing else: it is looked for in texts, logs and pickles.
    """

    user: str
    password: Secret


class Backend(Opened, ABC):
    """The external system that the kit tests an adapter against; made without arguments when it is given by name.

    The first group is for every adapter. The second is asked only where the adapter's `ra.toml` claims the capability;
    a facet or capability that *this* system hasn't got is named in `lacks`, with the reason, and stands in the report.

    Everything may block for the external system. Called from one thread, `borrowed` from several.
    """

    #: The adapter's class. What it claims is read from the `ra.toml` beside it.
    adapter: ClassVar[type[ResourceAdapter]]
    #: What this system can't show, with the reason: the requirements that need it do not apply.
    lacks: Mapping[Capability | Facet, str] = MappingProxyType({})

    # --- every adapter ---------------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def properties(self) -> Mapping[str, Any]:
        """The resource's properties, as in `connector.toml`; declared defaults are filled in."""

    @property
    def sections(self) -> Mapping[str, Any]:
        """The configuration sections that the adapter owns; none by default."""
        return {}

    @property
    def logins(self) -> tuple[Login, ...]:
        """Two logins or more that the external system accepts; empty where it lacks users."""
        return ()

    @abstractmethod
    def borrowed(self, connections: Any) -> AbstractContextManager[Callable[[], UserName]]:
        """Borrow one handle as an application does, closing it at the end of the block.

        Args:
            connections: What `create_connection_factory` returned.

        Returns:
            A context manager that gives a function: one round trip over the handle, which answers who the external
            system takes its user for, or raises what an application would see.
        """

    @abstractmethod
    def user_of(self, connection: ManagedConnection) -> UserName:
        """Ask the external system, in one round trip over that connection, who works on it now.

        Not by `describe`: that is what is being tested. Raises anything where the connection is broken.
        """

    # --- unless `lacks` names the facet ------------------------------------------------------------------------------

    def wrong_password(self) -> Login:
        """A user that the external system knows, with a password that is not its own (Facet.USERS)."""
        known = self.logins[0]
        return Login(known.user, Secret(f"not-{known.password.reveal()}"))

    def unreachable(self) -> Mapping[str, Any]:
        """The properties of a resource that nobody answers for (Facet.NETWORK)."""
        raise NotImplementedError("give the properties of a system that nobody answers for, or name Facet.NETWORK")

    def kill(self, connection: ManagedConnection) -> None:
        """Break a connection from the external system's side; it is broken when this returns (Facet.KILL)."""
        raise NotImplementedError("break the connection from the other side, or name Facet.KILL in `lacks`")

    def soil(self, connection: ManagedConnection) -> None:
        """Do something to the session that must be taken back on return (Facet.STATE)."""
        raise NotImplementedError("leave something in the session, or name Facet.STATE in `lacks`")

    def is_soiled(self, connection: ManagedConnection) -> bool:
        """Whether what `soil` did can still be seen on that connection (Facet.STATE)."""
        raise NotImplementedError("say whether it can still be seen, or name Facet.STATE in `lacks`")

    # --- where `ra.toml` claims the capability -----------------------------------------------------------------------

    @property
    def trusted(self) -> Login:
        """A login that may assert other callers (Capability.IDENTITY_SWITCH)."""
        raise NotImplementedError("give a login that may assert callers")

    @property
    def callers(self) -> tuple[str, ...]:
        """Two users or more that `trusted` may assert (Capability.IDENTITY_SWITCH)."""
        raise NotImplementedError("give two users that the trusted login may assert")

    @property
    def stranger(self) -> str:
        """A user that `trusted` may not assert (Capability.IDENTITY_SWITCH); by default one that nobody knows."""
        return "kit-stranger-whom-nobody-knows"

    # --- where it claims Capability.ASYNC: on an event loop, which none of these may block ----------------------------

    def borrowed_async(self, connections: Any) -> AbstractAsyncContextManager[Callable[[], Awaitable[UserName]]]:
        """As `borrowed`, by the handle for asyncio; what the block gives is awaited for one round trip."""
        raise NotImplementedError("borrow a handle for asyncio, or name Capability.ASYNC in `lacks`")

    async def user_of_async(self, connection: AsyncManagedConnection) -> UserName:
        """As `user_of`, of a connection for asyncio."""
        raise NotImplementedError("ask who works on a connection for asyncio, or name Capability.ASYNC in `lacks`")

    async def kill_async(self, connection: AsyncManagedConnection) -> None:
        """As `kill` (Facet.KILL)."""
        raise NotImplementedError("break the asyncio connection from the other side, or name Facet.KILL in `lacks`")

    async def soil_async(self, connection: AsyncManagedConnection) -> None:
        """As `soil` (Facet.STATE)."""
        raise NotImplementedError("leave something in the asyncio session, or name Facet.STATE in `lacks`")

    async def is_soiled_async(self, connection: AsyncManagedConnection) -> bool:
        """As `is_soiled` (Facet.STATE)."""
        raise NotImplementedError("say whether it can still be seen on asyncio, or name Facet.STATE in `lacks`")

    def relayed(self, relay: Callable[[str, int], int]) -> Mapping[str, Any]:
        """The resource's properties, with the kit's relay between adapter and system (Facet.NETWORK).

        Args:
            relay: Called with the system's host and port; answers the port on 127.0.0.1 to connect to in its place.
        """
        raise NotImplementedError("give the properties with the relay's port, or name Facet.NETWORK in `lacks`")

    # --- where the adapter is not made as the container makes it -----------------------------------------------------

    def create_factory(self, adapter: ResourceAdapter, properties: Mapping[str, Any]) -> ManagedConnectionFactory:
        """Make a factory as the container does; override it only to put something in between."""
        return adapter.create_managed_connection_factory(RESOURCE, properties)
