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
    """What a role is held on."""

    BUS = "bus"
    DEFAULT = "default resource"
    QUEUE = "queue"
    TOPIC_SPACE = "topic-space"
    ALIAS = "alias"
    FOREIGN = "foreign"
    PORT = "port"
    TEMPORARY = "temporary"


#: The pairings of BUS-2; every other pairing is refused, with what is possible.
POSSIBLE_ROLES: Final[dict[ResourceType, frozenset[Role]]] = {
    ResourceType.BUS: frozenset({Role.CONNECTOR}),
    ResourceType.DEFAULT: frozenset({Role.SENDER, Role.RECEIVER, Role.BROWSER}),
    ResourceType.QUEUE: frozenset({Role.SENDER, Role.RECEIVER, Role.BROWSER}),
    ResourceType.PORT: frozenset({Role.SENDER, Role.RECEIVER, Role.BROWSER}),
    ResourceType.ALIAS: frozenset({Role.SENDER, Role.RECEIVER, Role.BROWSER}),
    ResourceType.TOPIC_SPACE: frozenset({Role.SENDER, Role.RECEIVER}),
    ResourceType.FOREIGN: frozenset({Role.SENDER}),
    ResourceType.TEMPORARY: frozenset({Role.SENDER, Role.CREATOR}),
}

#: Types that are not in the local name space take nothing from the default resource (BUS-5).
INHERITING_TYPES: Final = frozenset(ResourceType) - {ResourceType.BUS, ResourceType.DEFAULT, ResourceType.FOREIGN}


def inherited_roles(kind: ResourceType) -> frozenset[Role]:
    """The roles that a resource of this type takes from the default resource: only those it can have (BUS-5)."""
    if kind not in INHERITING_TYPES:
        return frozenset()
    return POSSIBLE_ROLES[kind] & POSSIBLE_ROLES[ResourceType.DEFAULT]
