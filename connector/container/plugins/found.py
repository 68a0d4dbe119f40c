"""From entry points to described plugins: nothing is imported, what is wrong is recorded with its reason."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from importlib.metadata import Distribution, EntryPoint, distributions
from typing import Any

from connector import __version__
from connector.container.plugins.contracts import (
    ADAPTERS,
    GROUPS,
    MAPPERS,
    OWN_DISTRIBUTION,
    PLUGINS,
    REGISTRIES,
    STORES,
)
from connector.container.plugins.descriptor import AdapterDescriptor
from connector.container.plugins.descriptor_file import FILE_NAME as ADAPTER_FILE
from connector.container.plugins.descriptor_file import (
    locate_descriptor,
    located,
    read_descriptor,
    read_mapper_descriptor,
    read_plugin_descriptor,
)
from connector.container.plugins.info import PluginInfo, PluginState
from connector.container.plugins.mapper_file import FILE_NAME as MAPPER_FILE
from connector.container.plugins.mapper_file import MapperDescriptor
from connector.container.plugins.plugin_file import FILE_NAME as PLUGIN_FILE
from connector.container.plugins.plugin_file import PluginDescriptor
from connector.errors import PluginError
from connector.spi import SPI_VERSION

#: Providers of the core: there without any entry point.
BUILT_IN = (
    EntryPoint("file", "connector.security.vault:file_store", STORES),
    EntryPoint("env", "connector.security.env_store:env_store", STORES),
    EntryPoint("file", "connector.security.file_registry:file_registry", REGISTRIES),
)
# SIGN-3: whoever could bring these names could change what the built-in login configurations do.
_PROTECTED = {(entry.group, entry.name) for entry in BUILT_IN} | {(MAPPERS, "default"), (MAPPERS, "trusted")}


@dataclass(slots=True)
class FoundPlugin:
    """A plugin as the catalogue keeps it; changed only under the catalogue's lock.

    Attributes:
        entry: Its entry point.
        info: How far it has come.
        descriptor: What its `ra.toml` declares, if it is an adapter and that is right.
        plugin: What its `plugin.toml` declares, if it has one and that is right.
        mapper: What the `mapper.toml` of its package says of it, if there is one and that is right.
        loaded: The imported object; None before.
    """

    entry: EntryPoint
    info: PluginInfo
    descriptor: AdapterDescriptor | None = None
    plugin: PluginDescriptor | None = None
    mapper: MapperDescriptor | None = None
    loaded: Any = None

    @property
    def protected(self) -> bool:
        """Whether it is the framework's own and built in: no list keeps it out, nobody else may bring its name."""
        own = self.info.distribution.lower() == OWN_DISTRIBUTION
        return own and (self.info.group, self.info.name) in _PROTECTED

    def fail(self, state: PluginState, reason: str) -> None:
        """Record why it can't be used."""
        self.info = replace(self.info, state=state, reason=reason)


def installed_entry_points() -> Iterator[EntryPoint]:
    """The entry points of our groups in everything that is installed; of a distribution that is on the path twice the
    first. One walk over the path, where `importlib.metadata.entry_points` would take one for each group.
    """
    seen: set[str] = set()
    for distribution in distributions():
        entries = [entry for entry in distribution.entry_points if entry.group in GROUPS]
        if entries and (name := distribution.name) not in seen:  # asking for the name parses its metadata
            seen.add(name)
            yield from entries


def found_plugins(entry_points: Iterable[EntryPoint]) -> list[FoundPlugin]:
    """All plugins of our groups and the built-in ones, described, sorted by group, name and distribution.

    Blocks for the disk; imports nothing.
    """
    identities: dict[int, tuple[str, str]] = {}
    # By all that tells them apart: a distribution that is on the path twice is no duplicate.
    unique = {(entry, OWN_DISTRIBUTION): _found(entry, OWN_DISTRIBUTION, __version__) for entry in BUILT_IN}
    for entry in entry_points:
        if entry.group in GROUPS:
            distribution, version = _identity(entry.dist, identities)
            unique.setdefault((entry, distribution), _found(entry, distribution, version))
    found = list(unique.values())
    found.sort(key=lambda plugin: (GROUPS.index(plugin.info.group), plugin.info.name, plugin.info.distribution))
    _refuse_duplicates(found)
    for plugin in found:
        if plugin.info.usable and plugin.info.group in _DESCRIBED:
            _describe(plugin)
    return found


def _found(entry: EntryPoint, distribution: str, version: str) -> FoundPlugin:
    plugin = FoundPlugin(entry, PluginInfo(entry.group, entry.name, distribution, version, PluginState.AVAILABLE))
    if (entry.group, entry.name) in _PROTECTED and not plugin.protected:
        plugin.fail(PluginState.FAILED, f"the name {entry.name!r} is built in and protected (SIGN-3)")
    return plugin


def _identity(distribution: Distribution | None, known: dict[int, tuple[str, str]]) -> tuple[str, str]:
    """Name and version; remembered, since each question parses the distribution's metadata anew."""
    if distribution is None:
        return "", ""
    if id(distribution) not in known:
        metadata = distribution.metadata
        known[id(distribution)] = (metadata["Name"] or "", metadata["Version"] or "")
    return known[id(distribution)]


def _refuse_duplicates(found: list[FoundPlugin]) -> None:
    """Two plugins of one name are both out: which one loads must not depend on the order of installation."""
    by_name: dict[tuple[str, str], list[FoundPlugin]] = defaultdict(list)
    for plugin in found:
        if plugin.info.usable:
            by_name[plugin.info.group, plugin.info.name].append(plugin)
    for plugins in by_name.values():
        if len(plugins) > 1:
            owners = " and ".join(_of(plugin) or "an unknown distribution" for plugin in plugins)
            for plugin in plugins:
                plugin.fail(PluginState.FAILED, f"{owners} bring the same name: uninstall one")


def _of(plugin: FoundPlugin) -> str:
    return f"{plugin.info.distribution} {plugin.info.version}".strip()


def _describe(plugin: FoundPlugin) -> None:
    """Read what it declares and hold that against this framework."""
    try:
        _DESCRIBED[plugin.info.group](plugin)
    except PluginError as error:
        plugin.fail(PluginState.FAILED, f"{error.code}: {error.text}")


def _describe_adapter(plugin: FoundPlugin) -> None:
    descriptor = read_descriptor(locate_descriptor(plugin.entry.module))
    if _fits(plugin, descriptor, ADAPTER_FILE):
        plugin.descriptor = descriptor
        capabilities = sorted(capability.value for capability in descriptor.capabilities)
        plugin.info = replace(plugin.info, provides=(*capabilities, *_shown(descriptor.sections)))


def _describe_plugin(plugin: FoundPlugin) -> None:
    file = None if plugin.protected else located(plugin.entry.module, PLUGIN_FILE)  # built-in ones have none
    if file is None:
        return
    descriptor = read_plugin_descriptor(file)
    if _fits(plugin, descriptor, PLUGIN_FILE):
        plugin.plugin = descriptor
        plugin.info = replace(plugin.info, provides=_shown(descriptor.sections))


def _describe_mapper(plugin: FoundPlugin) -> None:
    file = located(plugin.entry.module, MAPPER_FILE)
    descriptor = None if file is None else read_mapper_descriptor(file, plugin.info.name)
    if descriptor is not None and _fits(plugin, descriptor, MAPPER_FILE):
        plugin.mapper = descriptor


_DESCRIBED = {
    ADAPTERS: _describe_adapter,
    STORES: _describe_plugin,
    REGISTRIES: _describe_plugin,
    PLUGINS: _describe_plugin,
    MAPPERS: _describe_mapper,
}


def _fits(plugin: FoundPlugin, descriptor: AdapterDescriptor | PluginDescriptor | MapperDescriptor, file: str) -> bool:
    first, last = descriptor.spi
    if not descriptor.supports(SPI_VERSION):
        written = first if first == last else f"{first} to {last}"
        plugin.fail(PluginState.INCOMPATIBLE, f"it was written for SPI {written}, this is SPI {SPI_VERSION}")
    elif descriptor.name != plugin.info.name:
        plugin.fail(PluginState.FAILED, f"its {file} names it {descriptor.name!r}")
    return plugin.info.usable


def _shown(sections: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"[{section}]" for section in sorted(sections))
