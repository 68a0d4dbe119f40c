"""The policy as an administrator writes it: assignments by name, also for what does not exist yet (BUS-3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from connector_bus.policy.holders import ALL_AUTHENTICATED, SERVER, Holder
from connector_bus.policy.roles import ResourceType, Role

Assignments = Mapping[Role, frozenset[Holder]]

#: What a new bus gives (BUS-4): everybody who has authenticated may use local destinations, but only the container's
#: own work may connect, so that somebody has to decide who comes in.
NEW_BUS_CONNECTORS: frozenset[Holder] = frozenset({SERVER})
NEW_BUS_DEFAULTS: Assignments = MappingProxyType(
    {role: frozenset({ALL_AUTHENTICATED}) for role in (Role.SENDER, Role.RECEIVER, Role.BROWSER)}
)


@dataclass(frozen=True, slots=True)
class ResourceGrants:
    """The assignments of one resource.

    Attributes:
        kind: The resource's type; decides which roles it can have.
        roles: Its own holders by role.
        inherits: Whether the default resource's holders are added (BUS-5).
    """

    kind: ResourceType = ResourceType.QUEUE
    roles: Assignments = field(default_factory=lambda: MappingProxyType({}))
    inherits: bool = True


@dataclass(frozen=True, slots=True)
class PolicyDefinition:
    """All assignments of one bus.

    Attributes:
        bus: The bus's name.
        realm: The realm whose users and groups are meant.
        trusted_realms: Foreign realms whose users count as authenticated.
        connectors: Who may connect.
        defaults: The default resource's holders by role.
        resources: The other resources by name; keyed by name, so that they outlive a re-creation.
    """

    bus: str
    realm: str
    trusted_realms: frozenset[str] = frozenset()
    connectors: frozenset[Holder] = NEW_BUS_CONNECTORS
    defaults: Assignments = field(default_factory=lambda: NEW_BUS_DEFAULTS)
    resources: Mapping[str, ResourceGrants] = field(default_factory=lambda: MappingProxyType({}))
