"""The loaded configuration: everything checked, paths absolute, defaults filled in, nothing changeable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any

from connector.container.configuration.activation_section import ActivationSection
from connector.container.configuration.application import ReferenceSection, RoleSection
from connector.container.configuration.key_paths import KeyPath, show_key_path
from connector.container.configuration.model import LoginSection, PluginsSection
from connector.container.configuration.origins import Origins
from connector.container.configuration.pool_section import PoolSection
from connector.errors import Problem
from connector.security.inbound_map import InboundMap
from connector.security.tls.settings import TlsSettings
from connector.work.limits import WorkLimits


@dataclass(frozen=True, slots=True)
class ContainerSettings:
    """`[container]`.

    Attributes:
        name: The container's name.
        security: Administrative security.
        application_security: Role checks on handlers; follows `security` unless set (CONF-4).
        realm: The container's own realm, one of `ContainerConfiguration.realms`.
        state: The folder for what the container keeps, absolute.
    """

    name: str
    security: bool
    application_security: bool
    realm: str
    state: Path


@dataclass(frozen=True, slots=True)
class RealmSettings:
    """`[realms.NAME]`.

    Attributes:
        name: The realm.
        registry: The provider in `connector.registries`.
        trusted_inbound: Foreign realms whose ready subjects count (FLOW-3).
        settings: The whole table for the provider, file paths absolute; may hold secrets, hence not in the repr.
        inbound_maps: By foreign realm, who its callers are here (FLOW-3).
        group_cache: Seconds for which users and groups are kept; None for the default.
        credential_cache: Seconds for which accepted passwords are kept, as digests; 0 for not at all.
    """

    name: str
    registry: str
    trusted_inbound: tuple[str, ...]
    settings: Mapping[str, Any] = field(repr=False)
    inbound_maps: Mapping[str, InboundMap] = field(default_factory=lambda: MappingProxyType({}))
    group_cache: float | None = None
    credential_cache: float = 0.0


@dataclass(frozen=True, slots=True)
class AuthDataSettings:
    """`[auth_data]`.

    Attributes:
        store: The provider in `connector.stores`; `env` where the file has no `[auth_data]`.
        settings: The whole table for the provider, file paths absolute; may hold secrets, hence not in the repr.
        watch: How often the store is looked at for changes, in seconds; None for never.
    """

    store: str
    settings: Mapping[str, Any] = field(repr=False)
    watch: float | None = None


@dataclass(frozen=True, slots=True)
class ResourceSettings:
    """`[resources.NAME]`.

    Attributes:
        name: The global name.
        adapter: The adapter's name.
        kind: `connection-factory`, `activation` or `destination`.
        component_alias: The component-managed alias, or None.
        recovery_alias: Whom recovery of transactions signs on as, or None for whom the resource signs on as by itself.
        properties: The adapter's properties, checked and converted.
        pool: The pool's settings.
    """

    name: str
    adapter: str
    kind: str
    component_alias: str | None
    properties: Mapping[str, Any]
    pool: PoolSection
    recovery_alias: str | None = None


@dataclass(frozen=True, slots=True)
class ApplicationSettings:
    """One application: its descriptor with what the deployment says of it on top (CONF-3).

    Attributes:
        name: The application's name.
        descriptor: The descriptor's file, absolute.
        handlers: Modules that hold message-driven handlers.
        path: Absolute folders to add to the import path.
        unsecured: `refuse` or `allow` (FLOW-7).
        realm: Its realm, one of `ContainerConfiguration.realms`: of its logins, its roles and its handlers' callers.
        roles: Role bindings by role.
        references: Resource references by name.
        activations: Activations by name.
    """

    name: str
    descriptor: Path
    handlers: tuple[str, ...]
    path: tuple[str, ...]
    unsecured: str
    realm: str
    roles: Mapping[str, RoleSection]
    references: Mapping[str, ReferenceSection]
    activations: Mapping[str, ActivationSection]


@dataclass(frozen=True, slots=True)
class AdminPort:
    """The admin endpoint's TLS port.

    Attributes:
        host: The address to listen on.
        port: The port.
        tls: Its TLS configuration.
    """

    host: str
    port: int
    tls: TlsSettings


class Demand(StrEnum):
    """What a port asks of its clients: nothing, nothing but it is looked at, or without it nothing goes."""

    OFF = "off"
    SUPPORTED = "supported"
    REQUIRED = "required"


@dataclass(frozen=True, slots=True)
class NamingPort:
    """The port for look-ups from outside.

    Attributes:
        host: The address to listen on.
        port: The port.
        tls: Its TLS configuration; None where encryption is off.
        encryption: Whether look-ups are encrypted.
        login: Whether they are made by authenticated callers.
    """

    host: str
    port: int
    tls: TlsSettings | None
    encryption: Demand
    login: Demand


@dataclass(frozen=True, slots=True)
class NamingProvider:
    """Where names are looked up that this container does not define.

    Attributes:
        host: The host.
        port: The port.
        tls: The TLS configuration of the look-up; None for plain TCP.
        alias: The authentication data of the look-up's login; None for none.
        connection_tls: The name of the TLS configuration of the connections made afterwards.
        connection_alias: Their authentication data.
        connection_properties: Properties of their factories, which win over those that were looked up.
    """

    host: str
    port: int
    tls: TlsSettings | None
    alias: str | None
    connection_tls: str | None
    connection_alias: str | None
    connection_properties: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ContainerConfiguration:
    """A container's whole configuration. Immutable, safe to share between threads.

    Attributes:
        path: The file, absolute.
        container: `[container]`.
        realms: `[realms]` by name.
        auth_data: `[auth_data]`.
        login: `[login]` by name; without the built-in configurations.
        resources: `[resources]` by global name.
        applications: `[applications]` by name, merged with their descriptors.
        admin: The holders of each admin role, as `user:NAME` or `group:NAME`.
        admin_port: `[admin]` port, host and tls; None for no port.
        naming_port: `[naming]`; None for no port.
        naming_provider: `[naming.provider]`; None for none.
        plugins: `[plugins]`; the catalogue that loading was given obeys it already.
        tls: `[tls]` by name.
        work: `[work]`.
        sections: By adapter, the sections that it owns and that the file has, checked.
        plugin_sections: The same by plugin of the group `connector.plugins`.
        warnings: What is allowed and worth a finding of `connector check`.
        origins: Who said what; ask by `origin` and `overridden`.
        said: What all sources say together, as it was written: what two configurations are compared by. It may hold
            secrets, hence it is not in the repr.
    """

    path: Path
    container: ContainerSettings
    realms: Mapping[str, RealmSettings]
    auth_data: AuthDataSettings
    login: Mapping[str, LoginSection]
    resources: Mapping[str, ResourceSettings]
    applications: Mapping[str, ApplicationSettings]
    admin: Mapping[str, tuple[str, ...]]
    admin_port: AdminPort | None
    naming_port: NamingPort | None
    naming_provider: NamingProvider | None
    plugins: PluginsSection
    tls: Mapping[str, TlsSettings]
    work: WorkLimits
    sections: Mapping[str, Mapping[str, Any]]
    plugin_sections: Mapping[str, Mapping[str, Any]]
    warnings: tuple[Problem, ...]
    origins: Origins = field(repr=False)
    said: Mapping[str, Any] = field(repr=False, default_factory=dict)

    def origin(self, key_path: KeyPath) -> tuple[str, int | None]:
        """Who said a key: file and line; `"environment"` or `"overrides"` without a line where one of these did.

        Args:
            key_path: From the top, an application's keys under `applications` and its name, for example
                `("applications", "orders", "references", "jdbc/ledger", "bind")`. For a key that nobody wrote (a
                default) the place of its nearest parent is answered.
        """
        place = self.origins.of(key_path)
        return place.file, place.line

    def overridden(self, application: str, reference: str) -> tuple[str, ...]:
        """What the deployment says of an application's reference in place of its descriptor, in words (CONF-3).

        Each as `alias (/etc/connector.toml:34)`; `environment` or `overrides` without a line where one of these did.
        """
        settings = self.applications[application]
        section, descriptor = settings.references[reference], str(settings.descriptor)
        root: KeyPath = ("applications", application, "references", reference)
        said = []
        for name in sorted(section.model_fields_set):
            value = getattr(section, name)
            for key in [(name, inner) for inner in value] if isinstance(value, Mapping) else [(name,)]:
                file, line = self.origin((*root, *key))
                if file != descriptor:
                    said.append(f"{show_key_path(key)} ({file}{'' if line is None else f':{line}'})")
        return tuple(said)
