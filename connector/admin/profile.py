"""A container's configuration as the commands see it before any container is open: where its state and stores are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import final

from connector.admin.operations.target import Stores
from connector.spi import AuthenticationDataStore, UserRegistry


@final
@dataclass(frozen=True, slots=True)
class Profile:
    """What a command needs to know of a configuration.

    Attributes:
        path: The configuration file.
        name: The container's name.
        state_folder: Where a running container keeps its lock and its admin socket.
        security: Whether administrative security is on.
        stores: User registry and authentication data.
    """

    path: Path
    name: str
    state_folder: Path
    security: bool
    stores: Stores


def load_profile(path: Path) -> Profile:
    """Read and validate a configuration; starts nothing.

    Blocks for reading the file and what it names. Raises ConfigError with all mistakes (CONF-1).
    """
    # Imported here: pydantic is not for `--help`, `version` and `plugins` to wait for.
    from connector.container.configuration.load import load_configuration
    from connector.container.plugins.catalogue import PluginCatalogue

    file = path.absolute()
    catalogue = PluginCatalogue.discover()
    configuration = load_configuration(file, catalogue=catalogue)
    core = configuration.container
    realm, auth_data = configuration.realms[core.realm], configuration.auth_data

    def open_registry() -> UserRegistry:
        registry: UserRegistry = catalogue.load("connector.registries", realm.registry)(core.realm, realm.settings)
        return registry

    def open_auth_data() -> AuthenticationDataStore:
        store: AuthenticationDataStore = catalogue.load("connector.stores", auth_data.store)(auth_data.settings)
        return store

    stores = Stores(realm=core.realm, open_registry=open_registry, open_auth_data=open_auth_data)
    return Profile(file, core.name, Path(core.state), core.security, stores)
