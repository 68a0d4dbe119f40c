"""Who gains and who loses what between two policies (BUS-16).

Only what can differ is looked at: for each place and role the sets that decide are compared first, and where they are
equal nobody is asked about. The answer is exact for each person that is given. Of all others this can be said: who
belongs to one group only stands beside that group's own line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from connector.spi import Subject
from connector_bus.policy.compiled import CompiledPolicy
from connector_bus.policy.definition import PolicyDefinition
from connector_bus.policy.holders import ALL_AUTHENTICATED, EVERYONE, SERVER, Holder, HolderKind
from connector_bus.policy.origins import parts_of
from connector_bus.policy.place import Place, assignments, places
from connector_bus.policy.roles import ResourceType, Role


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody whom a difference is worked out for.

    Attributes:
        name: As it is shown: `user:alice`, `group:clients` for somebody who belongs to that group and is not named,
            or a special group's name for somebody who belongs to that alone.
        subject: Who it is.
    """

    name: str
    subject: Subject


@dataclass(frozen=True, slots=True)
class Difference:
    """What changes for one role on one place.

    Attributes:
        place: Where.
        role: Which role.
        gains: Who may after it, and might not before.
        loses: Who might before it, and may not after.
    """

    place: Place
    role: Role
    gains: tuple[str, ...]
    loses: tuple[str, ...]


def difference(before: CompiledPolicy, after: CompiledPolicy, people: Sequence[Person]) -> tuple[Difference, ...]:
    """All differences that concern these people. Blocks only for unique names."""
    return tuple(_differences(before, after, people))


def named_people(definitions: Iterable[PolicyDefinition]) -> tuple[Holder, ...]:
    """All users and groups that policies name, sorted; a user counts once, with or without a unique name."""
    named = {
        Holder(each.holder.kind, each.holder.name)
        for definition in definitions
        for each in assignments(definition)
        if each.holder.kind is not HolderKind.SPECIAL
    }
    return tuple(sorted(named, key=str))


def nameless_people(definition: PolicyDefinition, groups: Iterable[str]) -> tuple[Person, ...]:
    """Somebody for each special group and each group, who belongs to that alone."""
    realm = definition.realm
    return (
        Person(str(EVERYONE), Subject.unauthenticated()),
        Person(str(ALL_AUTHENTICATED), Subject.of_user("", realm)),
        Person(str(SERVER), Subject.server(definition.bus, realm)),
        *(Person(f"group:{group}", Subject.of_user("", realm, [group])) for group in groups),
    )


def _differences(before: CompiledPolicy, after: CompiledPolicy, people: Sequence[Person]) -> Iterator[Difference]:
    both = sorted({*places(before.definition), *places(after.definition), *_retyped(before, after)})
    for place in both:
        for role in sorted(place.roles):
            if _deciding(before, role, place) == _deciding(after, role, place):
                continue
            was = {each.name for each in people if before.decide_at(each.subject, role, place)}
            will = {each.name for each in people if after.decide_at(each.subject, role, place)}
            if was != will:
                yield Difference(place, role, tuple(sorted(will - was)), tuple(sorted(was - will)))


def _retyped(before: CompiledPolicy, after: CompiledPolicy) -> Iterator[Place]:
    """Topics that aren't in one of the two trees still have a decision there: both sides are asked about both."""
    for policy in (before, after):
        for place in places(policy.definition):
            if place.kind is ResourceType.ALIAS:
                yield from (
                    Place(ResourceType.TOPIC, place.name, topic)
                    for other in (before, after)
                    for topic in _topics(other, place.name)
                )


def _topics(policy: CompiledPolicy, alias: str) -> Iterable[str]:
    end = policy.path(alias).end
    grants = policy.definition.resources.get(end) if isinstance(end, str) else None
    return () if grants is None else grants.topics.topics


def _deciding(policy: CompiledPolicy, role: Role, place: Place) -> tuple[frozenset[Holder] | None, ...]:
    """The sets that decide, as values: equal ones decide alike."""
    return tuple(None if part.held is None else part.held.holders for part in parts_of(policy, role, place))
