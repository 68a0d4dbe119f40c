"""The shape of an `ra.toml` (docs/design.md has an example): pydantic models, and what they become.

Properties and versions look the same in a `plugin.toml`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from connector.container.configuration.adapter_properties import PROPERTY_TYPES
from connector.container.configuration.problems import listed
from connector.container.configuration.sections import Name, Names, Section, empty
from connector.container.plugins.descriptor import AdapterDescriptor, CommandDescriptor
from connector.spi import Capability, ConfigProperty

_SPI_RANGE = re.compile(r"(\d+)(?:-(\d+))?")


def _types_known(types: str) -> str:
    unknown = {part.strip() for part in types.split("|")} - PROPERTY_TYPES
    if unknown:
        raise ValueError(f"one or several, separated by |, of {listed(PROPERTY_TYPES)}")
    return types


def _spi_range(text: str) -> str:
    match = _SPI_RANGE.fullmatch(text)
    if match is None or (match[2] and int(match[2]) < int(match[1])):
        raise ValueError('one version ("1") or a range ("1-2")')
    return text


def _capability(value: object) -> Capability:
    try:
        return Capability(value)
    except ValueError:
        raise ValueError(f"one of {listed(known.value for known in Capability)}") from None


SpiRange = Annotated[str, AfterValidator(_spi_range)]


def spi_versions(spi: str) -> tuple[int, int]:
    """The first and the last version of a range that was checked."""
    first, _, last = spi.partition("-")
    return int(first), int(last or first)


class PropertyShape(Section):
    """One declared property, which may be a table of further ones."""

    type: Annotated[str, AfterValidator(_types_known)] = "string"
    default: Any = None
    required: bool = False
    choices: Annotated[tuple[Any, ...], Field(strict=False)] = ()
    minimum: float | None = None
    unit: str = ""
    discouraged: Any = None
    doc: str = ""
    items: PropertyShape | None = None
    properties: Mapping[str, PropertyShape] = Field(default_factory=empty)

    def declared(self, name: str) -> ConfigProperty:
        """The property under its name, as the framework uses it."""
        return ConfigProperty(
            name=name,
            type=self.type,
            default=self.default,
            required=self.required,
            choices=self.choices,
            minimum=self.minimum,
            unit=self.unit,
            discouraged=self.discouraged,
            doc=self.doc,
            items=None if self.items is None else self.items.declared(name),
            properties=declared(self.properties),
        )


class _Kind(Section):
    properties: Mapping[str, PropertyShape] = Field(default_factory=empty)


class _Command(Section):
    role: Literal["monitor", "operator", "configurator", "administrator"]
    doc: str = ""


class _Adapter(Section):
    name: Name
    vendor: str = ""
    version: str = ""
    spi: SpiRange
    description: str = ""
    capabilities: Annotated[tuple[Annotated[Capability, BeforeValidator(_capability)], ...], Field(strict=False)] = ()
    mechanisms: Names = ()
    required_work_contexts: Names = ()


class DescriptorFile(Section):
    """The whole file."""

    adapter: _Adapter
    connection_factory: _Kind = Field(default_factory=_Kind)
    activation: _Kind = Field(default_factory=_Kind)
    destination: _Kind = Field(default_factory=_Kind)
    sections: Mapping[str, PropertyShape] = Field(default_factory=empty)
    commands: Mapping[str, _Command] = Field(default_factory=empty)

    def descriptor(self) -> AdapterDescriptor:
        """What the file says, as the framework uses it."""
        commands = {name: CommandDescriptor(name, command.role, command.doc) for name, command in self.commands.items()}
        return AdapterDescriptor(
            name=self.adapter.name,
            vendor=self.adapter.vendor,
            version=self.adapter.version,
            spi=spi_versions(self.adapter.spi),
            description=self.adapter.description,
            capabilities=frozenset(self.adapter.capabilities),
            mechanisms=self.adapter.mechanisms,
            required_work_contexts=self.adapter.required_work_contexts,
            connection_factory=declared(self.connection_factory.properties),
            activation=declared(self.activation.properties),
            destination=declared(self.destination.properties),
            sections=declared(self.sections),
            commands=MappingProxyType(commands),
        )


def declared(properties: Mapping[str, PropertyShape]) -> Mapping[str, ConfigProperty]:
    """Declared properties by name, as the framework uses them."""
    return MappingProxyType({name: prop.declared(name) for name, prop in properties.items()})
