"""The compiled policy: one dictionary look-up a decision, and the same code explains it (BUS-16, rule 11).

Theory of operation
-------------------
For each resource and each role that its type can have, the *effective* holders are its own ones plus, where it
inherits, those of the default resource. There is no deny rule: what nobody assigned, nobody may. All of it is worked
out once; a decision looks up the effective holders and asks them which one lets the subject in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from connector.spi import Explanation, Step, Subject, Verdict
from connector_bus.policy.definition import PolicyDefinition, ResourceGrants
from connector_bus.policy.holders import Holder, HolderSet
from connector_bus.policy.roles import POSSIBLE_ROLES, ResourceType, Role, inherited_roles


@dataclass(frozen=True, slots=True)
class _Rule:
    """Effective holders, with where they come from for the explanation."""

    effective: HolderSet
    own: frozenset[Holder]
    inherited: frozenset[Holder]


@final
class CompiledPolicy:
    """All decisions of one bus. Immutable: safe from any thread, nothing in it blocks."""

    __slots__ = ("_definition", "_rules")

    def __init__(self, definition: PolicyDefinition) -> None:
        self._definition = definition
        bus = ResourceGrants(ResourceType.BUS, {Role.CONNECTOR: definition.connectors}, inherits=False)
        # The bus itself is the resource None, so that every decision is one look-up.
        self._rules: dict[tuple[Role, str | None], _Rule] = {(Role.CONNECTOR, None): self._rule(bus, Role.CONNECTOR)}
        for name, grants in definition.resources.items():
            for role in POSSIBLE_ROLES[grants.kind]:
                self._rules[role, name] = self._rule(grants, role)

    @property
    def bus(self) -> str:
        """The name of the bus whose policy it is."""
        return self._definition.bus

    def decide(self, subject: Subject, role: Role, resource: str | None = None) -> bool:
        """Whether the subject holds the role on a resource; without one the question is about the bus itself."""
        return self._deciding(subject, role, resource) is not None

    def explain(self, subject: Subject, role: Role, resource: str | None = None) -> Explanation:
        """How `decide` comes to its answer: the assignment, its origin, or what would have to be granted."""
        who = str(subject.caller) if subject.caller is not None else "nobody"
        place = f"bus {self.bus}" if resource is None else f"{resource} on bus {self.bus}"
        rule = self._rules.get((role, resource))
        holder = self._deciding(subject, role, resource)
        steps = tuple(_steps(rule, holder, place)) if rule is not None else (_no_such_role(role, place),)
        answer = "allowed" if holder is not None else f"denied: {who} does not hold the {role} role on {place}"
        return Explanation(f"may {who} act as {role} on {place}?", answer, steps)

    def _deciding(self, subject: Subject, role: Role, resource: str | None) -> Holder | None:
        rule = self._rules.get((role, resource))
        return None if rule is None else rule.effective.deciding(subject)

    def _rule(self, grants: ResourceGrants, role: Role) -> _Rule:
        own = grants.roles.get(role, frozenset())
        inherits = grants.inherits and role in inherited_roles(grants.kind)
        inherited = self._definition.defaults.get(role, frozenset()) if inherits else frozenset()
        holders = HolderSet(own | inherited, self._definition.realm, self._definition.trusted_realms)
        return _Rule(holders, own, inherited)


def _steps(rule: _Rule, holder: Holder | None, place: str) -> list[Step]:
    """The two origins in the order in which they are united; the one that holds the deciding assignment is taken."""
    steps = []
    for origin, holders in (
        (f"assigned on {place}", rule.own),
        ("inherited from the default resource", rule.inherited),
    ):
        listed = ", ".join(sorted(str(held) for held in holders)) or "nobody"
        taken = holder is not None and holder in holders
        steps.append(Step(origin, Verdict.TAKEN if taken else Verdict.REJECTED, f"held by {listed}"))
    if holder is not None:
        steps.append(Step(f"holder {holder}", Verdict.TAKEN, "the subject is it, or belongs to it"))
    return steps


def _no_such_role(role: Role, place: str) -> Step:
    return Step(f"role {role}", Verdict.FAILED, f"can't be held on {place}, or that does not exist")
