"""The groups of a user: found by their members, or named by the user's entry; with the groups that these are in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from connector_ldap.directory import Directory
from connector_ldap.entries import Entry, Query, both, either, equals
from connector_ldap.library import library

#: How many members one search asks for.
_BATCH: Final = 50


@dataclass(frozen=True, slots=True)
class GroupSettings:
    """Where groups are and how they are told.

    Attributes:
        base: Below this entry; a group elsewhere does not count, whoever names it.
        filter: What a group's entry passes.
        name: The attribute with the group's name.
        member: The attribute with the members' distinguished names.
        member_of: The attribute of members that names their groups; empty where members are searched for instead.
        nested: Whether the groups that a group is in count as well.
    """

    base: str
    filter: str
    name: str = "cn"
    member: str = "member"
    member_of: str = ""
    nested: bool = True

    def query(self, *filters: str) -> Query:
        """All groups that pass these filters."""
        attributes = (self.name, self.member_of) if self.member_of else (self.name,)
        return Query(self.base, both(self.filter, *filters), attributes, many=True)


def group_names(directory: Directory, settings: GroupSettings, user: Entry) -> frozenset[str]:
    """The names of a user's groups. Blocks for a search, or one a group, for each level. Raises as `Directory`."""
    found: dict[str, Entry] = {}
    asking: Sequence[Entry] = (user,)
    ask: Callable[[Directory, GroupSettings, Sequence[Entry], set[str]], Iterable[Entry]]
    ask = _named_by if settings.member_of else _with_members
    while asking:
        new = {_key(entry.dn): entry for entry in ask(directory, settings, asking, set(found))}
        # A group that was there before may be in itself, by however many others: that ends here.
        asking = [entry for key, entry in new.items() if key not in found] if settings.nested else ()
        found = {**new, **found}
    return frozenset(name for entry in found.values() for name in entry.texts(settings.name))


def _with_members(
    directory: Directory, settings: GroupSettings, members: Sequence[Entry], _known: set[str]
) -> Iterator[Entry]:
    for begin in range(0, len(members), _BATCH):
        batch = members[begin : begin + _BATCH]
        yield from directory.search(settings.query(either(equals(settings.member, one.dn) for one in batch)))


def _named_by(
    directory: Directory, settings: GroupSettings, members: Sequence[Entry], known: set[str]
) -> Iterator[Entry]:
    named = {_key(dn): dn for member in members for dn in member.texts(settings.member_of)}
    below = f",{_key(settings.base)}"
    for key, dn in named.items():
        if key not in known and f",{key}".endswith(below):
            attributes = (settings.name, settings.member_of)
            yield from directory.search(Query(dn, settings.filter, attributes, entry_only=True))


def _key(dn: str) -> str:
    """What two spellings of one name have in common. Pure but for the library's import."""
    names = library().dn
    try:
        return str(names.dn2str(names.str2dn(dn))).casefold()
    except library().DECODING_ERROR:
        return dn.casefold()
