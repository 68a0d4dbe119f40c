"""Calling the hooks of plugins: each one apart, so that no plugin can keep another from hearing (OPS-3)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from inspect import isclass
from typing import Any, final

import pluggy

from connector.container.plugins.catalogue import PluginCatalogue
from connector.container.plugins.contracts import PLUGINS
from connector.errors import ConnectorError, PluginError
from connector.spi import AuditEvent, ObservedContainer
from connector.spi.hooks import PROJECT_NAME, HookSpecifications

log = logging.getLogger("connector.container")


@final
class HookCaller:
    """Tells the plugins of the group `connector.plugins` what happens.

    Hooks run on the calling thread. What one raises is logged and dropped: an error of the framework's tree with its
    text, which never holds a secret, any other by its type, since its text might quote anything. A plugin that can't be
    loaded, is a class instead of an object, or implements a hook that doesn't exist is recorded in the catalogue and
    left out. Safe to call from any thread: nothing changes after construction.

    Args:
        catalogue: Where the plugins are; they are loaded here.
        container: The name of the container whose events they are.
    """

    def __init__(self, catalogue: PluginCatalogue, container: str) -> None:
        self._catalogue = catalogue
        self._container = container
        self._managers: list[tuple[str, pluggy.PluginManager]] = []
        for name in catalogue.names(PLUGINS):
            try:
                plugin = catalogue.load(PLUGINS, name)
            except PluginError as error:
                log.warning("%s", error)
                continue
            wrong, manager = _registered(plugin)
            if manager is None:
                catalogue.record_failure(PLUGINS, name, wrong)
                log.warning("plugin %r is left out: %s", name, wrong)
            else:
                self._managers.append((name, manager))

    def audit_event(self, event: AuditEvent) -> None:
        """Tell of an audit event that was written."""
        for name, manager in self._managers:
            self._call(name, manager.hook.connector_audit_event, event=event, container=self._container)

    def container_started(self, observed_by: Callable[[str], ObservedContainer]) -> None:
        """Tell that the container is ready; a plugin that fails at this is recorded as failed in the catalogue.

        Args:
            observed_by: Makes what the plugin of a name may see of the container.
        """
        for name, manager in self._managers:
            started = manager.hook.connector_container_started
            failure = self._call(name, started, container=self._container, observed=observed_by(name))
            if failure:
                self._catalogue.record_failure(PLUGINS, name, failure)

    def container_stopping(self) -> None:
        """Tell that the container is about to stop."""
        for name, manager in self._managers:
            self._call(name, manager.hook.connector_container_stopping, container=self._container)

    def _call(self, plugin: str, hook: pluggy.HookCaller, **arguments: Any) -> str:
        """Call one plugin's hook; answers what it raised, as far as that may be told, or nothing."""
        try:
            hook(**arguments)
        except Exception as error:  # noqa: BLE001  # a plugin's hook may raise anything
            failure = str(error) if isinstance(error, ConnectorError) else type(error).__name__
            log.error("plugin %r: its hook %s raised %s; dropped", plugin, hook.name, failure)
            return failure
        return ""


def _registered(plugin: Any) -> tuple[str, pluggy.PluginManager | None]:
    """A manager for one plugin alone (pluggy's own loop ends at the first hook that raises), or what is wrong."""
    if isclass(plugin):
        return "its entry point names a class; name an object or a module", None
    manager = pluggy.PluginManager(PROJECT_NAME)
    manager.add_hookspecs(HookSpecifications)
    try:
        manager.register(plugin)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        return f"it implements a hook that does not exist: {error}", None
    return "", manager
