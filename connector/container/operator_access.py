"""Connections for operators' commands: to a bus by its name, signed on as the user given and nobody else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connector.container.configuration.pool_section import PoolSection
from connector.container.configuration.settings import ResourceSettings
from connector.container.naming import unknown
from connector.container.resources import make_resource
from connector.signon.reference import ResAuth, ResourceReference

if TYPE_CHECKING:
    from connector.container.parts import Parts

#: The configuration section in which buses are defined; whichever adapter owns it reaches them.
SECTION = "buses"


def owner_of(parts: Parts, bus: str) -> str:
    """The adapter whose section defines a bus. Raises NameNotFound."""
    for adapter, sections in parts.configuration.sections.items():
        if SECTION in sections:
            if bus in sections[SECTION]:
                return adapter
            raise unknown("bus", bus, "the configuration", sections[SECTION])
    raise unknown("bus", bus, "the configuration", ())


def operator_factory(parts: Parts, bus: str) -> Any:
    """The connection factory of a bus that has no alias to fall back on; made once a bus. Raises NameNotFound.

    It is a resource like any other, bound directly (`res_auth = Application`), only that no configuration names it.
    """
    factory = parts.operator_factories.get(bus)
    if factory is None:
        adapter = owner_of(parts, bus)
        name = f"bus {bus}"
        settings = ResourceSettings(name, adapter, "connection-factory", None, {"bus": bus}, PoolSection())
        descriptor = parts.catalogue.adapters[adapter]
        resource = make_resource(name, settings, parts.adapters[adapter], descriptor, parts.clock, parts.audit)
        # A race makes one too many, which has opened nothing yet and is dropped.
        if parts.resources.setdefault(name, resource) is resource:
            parts.housekeeper.add(resource.pools)
            parts.housekeeper.start()
        reference = ResourceReference(name=name, resource=name, res_auth=ResAuth.APPLICATION)
        factory = parts.operator_factories.setdefault(bus, parts.binder.connect(reference)[1])
    return factory
