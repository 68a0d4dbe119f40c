"""The policy as an administrator writes it: assignments by name, also for what does not exist yet (BUS-3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

from connector_bus.policy.holders import ALL_AUTHENTICATED, SERVER, Holder
from connector_bus.policy.roles import POSSIBLE_ROLES, ResourceType, Role

Assignments = Mapping[Role, frozenset[Holder]]

#: What a new bus gives (BUS-4): everybody who has authenticated may use local destinations and make temporary ones,
#: but only the container's own work may connect, so that somebody has to decide who comes in.
NEW_BUS_CONNECTORS: Final[frozenset[Holder]] = frozenset({SERVER})
NEW_BUS_DEFAULTS: Final[Assignments] = MappingProxyType(
    {role: frozenset({ALL_AUTHENTICATED}) for role in (Role.SENDER, Role.RECEIVER, Role.BROWSER, Role.CREATOR)}
)

#: The path of a topic space's root.
ROOT: Final = "/"
#: The roles whose inheritance each topic can stop.
TOPIC_ROLES: Final = POSSIBLE_ROLES[ResourceType.TOPIC]

_NO_ROLES: Final[Assignments] = MappingProxyType({})


class AliasCheck(StrEnum):
    """Where a role is needed by whoever uses an alias (BUS-13)."""

    BOTH = "both"
    TARGET = "target"
    ALIAS = "alias"


class ForeignAddress(NamedTuple):
    """A destination of another bus."""

    bus: str
    destination: str

    def __str__(self) -> str:
        return f"{self.destination} of bus {self.bus}"


@dataclass(frozen=True, slots=True)
class AliasTarget:
    """What an alias stands for.

    Attributes:
        destination: The target's name.
        bus: The bus that it is on; None for the alias's own.
        check: Where roles are needed.
    """

    destination: str
    bus: str | None = None
    check: AliasCheck = AliasCheck.BOTH


@dataclass(frozen=True, slots=True)
class TopicGrants:
    """The assignments of one topic.

    Attributes:
        roles: Its own holders by role.
        inherits: The roles whose holders it takes from the topic above, or the root from its topic space.
    """

    roles: Assignments = field(default_factory=lambda: _NO_ROLES)
    inherits: frozenset[Role] = TOPIC_ROLES


@dataclass(frozen=True, slots=True)
class TopicTree:
    """The topics of a topic space that have assignments; all others take those of the nearest one above (BUS-6).

    Attributes:
        topics: By path, levels separated by `/`; the root is `/`.
        checked: Whether topics are looked at; else only the topic space's own roles count.
    """

    topics: Mapping[str, TopicGrants] = field(default_factory=lambda: MappingProxyType({}))
    checked: bool = True


@dataclass(frozen=True, slots=True)
class ResourceGrants:
    """The assignments of one resource.

    Attributes:
        kind: The resource's type; decides which roles it can have.
        roles: Its own holders by role.
        inherits: Whether the default resource's holders are added (BUS-5); nothing foreign ever inherits.
        alias: What an alias stands for; None for all else.
        foreign: What a foreign destination stands for; None for all else.
        topics: The topics of a topic space.
    """

    kind: ResourceType = ResourceType.QUEUE
    roles: Assignments = field(default_factory=lambda: _NO_ROLES)
    inherits: bool = True
    alias: AliasTarget | None = None
    foreign: ForeignAddress | None = None
    topics: TopicTree = field(default_factory=TopicTree)


@dataclass(frozen=True, slots=True)
class PolicyDefinition:
    """All assignments of one bus.

    Attributes:
        bus: The bus's name.
        realm: The realm whose users and groups are meant.
        trusted_realms: Foreign realms whose users count as authenticated.
        connectors: Who may connect.
        defaults: The default resource's holders by role.
        resources: The destinations by name; keyed by name, so that assignments may come before their destination and
            outlive its re-creation. The reply queues' own prefix, whose name no destination can have, is among them.
        foreign_buses: What may be sent to other buses as long as no foreign destination says otherwise.
        temporary_prefixes: Prefixes of temporary destinations.
    """

    bus: str
    realm: str
    trusted_realms: frozenset[str] = frozenset()
    connectors: frozenset[Holder] = NEW_BUS_CONNECTORS
    defaults: Assignments = field(default_factory=lambda: NEW_BUS_DEFAULTS)
    resources: Mapping[str, ResourceGrants] = field(default_factory=lambda: MappingProxyType({}))
    foreign_buses: Mapping[str, Assignments] = field(default_factory=lambda: MappingProxyType({}))
    temporary_prefixes: Mapping[str, ResourceGrants] = field(default_factory=lambda: MappingProxyType({}))
