"""What a role is held on, for people and programs: the places of a bus."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from connector_bus.policy.definition import PolicyDefinition
from connector_bus.policy.holders import Holder
from connector_bus.policy.roles import POSSIBLE_ROLES, ResourceType, Role


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """One place.

    Attributes:
        kind: What it is.
        name: The destination's, foreign bus's or prefix's name; for a topic its topic space's. Empty for the bus and
            its default resource.
        topic: The topic's path, of a topic only.
    """

    kind: ResourceType
    name: str = ""
    topic: str = ""

    def __str__(self) -> str:
        if self.kind is ResourceType.BUS:
            return "the bus"
        if self.kind is ResourceType.DEFAULT:
            return "the default resource"
        if self.kind is ResourceType.TOPIC:
            return f"topic {self.topic} of {self.name}"
        if self == OTHER_PREFIXES:
            return "temporary prefixes that are not configured"
        if self.kind in (ResourceType.FOREIGN_BUS, ResourceType.TEMPORARY):
            return f"{self.kind} {self.name}"
        return self.name

    @property
    def roles(self) -> frozenset[Role]:
        """The roles that can be held there."""
        return POSSIBLE_ROLES[self.kind]


BUS_ITSELF = Place(ResourceType.BUS)
DEFAULT_RESOURCE = Place(ResourceType.DEFAULT)
#: The prefixes that no policy speaks of; only the default resource decides about them.
OTHER_PREFIXES = Place(ResourceType.TEMPORARY)


@dataclass(frozen=True, slots=True)
class Assignment:
    """One line of the policy: somebody holds a role somewhere."""

    place: Place
    role: Role
    holder: Holder

    def __str__(self) -> str:
        return f"{self.role} on {self.place} for {self.holder}"


def assignments(definition: PolicyDefinition) -> Iterator[Assignment]:
    """Every assignment of a policy, as written, by place, role and holder in order. Does not block."""
    for place, roles in _tables(definition):
        for role in sorted(roles):
            for holder in sorted(roles[role], key=str):
                yield Assignment(place, role, holder)


def places(definition: PolicyDefinition) -> Iterator[Place]:
    """Every place that a policy decides about; nothing is done on the default resource."""
    yield OTHER_PREFIXES
    yield from (place for place, _ in _tables(definition) if place != DEFAULT_RESOURCE)


def _tables(definition: PolicyDefinition) -> Iterator[tuple[Place, dict[Role, frozenset[Holder]]]]:
    yield BUS_ITSELF, {Role.CONNECTOR: definition.connectors}
    yield DEFAULT_RESOURCE, dict(definition.defaults)
    for name, grants in definition.resources.items():
        yield Place(grants.kind, name), dict(grants.roles)
        for topic, below in grants.topics.topics.items():
            yield Place(ResourceType.TOPIC, name, topic), dict(below.roles)
    for name, roles in definition.foreign_buses.items():
        yield Place(ResourceType.FOREIGN_BUS, name), dict(roles)
    for name, grants in definition.temporary_prefixes.items():
        yield Place(ResourceType.TEMPORARY, name), dict(grants.roles)
