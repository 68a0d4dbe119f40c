"""The catalogue of plugins: what was found, what may load, and loading it one by one behind a boundary (OPS-3)."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping
from dataclasses import replace
from importlib.metadata import EntryPoint
from types import MappingProxyType
from typing import Any, final

from connector.container.configuration.problems import did_you_mean, listed
from connector.container.plugins.contracts import PLUGINS, STORES, breach_of_contract
from connector.container.plugins.descriptor import AdapterDescriptor
from connector.container.plugins.found import FoundPlugin, found_plugins, installed_entry_points
from connector.container.plugins.info import PluginInfo, PluginState
from connector.container.plugins.mapper_file import MapperDescriptor
from connector.container.plugins.plugin_file import PluginDescriptor
from connector.container.plugins.selection import Selection, strict_by_environment
from connector.errors import PluginError, Reason

PLUGIN_UNKNOWN = Reason(
    "CF-PLUG-001", "there is no plugin {name!r} in {group}.", "Install what brings it, or correct the name. {hint}"
)
PLUGIN_UNUSABLE = Reason(
    "CF-PLUG-002",
    "the plugin {name!r} in {group}, from {distribution}, is {state}: {why}.",
    "Correct or reinstall it; `connector plugins` lists all.",
)
PLUGIN_BROKEN = Reason(
    "CF-PLUG-003",
    "the plugin {name!r} in {group}, from {distribution}, can't be loaded: {why}.",
    "Correct or reinstall {distribution}, or block the plugin in [plugins] deny.",
)
STRICT_REFUSAL = Reason(
    "CF-PLUG-004",
    "plugins are strict, and these can't be used:\n{listing}",
    "Correct, uninstall or block them ([plugins] deny), or switch strict off.",
)


@final
class PluginCatalogue:
    """All plugins that were found, with what has become of them. Safe to use from any thread.

    Args:
        found: The plugins, described.
    """

    # Mutable state: `info` and `loaded` of the elements of `_found`, changed only under `_lock`.

    def __init__(self, found: Iterable[FoundPlugin]) -> None:
        self._lock = threading.Lock()
        self._found = tuple(found)

    @classmethod
    def discover(
        cls,
        allow: Iterable[str] | None = None,
        deny: Iterable[str] | None = None,
        strict: bool = False,
        entry_points: Iterable[EntryPoint] | None = None,
        *,
        environ: Mapping[str, str] | None = None,
    ) -> PluginCatalogue:
        """Find all plugins without importing any. Blocks for the disk.

        Args:
            allow: What may load: names, `group:name` or distributions; None for everything. Where
                `CONNECTOR_LOAD_PLUGINS` is set as well, both must allow it.
            deny: What may not.
            strict: Whether a plugin that can't be used is an error; `CONNECTOR_STRICT_PLUGINS=1` says so as well.
            entry_points: Where to look; by default what is installed.
            environ: The environment; by default the process's own.

        Raises:
            PluginError: In strict mode, for plugins that can't be used.
        """
        environ = os.environ if environ is None else environ
        entries = installed_entry_points() if entry_points is None else entry_points
        catalogue = cls(found_plugins(entries))
        catalogue._apply(Selection.from_environment(environ))
        catalogue.restrict(allow, deny, strict=strict or strict_by_environment(environ))
        return catalogue

    def restrict(
        self, allow: Iterable[str] | None = None, deny: Iterable[str] | None = None, *, strict: bool = False
    ) -> None:
        """Block what these lists don't let through; what is blocked already stays so. Raises like `discover`."""
        self._apply(Selection.of(allow, deny))
        unusable = (PluginState.FAILED, PluginState.INCOMPATIBLE)
        bad = [info for info in self.plugins if info.state in unusable] if strict else []
        if bad:
            listing = "\n".join(f"  {i.group}:{i.name} ({i.distribution}): {i.state}: {i.reason}" for i in bad)
            raise PluginError(STRICT_REFUSAL, listing=listing)

    @property
    def plugins(self) -> tuple[PluginInfo, ...]:
        """All plugins, by group, name and distribution: a snapshot."""
        with self._lock:
            return tuple(plugin.info for plugin in self._found)

    @property
    def adapters(self) -> Mapping[str, AdapterDescriptor]:
        """The adapters that can be used, by name; none of them needs to have been imported."""
        with self._lock:
            usable = {p.info.name: p.descriptor for p in self._found if p.descriptor is not None and p.info.usable}
            return MappingProxyType(usable)

    @property
    def described(self) -> Mapping[str, PluginDescriptor]:
        """The plugins of the group `connector.plugins` that have a `plugin.toml` and can be used, by name."""
        return self._described_in(PLUGINS)

    @property
    def stores(self) -> Mapping[str, PluginDescriptor]:
        """The stores for authentication data that have a `plugin.toml` and can be used, by name."""
        return self._described_in(STORES)

    def _described_in(self, group: str) -> Mapping[str, PluginDescriptor]:
        with self._lock:
            described = ((p.info, p.plugin) for p in self._found if p.info.group == group and p.info.usable)
            return MappingProxyType({info.name: plugin for info, plugin in described if plugin is not None})

    @property
    def mappers(self) -> Mapping[str, MapperDescriptor]:
        """The mapping modules that a `mapper.toml` describes and that can be used, by name."""
        with self._lock:
            return MappingProxyType(
                {p.info.name: p.mapper for p in self._found if p.mapper is not None and p.info.usable}
            )

    def names(self, group: str) -> tuple[str, ...]:
        """The names in a group that can be used, sorted."""
        return tuple(sorted(info.name for info in self.plugins if info.group == group and info.usable))

    def info(self, group: str, name: str) -> PluginInfo | None:
        """What has become of a plugin: the usable one of that name, else the first that is not; None if unknown."""
        with self._lock:
            plugin = self._find(group, name)
            return None if plugin is None else plugin.info

    def load(self, group: str, name: str) -> Any:
        """Import a plugin, once, and answer what its entry point names. Blocks for the import.

        What the import raises never gets further than here: it is recorded, and told as a PluginError.

        Args:
            group: The entry-point group.
            name: The name in it.

        Raises:
            PluginError: It is unknown, blocked, incompatible, or broken; it says which and names the distribution.
        """
        with self._lock:
            plugin = self._find(group, name)
            info = None if plugin is None else plugin.info
            if plugin is not None and plugin.loaded is not None and plugin.info.usable:
                return plugin.loaded
        if plugin is None or info is None:
            known = self.names(group)
            hint = did_you_mean(name, known) or f"Known: {listed(known)}."
            raise PluginError(PLUGIN_UNKNOWN, group=group, name=name, hint=hint)
        if not info.usable:
            raise PluginError(
                PLUGIN_UNUSABLE,
                group=group,
                name=name,
                distribution=info.distribution,
                state=info.state.value,
                why=info.reason,
            )
        return self._import(plugin)  # outside the lock: an import may take long, and may import other plugins

    def _import(self, plugin: FoundPlugin) -> Any:
        cause: BaseException | None = None
        loaded: Any = None
        try:
            loaded = plugin.entry.load()
            why = breach_of_contract(plugin.info.group, loaded)
        except (Exception, SystemExit) as error:  # noqa: BLE001  # a plugin's import may raise anything
            cause, why = error, _reason_of(error)
        if not why:
            with self._lock:
                plugin.loaded = loaded
                plugin.info = replace(plugin.info, state=PluginState.LOADED)
            return loaded
        self.record_failure(plugin.info.group, plugin.info.name, why)
        raise PluginError(
            PLUGIN_BROKEN,
            group=plugin.info.group,
            name=plugin.info.name,
            distribution=plugin.info.distribution,
            why=why,
        ) from cause

    def record_failure(self, group: str, name: str, reason: str) -> None:
        """Note that a plugin turned out broken after it had been imported. Harmless for an unknown one."""
        with self._lock:
            plugin = self._find(group, name)
            if plugin is not None:
                plugin.fail(PluginState.FAILED, reason)

    def _apply(self, selection: Selection) -> None:
        with self._lock:
            for plugin in self._found:
                info = plugin.info
                reason = selection.blocked(info.group, info.name, info.distribution)
                if reason and not plugin.protected:
                    plugin.fail(PluginState.BLOCKED, reason)

    def _find(self, group: str, name: str) -> FoundPlugin | None:
        """Under the lock."""
        named = [plugin for plugin in self._found if plugin.info.group == group and plugin.info.name == name]
        return next((plugin for plugin in named if plugin.info.usable), named[0] if named else None)


def _reason_of(error: BaseException) -> str:
    """Why an import failed. Only errors about the import itself keep their text: any other might quote a secret."""
    kind = type(error).__name__
    return f"{kind}: {error}" if isinstance(error, ImportError | SyntaxError | AttributeError) else kind
