"""A profile narrowed to one engine: a bus and the chains that lead to it, and nothing of any application (CHAIN-8).

Handlers that keep a processor busy take turns with the protocol engine in one process, and slow it down many times. So
an engine may have a process of its own: the same profile without applications, resources and other buses.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Any

from connector.container.configuration.settings import ContainerConfiguration
from connector.errors import NameNotFound, Reason

NO_SUCH_BUS = Reason(
    "CF-CTR-200",
    "the profile has no bus {bus}; it has: {known}",
    "Name one of these, or add it as [buses.{bus}].",
)


def engine_only(configuration: ContainerConfiguration, bus: str) -> ContainerConfiguration:
    """The configuration of the bus's engine alone. Pure. Raises NameNotFound CF-CTR-200."""
    known = sorted(name for each in configuration.sections.values() for name in each.get("buses") or {})
    if bus not in known:
        raise NameNotFound(NO_SUCH_BUS, bus=bus, known=", ".join(known) or "none")
    sections: dict[str, Any] = {}
    for adapter, owned in configuration.sections.items():
        if "buses" in owned:
            owned = {**owned, "buses": MappingProxyType({bus: owned["buses"][bus]})}
        sections[adapter] = MappingProxyType(dict(owned))
    return replace(
        configuration,
        resources=MappingProxyType({}),
        applications=MappingProxyType({}),
        sections=MappingProxyType(sections),
    )
