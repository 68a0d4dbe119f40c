"""What plugins see of a running container: implements `connector.spi.ObservedContainer` (OPS-2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, final

from connector.container.pool_kinds import measured
from connector.container.resources import Resource
from connector.spi import Measurement, ResourceAdapter
from connector.work.manager import ContainerWorkManager

if TYPE_CHECKING:
    from connector.container.activations import Deployed
    from connector.container.parts import Parts


@final
@dataclass(frozen=True, slots=True)
class RunningContainer:
    """One plugin's view; see `connector.spi.ObservedContainer`. Safe to use from any thread.

    Attributes:
        name: The container's name.
        sections: The plugin's own sections.
    """

    name: str
    sections: Mapping[str, Any] = field(repr=False)  # may hold secrets
    _resources: Mapping[str, Resource] = field(repr=False)  # of the running container: grows by operators' commands
    _works: ContainerWorkManager = field(repr=False)
    _activations: Sequence[Deployed] = field(repr=False)
    _adapters: Mapping[str, ResourceAdapter] = field(repr=False)

    def measurements(self) -> tuple[Measurement, ...]:
        """The figures of this instant: of pools, by resource, those for threads and those of asyncio loops apart; of
        works, by adapter; of activations and of deliveries, by activation; and those of the adapters' own.
        """
        pools = (measurement for resource in list(self._resources.values()) for measurement in measured(resource))
        works = (measurement for one in self._works.statistics() for measurement in one.measurements())
        deliveries = (measurement for deployed in list(self._activations) for measurement in deployed.measurements())
        own = (measurement for adapter in list(self._adapters.values()) for measurement in adapter.measurements())
        return (*pools, *works, *deliveries, *own)


def observed_by(plugin: str, parts: Parts) -> RunningContainer:
    """What the plugin of that name may see."""
    configuration = parts.configuration
    sections = configuration.plugin_sections.get(plugin, MappingProxyType({}))
    return RunningContainer(
        configuration.container.name,
        sections,
        parts.resources,
        parts.work_manager,
        parts.activations,
        parts.adapters,
    )
