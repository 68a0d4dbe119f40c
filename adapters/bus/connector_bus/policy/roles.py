"""Roles, resource types, and which role can be held on which type (BUS-2)."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Role(StrEnum):
    """What a holder may do. A `StrEnum`, since roles are half of the policy's keys and text hashes at C speed."""

    CONNECTOR = "connector"
    SENDER = "sender"
    RECEIVER = "receiver"
    BROWSER = "browser"
    CREATOR = "creator"


class ResourceType(StrEnum):
    """What a role is held on. The values are also how the types of destinations are written in the configuration."""

    BUS = "bus"
    DEFAULT = "default resource"
    QUEUE = "queue"
    TOPIC_SPACE = "topic-space"
    TOPIC = "topic"
    ALIAS = "alias"
    PORT = "port"
    FOREIGN_DESTINATION = "foreign-destination"
    FOREIGN_BUS = "foreign bus"
    TEMPORARY = "temporary prefix"


_CONSUMED: Final = frozenset({Role.SENDER, Role.RECEIVER, Role.BROWSER})

#: The pairings of BUS-2; every other pairing is refused, with what is possible. The default resource has the creator
#: role for the prefixes' sake: it is held on these alone, and this is where they inherit it from (BUS-4).
POSSIBLE_ROLES: Final[dict[ResourceType, frozenset[Role]]] = {
    ResourceType.BUS: frozenset({Role.CONNECTOR}),
    ResourceType.DEFAULT: _CONSUMED | {Role.CREATOR},
    ResourceType.QUEUE: _CONSUMED,
    ResourceType.PORT: _CONSUMED,
    ResourceType.ALIAS: _CONSUMED,
    ResourceType.TOPIC_SPACE: frozenset({Role.SENDER, Role.RECEIVER}),
    ResourceType.TOPIC: frozenset({Role.SENDER, Role.RECEIVER}),
    ResourceType.FOREIGN_DESTINATION: frozenset({Role.SENDER}),
    ResourceType.FOREIGN_BUS: frozenset({Role.SENDER}),
    ResourceType.TEMPORARY: frozenset({Role.SENDER, Role.CREATOR}),
}

#: The types that are in the local name space, and so take from the default resource (BUS-5).
INHERITING_TYPES: Final = frozenset(
    {
        ResourceType.QUEUE,
        ResourceType.PORT,
        ResourceType.ALIAS,
        ResourceType.TOPIC_SPACE,
        ResourceType.TEMPORARY,
    }
)

#: What a destination of the configuration can be.
DESTINATION_TYPES: Final = (
    ResourceType.QUEUE,
    ResourceType.TOPIC_SPACE,
    ResourceType.ALIAS,
    ResourceType.FOREIGN_DESTINATION,
    ResourceType.PORT,
)


def inherited_roles(kind: ResourceType) -> frozenset[Role]:
    """The roles that a resource of this type takes from the default resource: only those it can have (BUS-5)."""
    if kind not in INHERITING_TYPES:
        return frozenset()
    return POSSIBLE_ROLES[kind] & POSSIBLE_ROLES[ResourceType.DEFAULT]
