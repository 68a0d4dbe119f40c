"""The authentication-data store that a configuration names, made with what it needs (AUTHD-2)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from connector.container.configuration.settings import ContainerConfiguration
from connector.container.plugins.catalogue import PluginCatalogue
from connector.container.plugins.contracts import STORES
from connector.security.store_keys import VaultKeySource
from connector.security.vault_key import KeySource, key_source
from connector.spi import AuthenticationDataStore, KeyedStoreProvider


def make_store(configuration: ContainerConfiguration, catalogue: PluginCatalogue) -> AuthenticationDataStore:
    """Make the store; reads nothing yet. Blocks for the import of a plugin.

    A provider that asks for the framework's encryption is handed the keys that `key` names.

    Raises:
        PluginError: The plugin can't be loaded.
        ConfigError, AuthDataError: What the store has against its settings.
    """
    auth_data = configuration.auth_data
    provider: Any = catalogue.load(STORES, auth_data.store)
    if isinstance(provider, KeyedStoreProvider):
        source = _named_source(configuration)
        return provider.with_keys(auth_data.settings, VaultKeySource(source))
    store: AuthenticationDataStore = provider(auth_data.settings)
    return store


def configured_key(configuration: ContainerConfiguration) -> KeySource | None:
    """Where the store's key comes from; None for a store that has no key of ours. Raises AuthDataError."""
    return _named_source(configuration) if "key" in configuration.auth_data.settings else None


def _named_source(configuration: ContainerConfiguration) -> KeySource:
    """Relative paths in it start from the vault's folder, where there is a vault, else from the configuration's."""
    settings = configuration.auth_data.settings
    folder = Path(settings["path"]).parent if "path" in settings else configuration.path.parent
    return key_source(str(settings.get("key", "")), folder, settings)
