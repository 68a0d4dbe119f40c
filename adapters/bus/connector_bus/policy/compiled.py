"""The compiled policy: one dictionary look-up a decision (BUS-2 to BUS-7, BUS-9, BUS-13).

Theory of operation
-------------------
For each resource and each role that its type can have, the *effective* holders are its own ones plus, where it
inherits, those of the default resource. There is no deny rule: what nobody assigned, nobody may. All of it is worked
out once; a decision looks up the effective holders and asks them whether the subject is one of them. An alias is the
sets of itself, of its target, or of both, according to its check mode, through any number of aliases.

The code that explains (`policy.explanation`) asks for the same sets, with their origins.
"""

from __future__ import annotations

from typing import final

from connector.spi import Explanation, Subject
from connector_bus.policy.alias_path import AliasPath, alias_path, is_foreign_alias
from connector_bus.policy.definition import AliasCheck, ForeignAddress, PolicyDefinition, ResourceGrants
from connector_bus.policy.explanation import explain
from connector_bus.policy.holder_set import AllOf, Decider, HolderSet, UniqueNameOf
from connector_bus.policy.holders import Holder
from connector_bus.policy.place import Place
from connector_bus.policy.prefixes import CompiledPrefixes
from connector_bus.policy.roles import POSSIBLE_ROLES, ResourceType, Role, inherited_roles
from connector_bus.policy.topics import CompiledTopics

_NOBODY: frozenset[Holder] = frozenset()


@final
class CompiledPolicy:
    """All decisions of one bus. Immutable: safe from any thread; nothing blocks, except for unique names.

    Args:
        definition: What is assigned. Roles that a type can't have count for nothing.
        unique_name_of: Answers which unique name a user has now, for assignments that have one; may block and raise.

    Attributes:
        definition: As given.
        prefixes: The prefixes of temporary destinations.
    """

    __slots__ = ("_deciders", "_foreign", "_interned", "_topics", "_unique_name_of", "definition", "prefixes")

    def __init__(self, definition: PolicyDefinition, unique_name_of: UniqueNameOf | None = None) -> None:
        self.definition = definition
        self._unique_name_of = unique_name_of
        self._interned: dict[frozenset[Holder], HolderSet] = {}
        # By role, then by name: a dictionary whose keys are all text is the quickest, and touches the least memory,
        # which is what a decision among a hundred thousand rules waits for. The bus itself is the resource None.
        self._deciders: dict[Role, dict[str | None, Decider]] = {role: {} for role in Role}
        self._deciders[Role.CONNECTOR][None] = self.set_of(definition.connectors)
        self._topics: dict[str, CompiledTopics] = {}
        self._foreign: dict[str | ForeignAddress, HolderSet] = {
            bus: self.set_of(roles.get(Role.SENDER, _NOBODY)) for bus, roles in definition.foreign_buses.items()
        }
        reserved = {name: each for name, each in definition.resources.items() if each.kind is ResourceType.TEMPORARY}
        self.prefixes = CompiledPrefixes(
            {**definition.temporary_prefixes, **reserved}, definition.defaults, self.set_of
        )
        for name, grants in definition.resources.items():
            if grants.kind is not ResourceType.ALIAS:
                self._compile(name, grants)
        for name, grants in definition.resources.items():
            if grants.kind is ResourceType.ALIAS:
                self._compile_alias(name)

    @property
    def bus(self) -> str:
        """The name of the bus whose policy it is."""
        return self.definition.bus

    @property
    def knows_unique_names(self) -> bool:
        """Whether it can tell unique names: else assignments that have one are nobody's."""
        return self._unique_name_of is not None

    def decide(self, subject: Subject, role: Role, resource: str | None = None, topic: str | None = None) -> bool:
        """Whether the subject holds the role on a resource; without one the question is about the bus itself.

        With a topic it needs the role on the topic space and on the topic (BUS-6). Whoever subscribes with a wildcard
        is asked about the topic space alone, and by `decide_topic` about the topic of each message.
        """
        holders = self._deciders[role].get(resource)
        if holders is None or not holders.admits(subject):
            return False
        return topic is None or (resource is not None and self.decide_topic(subject, role, resource, topic))

    def decide_topic(self, subject: Subject, role: Role, space: str, topic: str) -> bool:
        """The second half of a decision on a topic, for where the topic space was asked about before.

        The space may be named by an alias: topics are always those of its target.
        """
        topics = self._topics.get(space)
        return topics is not None and topics.holders(role, topic).admits(subject)

    def decide_prefix(self, subject: Subject, role: Role, prefix: str) -> bool:
        """Whether the subject holds creator or sender on a prefix of temporary destinations (BUS-7)."""
        return role in POSSIBLE_ROLES[ResourceType.TEMPORARY] and self.prefixes.holders(role, prefix).admits(subject)

    def decide_foreign(self, subject: Subject, bus: str, destination: str) -> bool:
        """Whether the subject may send there, by the foreign destination, or else by the foreign bus (BUS-9)."""
        holders = self._foreign.get(ForeignAddress(bus, destination)) or self._foreign.get(bus)
        return holders is not None and holders.admits(subject)

    def decide_at(self, subject: Subject, role: Role, place: Place) -> bool:
        """The same by place, for administration: slower, and it takes any place."""
        if place.kind is ResourceType.TEMPORARY:
            return self.decide_prefix(subject, role, place.name)
        if place.kind is ResourceType.FOREIGN_BUS:
            holders = self._foreign.get(place.name)
            return role is Role.SENDER and holders is not None and holders.admits(subject)
        return self.decide(subject, role, place.name or None, place.topic or None)

    def owning_bus(self, resource: str) -> str | None:
        """The other bus that a destination belongs to in truth: receive there. None for what is here."""
        end = self.path(resource).end
        return end.bus if isinstance(end, ForeignAddress) else None

    def path(self, resource: str) -> AliasPath:
        """Where a destination leads; one that is no alias is its own end."""
        return alias_path(self.bus, self.definition.resources, resource)

    def topics_of(self, resource: str) -> CompiledTopics | None:
        """The topics of a topic space, or of the one that an alias leads to."""
        return self._topics.get(resource)

    def end_roles(self, end: str | ForeignAddress) -> frozenset[Role]:
        """The roles that can be held on the end of an alias's way: an alias's type is its target's."""
        if isinstance(end, ForeignAddress):
            return POSSIBLE_ROLES[ResourceType.FOREIGN_DESTINATION]
        return POSSIBLE_ROLES[self.definition.resources[end].kind]

    @property
    def connectors(self) -> HolderSet:
        """Who may connect."""
        return self.set_of(self.definition.connectors)

    def own(self, grants: ResourceGrants, role: Role) -> frozenset[Holder]:
        """The holders that are assigned on a resource itself."""
        return grants.roles.get(role, _NOBODY) if role in POSSIBLE_ROLES[grants.kind] else _NOBODY

    def inherited(self, grants: ResourceGrants, role: Role) -> frozenset[Holder]:
        """The holders that a resource takes from the default resource."""
        if not grants.inherits or role not in inherited_roles(grants.kind) or is_foreign_alias(self.bus, grants):
            return _NOBODY
        return self.definition.defaults.get(role, _NOBODY)

    def effective(self, name: str, role: Role) -> HolderSet:
        """The effective holders on a resource, as if an alias were the end of its way."""
        grants = self.definition.resources[name]
        return self.set_of(self.own(grants, role) | self.inherited(grants, role))

    def foreign_holders(self, address: ForeignAddress) -> tuple[str | None, HolderSet | None]:
        """Who may send to an address: the foreign destination that says so (None: the foreign bus), and its holders."""
        named = self._foreign.get(address)
        if named is None:
            return None, self._foreign.get(address.bus)
        resources = self.definition.resources
        return next(name for name, each in resources.items() if each.foreign == address), named

    def explain(
        self, subject: Subject, role: Role, resource: str | None = None, topic: str | None = None
    ) -> Explanation:
        """How `decide` comes to its answer: the assignment, its origin, or what would have to be granted (BUS-16)."""
        return explain(self, subject, role, place_of(self.definition, resource, topic))

    def _compile(self, name: str, grants: ResourceGrants) -> None:
        for role in POSSIBLE_ROLES[grants.kind]:
            self._deciders[role][name] = self.effective(name, role)
        if grants.foreign is not None:
            self._foreign[grants.foreign] = self.effective(name, Role.SENDER)
        if grants.kind is ResourceType.TOPIC_SPACE:
            space = {role: self.effective(name, role).holders for role in POSSIBLE_ROLES[grants.kind]}
            self._topics[name] = CompiledTopics(grants.topics, space, self.set_of)

    def _compile_alias(self, name: str) -> None:
        end = self.path(name).end
        for role in POSSIBLE_ROLES[ResourceType.ALIAS]:
            needed = self.needed(name, role)
            if needed is not None:
                self._deciders[role][name] = needed[0] if len(needed) == 1 else AllOf(needed)
        if isinstance(end, str) and end in self._topics:
            self._topics[name] = self._topics[end]

    def needed(self, name: str, role: Role) -> list[HolderSet] | None:
        """The sets that each have to admit whoever uses a destination, along its aliases; None: nobody can."""
        end = self.path(name).end
        if end is None or role not in self.end_roles(end):
            return None
        last = self.foreign_holders(end)[1] if isinstance(end, ForeignAddress) else self.effective(end, role)
        if last is None:
            return None
        sets = []
        while (alias := self.definition.resources[name].alias) is not None:
            if alias.check is not AliasCheck.TARGET:
                sets.append(self.effective(name, role))
            if alias.check is AliasCheck.ALIAS:
                return sets
            if alias.bus not in (None, self.bus):
                break
            name = alias.destination
        return [*sets, last]

    def set_of(self, holders: frozenset[Holder]) -> HolderSet:
        """The compiled set of these holders; equal ones have one set."""
        found = self._interned.get(holders)
        if found is None:
            definition = self.definition
            realms = (definition.realm, definition.trusted_realms)
            found = (
                HolderSet(holders, *realms)
                if self._unique_name_of is None
                else HolderSet(holders, *realms, self._unique_name_of)
            )
            self._interned[holders] = found
        return found

    def __repr__(self) -> str:
        return f"<CompiledPolicy of {self.bus}, {sum(map(len, self._deciders.values()))} rules>"


def place_of(definition: PolicyDefinition, resource: str | None, topic: str | None = None) -> Place:
    """The place that a resource is, or a topic of it; without one the bus itself. An unknown one counts as a queue."""
    if resource is None:
        return Place(ResourceType.BUS)
    if topic is not None:
        return Place(ResourceType.TOPIC, resource, topic)
    grants = definition.resources.get(resource)
    return Place(ResourceType.QUEUE if grants is None else grants.kind, resource)
