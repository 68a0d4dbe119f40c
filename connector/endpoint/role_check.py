"""May this caller have this handler called? Pure (FLOW-5)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from connector.spi import Explanation, Step, Subject, Verdict


class ApplicationRoles(Protocol):
    """What the check needs to know of an application's role bindings; `connector.security.roles.RoleMap` is one."""

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles that are bound."""
        ...

    def is_in_role(self, subject: Subject | None, role: str) -> bool:
        """Whether the subject is in the role."""
        ...

    def explain(self, subject: Subject | None, role: str) -> Explanation:
        """How `is_in_role` comes to its answer."""
        ...


@dataclass(frozen=True, slots=True)
class RoleDecision:
    """The outcome of a check.

    Attributes:
        allowed: Whether the handler may be called.
        why: The rule that decided, in words.
    """

    allowed: bool
    why: str


_ANY_CALLER = RoleDecision(allowed=True, why="any caller")
_CHECKS_OFF = RoleDecision(allowed=True, why="role checks are off")


def check_roles(subject: Subject, roles_allowed: Iterable[str], roles: ApplicationRoles | None) -> RoleDecision:
    """Decide by the first rule that fits: checks off, no allowed roles (any caller), caller in one of them, denied.

    Args:
        subject: The execution subject.
        roles_allowed: The handler's allowed roles; empty for any caller.
        roles: The application's bindings; None where role checks are off (CONF-4, FLOW-7).

    Pure; does not block.
    """
    if roles is None:
        return _CHECKS_OFF
    allowed = tuple(roles_allowed)
    if not allowed:
        return _ANY_CALLER
    held = next((role for role in allowed if roles.is_in_role(subject, role)), None)
    if held is not None:
        return RoleDecision(allowed=True, why=f"in role {held}")
    return RoleDecision(allowed=False, why="in none of the allowed roles")


def explain_roles(
    subject: Subject, handler: str, roles_allowed: Iterable[str], roles: ApplicationRoles | None
) -> Explanation:
    """How `check_roles` comes to its answer, one step for each allowed role. Pure."""
    allowed = tuple(roles_allowed)
    decision = check_roles(subject, allowed, roles)
    steps: tuple[Step, ...] = ()
    if roles is not None:
        steps = tuple(
            Step(
                f"role {role}",
                Verdict.TAKEN if roles.is_in_role(subject, role) else Verdict.REJECTED,
                steps=roles.explain(subject, role).steps,
            )
            for role in allowed
        )
    verdict = "yes" if decision.allowed else "no"
    return Explanation(f"may {subject.caller} call {handler}?", f"{verdict}: {decision.why}", steps)
