"""Role holders: users, groups and the special groups, and the set of them that one role has (BUS-3)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import final

from connector.spi import ServerPrincipal, Subject, UnauthenticatedPrincipal


class HolderKind(StrEnum):
    """What a holder's name means."""

    USER = "user"
    GROUP = "group"
    SPECIAL = "special"


@dataclass(frozen=True, slots=True)
class Holder:
    """One holder of a role.

    Attributes:
        kind: User, group or special group.
        name: The name in the registry of the container's realm, or the special group's.
    """

    kind: HolderKind
    name: str

    def __str__(self) -> str:
        return self.name if self.kind is HolderKind.SPECIAL else f"{self.kind}:{self.name}"


EVERYONE = Holder(HolderKind.SPECIAL, "Everyone")
ALL_AUTHENTICATED = Holder(HolderKind.SPECIAL, "AllAuthenticated")
SERVER = Holder(HolderKind.SPECIAL, "Server")
_SPECIAL = {holder.name: holder for holder in (EVERYONE, ALL_AUTHENTICATED, SERVER)}


def parse_holder(text: str) -> Holder | None:
    """Read `user:NAME`, `group:NAME` or a special group's name; None for anything else. Does not block."""
    if text in _SPECIAL:
        return _SPECIAL[text]
    kind, colon, name = text.partition(":")
    if colon and name and kind in (HolderKind.USER, HolderKind.GROUP):
        return Holder(HolderKind(kind), name)
    return None


@final
class HolderSet:
    """The holders of one role on one resource, compiled for the question "which of them is this subject?".

    Immutable, safe to share between threads. Names are those of `realm`; somebody of a trusted realm is authenticated
    but is no user and in no group of ours, and somebody of any other realm counts as nobody (BUS-9).
    """

    __slots__ = ("_authenticated", "_everyone", "_groups", "_realm", "_server", "_trusted", "_users", "holders")

    def __init__(self, holders: Iterable[Holder], realm: str, trusted_realms: frozenset[str] = frozenset()) -> None:
        self.holders = frozenset(holders)
        self._realm = realm
        self._trusted = trusted_realms
        self._users: Mapping[str, Holder] = {h.name: h for h in self.holders if h.kind is HolderKind.USER}
        self._groups: Mapping[str, Holder] = {h.name: h for h in self.holders if h.kind is HolderKind.GROUP}
        self._everyone = EVERYONE in self.holders
        self._authenticated = ALL_AUTHENTICATED in self.holders
        self._server = SERVER in self.holders

    def deciding(self, subject: Subject) -> Holder | None:
        """The holder that lets the subject in, or None. Everyone needs no name at all. Does not block."""
        if self._everyone:
            return EVERYONE
        caller = subject.caller
        if caller is None or isinstance(caller, UnauthenticatedPrincipal):
            return None
        if caller.realm != self._realm:
            return ALL_AUTHENTICATED if self._authenticated and caller.realm in self._trusted else None
        if isinstance(caller, ServerPrincipal):
            return SERVER if self._server else (ALL_AUTHENTICATED if self._authenticated else None)
        user = self._users.get(caller.name)
        if user is not None:
            return user
        if self._authenticated:
            return ALL_AUTHENTICATED
        if self._groups:
            for group in subject.groups:
                if group in self._groups:
                    return self._groups[group]
        return None

    def __repr__(self) -> str:
        return f"HolderSet({', '.join(sorted(str(holder) for holder in self.holders))})"
