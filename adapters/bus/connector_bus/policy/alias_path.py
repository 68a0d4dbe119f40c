"""Where an alias leads: through other aliases to a destination, to another bus, or nowhere (BUS-13)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from connector_bus.policy.definition import AliasTarget, ForeignAddress, ResourceGrants
from connector_bus.policy.roles import ResourceType


class Leads(Protocol):
    """What is asked of a destination on the way: its type, and what it stands for."""

    @property
    def kind(self) -> ResourceType:
        """Its type."""
        ...

    @property
    def alias(self) -> AliasTarget | None:
        """What an alias stands for."""
        ...

    @property
    def foreign(self) -> ForeignAddress | None:
        """What a foreign destination stands for."""
        ...


@dataclass(frozen=True, slots=True)
class AliasPath:
    """The way from an alias to its end.

    Attributes:
        aliases: The aliases on it, the first one first.
        end: The local destination or the foreign address at its end; None where it leads nowhere.
        fault: Why it leads nowhere: a loop, or a target that does not exist. Empty otherwise.
        local: The foreign destination of this bus that names the foreign address, if it is one.
    """

    aliases: tuple[str, ...]
    end: str | ForeignAddress | None
    fault: str = ""
    local: str | None = None


def alias_path(bus: str, resources: Mapping[str, Leads], name: str) -> AliasPath:
    """Follow an alias; any other name is its own end. Does not block."""
    aliases: list[str] = []
    while True:
        grants = resources.get(name)
        if grants is None:
            return AliasPath(tuple(aliases), None, f"there is no destination {name}")
        if grants.kind is ResourceType.FOREIGN_DESTINATION and grants.foreign is not None:
            return AliasPath(tuple(aliases), grants.foreign, local=name)
        if grants.kind is not ResourceType.ALIAS or grants.alias is None:
            return AliasPath(tuple(aliases), name)
        if name in aliases:
            return AliasPath(tuple(aliases), None, f"it comes round in a loop: {' → '.join([*aliases, name])}")
        aliases.append(name)
        target = grants.alias
        if target.bus is not None and target.bus != bus:
            return AliasPath(tuple(aliases), ForeignAddress(target.bus, target.destination))
        name = target.destination


def is_foreign_alias(bus: str, grants: ResourceGrants) -> bool:
    """Whether it is an alias that names another bus: such a one inherits nothing (BUS-5)."""
    return grants.alias is not None and grants.alias.bus not in (None, bus)
