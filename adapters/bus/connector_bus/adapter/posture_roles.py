"""What `connector check` says of who gets onto a bus: wide roles, idle grants, checks that are off (CONF-4)."""

from __future__ import annotations

from collections.abc import Iterator

from connector.errors import Reason
from connector.spi import IdentityService, PostureFinding, Subject
from connector_bus.adapter.bus import Bus
from connector_bus.adapter.destination_reader import key
from connector_bus.policy.compiled import CompiledPolicy
from connector_bus.policy.definition import AliasCheck, PolicyDefinition
from connector_bus.policy.holders import ALL_AUTHENTICATED, EVERYONE, Holder, HolderKind
from connector_bus.policy.place import Assignment, Place, assignments
from connector_bus.policy.roles import ResourceType, Role

CONNECTOR_WIDE = Reason(
    "CF-BUS-135",
    "{holder} holds the connector role of bus {bus}: {who} may connect",
    "Give the role to the users and groups that need it, and take it from {holder}.",
)
ROLE_OF_EVERYONE = Reason(
    "CF-BUS-136",
    "Everyone holds {role} on {place} of bus {bus}: nobody has to say who they are there",
    "Give the role to those who need it, unless it is meant for the public.",
)
GRANT_IDLE = Reason(
    "CF-BUS-137",
    "{holder} holds roles on bus {bus} ({roles}) and may not connect to it",
    "Give {holder} the connector role, or take the others back. Senders of messages that arrive over a link, or that "
    "somebody else hands in for them, need no connector role.",
)
TOPICS_UNCHECKED = Reason(
    "CF-BUS-138",
    "topics of {space} on bus {bus} are not checked: who may use the topic space may use all of them",
    "Set topic_checks = true, unless all that is published there is for all of them.",
)
TARGET_UNCHECKED = Reason(
    "CF-BUS-139",
    "alias {alias} on bus {bus} is checked by itself only: who holds a role on it needs none on {target}",
    "Set check to both or target, unless that is what the alias is for.",
)

_WHO = {EVERYONE: "who says no name as well", ALL_AUTHENTICATED: "each user of the realm"}


def role_findings(bus: Bus, place: str, vanished: frozenset[Holder]) -> Iterator[PostureFinding]:
    """All findings of one bus that is secured; blocks for the registry.

    Args:
        bus: The bus.
        place: The key path of its table.
        vanished: Holders whom the registry no longer knows: they are reported as that.
    """
    policy = bus.access.policy
    definition = policy.definition
    yield from _wide(definition, place)
    yield from _idle(policy, bus.context.identity, place, vanished)
    yield from _unchecked(definition, place)


def _wide(definition: PolicyDefinition, place: str) -> Iterator[PostureFinding]:
    for holder in (EVERYONE, ALL_AUTHENTICATED):
        if holder in definition.connectors:
            details = {"holder": str(holder), "bus": definition.bus, "who": _WHO[holder]}
            yield PostureFinding("warning", CONNECTOR_WIDE, f"{place}.roles.connector", details)
    for each in assignments(definition):
        if each.holder == EVERYONE and each.role is not Role.CONNECTOR:
            details = {"role": str(each.role), "place": str(each.place), "bus": definition.bus}
            yield PostureFinding("warning", ROLE_OF_EVERYONE, _where(place, each.place), details)


def _idle(
    policy: CompiledPolicy, identity: IdentityService, place: str, vanished: frozenset[Holder]
) -> Iterator[PostureFinding]:
    """Grants to users and groups who don't get as far as to use them."""
    held: dict[Holder, list[Assignment]] = {}
    for each in assignments(policy.definition):
        if each.holder.kind is not HolderKind.SPECIAL and each.holder not in vanished:
            held.setdefault(each.holder, []).append(each)
    for holder, given in sorted(held.items(), key=lambda one: str(one[0])):
        if policy.decide_at(_somebody(holder, identity), Role.CONNECTOR, Place(ResourceType.BUS)):
            continue
        roles = ", ".join(sorted({f"{each.role} on {each.place}" for each in given}))
        details = {"holder": str(holder), "bus": policy.definition.bus, "roles": roles}
        yield PostureFinding("note", GRANT_IDLE, place, details)


def _somebody(holder: Holder, identity: IdentityService) -> Subject:
    """The user; or for a group, somebody who belongs to that group alone."""
    if holder.kind is HolderKind.USER:
        return Subject.of_user(holder.name, identity.realm, identity.groups_of(holder.name))
    return Subject.of_user("", identity.realm, [holder.name])


def _unchecked(definition: PolicyDefinition, place: str) -> Iterator[PostureFinding]:
    """Checks that somebody has switched off."""
    for name, grants in definition.resources.items():
        where = f"{place}.destinations.{key(name)}"
        if not grants.topics.checked:
            details = {"space": name, "bus": definition.bus}
            yield PostureFinding("note", TOPICS_UNCHECKED, f"{where}.topic_checks", details)
        if grants.alias is not None and grants.alias.check is AliasCheck.ALIAS:
            details = {"alias": name, "bus": definition.bus, "target": grants.alias.destination}
            yield PostureFinding("note", TARGET_UNCHECKED, f"{where}.check", details)


def _where(bus: str, place: Place) -> str:
    if place.kind is ResourceType.DEFAULT:
        return f"{bus}.default_roles"
    tables = {ResourceType.FOREIGN_BUS: "foreign_buses", ResourceType.TEMPORARY: "temporary_prefixes"}
    below = f"{bus}.{tables.get(place.kind, 'destinations')}.{key(place.name)}"
    return below if not place.topic else f"{below}.topics.{key(place.topic)}"
