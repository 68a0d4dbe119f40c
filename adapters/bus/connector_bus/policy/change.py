"""Single changes of a policy: what a grant or its withdrawal would make of it (BUS-12, BUS-16)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import final

from connector.errors import MessagingError, Reason
from connector_bus.policy.definition import Assignments, PolicyDefinition, ResourceGrants, TopicGrants, TopicTree
from connector_bus.policy.place import Assignment, Place
from connector_bus.policy.roles import ResourceType, Role

PLACE_UNKNOWN = Reason(
    "CF-BUS-113", "there is no {place} on bus {bus} to hold roles", "Define it, or keep roles for it in kept_roles."
)
PAIRING_IMPOSSIBLE = Reason(
    "CF-BUS-114", "the role {role} can't be held on {place}, which is a {kind}", "Possible there: {allowed}."
)


@final
@dataclass(frozen=True, slots=True)
class Change:
    """One change: an assignment that is made, or taken back.

    Attributes:
        grant: Whether it is made.
        assignment: Which.
    """

    grant: bool
    assignment: Assignment

    def __str__(self) -> str:
        return f"{'grant' if self.grant else 'revoke'} {self.assignment}"


def changed(definition: PolicyDefinition, changes: Iterable[Change]) -> PolicyDefinition:
    """The policy after some changes; what is taken back and was not there changes nothing. Does not block.

    Raises MessagingError CF-BUS-113 or -114.
    """
    for change in changes:
        definition = _with(definition, change)
    return definition


def _with(definition: PolicyDefinition, change: Change) -> PolicyDefinition:
    place, role = change.assignment.place, change.assignment.role
    if role not in place.roles:
        raise MessagingError(
            PAIRING_IMPOSSIBLE,
            role=str(role),
            place=str(place),
            kind=str(place.kind),
            allowed=", ".join(sorted(place.roles)),
        )
    if place.kind is ResourceType.BUS:
        return replace(definition, connectors=_table(change, {Role.CONNECTOR: definition.connectors})[Role.CONNECTOR])
    if place.kind is ResourceType.DEFAULT:
        return replace(definition, defaults=_table(change, definition.defaults))
    if place.kind is ResourceType.FOREIGN_BUS:
        buses = definition.foreign_buses
        if place.name not in buses:
            raise _unknown(definition, place)
        return replace(definition, foreign_buses={**buses, place.name: _table(change, buses[place.name])})
    if place.kind is ResourceType.TEMPORARY and place.name not in definition.resources:
        # A prefix needs no definition: its first assignment is one.
        prefixes = definition.temporary_prefixes
        grants = prefixes.get(place.name, ResourceGrants(ResourceType.TEMPORARY))
        after = replace(grants, roles=_table(change, grants.roles))
        return replace(definition, temporary_prefixes={**prefixes, place.name: after})
    present = definition.resources.get(place.name)
    if present is None:
        raise _unknown(definition, place)
    return replace(definition, resources={**definition.resources, place.name: _resource(definition, change, present)})


def _resource(definition: PolicyDefinition, change: Change, grants: ResourceGrants) -> ResourceGrants:
    place = change.assignment.place
    if place.kind is not ResourceType.TOPIC:
        return replace(grants, roles=_table(change, grants.roles))
    if grants.kind is not ResourceType.TOPIC_SPACE:
        raise _unknown(definition, place)
    tree = grants.topics
    topic = tree.topics.get(place.topic, TopicGrants())
    topics = {**tree.topics, place.topic: replace(topic, roles=_table(change, topic.roles))}
    return replace(grants, topics=TopicTree(MappingProxyType(topics), checked=tree.checked))


def _table(change: Change, table: Assignments) -> Assignments:
    role, one = change.assignment.role, frozenset({change.assignment.holder})
    held = table.get(role, frozenset())
    return MappingProxyType({**table, role: held | one if change.grant else held - one})


def _unknown(definition: PolicyDefinition, place: Place) -> MessagingError:
    return MessagingError(PLACE_UNKNOWN, place=str(place), bus=definition.bus)
