"""Where a name leads: through aliases to a destination here, to a temporary one, or to another bus (BUS-1, BUS-13).

One resolution for everything that names a destination: senders, receivers, activations, mediations, exception
destinations and replies. It is pure; the checks are the policy's, which knows the same path.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from connector.errors import MessagingError, Reason
from connector_bus.policy.alias_path import Leads, alias_path
from connector_bus.policy.definition import AliasCheck, ForeignAddress
from connector_bus.policy.roles import ResourceType
from connector_bus.settings import TEMPORARY_PREFIX

ASTRAY = Reason(
    "CF-BUS-180",
    "{destination} on bus {bus} is an alias that leads nowhere: {fault}",
    "Correct the target of the alias, or define the destination that it names.",
)


@dataclass(frozen=True, slots=True)
class Hop:
    """One name on the way.

    Attributes:
        name: The name.
        checked: Whether whoever uses the route needs the role here; else the alias before it is what counts, or the
            target behind it.
    """

    name: str
    checked: bool


@dataclass(frozen=True, slots=True)
class Route:
    """Where a name leads.

    Attributes:
        hops: The names passed through: the one that was asked for first, the destination last.
        kind: The type of what is at the end; `foreign-destination` for what is on another bus.
        name: The final name: here, or on the other bus.
        bus: The other bus; None for what is on this one.
    """

    hops: tuple[Hop, ...]
    kind: ResourceType
    name: str
    bus: str | None = None

    @property
    def asked(self) -> str:
        """The name that was asked for: the policy decides by it about all of the hops."""
        return self.hops[0].name


def resolve(bus: str, destinations: Mapping[str, Leads], name: str) -> Route | None:
    """Follow a name; None where there is no such destination. Pure; does not block.

    Raises MessagingError CF-BUS-180 for an alias that comes round in a loop, or whose target is gone.
    """
    if name.startswith(TEMPORARY_PREFIX):
        return Route((Hop(name, checked=True),), ResourceType.TEMPORARY, name)
    if name not in destinations:
        return None
    path = alias_path(bus, destinations, name)
    if path.end is None:
        raise MessagingError(ASTRAY, destination=name, bus=bus, fault=path.fault)
    hops, needed = [], True
    for each in path.aliases:
        alias = destinations[each].alias
        assert alias is not None
        hops.append(Hop(each, needed and alias.check is not AliasCheck.TARGET))
        needed = needed and alias.check is not AliasCheck.ALIAS
    if isinstance(path.end, ForeignAddress):
        # A foreign destination has a name here as well; an alias with another bus names the address at once.
        last = path.local
        if last is not None:
            hops.append(Hop(last, needed))
        return Route(tuple(hops), ResourceType.FOREIGN_DESTINATION, path.end.destination, path.end.bus)
    return Route((*hops, Hop(path.end, needed)), destinations[path.end].kind, path.end)
