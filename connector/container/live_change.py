"""What a configuration editor asks of a running container: to put a change in force, and to take it back (CONF-8)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from connector.container.configuration.key_paths import KeyPath

if TYPE_CHECKING:
    from connector.container.configuration.settings import ContainerConfiguration
    from connector.container.plugins.catalogue import PluginCatalogue


class LiveChange(Protocol):
    """What a running container has put in force of a change, and can take back."""

    @property
    def live(self) -> tuple[KeyPath, ...]:
        """What is in force."""
        ...

    @property
    def restart(self) -> tuple[KeyPath, ...]:
        """What waits for a restart."""
        ...

    def undo(self) -> None:
        """Put in force what was before; raises nothing."""
        ...

    def keep(self) -> None:
        """It is written: from now on it is what the next change is compared with."""
        ...


class Applier(Protocol):
    """Puts changes in force on a running container (`connector.container.live.reload.Reloader`)."""

    @property
    def said(self) -> Mapping[str, Any]:
        """What the configuration says that is in force, or waits for a restart."""
        ...

    def apply(self, configuration: ContainerConfiguration, catalogue: PluginCatalogue) -> LiveChange:
        """Put in force what can be; all of it, or nothing where it raises ConnectorError."""
        ...
