"""What operations work on: the stores of a profile and, where one runs, the container."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import final

from connector.admin.administered import AdministeredContainer, EditedConfiguration
from connector.errors import ConfigError, Reason
from connector.security.tls.settings import TlsSettings
from connector.security.vault_key import KeySource
from connector.spi import AuthenticationDataStore, UserRegistry, WritableUserRegistry

REGISTRY_READ_ONLY = Reason(
    "CF-ADM-040",
    "the user registry of realm {realm} can't be changed from here.",
    "Change its users where they live; only a registry such as `file` is kept by the connector commands.",
)
STORE_READ_ONLY = Reason(
    "CF-ADM-041",
    "the authentication data store of this container is read-only.",
    "Change the entries where they come from, then run `connector auth-data refresh`.",
)


REALM_UNKNOWN = Reason("CF-ADM-097", "there is no realm {realm!r}.", "Name one of: {known}.")


def _no_key() -> None:
    return None


@final
@dataclass(frozen=True, slots=True)
class Stores:
    """A profile's user registry and authentication data, opened when they are needed; both may block for I/O.

    Attributes:
        realm: The container's realm.
        open_registry: Opens the realm's user registry.
        open_auth_data: Opens the authentication data store.
        open_key: Where that store's key comes from; None for a store without a key of ours.
        tls: The TLS configurations by name.
        registries: Opens the user registry of each realm, by realm.
    """

    realm: str
    open_registry: Callable[[], UserRegistry]
    open_auth_data: Callable[[], AuthenticationDataStore]
    open_key: Callable[[], KeySource | None] = _no_key
    tls: Callable[[], Mapping[str, TlsSettings]] = dict
    registries: Mapping[str, Callable[[], UserRegistry]] = field(default_factory=dict)

    def in_realm(self, realm: str | None) -> Stores:
        """The same with the registry of another realm; None for the container's. Raises ConfigError (CF-ADM-097)."""
        if realm is None or realm == self.realm:
            return self
        if realm not in self.registries:
            raise ConfigError(REALM_UNKNOWN, realm=realm, known=", ".join(sorted(self.registries)))
        return replace(self, realm=realm, open_registry=self.registries[realm])

    def writable_registry(self) -> WritableUserRegistry:
        """The registry, to change it. Raises ConfigError (CF-ADM-040) for one that can't be changed."""
        registry = self.open_registry()
        if not isinstance(registry, WritableUserRegistry):
            raise ConfigError(REGISTRY_READ_ONLY, realm=self.realm)
        return registry

    def writable_auth_data(self) -> AuthenticationDataStore:
        """The store, to change it. Raises ConfigError (CF-ADM-041) for a read-only one."""
        store = self.open_auth_data()
        if store.read_only:
            raise ConfigError(STORE_READ_ONLY)
        return store


@final
@dataclass(frozen=True, slots=True)
class Target:
    """What one operation works on.

    Attributes:
        stores: The profile's stores.
        running: The container, or None where an operation on the stores is carried out while none runs.
        open_configuration: Opens the configuration's files, for where no container runs.
        stop: Asks whoever runs the container to stop it; None where nobody waits for that.
    """

    stores: Stores
    running: AdministeredContainer | None = None
    open_configuration: Callable[[], EditedConfiguration] | None = None
    stop: Callable[[], None] | None = None

    @property
    def configuration(self) -> EditedConfiguration:
        """The configuration, to read and to change it: the running container's, else the files alone."""
        if self.running is not None:
            return self.running.configuration
        if self.open_configuration is None:
            raise RuntimeError("an operation on the configuration was carried out without one")
        return self.open_configuration()

    @property
    def container(self) -> AdministeredContainer:
        """The container, for operations that need one."""
        if self.running is None:
            raise RuntimeError("an operation that needs a container was carried out without one")
        return self.running
