"""A package's `mapper.toml`, beside the module of its entry points: the options of its mapping modules (SIGN-4).

It is to the modules of the group `connector.mappers` what `ra.toml` is to an adapter, and is read without importing
them. It may be missing: then all options are the module's own business. One file may describe several modules. ::

    spi = "1"

    [mappers.one-to-one]
    description = "one sentence"
    [mappers.one-to-one.options.table]
    type = "path"
    doc = "one sentence"

An option that is called `realm` and not given is the container's own realm.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from pydantic import Field

from connector.container.configuration.sections import Section, empty
from connector.container.plugins.descriptor_shape import PropertyShape, SpiRange, declared, spi_versions
from connector.spi import ConfigProperty

FILE_NAME = "mapper.toml"

#: The option that the container fills in with its own realm.
REALM_OPTION = "realm"


@dataclass(frozen=True, slots=True)
class MapperDescriptor:
    """A mapping module as declared; known without importing it.

    Attributes:
        name: Its name, as in its entry point.
        spi: The first and the last SPI version that it was written for.
        description: One sentence.
        options: Its options in a login configuration.
    """

    name: str
    spi: tuple[int, int]
    description: str = ""
    options: Mapping[str, ConfigProperty] = field(default_factory=lambda: MappingProxyType({}))

    def supports(self, spi_version: int) -> bool:
        """Whether it was written for that version of the contracts."""
        first, last = self.spi
        return first <= spi_version <= last


class _Mapper(Section):
    description: str = ""
    options: Mapping[str, PropertyShape] = Field(default_factory=empty)


class MapperFile(Section):
    """The whole file."""

    spi: SpiRange
    mappers: Mapping[str, _Mapper] = Field(default_factory=empty)

    def descriptor(self, name: str) -> MapperDescriptor | None:
        """What the file says of one module, as the framework uses it; None where it doesn't name it."""
        said = self.mappers.get(name)
        if said is None:
            return None
        return MapperDescriptor(name, spi_versions(self.spi), said.description, declared(said.options))
