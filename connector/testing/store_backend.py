"""What the author of an authentication-data store supplies: the store, and the place of its list (OPS-4)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from connector.spi import AuthenticationData, AuthenticationDataStore
from connector.testing.opened import Opened
from connector.testing.requirement import StoreFacet


class StoreBackend(Opened, ABC):
    """The world that the kit asks a store in; made without arguments when it is given by name.

    A context manager; override `open` and `close` where a service has to run.
    """

    #: The store's name in configuration, for the report.
    name: str = "unnamed"
    #: What this store hasn't got, each with its reason.
    lacks: Mapping[StoreFacet, str] = MappingProxyType({})

    @abstractmethod
    def renew(self) -> None:
        """Begin with a list that was never written, and nothing broken; called before each test."""

    @abstractmethod
    def store(self) -> AuthenticationDataStore:
        """A store on that list, made anew each time, as another process would."""

    def seed(self, entries: Iterable[AuthenticationData]) -> None:
        """Put entries there; aliases are of small letters, digits and hyphens. Versions are the store's own."""
        store = self.store()
        for entry in entries:
            store.put(entry.alias, entry.user, entry.password, entry.description)

    def with_wrong_key(self) -> AuthenticationDataStore:
        """A store on the same list, with a key that does not belong to it (StoreFacet.KEY)."""
        raise NotImplementedError("open the list with another key, or name StoreFacet.KEY in `lacks`")

    def damage(self) -> None:
        """Make the list such that it can't be read or trusted, as a bad edit would (StoreFacet.DAMAGE)."""
        raise NotImplementedError("damage the list, or name StoreFacet.DAMAGE in `lacks`")

    def mend(self) -> None:
        """Take back what `damage` did (StoreFacet.DAMAGE)."""
        raise NotImplementedError("mend the list, or name StoreFacet.DAMAGE in `lacks`")

    def at_rest(self) -> bytes:
        """All that lies where others than the list's owner might read it (StoreFacet.REST)."""
        raise NotImplementedError("give what rests in the store, or name StoreFacet.REST in `lacks`")
