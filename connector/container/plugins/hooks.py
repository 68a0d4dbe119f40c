"""Calling the hooks of plugins: each one apart, so that no plugin can keep another from hearing (OPS-3)."""

from __future__ import annotations

import logging
from inspect import isclass
from typing import Any, final

import pluggy

from connector.container.plugins.catalogue import PluginCatalogue
from connector.container.plugins.contracts import PLUGINS
from connector.errors import PluginError
from connector.spi import AuditEvent
from connector.spi.hooks import PROJECT_NAME, HookSpecifications

log = logging.getLogger("connector.container")


@final
class HookCaller:
    """Tells the plugins of the group `connector.plugins` what happens.

    Hooks run on the calling thread. What one raises is logged by its type (its text might quote anything) and dropped.
    A plugin that can't be loaded, is a class instead of an object, or implements a hook that doesn't exist is recorded
    in the catalogue and left out. Safe to call from any thread: nothing changes after construction.

    Args:
        catalogue: Where the plugins are; they are loaded here.
    """

    def __init__(self, catalogue: PluginCatalogue) -> None:
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
        self._call("connector_audit_event", event=event)

    def container_started(self, container: str) -> None:
        """Tell that the container of that name is ready."""
        self._call("connector_container_started", container=container)

    def container_stopping(self, container: str) -> None:
        """Tell that the container of that name is about to stop."""
        self._call("connector_container_stopping", container=container)

    def _call(self, hook: str, **arguments: Any) -> None:
        for name, manager in self._managers:
            try:
                getattr(manager.hook, hook)(**arguments)
            except Exception as error:  # noqa: BLE001  # a plugin's hook may raise anything
                log.error("plugin %r: its hook %s raised %s; dropped", name, hook, type(error).__name__)


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
