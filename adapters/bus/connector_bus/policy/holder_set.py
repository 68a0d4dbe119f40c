"""Compiled holders: the question "is this subject one of them?" in well under a microsecond (BUS-3, BUS-9).

Names are those of the container's own realm. Somebody of a trusted realm is authenticated, but is no user of ours and
in no group of ours; somebody of any other realm counts as nobody (BUS-9).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, Protocol, final

from connector.spi import ServerPrincipal, Subject, UnauthenticatedPrincipal, UserPrincipal
from connector_bus.policy.holders import ALL_AUTHENTICATED, EVERYONE, SERVER, Holder, HolderKind

#: Answers the unique name that a user of the container's realm has now.
UniqueNameOf = Callable[[str], str]

_NAMELESS: Final[frozenset[str]] = frozenset()


class Decider(Protocol):
    """What a decision is looked up as."""

    def admits(self, subject: Subject) -> bool:
        """Whether the subject may."""
        ...


def _no_unique_names(_user: str) -> str:
    """Where nobody can tell unique names, assignments that ask for one are nobody's."""
    return ""


@final
class HolderSet:
    """The holders of one role on one resource, compiled. Immutable, safe to share between threads.

    Args:
        holders: Who holds the role.
        realm: The realm whose users and groups are meant.
        trusted_realms: Foreign realms whose users count as authenticated.
        unique_name_of: Asked, for assignments that have a unique name, which one the user has now; what it raises,
            `admits` and `deciding` raise. Without it they are nobody's.
    """

    __slots__ = (
        "_authenticated",
        "_everyone",
        "_groups",
        "_identified",
        "_realm",
        "_server",
        "_trusted",
        "_unique_name_of",
        "_users",
        "holders",
    )

    def __init__(
        self,
        holders: Iterable[Holder],
        realm: str,
        trusted_realms: frozenset[str] = frozenset(),
        unique_name_of: UniqueNameOf = _no_unique_names,
    ) -> None:
        self.holders = frozenset(holders)
        self._realm = realm
        self._trusted = trusted_realms
        self._unique_name_of = unique_name_of
        self._everyone = EVERYONE in self.holders
        self._authenticated = ALL_AUTHENTICATED in self.holders
        self._server = SERVER in self.holders
        named = [holder for holder in self.holders if holder.kind is not HolderKind.SPECIAL]
        # Most sets have few of these: they share one empty set instead of holding 216 bytes each.
        self._groups = frozenset(h.name for h in named if h.kind is HolderKind.GROUP) or _NAMELESS
        self._users = frozenset(h.name for h in named if h.kind is HolderKind.USER and not h.unique_name) or _NAMELESS
        self._identified = frozenset(h.name for h in named if h.unique_name) or _NAMELESS

    def admits(self, subject: Subject) -> bool:
        """Whether one of the holders lets the subject in. Blocks only as `unique_name_of` does."""
        if self._everyone:
            return True
        caller = subject.caller
        # One user of our own realm is what nearly every question is about; all else takes the long way.
        if type(caller) is not UserPrincipal or caller.realm != self._realm:
            return self.deciding(subject) is not None
        if self._authenticated or caller.name in self._users or not self._groups.isdisjoint(subject.groups):
            return True
        return caller.name in self._identified and self.deciding(subject) is not None

    def deciding(self, subject: Subject) -> Holder | None:
        """The holder that lets the subject in, or None. Everyone needs no name at all. Blocks like `admits`."""
        if self._everyone:
            return EVERYONE
        caller = subject.caller
        if caller is None or isinstance(caller, UnauthenticatedPrincipal):
            return None
        if caller.realm != self._realm:
            return ALL_AUTHENTICATED if self._authenticated and caller.realm in self._trusted else None
        if isinstance(caller, ServerPrincipal):
            return SERVER if self._server else (ALL_AUTHENTICATED if self._authenticated else None)
        if caller.name in self._users:
            return Holder(HolderKind.USER, caller.name)
        if self._authenticated:
            return ALL_AUTHENTICATED
        shared = self._groups & subject.groups
        if shared:
            return Holder(HolderKind.GROUP, min(shared))
        return self._by_unique_name(caller.name)

    def _by_unique_name(self, user: str) -> Holder | None:
        if user not in self._identified:
            return None
        held = Holder(HolderKind.USER, user, self._unique_name_of(user))
        return held if held in self.holders else None

    def __repr__(self) -> str:
        return f"HolderSet({', '.join(sorted(str(holder) for holder in self.holders))})"


@final
class AllOf:
    """Several sets, each of which has to let the subject in: an alias and its target. Immutable."""

    __slots__ = ("_sets",)

    def __init__(self, sets: Iterable[HolderSet]) -> None:
        self._sets = tuple(sets)

    def admits(self, subject: Subject) -> bool:
        """Whether all of them let the subject in."""
        return all(held.admits(subject) for held in self._sets)

    def __repr__(self) -> str:
        return f"AllOf{self._sets!r}"
