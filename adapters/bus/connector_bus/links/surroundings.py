"""What is looked at on one bus while a route is followed: all that decides, and nothing that changes (BUS-15)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import final

from connector.spi import UNAUTHENTICATED, Explanation, Principal, Step, Subject, UserPrincipal, Verdict
from connector_bus.engine.access import NOT_FOREIGN_SENDER, NOT_PUBLISHER, NOT_SENDER, NOT_TEMPORARY_SENDER
from connector_bus.engine.engine import BusEngine
from connector_bus.engine.entrance import LINK_QUEUE, TOPIC_UNFIT
from connector_bus.engine.route import Route
from connector_bus.engine.ways_out import WaysOut
from connector_bus.policy.compiled import CompiledPolicy, place_of
from connector_bus.policy.definition import ForeignAddress
from connector_bus.policy.explanation import explain, explain_foreign
from connector_bus.policy.place import Place
from connector_bus.policy.roles import ResourceType, Role
from connector_bus.policy.topics import is_topic
from connector_bus.settings import LINK_PREFIX, REPLY_PREFIX

_NOT_CHECKED = "no role is checked"


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether somebody may send to a name.

    Attributes:
        allowed: Whether.
        code: Why not, as a stable code; empty where they may.
        rule: The answer in words.
        assignment: What decides: the assignments with where they come from, or what would have to be granted.
    """

    allowed: bool
    code: str = ""
    rule: str = _NOT_CHECKED
    assignment: str = ""


@final
@dataclass(frozen=True, slots=True)
class Surroundings:
    """One bus as a route sees it.

    Attributes:
        bus: Its name.
        active: Whether roles are checked.
        policy: The policy in force.
        ways: How other buses are reached.
        route: Where a name leads; raises NameNotFound CF-BUS-030, MessagingError CF-BUS-180.
        is_alias: Whether a name is one of an alias.
        is_here: Whether messages of a name rest on this bus.
        prefix: The prefix that a temporary destination was made with, None where it is gone; empty for a reply queue.
        mediated_as: Whom the messages would be from that the mediations of a destination make their own; None where it
            has no mediations.
        subject_of: Who the identity in a message is; may block for the registry, and raise what that raises.
    """

    bus: str
    active: bool
    policy: CompiledPolicy
    ways: WaysOut
    route: Callable[[str], Route]
    is_alias: Callable[[str], bool]
    is_here: Callable[[str], bool]
    prefix: Callable[[str], str | None]
    mediated_as: Callable[[str], tuple[Principal, ...] | None]
    subject_of: Callable[[Principal], Subject]

    @classmethod
    def of(cls, engine: BusEngine) -> Surroundings:
        """Those of a bus that runs, as they are at this instant. Does not block."""
        destinations, access = engine.destinations, engine.access

        def prefix(name: str) -> str | None:
            found = destinations.temporary(name)
            return None if found is None else found.prefix or ""

        def mediated_as(name: str) -> tuple[Principal, ...] | None:
            found = destinations.find(name)
            if found is None or found.unmediated is None or found.settings is None:
                return None
            users = dict.fromkeys(each.run_as or engine.settings.mediation_user for each in found.settings.mediations)
            named = access.active
            return tuple(
                UserPrincipal(user, access.realm) if named and user is not None else UNAUTHENTICATED for user in users
            )

        return cls(
            engine.name,
            access.active,
            access.policy,
            destinations.ways,
            destinations.route,
            destinations.is_alias,
            lambda name: destinations.find(name) is not None,
            prefix,
            mediated_as,
            access.subject_of,
        )

    def decide(self, subject: Subject, name: str, route: Route, topic: str) -> Decision:
        """Whether somebody may send to a name: what the engine would answer, and why, without a line in the audit log.

        Blocks only for unique names.
        """
        if name.startswith(LINK_PREFIX):
            return Decision(allowed=False, code=LINK_QUEUE.code)
        if route.kind is ResourceType.TOPIC_SPACE and not is_topic(topic):
            return Decision(allowed=False, code=TOPIC_UNFIT.code)
        if not self.active:
            return Decision(allowed=True)
        policy = self.policy
        if route.bus is not None and not self.is_alias(name):
            address = ForeignAddress(route.bus, route.name)
            allowed = policy.decide_foreign(subject, *address)
            return _decision(allowed, NOT_FOREIGN_SENDER.code, explain_foreign(policy, subject, address))
        if route.kind is ResourceType.TEMPORARY:
            prefix = self.prefix(name)
            if prefix:
                allowed = policy.decide_prefix(subject, Role.SENDER, prefix)
                place = Place(ResourceType.TEMPORARY, prefix)
                return _decision(allowed, NOT_TEMPORARY_SENDER.code, explain(policy, subject, Role.SENDER, place))
            name = REPLY_PREFIX
        about = topic if route.kind is ResourceType.TOPIC_SPACE else None
        allowed = policy.decide(subject, Role.SENDER, name, about)
        by_topic = about is not None and policy.decide(subject, Role.SENDER, name)
        place = place_of(policy.definition, name, about)
        code = NOT_PUBLISHER.code if by_topic else NOT_SENDER.code
        return _decision(allowed, code, explain(policy, subject, Role.SENDER, place))


def _decision(allowed: bool, code: str, why: Explanation) -> Decision:
    told = "; ".join(_deciding(why.steps, Verdict.TAKEN) if allowed else _deciding(why.steps, Verdict.NOTE))
    return Decision(allowed, "" if allowed else code, why.answer, told)


def _deciding(steps: tuple[Step, ...], verdict: Verdict) -> Iterator[str]:
    """The assignments that let somebody in, or what would have to be granted; several where several sets are asked."""
    for step in steps:
        facts = dict(step.facts)
        if step.verdict is verdict is Verdict.TAKEN and "holder" in facts:
            yield f"{facts['holder']} {step.what}"
        if step.verdict is Verdict.FAILED or (step.verdict is verdict is Verdict.NOTE and "place" in facts):
            yield step.why
        yield from _deciding(step.steps, verdict)
