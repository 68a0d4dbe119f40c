"""What an adapter's `ra.toml` declares, as one immutable object (architecture rule 6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from connector.spi import Capability, ConfigProperty


def _none() -> Mapping[str, ConfigProperty]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class CommandDescriptor:
    """An administrative operation of an adapter (`ResourceAdapter.run_command`).

    Attributes:
        name: Its name.
        role: The admin role that it needs: monitor, operator, configurator or administrator.
        doc: One sentence.
    """

    name: str
    role: str
    doc: str = ""


@dataclass(frozen=True, slots=True)
class AdapterDescriptor:
    """An adapter as declared; known without importing it.

    Attributes:
        name: The adapter's name, as in `adapter = "…"`.
        vendor: Who made it.
        version: Its version.
        spi: The first and the last SPI version that it was written for.
        description: One sentence.
        capabilities: What it can do beyond the necessary.
        mechanisms: The authentication mechanisms that it takes (SIGN-6).
        required_work_contexts: Classes of work contexts that it can't do without, as `package.Class` (FLOW-2).
        connection_factory: The properties of its connection factories.
        activation: The properties of its activation specifications.
        destination: The properties of its destinations.
        sections: The configuration sections that it owns.
        commands: Its operations.
    """

    name: str
    vendor: str
    version: str
    spi: tuple[int, int]
    description: str = ""
    capabilities: frozenset[Capability] = frozenset()
    mechanisms: tuple[str, ...] = ()
    required_work_contexts: tuple[str, ...] = ()
    connection_factory: Mapping[str, ConfigProperty] = field(default_factory=_none)
    activation: Mapping[str, ConfigProperty] = field(default_factory=_none)
    destination: Mapping[str, ConfigProperty] = field(default_factory=_none)
    sections: Mapping[str, ConfigProperty] = field(default_factory=_none)
    commands: Mapping[str, CommandDescriptor] = field(default_factory=lambda: MappingProxyType({}))

    def properties_of(self, kind: str) -> Mapping[str, ConfigProperty]:
        """The declared properties of a kind of resource: `connection-factory`, `activation` or `destination`."""
        return {
            "connection-factory": self.connection_factory,
            "activation": self.activation,
            "destination": self.destination,
        }[kind]

    def supports(self, spi_version: int) -> bool:
        """Whether it was written for that version of the contracts."""
        first, last = self.spi
        return first <= spi_version <= last
