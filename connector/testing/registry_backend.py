"""What the author of a user registry supplies: the registry, and the place where its users are (OPS-4)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from connector.spi import Secret, UserRegistry
from connector.testing.opened import Opened
from connector.testing.requirement import RegistryFacet


class RegistryBackend(Opened, ABC):
    """The world that the kit asks a registry in; made without arguments when it is given by name.

    A context manager; override `open` and `close` where a service has to run. Changes are made behind the registry's
    back, as an administrator of the users would.
    """

    #: The registry's name in configuration, for the report.
    name: str = "unnamed"
    #: What this registry hasn't got, each with its reason.
    lacks: Mapping[RegistryFacet, str] = MappingProxyType({})

    #: Whether its registry makes verifiers for SCRAM-SHA-256 of the passwords that are set (RegistryFacet.VERIFIERS).
    verifiers: bool = False

    @abstractmethod
    def renew(self) -> None:
        """Begin without users and groups, within reach; called before each test."""

    @abstractmethod
    def registry(self) -> UserRegistry:
        """A registry of those users, made anew each time."""

    @abstractmethod
    def add_user(self, user: str, password: Secret, groups: Iterable[str] = ()) -> None:
        """Add a user to these groups, which exist once they have members."""

    @abstractmethod
    def remove_user(self, user: str) -> None:
        """Remove a user."""

    @abstractmethod
    def set_password(self, user: str, password: Secret) -> None:
        """Replace a user's password."""

    def let_time_pass(self) -> None:
        """Let everything that registries keep for a while be over; nothing to do for one that keeps nothing."""

    def cut_off(self) -> None:
        """Make the users unreachable (RegistryFacet.OUTAGE)."""
        raise NotImplementedError("cut the registry off, or name RegistryFacet.OUTAGE in `lacks`")

    def restore(self) -> None:
        """Take back what `cut_off` did (RegistryFacet.OUTAGE)."""
        raise NotImplementedError("restore the registry, or name RegistryFacet.OUTAGE in `lacks`")
