"""A plugin's `plugin.toml`, beside its entry point's module: the configuration sections that it owns (OPS-3).

It is to a plugin of the group `connector.plugins` what `ra.toml` is to an adapter, and is read without importing it;
only that it may be missing: a plugin without settings needs none. A store (`connector.stores`) declares there, as
`sections.auth_data`, the keys that `[auth_data]` has with it; a user registry (`connector.registries`), as
`sections.realms`, those of a `[realms.NAME]`. ::

    [plugin]
    name = "metrics"
    spi = "1"
    description = "one sentence"

    [sections.metrics]
    type = "table"
    [sections.metrics.properties.listen]
    doc = "one sentence"
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from pydantic import Field

from connector.container.configuration.sections import Name, Section, empty
from connector.container.plugins.descriptor_shape import PropertyShape, SpiRange, declared, spi_versions
from connector.spi import ConfigProperty

FILE_NAME = "plugin.toml"


@dataclass(frozen=True, slots=True)
class PluginDescriptor:
    """A plugin as declared; known without importing it.

    Attributes:
        name: Its name, as in its entry point.
        spi: The first and the last SPI version that it was written for.
        description: One sentence.
        sections: The configuration sections that it owns.
    """

    name: str
    spi: tuple[int, int]
    description: str = ""
    sections: Mapping[str, ConfigProperty] = field(default_factory=lambda: MappingProxyType({}))

    def supports(self, spi_version: int) -> bool:
        """Whether it was written for that version of the contracts."""
        first, last = self.spi
        return first <= spi_version <= last


class _Plugin(Section):
    name: Name
    spi: SpiRange
    description: str = ""


class PluginFile(Section):
    """The whole file."""

    plugin: _Plugin
    sections: Mapping[str, PropertyShape] = Field(default_factory=empty)

    def descriptor(self) -> PluginDescriptor:
        """What the file says, as the framework uses it."""
        plugin = self.plugin
        return PluginDescriptor(plugin.name, spi_versions(plugin.spi), plugin.description, declared(self.sections))
