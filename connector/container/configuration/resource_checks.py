"""Checking `[resources]` and the sections that adapters and plugins own against their declarations (CONF-2).

None of them is imported for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, get_args

from connector.container.configuration.adapter_properties import PropertyChecker
from connector.container.configuration.key_paths import KeyPath
from connector.container.configuration.model import CORE_SECTIONS, ResourceKind, ResourceSection
from connector.container.configuration.plugin_checks import check_plugin
from connector.container.configuration.pool_section import check_pool
from connector.container.configuration.problems import ProblemCollector, did_you_mean, listed
from connector.container.configuration.settings import ResourceSettings
from connector.container.configuration.shape import shaped, table_of_tables
from connector.container.plugins.catalogue import PluginCatalogue
from connector.container.plugins.contracts import ADAPTERS, PLUGINS
from connector.container.plugins.descriptor import AdapterDescriptor
from connector.errors import Reason
from connector.spi import Capability, ConfigProperty

SECTION_UNKNOWN = Reason("CF-CONF-015", "the unknown section [{section}]", "Remove it or correct its name.{failed}")
ADAPTER_NOT_INBOUND = Reason(
    "CF-CONF-042", "an activation of the adapter {adapter!r}, which has no inbound side", "Use another adapter."
)
SETTING_MISPLACED = Reason(
    "CF-CONF-043", "the key {key!r} for a resource of kind {kind!r}, where it means nothing", "Remove it."
)

_CONNECTION_FACTORY = "connection-factory"
# What has a meaning for some kinds of resources only.
_MISPLACED = {
    "activation": ("pool", "recovery_alias"),
    "destination": ("pool", "component_alias", "recovery_alias"),
}


def check_resources(
    data: Mapping[str, Any], catalogue: PluginCatalogue, checker: PropertyChecker
) -> Mapping[str, ResourceSettings]:
    """`[resources]`, each with its adapter's properties checked and converted. Blocks for secrets in files."""
    problems = checker.problems
    adapters = catalogue.adapters
    checked: dict[str, ResourceSettings] = {}
    for name, table in table_of_tables(data, "resources", problems).items():
        path = ("resources", name)
        said = shaped(ResourceSection, table, path, problems)
        section = said.section
        if section is None:
            continue
        kind_known = "kind" not in said.broken
        for key in _MISPLACED.get(section.kind, ()):
            if key in section.model_fields_set:
                problems.add(SETTING_MISPLACED, (*path, key), allowed="nothing here", key=key, kind=section.kind)
        properties: Mapping[str, Any] = {}
        if check_plugin(catalogue, ADAPTERS, section.adapter, (*path, "adapter"), problems, what="adapter"):
            descriptor = adapters[section.adapter]
            _check_kind(section, descriptor, path, problems)
            if "pool" not in said.broken:
                check_pool(section.pool, section.adapter, descriptor.capabilities, (*path, "pool"), problems)
            if kind_known and "properties" not in said.broken:
                declared = descriptor.properties_of(section.kind)
                properties = checker.table(section.properties, declared, (*path, "properties"))
        checked[name] = ResourceSettings(
            name,
            section.adapter,
            section.kind,
            section.component_alias,
            properties,
            section.pool,
            section.recovery_alias,
        )
    return MappingProxyType(checked)


def _check_kind(
    section: ResourceSection, descriptor: AdapterDescriptor, path: KeyPath, problems: ProblemCollector
) -> None:
    if section.kind == "activation" and Capability.INBOUND not in descriptor.capabilities:
        problems.add(
            ADAPTER_NOT_INBOUND, (*path, "kind"), allowed="an adapter with inbound delivery", adapter=section.adapter
        )


def check_sections(
    data: Mapping[str, Any], owners: Mapping[str, Mapping[str, ConfigProperty]], checker: PropertyChecker
) -> Mapping[str, Mapping[str, Any]]:
    """By owner (an adapter or a plugin), the sections that it declares and that the data has, checked."""
    checked: dict[str, Mapping[str, Any]] = {}
    for name, declared in sorted(owners.items()):
        present = {
            section: prop for section, prop in declared.items() if section not in CORE_SECTIONS and section in data
        }
        if present:
            checked[name] = checker.table({section: data[section] for section in present}, present, ())
    return MappingProxyType(checked)


def section_owners(
    catalogue: PluginCatalogue,
) -> tuple[Mapping[str, Mapping[str, ConfigProperty]], Mapping[str, Mapping[str, ConfigProperty]]]:
    """The sections that adapters declare, and those that plugins do, each by its owner."""
    return (
        {name: adapter.sections for name, adapter in catalogue.adapters.items()},
        {name: plugin.sections for name, plugin in catalogue.described.items()},
    )


def check_nobodys_sections(data: Mapping[str, Any], catalogue: PluginCatalogue, problems: ProblemCollector) -> None:
    """Note sections that nobody owns."""
    known = CORE_SECTIONS.union(*(declared for owners in section_owners(catalogue) for declared in owners.values()))
    for section in sorted(set(data) - known):
        problems.add(
            SECTION_UNKNOWN,
            (section,),
            allowed=listed(known),
            hint=did_you_mean(section, known),
            section=section,
            failed=_failed_owners(catalogue),
        )


def _failed_owners(catalogue: PluginCatalogue) -> str:
    """A section may be unknown because the adapter or plugin that owns it could not be described."""
    owning = (ADAPTERS, PLUGINS)
    failed = [f"{i.name} ({i.state}: {i.reason})" for i in catalogue.plugins if i.group in owning and not i.usable]
    return f" It may belong to an adapter or plugin that can't be used: {'; '.join(failed)}." if failed else ""


def resource_kinds(data: Mapping[str, Any]) -> Mapping[str, str | None]:
    """The kind of each resource that is named at all, None where that is wrong: what is reported once needn't be
    reported again for all that binds to it.
    """
    resources = data.get("resources")
    tables = resources if isinstance(resources, Mapping) else {}
    kinds: dict[str, str | None] = {}
    for name, table in tables.items():
        kind = table.get("kind", _CONNECTION_FACTORY) if isinstance(table, Mapping) else None
        kinds[name] = kind if kind in get_args(ResourceKind) else None
    return kinds
