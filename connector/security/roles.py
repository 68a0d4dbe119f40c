"""Roles: which users, groups and special subjects are in them. Pure (FLOW-5)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import final

from connector.spi import Explanation, Step, Subject, Verdict


class SpecialSubject(Enum):
    """Whom a role may be bound to besides users and groups, the narrowest first; the value is the configured name."""

    SERVER = "Server"  # the container's own work, authenticated engines
    ALL_AUTHENTICATED = "AllAuthenticated"  # users of the application's realm
    ALL_AUTHENTICATED_IN_TRUSTED_REALMS = "AllAuthenticatedInTrustedRealms"  # and those of the trusted realms
    EVERYONE = "Everyone"  # the unauthenticated as well


@dataclass(frozen=True, slots=True)
class RoleBinding:
    """Who is in one role.

    Attributes:
        users: Users of the application's realm, by name.
        groups: Groups of the application's realm, by name.
        special: Special subjects.
    """

    users: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    special: frozenset[SpecialSubject] = frozenset()


@final
class RoleMap:
    """The role bindings of one application.

    Args:
        bindings: By role.
        realm: The application's realm. Users and groups are bound by their names *there*: a user of the same name in
            another realm is somebody else.
        trusted_realms: The realms that `AllAuthenticatedInTrustedRealms` takes in besides.

    Immutable; safe to use from any thread. Nothing here blocks.
    """

    __slots__ = ("_bindings", "_realm", "_trusted")

    def __init__(self, bindings: Mapping[str, RoleBinding], realm: str, trusted_realms: Iterable[str] = ()) -> None:
        self._bindings = MappingProxyType(dict(bindings))
        self._realm = realm
        self._trusted = frozenset(trusted_realms)

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles that are bound, sorted."""
        return tuple(sorted(self._bindings))

    def is_in_role(self, subject: Subject | None, role: str) -> bool:
        """Whether the subject is in the role; None is a caller who has not logged in. An unbound role has nobody."""
        return self._deciding(subject, role) is not None

    def explain(self, subject: Subject | None, role: str) -> Explanation:
        """How `is_in_role` comes to its answer: the binding that decides, or those that don't apply (BUS-16)."""
        who = "nobody" if subject is None else str(subject.caller)
        deciding = self._deciding(subject, role)
        if deciding is not None:
            steps: tuple[Step, ...] = (Step(f"role {role} bound to {deciding}", Verdict.TAKEN),)
        elif role not in self._bindings:
            steps = (Step(f"role {role}", Verdict.REJECTED, "not bound to anybody"),)
        else:
            steps = tuple(
                Step(f"role {role} bound to {holder}", Verdict.REJECTED, f"{who} is none of them")
                for holder in _holders(self._bindings[role])
            )
        answer = "in the role" if deciding is not None else "not in the role"
        return Explanation(f"is {who} in role {role}?", answer, steps)

    def _deciding(self, subject: Subject | None, role: str) -> str | None:
        """The holder that puts the subject in the role, the most specific first, or None."""
        binding = self._bindings.get(role)
        if binding is None:
            return None
        caller = None if subject is None else subject.caller
        if subject is not None and caller is not None and subject.is_authenticated:
            local, server = caller.realm == self._realm, subject.is_server
            if local and not server and caller.name in binding.users:
                return f"user {caller.name}"
            shared = binding.groups & subject.groups
            if local and shared:
                return f"group {min(shared)}"
            for special in SpecialSubject:
                if special in binding.special and self._applies(special, caller.realm, server=server):
                    return special.value
        return SpecialSubject.EVERYONE.value if SpecialSubject.EVERYONE in binding.special else None

    def _applies(self, special: SpecialSubject, realm: str, *, server: bool) -> bool:
        """Whether a special subject takes in an authenticated caller. The server is no user: it has its own."""
        local = realm == self._realm
        return {
            SpecialSubject.EVERYONE: True,
            SpecialSubject.ALL_AUTHENTICATED: local and not server,
            SpecialSubject.ALL_AUTHENTICATED_IN_TRUSTED_REALMS: (local or realm in self._trusted) and not server,
            SpecialSubject.SERVER: local and server,
        }[special]


def _holders(binding: RoleBinding) -> tuple[str, ...]:
    return (
        *(f"user {user}" for user in sorted(binding.users)),
        *(f"group {group}" for group in sorted(binding.groups)),
        *sorted(special.value for special in binding.special),
    )
