"""The container: the product's runtime, and the one room that knows all the others (CONF-1)."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, final

from connector.container.auth_data_updates import AuthDataUpdates
from connector.container.certificate_watch import watch_certificates
from connector.container.configuration.load import load_configuration
from connector.container.parts import Parts
from connector.container.plugins.catalogue import PluginCatalogue
from connector.container.startup import start
from connector.container.surface.callers import Callers
from connector.container.surface.connections import Connections
from connector.container.surface.operation import Operation
from connector.container.surface.units import UnitsOfWork

if TYPE_CHECKING:
    from connector.container.configuration.settings import ContainerConfiguration
    from connector.container.configuration_editor import ConfigurationEditor
    from connector.container.finding import Finding
    from connector.container.live.reload import Reloader

#: Seconds that a change of the configuration gets when the container stops.
RELOAD_TIMEOUT = 1.0


@dataclass(frozen=True, slots=True)
class Sources:
    """What a container's configuration comes from beside the files.

    Attributes:
        overrides: Settings that win over everything.
        environ: The environment; None for the process's own.
    """

    overrides: Mapping[str, Any] | None = field(default=None, repr=False)
    environ: Mapping[str, str] | None = field(default=None, repr=False)


@final
class Container(Callers, Connections, UnitsOfWork, Operation):
    """A running container; use it as a context manager, or call `close`.

    Its life and its configuration are here; what it is asked meanwhile is in `surface`, by subjects.

    All methods are safe to call from any thread. Made by `Container.open`, not directly.
    """

    def __init__(self, path: Path, parts: Parts, sources: Sources = Sources()) -> None:
        self._path = path
        self._parts = parts
        self._sources = sources
        self._reloader: Reloader | None = None
        self._closed = False
        self._auth_data_updates = AuthDataUpdates(parts, self.retry_activations)
        self._making_reloader = threading.Lock()

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str] = "connector.toml",
        *,
        overrides: Mapping[str, Any] | None = None,
        environ: Mapping[str, str] | None = None,
        attach: Callable[[Container], Any] | None = None,
        activate: bool = True,
        engine: str | None = None,
    ) -> Container:
        """Start everything that the configuration file says; returns when it is ready.

        Args:
            path: The configuration file.
            overrides: Settings that win over file and environment, as nested tables.
            environ: The environment for `CONNECTOR__…` overrides; the process's own by default.
            attach: Called with the ready container; what it returns is closed before anything else stops (the
                command line attaches the admin endpoint so).
            activate: Whether handlers get messages; a command that only looks on takes none away from them.
            engine: A bus, to run its engine with its chains alone: no application, no resource, no other bus.

        Raises:
            ConfigError: the configuration or a deployment is wrong; nothing was started.
            StateInUse: another container runs on the state folder.
            AuthDataError: the authentication data can't be read.
            PluginError: a plugin that is needed can't be loaded.
        """
        file = Path(path).absolute()
        catalogue = PluginCatalogue.discover(environ=environ)
        configuration = load_configuration(file, catalogue=catalogue, overrides=overrides, environ=environ)
        if engine is not None:
            from connector.container.configuration.engine_only import engine_only

            configuration = engine_only(configuration, engine)
        with ExitStack() as stack:
            parts = Parts(configuration, catalogue, stack)
            start(parts, activate=activate)
            container = cls(file, parts, Sources(overrides, environ))
            if activate and configuration.auth_data.watch is not None:
                stack.callback(container._auth_data_updates.watch(configuration.auth_data.watch).close)
            if activate and configuration.tls:
                stack.callback(watch_certificates(container.name, configuration.tls, parts.clock).close)
            if attach is not None:
                stack.callback(attach(container).close)
            # From here on the parts live until `close` unwinds the stack.
            parts.stack = stack.pop_all()
        return container

    def close(self) -> None:
        """Stop everything, in reverse order, within five seconds; running handlers get some of them.

        A handler that does not end in time is left behind on its daemon thread, and its message is delivered again
        after the next start. Harmless when called twice. Raises nothing.
        """
        if not self._closed:
            self._closed = True
            self._parts.stopping.left()  # the seconds of the stop begin with its first step
            if self._reloader is not None:
                self._reloader.stop(RELOAD_TIMEOUT)
            self._parts.stack.close()

    def __enter__(self) -> Container:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def configuration_path(self) -> Path:
        """The configuration file that it was started from."""
        return self._path

    @property
    def overrides(self) -> Mapping[str, Any]:
        """The settings that it was opened with over those of its files."""
        return self._sources.overrides or {}

    @property
    def configuration(self) -> ConfigurationEditor:
        """Reads and changes the configuration: the files, and what of it can be live at once (CONF-8).

        Who calls it is not asked for a role: that is what the admin endpoint does.
        """
        from connector.container.configuration_editor import ConfigurationEditor  # not needed for a start
        from connector.container.live.reload import Reloader
        from connector.container.start_checks import check_as_a_start_would

        with self._making_reloader:
            if self._reloader is None:
                self._reloader = Reloader(self._parts)
        parts = self._parts

        def check(configuration: ContainerConfiguration, catalogue: PluginCatalogue) -> None:
            # Who is who can be asked of the running container, unless that is what changes.
            same = configuration.realms == parts.configuration.realms
            check_as_a_start_would(configuration, catalogue, parts.identity if same else None)

        return ConfigurationEditor(
            self._path,
            overrides=self._sources.overrides,
            environ=self._sources.environ,
            check=check,
            applier=self._reloader,
        )

    def findings(self) -> tuple[Finding, ...]:
        """What `connector check` has to say of configuration and security posture. Blocks for the disk."""
        from connector.container.posture import findings  # not needed for a start

        waiting = () if self._reloader is None else self._reloader.waiting
        return findings(self._parts, waiting)
