"""The shape of `connector.toml`: one model for each section of the core (CONF-1, CONF-2).

A field's default is the documented one. Sections that plugins own are declared in their `ra.toml` instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field

from connector.container.configuration.pool_section import PoolSection
from connector.container.configuration.sections import Duration, FreeTable, Name, Names, Section, Texts, empty

ResourceKind = Literal["connection-factory", "activation", "destination"]
#: How often a store may be looked at, in seconds: oftener is a mistake of the unit.
SHORTEST_WATCH = 0.1

Flag = Literal["required", "requisite", "sufficient", "optional"]
AdminHolder = Annotated[str, Field(pattern=r"^(user|group):.+$")]
AdminHolders = Annotated[tuple[AdminHolder, ...], Field(strict=False)]


def _not_too_often(seconds: float) -> float:
    if seconds < SHORTEST_WATCH:
        raise ValueError(f"a duration of at least {SHORTEST_WATCH * 1000:g}ms")
    return seconds


WatchInterval = Annotated[Duration, AfterValidator(_not_too_often)]


def _not_empty(chain: tuple[StackEntry, ...]) -> tuple[StackEntry, ...]:
    if not chain:
        raise ValueError("a list that is not empty")
    return chain


def _read_only_maps(maps: Mapping[str, InboundMapSection]) -> Mapping[str, InboundMapSection]:
    return MappingProxyType(dict(maps))


InboundMaps = Annotated[Mapping[str, "InboundMapSection"], AfterValidator(_read_only_maps)]


class ContainerSection(Section):
    """`[container]`: `security` is administrative security, which `application_security` follows unless set (CONF-4).

    `realm` may be left out where one realm only is defined; `state` is a folder, relative to the file.
    """

    name: Name
    security: bool = True
    application_security: bool | None = None
    realm: Name | None = None
    state: Name = "state"


class InboundMapSection(Section):
    """`[realms.NAME.inbound_maps.FOREIGN]`: who the callers and groups of a foreign realm are in this one (FLOW-3).

    `users` and `groups` are tables of foreign name and name here; the user `"*"` is everybody without an entry.
    `unmapped` says what becomes of a caller whom no entry fits. [Reference](inflow.md#inbound-maps).
    """

    unmapped: Literal["refuse", "unauthenticated"] = "refuse"
    users: Texts = Field(default_factory=empty)
    groups: Texts = Field(default_factory=empty)


class RealmSection(Section):
    """`[realms.NAME]` with another registry than the built-in one, whose own the further keys are.

    `group_cache` is how long users and their groups are kept: two minutes unless set, not at all with a registry that
    keeps them itself (`file`, `ldap`). `credential_cache` is how long an accepted password is, as a keyed digest; off
    unless set. [What that means](inflow.md#what-is-kept-of-a-registry).
    """

    model_config = ConfigDict(extra="allow")

    registry: Name = "file"
    trusted_inbound: Names = ()
    inbound_maps: InboundMaps = Field(default_factory=empty)
    group_cache: Duration | None = None
    credential_cache: Duration = 0.0


class FileRealmSection(RealmSection):
    """`[realms.NAME]` with the built-in registry: a file of users.

    With `scram`, passwords that are set from then on have a verifier for SCRAM-SHA-256 beside their hash; once every
    user has one, [clients of a bus](wire.md) can sign on by it.
    """

    model_config = ConfigDict(extra="forbid")

    path: Name
    scram: bool = False


class AuthDataSection(Section):
    """`[auth_data]` with another store than the built-in file, whose own the further keys are (AUTHD-2).

    `watch` is how often the store is looked at for changes, at least every 100 ms; without it nothing is put in force
    but by `connector auth-data refresh` and the other commands, a connection test, and the next start (AUTHD-3).
    """

    model_config = ConfigDict(extra="allow")

    store: Name = "file"
    watch: WatchInterval | None = None


class FileAuthDataSection(AuthDataSection):
    """`[auth_data]` with the built-in encrypted file: the vault, and where its key comes from (AUTHD-1).

    `key` is `file:PATH`, `env:NAME`, `keyring:NAME` (with `key_backend`, the full name of the keyring's class) or
    `passphrase`, optionally with `:PATH` for the parameters of its derivation. `passphrase` says where that comes from:
    `prompt` (the default), `stdin` or `file:PATH`; `new_passphrase` where `rotate-key` takes the next one from.
    """

    model_config = ConfigDict(extra="forbid")

    path: Name
    key: Name
    key_backend: Name | None = None
    passphrase: Name | None = None
    new_passphrase: Name | None = None


class EnvAuthDataSection(AuthDataSection):
    """`[auth_data]` with the built-in environment, which is read-only (AUTHD-2).

    `PREFIX__ALIAS__USER`, `…__PASSWORD` and `…__DESCRIPTION` are one entry, each with `_FILE` at its end for a file
    that holds the value. Aliases have no capitals and no underscores: `LEDGER_BATCH` is `ledger-batch`. `watch` looks
    at those files.
    """

    model_config = ConfigDict(extra="forbid")

    prefix: Name = "CONNECTOR_AUTH_DATA"


class StackEntry(Section):
    """One link of a login configuration: a module of the group `connector.mappers`, its flag and options (SIGN-4)."""

    module: Name
    flag: Flag
    options: FreeTable = Field(default_factory=empty)


class LoginSection(Section):
    """`[login.NAME]`: the ordered stack of login modules."""

    # Not `min_length`: that would count a link with a mistake as none, and report a second mistake.
    stack: Annotated[tuple[StackEntry, ...], Field(strict=False), AfterValidator(_not_empty)]


class ResourceSection(Section):
    """`[resources.NAME]`: one connection factory, activation specification or destination (CONF-2)."""

    adapter: Name
    kind: ResourceKind = "connection-factory"
    component_alias: Name | None = None
    recovery_alias: Name | None = None
    properties: Mapping[str, Any] = Field(default_factory=empty)
    pool: PoolSection = PoolSection()


#: The admin roles, from the least to the most.
ADMIN_ROLES = ("monitor", "operator", "configurator", "administrator")


class AdminSection(Section):
    """`[admin]`: who holds which admin role, as `user:NAME` or `group:NAME` (CONF-4), and the port for administration
    from elsewhere, if there is to be one (CONF-7): `tls` names the TLS configuration of the port.
    """

    monitor: AdminHolders = ()
    operator: AdminHolders = ()
    configurator: AdminHolders = ()
    administrator: AdminHolders = ()
    port: Annotated[int, Field(ge=1, le=65_535)] | None = None
    host: Name = "127.0.0.1"
    tls: Name | None = None


class PluginsSection(Section):
    """`[plugins]`: which plugins may load (allow, deny), and whether a broken one stops the start (OPS-3)."""

    allow: Names | None = None
    deny: Names = ()
    strict: bool = False


#: The core's own top-level sections.
CORE_SECTIONS = frozenset(
    {
        "container",
        "realms",
        "auth_data",
        "login",
        "resources",
        "applications",
        "admin",
        "naming",
        "plugins",
        "tls",
        "work",
    }
)
