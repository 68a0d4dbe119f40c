"""The bus policy once more, read aloud from the texts: slow, without an index, and sharing no code with the product.

Each function is one sentence of requirements BUS-2 to BUS-9 and BUS-13. Only the definition's value objects are common.
"""

from __future__ import annotations

from connector.spi import Subject
from connector_bus.policy.definition import PolicyDefinition, ResourceGrants
from connector_bus.policy.holders import Holder
from connector_bus.policy.roles import Role

#: BUS-2, as a table of words.
HOLDABLE = {
    "alias": "sender receiver browser",
    "port": "sender receiver browser",
    "queue": "sender receiver browser",
    "topic-space": "sender receiver",
    "foreign-destination": "sender",
    "temporary prefix": "sender creator",
}


#: The unique names that the registry answers; of all others that it knows them not.
UNIQUE_NAMES = {"alice": "id-1", "bob": "id-9"}


def is_one_of(subject: Subject, holders: frozenset[Holder], definition: PolicyDefinition) -> bool:
    """BUS-3, BUS-9: users and groups of our realm, special groups; own and trusted realms count as authenticated.

    A user with a unique name is the one who has it in the registry.
    """
    caller = subject.caller
    name, realm = (caller.name, caller.realm) if caller is not None else ("", "")
    unauthenticated = caller is None or type(caller).__name__ == "UnauthenticatedPrincipal"
    ours = not unauthenticated and realm == definition.realm
    authenticated = not unauthenticated and (ours or realm in definition.trusted_realms)
    server = type(caller).__name__ == "ServerPrincipal"
    for holder in holders:
        match str(holder).partition(":"):
            case ("Everyone", _, _):
                return True
            case ("AllAuthenticated", _, _) if authenticated:
                return True
            case ("Server", _, _) if ours and server:
                return True
            case ("user", _, held) if ours and not server and held in (name, f"{name} ({UNIQUE_NAMES.get(name)})"):
                return True
            case ("group", _, held) if ours and not server and held in subject.groups:
                return True
    return False


def own_or_inherited(definition: PolicyDefinition, grants: ResourceGrants, role: Role) -> frozenset[Holder]:
    """BUS-5: added to its own; only role types that its type can have; not foreign, nor aliases naming another bus."""
    kind = str(grants.kind)
    if role not in HOLDABLE[kind].split():
        return frozenset()
    held = set(grants.roles.get(role, frozenset()))
    foreign = kind == "foreign-destination" or (grants.alias is not None and grants.alias.bus not in (None, "here"))
    if grants.inherits and not foreign:
        held |= definition.defaults.get(role, frozenset())
    return frozenset(held)


def may_use(definition: PolicyDefinition, subject: Subject, role: Role, name: str, seen: tuple[str, ...] = ()) -> bool:
    """BUS-2, BUS-13: the role on the destination; on an alias, on its target, or on both."""
    grants = definition.resources.get(name)
    if grants is None or role not in HOLDABLE[str(grants.kind)].split():
        return False
    here = is_one_of(subject, own_or_inherited(definition, grants, role), definition)
    if grants.alias is None:
        return here
    if name in seen or not end_takes(definition, role, name):
        return False
    if str(grants.alias.check) == "alias":
        return here
    if grants.alias.bus not in (None, "here"):
        assert grants.alias.bus is not None
        there = may_send_abroad(definition, subject, grants.alias.bus, grants.alias.destination)
    else:
        there = may_use(definition, subject, role, grants.alias.destination, (*seen, name))
    return there if str(grants.alias.check) == "target" else here and there


def end_takes(definition: PolicyDefinition, role: Role, name: str) -> bool:
    """An alias has its target's type: it takes the roles that its end can have, and none if it has no end."""
    for _ in range(len(definition.resources) + 1):
        grants = definition.resources.get(name)
        if grants is None:
            return False
        if grants.alias is None:
            return role in HOLDABLE[str(grants.kind)].split()
        if grants.alias.bus not in (None, "here"):
            named = [each for each in definition.resources.values() if each.foreign is not None]
            address = (grants.alias.bus, grants.alias.destination)
            known = grants.alias.bus in definition.foreign_buses or address in [each.foreign for each in named]
            return role == "sender" and known
        name = grants.alias.destination
    return False


def may_send_abroad(definition: PolicyDefinition, subject: Subject, bus: str, destination: str) -> bool:
    """BUS-9: a foreign destination definition wins over the foreign bus default."""
    for grants in definition.resources.values():
        if grants.foreign == (bus, destination):
            return is_one_of(subject, grants.roles.get(Role.SENDER, frozenset()), definition)
    if bus not in definition.foreign_buses:
        return False
    held = definition.foreign_buses[bus].get(Role.SENDER, frozenset())
    return is_one_of(subject, held, definition)


def may_use_topic(definition: PolicyDefinition, subject: Subject, role: Role, name: str, topic: str) -> bool:
    """BUS-6: the topic space and the topic; topics from the root down, blockers, checks switched off for a space."""
    if not may_use(definition, subject, role, name):
        return False
    while (grants := definition.resources[name]).alias is not None:
        if grants.alias.bus not in (None, "here"):
            return False
        name = grants.alias.destination
    if str(grants.kind) != "topic-space":
        return False
    if not grants.topics.checked:
        return True
    levels = topic.split("/")
    if topic != "/" and ("" in levels or "*" in topic or "#" in topic):
        return False
    walk = ["/"] + ([] if topic == "/" else ["/".join(levels[:n]) for n in range(1, len(levels) + 1)])
    held = set(own_or_inherited(definition, grants, role))
    for level in walk:
        here = grants.topics.topics.get(level)
        if here is not None:
            if role not in here.inherits:
                held = set()
            held |= here.roles.get(role, frozenset())
    return is_one_of(subject, frozenset(held), definition)


def may_use_prefix(definition: PolicyDefinition, subject: Subject, role: Role, prefix: str) -> bool:
    """BUS-7: all prefixes that it begins with give their assignments; the longest says whether defaults are added."""
    if role not in HOLDABLE["temporary prefix"].split():
        return False
    held: set[Holder] = set()
    inherits, longest = True, -1
    for configured, grants in definition.temporary_prefixes.items():
        if prefix.startswith(configured):
            held |= grants.roles.get(role, frozenset())
            if len(configured) > longest:
                longest, inherits = len(configured), grants.inherits
    if inherits:
        held |= definition.defaults.get(role, frozenset())
    return is_one_of(subject, frozenset(held), definition)
