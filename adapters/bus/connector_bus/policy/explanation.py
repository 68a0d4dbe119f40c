"""Why somebody may, or may not: the deciding assignment, its origin, and what would have to be granted (BUS-16)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from connector.spi import Explanation, ServerPrincipal, Step, Subject, UnauthenticatedPrincipal, Verdict
from connector_bus.policy.definition import ForeignAddress
from connector_bus.policy.holders import ALL_AUTHENTICATED, EVERYONE, SERVER, Holder, HolderKind
from connector_bus.policy.origins import Part, foreign_parts, parts_of
from connector_bus.policy.place import Place
from connector_bus.policy.roles import ResourceType, Role

if TYPE_CHECKING:
    from connector_bus.policy.compiled import CompiledPolicy

#: How many holders of one table are named.
_NAMED = 20


def explain(policy: CompiledPolicy, subject: Subject, role: Role, place: Place) -> Explanation:
    """How the decision on a place comes about. Blocks only for unique names, and raises what asking them raises."""
    return _explained(policy, subject, role, _place_text(policy, place), parts_of(policy, role, place))


def explain_foreign(policy: CompiledPolicy, subject: Subject, address: ForeignAddress) -> Explanation:
    """How the decision about sending to another bus comes about (BUS-9)."""
    return _explained(policy, subject, Role.SENDER, str(address), foreign_parts(policy, address))


def _explained(
    policy: CompiledPolicy, subject: Subject, role: Role, place: str, parts: tuple[Part, ...]
) -> Explanation:
    who = str(subject.caller) if subject.caller is not None else "nobody"
    holders = [None if part.held is None else part.held.deciding(subject) for part in parts]
    allowed = None not in holders
    answer = "allowed" if allowed else f"denied: {who} does not hold the {role} role on {place}"
    each = [tuple(_steps(policy, subject, role, part, holder)) for part, holder in zip(parts, holders, strict=True)]
    if len(parts) == 1:
        noted = (Step(str(parts[0].place), Verdict.NOTE, parts[0].note),) if parts[0].note else ()
        steps = (*noted, *each[0])
    else:
        steps = tuple(
            Step(str(part.place), Verdict.REJECTED if holder is None else Verdict.TAKEN, part.note, inner)
            for part, holder, inner in zip(parts, holders, each, strict=True)
        )
    return Explanation(f"may {who} act as {role} on {place}?", answer, steps)


def _steps(policy: CompiledPolicy, subject: Subject, role: Role, part: Part, holder: Holder | None) -> Iterator[Step]:
    """The origins, of which the nearest one that holds the deciding assignment is taken; then what would help."""
    if part.fault:
        yield Step(f"role {role}", Verdict.FAILED, part.fault)
        return
    taken = False
    for origin in part.origins:
        here = not taken and not origin.void and holder in origin.holders
        taken = taken or here
        why = (
            f"{origin.void}: held by {_listed(origin.holders)}" if origin.void else f"held by {_listed(origin.holders)}"
        )
        facts = (("origin", origin.kind), ("holder", str(holder))) if here else ()
        yield Step(origin.what, Verdict.TAKEN if here else Verdict.REJECTED, why, facts=facts)
    if holder is not None:
        why = "a special group that the subject belongs to" if holder.kind is HolderKind.SPECIAL else ""
        yield Step(f"holder {holder}", Verdict.TAKEN, why or "the subject is it, or belongs to it")
        return
    choices = " or ".join(str(each) for each in who_could_be_granted(policy, subject))
    facts = (("role", str(role)), ("place", str(part.place)))
    yield Step("what would help", Verdict.NOTE, f"grant {role} on {part.place} to {choices}", facts=facts)
    stopped = [origin for origin in part.origins if origin.void and _would_admit(policy, subject, origin.holders)]
    for origin in stopped:
        yield Step(origin.what, Verdict.NOTE, f"would let the subject in, but: {origin.void}")


def who_could_be_granted(policy: CompiledPolicy, subject: Subject) -> tuple[Holder, ...]:
    """The holders that would let a subject in, the narrowest first."""
    caller, definition = subject.caller, policy.definition
    if caller is None or isinstance(caller, UnauthenticatedPrincipal):
        return (EVERYONE,)
    if caller.realm != definition.realm:
        return (ALL_AUTHENTICATED if caller.realm in definition.trusted_realms else EVERYONE,)
    if isinstance(caller, ServerPrincipal):
        return (SERVER,)
    groups = tuple(Holder(HolderKind.GROUP, name) for name in sorted(subject.groups)[:_NAMED])
    return (Holder(HolderKind.USER, caller.name), *groups)


def _would_admit(policy: CompiledPolicy, subject: Subject, holders: frozenset[Holder]) -> bool:
    return policy.set_of(holders).admits(subject)


def _place_text(policy: CompiledPolicy, place: Place) -> str:
    return f"bus {policy.bus}" if place.kind is ResourceType.BUS else f"{place} on bus {policy.bus}"


def _listed(holders: frozenset[Holder]) -> str:
    names = sorted(str(holder) for holder in holders)
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return (", ".join(names[:_NAMED]) or "nobody") + more
