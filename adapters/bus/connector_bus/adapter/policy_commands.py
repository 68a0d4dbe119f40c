"""Explaining the policy of a bus, and trying out changes of it, as plain data (BUS-12, BUS-16)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from connector.errors import MessagingError, Reason
from connector.spi import IdentityService, Subject
from connector_bus.adapter.bus import Bus
from connector_bus.adapter.configuration import policy_definition, read_buses
from connector_bus.adapter.link_commands import told_route
from connector_bus.engine.ways_out import AT
from connector_bus.policy.change import Change, changed
from connector_bus.policy.compiled import place_of
from connector_bus.policy.definition import ForeignAddress, PolicyDefinition
from connector_bus.policy.difference import Difference, Person, difference, named_people, nameless_people
from connector_bus.policy.explanation import explain as explain_place
from connector_bus.policy.explanation import explain_foreign
from connector_bus.policy.holders import Holder, HolderKind, parse_holder
from connector_bus.policy.place import DEFAULT_RESOURCE, Assignment, Place
from connector_bus.policy.roles import ResourceType, Role

ARGUMENT_UNFIT = Reason("CF-BUS-061", "the argument {argument} is {found}", "Give {allowed}.")


def explain(arguments: Mapping[str, Any], bus: Bus) -> dict[str, Any]:
    """Why somebody may or may not do something, with the version of the policy and whether it is in force.

    Of sending to what belongs to another bus the route is told as well, by all buses that can be reached (BUS-15).
    Blocks for the registry, and for those buses. Raises MessagingError CF-BUS-061, NameNotFound CF-BUS-030,
    AuthenticationFailed.
    """
    role, user = _role(arguments), arguments.get("user")
    subject = Subject.unauthenticated() if user is None else bus.context.identity.assert_user(str(user))
    policy = bus.access.policy
    place = _place(arguments, policy.definition, bus)
    if isinstance(place, ForeignAddress):
        explanation = explain_foreign(policy, subject, place)
    else:
        explanation = explain_place(policy, subject, role, place)
    in_force = {"in_force": bus.access.active, "policy_version": bus.access.version}
    route = _route_beyond(bus, subject, role, place)
    return {**explanation.to_dict(), **in_force, **({} if route is None else {"route": route})}


def _route_beyond(bus: Bus, subject: Subject, role: Role, place: Place | ForeignAddress) -> dict[str, Any] | None:
    """The route of what leaves the bus; None where there is nothing more to say of it."""
    if role is not Role.SENDER:
        return None
    if isinstance(place, ForeignAddress):
        return told_route(bus, subject, f"{place.destination}{AT}{place.bus}")
    if place.kind not in (ResourceType.ALIAS, ResourceType.FOREIGN_DESTINATION):
        return None
    leaves = bus.access.policy.owning_bus(place.name) is not None
    return told_route(bus, subject, place.name) if leaves else None


def diff(arguments: Mapping[str, Any], bus: Bus) -> dict[str, Any]:
    """Who would gain and who would lose what; nothing is changed.

    `changes` is a list of tables, each with `grant` or `revoke` (a holder), `role`, and where; `proposed` is a whole
    table of the bus as it would stand in the configuration. Looked at are the users and groups that either policy
    names, those of `users`, and somebody for each special group.

    Blocks for the registry. Raises MessagingError CF-BUS-061, -113 or -114, ConfigError for a table that is wrong.
    """
    before = bus.access.policy
    definition = _proposed(arguments, before.definition, bus)
    after = bus.access.compiled(definition)
    people = _people((before.definition, definition), arguments.get("users") or (), bus.context.identity)
    return {
        "bus": bus.name,
        "in_force": bus.access.active,
        "policy_version": bus.access.version,
        "differences": [_shown(each) for each in difference(before, after, people)],
        "administrative_authority": list(aliases_made(before.definition, definition)),
    }


def aliases_made(before: PolicyDefinition, after: PolicyDefinition) -> Iterator[dict[str, str]]:
    """The aliases that a change makes or points elsewhere: whoever makes one needs administrative authority on its
    target, or could give away what is not theirs (BUS-13).
    """
    for name, grants in after.resources.items():
        old = before.resources.get(name)
        if grants.alias is not None and (old is None or old.alias != grants.alias):
            target = grants.alias.destination
            yield {"alias": name, "target": target, "bus": grants.alias.bus or after.bus, "check": grants.alias.check}


def _proposed(arguments: Mapping[str, Any], definition: PolicyDefinition, bus: Bus) -> PolicyDefinition:
    proposed = arguments.get("proposed")
    if proposed is not None:
        settings = read_buses({bus.name: proposed}, bus.context.identity)
        definition = policy_definition(settings[bus.name], bus.context.identity)
    return changed(definition, [_change(each, definition, bus) for each in arguments.get("changes") or ()])


def _change(table: Mapping[str, Any], definition: PolicyDefinition, bus: Bus) -> Change:
    grant = table.get("grant") is not None
    written = table.get("grant") if grant else table.get("revoke")
    holder = parse_holder(written)
    if holder is None:
        allowed = "grant or revoke with user:NAME, group:NAME, Everyone, AllAuthenticated or Server"
        raise MessagingError(ARGUMENT_UNFIT, argument="changes", found=repr(written), allowed=allowed)
    place = DEFAULT_RESOURCE if table.get("default") else _place(table, definition, bus)
    if isinstance(place, ForeignAddress):
        allowed = "foreign_bus alone, or the name of a foreign destination"
        raise MessagingError(ARGUMENT_UNFIT, argument="changes", found=str(place), allowed=allowed)
    return Change(grant, Assignment(place, _role(table), holder))


def _role(arguments: Mapping[str, Any]) -> Role:
    role = str(arguments.get("role"))
    if role not in list(Role):
        raise MessagingError(ARGUMENT_UNFIT, argument="role", found=repr(role), allowed=", ".join(Role))
    return Role(role)


def _place(arguments: Mapping[str, Any], definition: PolicyDefinition, bus: Bus) -> Place | ForeignAddress:
    prefix, foreign = arguments.get("temporary_prefix"), arguments.get("foreign_bus")
    destination, topic = arguments.get("destination"), arguments.get("topic")
    if prefix is not None:
        return Place(ResourceType.TEMPORARY, str(prefix))
    if foreign is not None and destination is not None:
        return ForeignAddress(str(foreign), str(destination))
    if foreign is not None:
        return Place(ResourceType.FOREIGN_BUS, str(foreign))
    if destination is None:
        return Place(ResourceType.BUS)
    name = str(destination)
    if name not in definition.resources and (address := bus.engine.ways.address(name)) is not None:
        return address
    # A reply queue has the roles of its prefix, and an unknown destination is an error with a suggestion.
    resource = name if name in definition.resources else bus.engine.destinations.get(name).resource
    return place_of(definition, resource, None if topic is None else str(topic))


def _people(
    definitions: Iterable[PolicyDefinition], users: Iterable[Any], identity: IdentityService
) -> tuple[Person, ...]:
    first, *rest = definitions
    named = named_people((first, *rest))
    names = {each.name for each in named if each.kind is HolderKind.USER} | {str(user) for user in users}
    people = [
        Person(str(Holder(HolderKind.USER, name)), Subject.of_user(name, identity.realm, identity.groups_of(name)))
        for name in sorted(names)
    ]
    groups = [each.name for each in named if each.kind is HolderKind.GROUP]
    return (*people, *nameless_people(first, groups))


def _shown(each: Difference) -> dict[str, Any]:
    place = {"kind": str(each.place.kind), "name": each.place.name, "topic": each.place.topic}
    return {"place": place, "role": str(each.role), "gains": list(each.gains), "loses": list(each.loses)}
