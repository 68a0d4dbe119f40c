"""The realms of a container: each with its registry, its trust, its maps and what is kept of its answers (FLOW-3)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from types import MappingProxyType
from typing import Any

from connector.container.configuration.settings import ContainerConfiguration, RealmSettings
from connector.container.plugins.catalogue import PluginCatalogue
from connector.container.plugins.contracts import REGISTRIES
from connector.errors import ConfigError, Reason
from connector.security.identity import ContainerIdentity
from connector.security.passwords import ScryptPasswords
from connector.security.registry_answers import RegistryAnswers
from connector.spi import AuditLog, Clock, Explanation, HashingRegistryProvider, ResourceAdapter, UserRegistry

log = logging.getLogger("connector.container")

REALM_NOT_HERE = Reason(
    "CF-CTR-090", "this container has no realm {realm!r}.", "Name one of {known}, or define [realms.{realm}]."
)
MAP_NOT_HERE = Reason(
    "CF-CTR-091",
    "the realm {realm!r} has no inbound map for callers of {foreign!r}: they are refused.",
    "Add [realms.{realm}.inbound_maps.{foreign}]. It has maps for: {known}.",
)


def make_registry(realm: RealmSettings, catalogue: PluginCatalogue) -> UserRegistry:
    """Make a realm's registry. Blocks for the import of a plugin, and for what the registry does at first.

    Raises:
        PluginError: The plugin can't be loaded.
        ConfigError: What the registry has against its settings.
    """
    provider: Any = catalogue.load(REGISTRIES, realm.registry)
    if isinstance(provider, HashingRegistryProvider):
        return provider.with_passwords(realm.name, realm.settings, ScryptPasswords())
    registry: UserRegistry = provider(realm.name, realm.settings)
    return registry


def open_realms(
    configuration: ContainerConfiguration, catalogue: PluginCatalogue, audit: AuditLog, clock: Clock, stack: ExitStack
) -> dict[str, ContainerIdentity]:
    """The identity services of all realms by name; what their registries hold is let go of when the stack unwinds.

    Blocks and raises as `make_registry`.
    """
    opened: dict[str, ContainerIdentity] = {}
    siblings = MappingProxyType(opened)
    for name, realm in configuration.realms.items():
        registry = make_registry(realm, catalogue)
        close: Callable[[], object] | None = getattr(registry, "close", None)
        if close is not None:
            stack.callback(close)
        opened[name] = ContainerIdentity(
            RegistryAnswers(
                registry, group_cache=realm.group_cache, credential_cache=realm.credential_cache, clock=clock
            ),
            trusted_realms=realm.trusted_inbound,
            inbound_maps=realm.inbound_maps,
            security_enabled=configuration.container.security,
            audit=audit,
            siblings=siblings,
        )
    return opened


def realm_named(realms: dict[str, ContainerIdentity], name: str) -> ContainerIdentity:
    """The identity service of a realm. Raises ConfigError (CF-CTR-090)."""
    found = realms.get(name)
    if found is None:
        raise ConfigError(REALM_NOT_HERE, realm=name, known=", ".join(sorted(realms)))
    return found


def refresh_users(
    realms: dict[str, ContainerIdentity], adapters: Mapping[str, ResourceAdapter], user: str | None, realm: str | None
) -> None:
    """See `Container.refresh_users`; blocks and raises as that does."""
    for identity in realms.values() if realm is None else [realm_named(realms, realm)]:
        identity.refresh(user)
    for name, adapter in list(adapters.items()):
        try:
            adapter.users_changed()
        except Exception as error:  # noqa: BLE001 - users have changed, whatever an adapter makes of it
            log.error("adapter %s failed on a change of users: %s", name, type(error).__name__)


def explain_inbound(identity: ContainerIdentity, user: str, foreign: str, groups: tuple[str, ...]) -> Explanation:
    """Who a user of a foreign realm is in one of ours; asks no registry. Raises ConfigError (CF-CTR-091)."""
    inbound = identity.inbound_maps.get(foreign)
    if inbound is None:
        known = ", ".join(sorted(identity.inbound_maps)) or "nobody"
        raise ConfigError(MAP_NOT_HERE, realm=identity.realm, foreign=foreign, known=known)
    return inbound.explain(user, groups)


def realms_as_data(realms: dict[str, ContainerIdentity], configuration: ContainerConfiguration) -> Any:
    """All realms as plain data: registry, trust, what is kept, and each map with who maps to whom."""
    return [
        {
            "realm": name,
            "registry": configuration.realms[name].registry,
            "own": name == configuration.container.realm,
            "trusted_inbound": sorted(identity.trusted_realms),
            "group_cache": identity.kept_for[0],
            "credential_cache": identity.kept_for[1],
            "applications": [a.name for a in configuration.applications.values() if a.realm == name],
            "inbound_maps": [
                {
                    "from": inbound.realm,
                    "unmapped": inbound.unmapped.value,
                    "users": {user: list(inbound.who_maps_to(user)) for user in inbound.targets()},
                    "groups": dict(inbound.groups),
                }
                for inbound in identity.inbound_maps.values()
            ],
        }
        for name, identity in realms.items()
    ]
