"""Checking `[container]`, `[realms]`, `[auth_data]` and `[admin]` (CONF-1, CONF-4)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from connector.container.configuration.adapter_properties import PropertyChecker
from connector.container.configuration.inbound_checks import check_inbound_maps
from connector.container.configuration.model import (
    ADMIN_ROLES,
    AdminSection,
    AuthDataSection,
    ContainerSection,
    EnvAuthDataSection,
    FileAuthDataSection,
    FileRealmSection,
    RealmSection,
)
from connector.container.configuration.plugin_checks import check_plugin
from connector.container.configuration.problems import ProblemCollector, did_you_mean, listed
from connector.container.configuration.sections import Section
from connector.container.configuration.settings import AdminPort, AuthDataSettings, ContainerSettings, RealmSettings
from connector.container.configuration.shape import shaped, table_of_tables
from connector.container.plugins.catalogue import PluginCatalogue
from connector.container.plugins.contracts import REGISTRIES, STORES
from connector.container.plugins.plugin_file import PluginDescriptor
from connector.errors import Reason
from connector.security.tls.settings import TlsSettings
from connector.spi import ConfigProperty

REALM_UNDEFINED = Reason(
    "CF-CONF-050", "the realm {realm!r}, which is not defined", "Define it: [realms.{realm}] with its registry."
)
REALM_UNCLEAR = Reason(
    "CF-CONF-051", "no realm, with {count} realms defined", "Define one realm, or say which one: realm = NAME."
)
APPLICATION_SECURITY_ALONE = Reason(
    "CF-CONF-052",
    "application_security on with administrative security off",
    "Switch security on, or leave application_security out (CONF-4).",
)

PORT_UNSECURED = Reason(
    "CF-CONF-076",
    "an admin port with administrative security off, which is not opened: everybody could do everything there",
    "Switch security on in [container].",
)
PORT_WITHOUT_TLS = Reason(
    "CF-CONF-077",
    "an admin port with {found}",
    "Name one in `tls` of [admin]; `connector init` makes [tls.node-default].",
)

_FILE = "file:"


def check_container(data: Mapping[str, Any], folder: Path, problems: ProblemCollector) -> ContainerSettings | None:
    """`[container]`; None where it can't be used."""
    path = ("container",)
    said = shaped(ContainerSection, data.get("container", {}), path, problems)
    realms = table_of_tables(data, "realms", problems)
    section = said.section
    if section is None:
        return None
    if section.application_security and not section.security:
        problems.add(APPLICATION_SECURITY_ALONE, (*path, "application_security"), allowed="off, or security on")
    realm = section.realm
    if realm is None and len(realms) == 1:
        realm = next(iter(realms))
    if realm is None and "realm" not in said.broken:
        problems.add(REALM_UNCLEAR, (*path, "realm"), allowed=listed(realms), count=len(realms))
    elif realm is not None and realm not in realms:
        hint = did_you_mean(realm, realms)
        problems.add(REALM_UNDEFINED, (*path, "realm"), allowed=listed(realms), hint=hint, realm=realm)
    chosen = section.application_security
    return ContainerSettings(
        name=section.name,
        security=section.security,
        application_security=section.security if chosen is None else chosen,
        realm=realm or "",
        state=folder / section.state,
    )


def check_realms(
    data: Mapping[str, Any], catalogue: PluginCatalogue, checker: PropertyChecker
) -> Mapping[str, RealmSettings]:
    """`[realms]`; the keys of a registry that declares them are checked and converted. Blocks for secrets in files."""
    problems = checker.problems
    checked: dict[str, RealmSettings] = {}
    for name, table in table_of_tables(data, "realms", problems).items():
        path = ("realms", name)
        model: type[RealmSection] = FileRealmSection if _built_in(table, "registry") else RealmSection
        section = shaped(model, table, path, problems).section
        if section is not None:
            check_plugin(catalogue, REGISTRIES, section.registry, (*path, "registry"), problems, what="user registry")
            own = _declared_keys(table, RealmSection, catalogue.registries.get(section.registry), "realms")
            table = table if own is None else checker.table(own[0], own[1], path)
            settings = provider_settings({"registry": section.registry, **table}, checker.folder)
            checked[name] = RealmSettings(
                name,
                section.registry,
                section.trusted_inbound,
                settings,
                inbound_maps=check_inbound_maps(section.inbound_maps, name, path, problems),
                group_cache=section.group_cache,
                credential_cache=section.credential_cache,
            )
    return MappingProxyType(checked)


def check_auth_data(data: Mapping[str, Any], catalogue: PluginCatalogue, checker: PropertyChecker) -> AuthDataSettings:
    """`[auth_data]`; without it the environment is the store, which needs no set-up and may be empty.

    The keys of a store that declares them are checked and converted. Blocks for secrets in files.
    """
    problems = checker.problems
    path = ("auth_data",)
    if "auth_data" not in data:
        return AuthDataSettings("env", MappingProxyType({"store": "env"}))
    table = data["auth_data"]
    section = shaped(_auth_data_model(table), table, path, problems).section
    if section is None:
        return AuthDataSettings("env", MappingProxyType({}))
    check_plugin(catalogue, STORES, section.store, (*path, "store"), problems, what="authentication-data store")
    own = _declared_keys(table, AuthDataSection, catalogue.stores.get(section.store), "auth_data")
    table = table if own is None else checker.table(own[0], own[1], path)
    settings = provider_settings({"store": section.store, **table}, checker.folder)
    return AuthDataSettings(section.store, settings, section.watch)


def _declared_keys(
    table: Mapping[str, Any], core: type[Section], described: PluginDescriptor | None, section: str
) -> tuple[Mapping[str, Any], Mapping[str, ConfigProperty]] | None:
    """What of a table is the provider's own, and what it declares of that; None for one that declares nothing."""
    if described is None or section not in described.sections:
        return None
    own = {key: value for key, value in table.items() if key not in core.model_fields}
    return own, described.sections[section].properties


def _auth_data_model(table: Any) -> type[AuthDataSection]:
    if _built_in(table, "store"):
        return FileAuthDataSection
    return EnvAuthDataSection if table["store"] == "env" else AuthDataSection


def _built_in(table: Any, key: str) -> bool:
    """Whether the provider is the built-in one, whose keys are known here."""
    return not isinstance(table, Mapping) or table.get(key, "file") == "file"


def check_admin(data: Mapping[str, Any], problems: ProblemCollector) -> Mapping[str, tuple[str, ...]]:
    """`[admin]`: the holders of each admin role."""
    section = shaped(AdminSection, data.get("admin", {}), ("admin",), problems).section or AdminSection()
    return MappingProxyType({role: getattr(section, role) for role in ADMIN_ROLES})


def check_admin_port(
    data: Mapping[str, Any], tls: Mapping[str, TlsSettings], problems: ProblemCollector, *, security: bool
) -> AdminPort | None:
    """`[admin]` port, host and tls; None where there is to be no port. The shape has been judged by `check_admin`."""
    section = shaped(AdminSection, data.get("admin", {}), ("admin",), ProblemCollector(problems.origins)).section
    if section is None or section.port is None:
        return None
    place = ("admin", "port")
    if not security:
        # No mistake: switching security off by hand is the way back in, and must start.
        problems.warn(PORT_UNSECURED, place, allowed="a port with administrative security")
        return None
    if section.tls is None or section.tls not in tls:
        hint = did_you_mean(section.tls or "", tls)
        found = "no TLS configuration" if section.tls is None else f"the unknown TLS configuration {section.tls!r}"
        problems.add(PORT_WITHOUT_TLS, ("admin", "tls"), allowed=listed(tls), hint=hint, found=found)
        return None
    return AdminPort(section.host, section.port, tls[section.tls])


def provider_settings(table: Mapping[str, Any], folder: Path) -> Mapping[str, Any]:
    """A provider's table with file paths made absolute: the key `path`, and values that begin with `file:`."""
    settings: dict[str, Any] = {}
    for key, value in table.items():
        if key == "path" and isinstance(value, str):
            settings[key] = str(folder / value)
        elif isinstance(value, str) and value.startswith(_FILE):
            settings[key] = f"{_FILE}{folder / value.removeprefix(_FILE)}"
        else:
            settings[key] = value
    return MappingProxyType(settings)
