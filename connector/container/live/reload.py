"""From a checked configuration to what is in force: the steps in order, and what waits for a restart (CONF-8)."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, final

from connector.container.configuration.differences import changed_paths, is_below
from connector.container.configuration.key_path_text import value_at
from connector.container.configuration.key_paths import KeyPath, show_key_path
from connector.container.configuration.settings import ContainerConfiguration
from connector.container.configuration.surgery import SetValue, Unset, applied
from connector.container.live.adapter_changes import adapter_changes
from connector.container.live.application_changes import application_changes, in_started_realms
from connector.container.live.resource_changes import LIVE_POOL_KEYS, is_rebindable, resource_changes
from connector.container.live.steps import Done, Step
from connector.container.plugins.catalogue import PluginCatalogue
from connector.errors import DeploymentError, Reason

if TYPE_CHECKING:
    from connector.container.parts import Parts

STOPPING = Reason(
    "CF-CTR-071",
    "the container {container} is stopping and takes no other configuration.",
    "Give the command again once it has stopped: it then works on the files.",
)

_MISSING: Final = object()


@final
class Reloader:
    """Puts changed configurations in force on one container; one at a time. Safe to use from any thread.

    Args:
        parts: The container.
    """

    # Mutable state, changed under `_lock` (held for as long as a change takes): `_said`, what the files say as far as
    # they were read; `_in_force`, what of it the container acts on; `_stopping`, which only ever turns True.

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._lock = threading.RLock()
        self._said: Mapping[str, Any] = parts.configuration.said
        self._in_force: Mapping[str, Any] = parts.configuration.said
        self._stopping = False

    @property
    def said(self) -> Mapping[str, Any]:
        """What the files said when they were last read, environment and overrides included. May hold secrets."""
        return self._said

    @property
    def waiting(self) -> tuple[str, ...]:
        """The settings that were changed and wait for a restart, by key path."""
        return tuple(map(show_key_path, changed_paths(self._in_force, self._said)))

    def stop(self, timeout: float) -> None:
        """Take no further change; waits up to `timeout` seconds for one that is under way."""
        self._stopping = True
        if self._lock.acquire(timeout=timeout):
            self._lock.release()

    def apply(self, configuration: ContainerConfiguration, catalogue: PluginCatalogue) -> AppliedChange:
        """Put in force what can be: all of it, or nothing where a step fails.

        Blocks for adapters; the end of an activation waits some seconds for what is in work.

        Args:
            configuration: Loaded and checked.
            catalogue: The plugins that it was loaded with; the container goes on with its own.

        Raises ConnectorError as the failing step did; everything is then as it was before.
        """
        with self._lock:
            parts = self._parts
            if self._stopping:
                raise DeploymentError(STOPPING, container=parts.configuration.container.name)
            old = parts.configuration
            adapters = adapter_changes(parts, configuration)
            resources = resource_changes(parts, configuration)
            # What is fixed at the start stays what was started, whatever the files say by now.
            effective = replace(
                configuration,
                container=old.container,
                realms=old.realms,
                auth_data=old.auth_data,
                login=old.login,
                tls=old.tls,
                work=old.work,
                admin_port=old.admin_port,
                naming_port=old.naming_port,
                naming_provider=old.naming_provider,
                plugins=old.plugins,
                plugin_sections=old.plugin_sections,
                resources=resources.settings,
                sections=adapters.sections,
                applications=in_started_realms(configuration.applications, old, frozenset(parts.realms)),
            )
            applications = application_changes(parts, effective)
            done = Done()
            done.make(
                [
                    *adapters.steps,
                    *resources.steps,
                    Step("configuration", lambda: self._use(effective), lambda: self._use(old)),
                    *applications,
                ]
            )
            paths = changed_paths(self._said, configuration.said)
            restart = tuple(path for path in paths if self._waits(path, old, configuration, adapters.restart))
            return AppliedChange(
                self, done, tuple(path for path in paths if path not in restart), restart, configuration
            )

    def _use(self, configuration: ContainerConfiguration) -> None:
        self._parts.configuration = configuration

    def _waits(
        self, path: KeyPath, old: ContainerConfiguration, new: ContainerConfiguration, adapters: Iterable[str]
    ) -> bool:
        """Whether a changed setting waits for a restart."""
        if value_at(new.said, path, _MISSING) == value_at(self._in_force, path, _MISSING):
            return False  # it is as it was started again
        match path:
            case ("admin", key, *_):
                return key in ("port", "host", "tls")
            case ("applications", str(name), "application", "realm"):
                return name in old.applications
            case ("applications", *_):
                return False
            case ("resources", str(name), *rest):
                return _resource_waits(old, new, name, rest)
        if is_below(path, *((section,) for sections in new.sections.values() for section in sections)) or is_below(
            path, *((section,) for sections in old.sections.values() for section in sections)
        ):
            shown = show_key_path(path)
            return any(shown == each or shown.startswith((f"{each}.", f"{each}[")) for each in adapters)
        return True

    def keep(self, configuration: ContainerConfiguration, live: Iterable[KeyPath]) -> None:
        """Remember what the files say now, and what of it is in force."""
        with self._lock:
            in_force: Mapping[str, Any] = self._in_force
            for path in live:
                value = value_at(configuration.said, path, _MISSING)
                if value is not _MISSING:
                    in_force = applied(in_force, SetValue(path, value))
                elif value_at(in_force, path, _MISSING) is not _MISSING:
                    in_force = applied(in_force, Unset(path))
            self._in_force, self._said = in_force, configuration.said


def _resource_waits(old: ContainerConfiguration, new: ContainerConfiguration, name: str, rest: list[Any]) -> bool:
    present, wanted = old.resources.get(name), new.resources.get(name)
    if present is None:
        return False
    if wanted is None:
        return present.kind == "connection-factory"
    if is_rebindable(present, wanted):
        return False
    return len(rest) != 2 or rest[0] != "pool" or rest[1] not in LIVE_POOL_KEYS


@final
class AppliedChange:
    """What of a change is in force, and how to take it back. Made by `Reloader.apply`; use it on one thread.

    Attributes:
        live: What is in force, by key path.
        restart: What waits for a restart, by key path.
    """

    def __init__(
        self,
        reloader: Reloader,
        done: Done,
        live: tuple[KeyPath, ...],
        restart: tuple[KeyPath, ...],
        configuration: ContainerConfiguration,
    ) -> None:
        self.live = live
        self.restart = restart
        self._reloader = reloader
        self._done = done
        self._configuration = configuration

    def undo(self) -> None:
        """Put in force what was before; raises nothing."""
        self._done.undo()

    def keep(self) -> None:
        """It is written: it is what the next change is compared with."""
        self._reloader.keep(self._configuration, self.live)
