"""Where the effective holders of a role come from, part by part: what an explanation is made of (BUS-16).

A *part* is one set that has to admit whoever asks: a destination, an alias and its target, a topic space and its topic.
Its *origins* are the tables that are united in it, those that are nearest first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from connector_bus.policy.definition import ROOT, AliasCheck, ForeignAddress, ResourceGrants, TopicGrants
from connector_bus.policy.holder_set import HolderSet
from connector_bus.policy.holders import Holder
from connector_bus.policy.place import BUS_ITSELF, Place
from connector_bus.policy.roles import INHERITING_TYPES, POSSIBLE_ROLES, ResourceType, Role
from connector_bus.policy.topics import is_topic, topic_levels

if TYPE_CHECKING:
    from connector_bus.policy.compiled import CompiledPolicy

NOBODY: frozenset[Holder] = frozenset()


@dataclass(frozen=True, slots=True)
class Origin:
    """One table of holders.

    Attributes:
        what: Where they are assigned, or inherited from.
        holders: Who.
        void: Why it counts for nothing here; empty where it counts.
        kind: The same as a word for programs: own, default, topic, space, prefix.
    """

    what: str
    holders: frozenset[Holder]
    void: str = ""
    kind: str = "own"


@dataclass(frozen=True, slots=True)
class Part:
    """One set that has to admit the subject.

    Attributes:
        place: Where a grant would help.
        held: The set; None where nobody can be admitted.
        origins: What is united in it.
        fault: Why nobody can be admitted.
        note: What else there is to know.
    """

    place: Place
    held: HolderSet | None
    origins: tuple[Origin, ...] = ()
    fault: str = ""
    note: str = ""


def parts_of(policy: CompiledPolicy, role: Role, place: Place) -> tuple[Part, ...]:
    """All parts of a decision, in the order in which they are checked."""
    if place.kind is ResourceType.BUS:
        return (_bus(policy, role),)
    if place.kind is ResourceType.TEMPORARY:
        return (_prefix(policy, role, place),)
    if place.kind is ResourceType.FOREIGN_BUS:
        return (_foreign_bus(policy, role, place),)
    if place.kind is ResourceType.TOPIC:
        return (*_destination(policy, role, place.name), _topic(policy, role, place))
    return tuple(_destination(policy, role, place.name))


def foreign_parts(policy: CompiledPolicy, address: ForeignAddress) -> tuple[Part, ...]:
    """The part that decides who may send to an address on another bus."""
    return (_foreign(policy, Role.SENDER, address),)


def _bus(policy: CompiledPolicy, role: Role) -> Part:
    if role is not Role.CONNECTOR:
        return Part(BUS_ITSELF, None, fault=_impossible(role, ResourceType.BUS))
    holders = policy.definition.connectors
    return Part(BUS_ITSELF, policy.connectors, (Origin(f"assigned on bus {policy.bus}", holders),))


def _destination(policy: CompiledPolicy, role: Role, name: str) -> Iterator[Part]:
    """The destination, or an alias and what it stands for, as far as they are asked."""
    resources = policy.definition.resources
    path = policy.path(name)
    if path.end is None or name not in resources:
        kind = ResourceType.QUEUE if name not in resources else resources[name].kind
        yield Part(Place(kind, name), None, fault=f"{path.fault}, or no policy for it")
        return
    possible = policy.end_roles(path.end) & POSSIBLE_ROLES[resources[name].kind]
    if role not in possible:
        yield Part(Place(resources[name].kind, name), None, fault=_impossible_end(role, path.end, possible))
        return
    abroad = _foreign(policy, role, path.end) if isinstance(path.end, ForeignAddress) else None
    if path.aliases and abroad is not None and abroad.held is None:
        yield abroad
        return
    for alias in path.aliases:
        grants = resources[alias]
        assert grants.alias is not None
        if grants.alias.check is AliasCheck.TARGET:
            continue
        yield _rule(policy, role, alias, grants, f"an alias of {path.end}, which checks {grants.alias.check}")
        if grants.alias.check is AliasCheck.ALIAS:
            return
    if isinstance(path.end, str):
        skipped = "" if path.end == name else f"what {name} stands for"
        yield _rule(policy, role, path.end, resources[path.end], skipped)
    elif abroad is not None:
        yield abroad


def _rule(policy: CompiledPolicy, role: Role, name: str, grants: ResourceGrants, note: str = "") -> Part:
    place = Place(grants.kind, name)
    if role not in POSSIBLE_ROLES[grants.kind]:
        return Part(place, None, fault=_impossible(role, grants.kind))
    own = Origin(f"assigned on {name} on bus {policy.bus}", policy.own(grants, role))
    return Part(place, policy.effective(name, role), (own, _default(policy, role, grants)), note=note)


def _default(policy: CompiledPolicy, role: Role, grants: ResourceGrants) -> Origin:
    what, holders = "inherited from the default resource", policy.definition.defaults.get(role, NOBODY)
    inherited = policy.inherited(grants, role)
    if inherited:
        return Origin(what, inherited, kind="default")
    if grants.kind not in INHERITING_TYPES or (grants.alias is not None and grants.inherits):
        void = "nothing foreign inherits" if holders else ""
    else:
        void = "inheritance is switched off here" if not grants.inherits else ""
    return Origin(what, holders, void if holders else "", kind="default")


def _topic(policy: CompiledPolicy, role: Role, place: Place) -> Part:
    end = policy.path(place.name).end
    topics = policy.topics_of(place.name)
    if topics is None or not isinstance(end, str):
        return Part(place, None, fault=f"{place.name} is no topic space")
    tree = policy.definition.resources[end].topics
    if not tree.checked:
        held = topics.holders(role, place.topic)
        return Part(place, held, (Origin(f"topics of {end} are not checked", held.holders, kind="space"),))
    if role not in POSSIBLE_ROLES[ResourceType.TOPIC]:
        return Part(place, None, fault=_impossible(role, ResourceType.TOPIC))
    if not is_topic(place.topic):
        return Part(place, None, fault=f"{place.topic!r} is no topic: it has an empty level, or a wildcard")
    origins = tuple(_levels(policy, role, end, place.topic))
    return Part(Place(ResourceType.TOPIC, end, place.topic), topics.holders(role, place.topic), origins)


def _levels(policy: CompiledPolicy, role: Role, space: str, topic: str) -> Iterator[Origin]:
    """From the topic up to its topic space; what is above a blocker is void."""
    known = policy.definition.resources[space].topics.topics
    blocked = ""
    for level in reversed(list(topic_levels(topic))):
        grants = known.get(level, TopicGrants())
        holders = grants.roles.get(role, NOBODY)
        if holders or level == topic:
            what = f"assigned on topic {level}" if level == topic else f"inherited from topic {level}"
            yield Origin(what, holders, blocked, kind="own" if level == topic else "topic")
        if role not in grants.inherits and not blocked:
            blocked = f"blocked at topic {level}"
    what = f"inherited from topic space {space} by its root {ROOT}"
    yield Origin(what, policy.effective(space, role).holders, blocked, kind="space")


def _foreign_bus(policy: CompiledPolicy, role: Role, place: Place) -> Part:
    if role is not Role.SENDER:
        return Part(place, None, fault=_impossible_end(role, ForeignAddress(place.name, ""), frozenset({Role.SENDER})))
    holders = policy.definition.foreign_buses.get(place.name)
    if holders is None:
        return Part(place, None, fault=f"bus {place.name} is not defined on bus {policy.bus}")
    held = policy.foreign_holders(ForeignAddress(place.name, ""))[1]
    return Part(place, held, (Origin(f"assigned on foreign bus {place.name}", holders.get(role, NOBODY)),))


def _foreign(policy: CompiledPolicy, role: Role, address: ForeignAddress) -> Part:
    proxy, held = policy.foreign_holders(address)
    if proxy is None:
        part = _foreign_bus(policy, role, Place(ResourceType.FOREIGN_BUS, address.bus))
        return Part(part.place, held, part.origins, part.fault, f"no foreign destination is defined for {address}")
    grants = policy.definition.resources[proxy]
    note = f"the foreign destination for {address}; the foreign bus's roles are not asked"
    return _rule(policy, role, proxy, grants, note)


def _prefix(policy: CompiledPolicy, role: Role, place: Place) -> Part:
    if role not in POSSIBLE_ROLES[ResourceType.TEMPORARY]:
        return Part(place, None, fault=_impossible(role, ResourceType.TEMPORARY))
    prefixes = policy.prefixes
    origins = [
        Origin(f"assigned on prefix {each}", prefixes.own(each, role), kind="own" if each == place.name else "prefix")
        for each in reversed(prefixes.matching(place.name))
    ]
    void = "" if prefixes.inherits(place.name) else "inheritance is switched off for the longest prefix"
    defaults = policy.definition.defaults.get(role, NOBODY)
    origins.append(Origin("inherited from the default resource", defaults, void if defaults else "", kind="default"))
    note = "" if prefixes.matching(place.name) else "no configured prefix fits: only the default resource decides"
    return Part(place, prefixes.holders(role, place.name), tuple(origins), note=note)


def _impossible(role: Role, kind: ResourceType) -> str:
    return f"{role} can't be held on a {kind}; possible: {_listed(POSSIBLE_ROLES[kind])}"


def _impossible_end(role: Role, end: str | ForeignAddress, possible: frozenset[Role]) -> str:
    if isinstance(end, ForeignAddress) and role in (Role.RECEIVER, Role.BROWSER):
        return f"it belongs to bus {end.bus}: {role} is given, and messages are received, there"
    return f"{role} can't be held there; possible: {_listed(possible)}"


def _listed(roles: frozenset[Role]) -> str:
    return ", ".join(sorted(roles))
