"""What an entry point of each group has to be: checked once after importing it, so that the culprit is named."""

from __future__ import annotations

from inspect import isclass
from typing import Any

from connector.spi import HashingRegistryProvider, KeyedStoreProvider, ResourceAdapter

ADAPTERS = "connector.adapters"
MAPPERS = "connector.mappers"
STORES = "connector.stores"
REGISTRIES = "connector.registries"
PLUGINS = "connector.plugins"
COMMANDS = "connector.commands"

#: The distribution that these names belong to; it alone may bring what is built in.
OWN_DISTRIBUTION = "connector-framework"

#: All entry-point groups.
GROUPS = (ADAPTERS, MAPPERS, STORES, REGISTRIES, PLUGINS, COMMANDS)

_LOGIN_MODULE_METHODS = ("initialize", "login", "commit", "abort", "logout")


def breach_of_contract(group: str, loaded: Any) -> str:
    """In words, how an imported object breaks its group's contract; empty if it does not. Pure."""
    if group == ADAPTERS:
        if not (isclass(loaded) and issubclass(loaded, ResourceAdapter)):
            return "it is no subclass of connector.spi.ResourceAdapter"
        missing = sorted(getattr(loaded, "__abstractmethods__", ()))
        return f"it lacks {', '.join(missing)}" if missing else ""
    if group == MAPPERS:
        missing = [name for name in _LOGIN_MODULE_METHODS if not callable(getattr(loaded, name, None))]
        if not callable(loaded):
            return "it can't be called to make a login module"
        return f"it lacks {', '.join(missing)}" if isclass(loaded) and missing else ""
    if group == STORES and isinstance(loaded, KeyedStoreProvider):
        return ""
    if group == REGISTRIES and isinstance(loaded, HashingRegistryProvider):
        return ""
    if group in (STORES, REGISTRIES, COMMANDS) and not callable(loaded):
        return "it can't be called"
    return ""
