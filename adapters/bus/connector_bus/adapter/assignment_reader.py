"""Role holders as the configuration writes them, each checked against the registry (BUS-2, BUS-3)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, final

from connector.errors import Problem, Reason
from connector.spi import IdentityService
from connector_bus.policy.definition import Assignments
from connector_bus.policy.holders import Holder, HolderKind, parse_holder
from connector_bus.policy.roles import POSSIBLE_ROLES, ResourceType, Role

ROLE_IMPOSSIBLE = Reason("CF-BUS-002", "the role {found}, which can't be held on a {kind}", "{allowed}")
HOLDER_MALFORMED = Reason(
    "CF-BUS-003",
    "the role holder {found}",
    "user:NAME, group:NAME, Everyone, AllAuthenticated, Server, or { user = NAME, unique_name = NAME }",
)
HOLDER_UNKNOWN = Reason("CF-BUS-004", "{found}, which the registry of realm {realm} doesn't know", "a known {kind}")
ASSERTER_UNFIT = Reason("CF-BUS-005", "{found}", "user:NAME: only a user that signs on can assert callers")
ROLE_ELSEWHERE = Reason(
    "CF-BUS-100",
    "the role {found} on a destination of bus {owner}",
    "sender; {found} is given on bus {owner}, which owns the destination",
)


@final
class AssignmentReader:
    """Reads roles and holders, and gathers the problems of a whole section.

    Args:
        identity: Who is known.
        vanished: Gets what is wrong of holders of roles who aren't, which is then no problem; None where it is one.

    Attributes:
        verify: Whether the registry is asked about names.
        unique_names: By holder (`user:NAME`), for whom of those who may have the name the assignments are.
        problems: What was wrong so far.
    """

    def __init__(self, identity: IdentityService, vanished: list[Problem] | None = None) -> None:
        self._identity = identity
        self._vanished = vanished
        self.verify = False
        self.unique_names: Mapping[str, Any] = MappingProxyType({})
        self.problems: list[Problem] = []

    def roles(
        self, path: str, table: Mapping[str, Any] | None, kind: ResourceType, *, owner: str | None = None
    ) -> Assignments:
        """The table of roles of one place. `owner` is the other bus that a destination belongs to, if it does."""
        roles: dict[Role, frozenset[Holder]] = {}
        for name, holders in (table or {}).items():
            if holders is None:
                continue
            if name not in POSSIBLE_ROLES[kind]:
                self._impossible(f"{path}.{name}", str(name), kind, owner)
                continue
            roles[Role(name)] = frozenset(self._holders(f"{path}.{name}", holders))
        return MappingProxyType(roles)

    def asserters(self, path: str, texts: Iterable[Any] | None) -> frozenset[Holder]:
        """The users who may assert others, with their unique names as holders of roles have them."""
        users = set()
        for number, text in enumerate(texts or ()):
            holder = parse_holder(text)
            if holder is None or holder.kind is not HolderKind.USER:
                self.problem(ASSERTER_UNFIT, f"{path}[{number}]", found=repr(text))
            elif self._exists(f"{path}[{number}]", holder):
                users.add(self._identified(holder))
        return frozenset(users)

    def user(self, path: str, name: Any) -> str | None:
        """One user by name; None where there is none, or it isn't known."""
        if name is None:
            return None
        known = bool(name) and self._exists(path, Holder(HolderKind.USER, str(name)))
        return str(name) if known else None

    def problem(self, reason: Reason, path: str, **inserts: str) -> None:
        """Note a problem."""
        self.problems.append(_problem(reason, path, **inserts))

    def _impossible(self, path: str, name: str, kind: ResourceType, owner: str | None) -> None:
        if owner is not None and name in (Role.RECEIVER, Role.BROWSER):
            self.problem(ROLE_ELSEWHERE, path, found=name, owner=owner)
        else:
            allowed = ", ".join(sorted(POSSIBLE_ROLES[kind]))
            self.problem(ROLE_IMPOSSIBLE, path, found=name, kind=str(kind), allowed=allowed)

    def _holders(self, path: str, texts: Iterable[Any]) -> Iterable[Holder]:
        for number, text in enumerate(texts):
            holder = parse_holder(text)
            if holder is None:
                self.problem(HOLDER_MALFORMED, f"{path}[{number}]", found=repr(text))
            elif self._exists(f"{path}[{number}]", holder, self._vanished):
                yield self._identified(holder)
            elif self._vanished is not None:
                yield self._identified(holder)  # it has the role once it is known again

    def _identified(self, holder: Holder) -> Holder:
        """The holder with its unique name, where the bus has one for it and the assignment itself has none."""
        unique = self.unique_names.get(str(holder)) if holder.kind is HolderKind.USER else None
        return holder if unique is None or holder.unique_name is not None else replace(holder, unique_name=str(unique))

    def _exists(self, path: str, holder: Holder, told: list[Problem] | None = None) -> bool:
        if not self.verify or is_known(holder, self._identity):
            return True
        realm, kind = self._identity.realm, str(holder.kind)
        unknown = _problem(HOLDER_UNKNOWN, path, found=str(holder), realm=realm, kind=kind)
        (self.problems if told is None else told).append(unknown)
        return False


def _problem(reason: Reason, path: str, **inserts: str) -> Problem:
    found, allowed = reason.text.format(**inserts), _filled(reason.action, inserts)
    return Problem(reason.code, "configuration", None, path, found, allowed)


def is_known(holder: Holder, identity: IdentityService) -> bool:
    """Whether the registry knows a user or group; special groups are always there. Blocks for the registry."""
    if holder.kind is HolderKind.SPECIAL:
        return True
    known = identity.user_exists if holder.kind is HolderKind.USER else identity.group_exists
    return known(holder.name)


def _filled(action: str, inserts: Mapping[str, str]) -> str:
    # What is allowed may show a table, whose braces are not for an insert.
    return action if "{ " in action else action.format(**inserts)
