"""Inbound maps: who the callers and groups of a foreign realm are in a realm of ours (FLOW-3). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Final, final

from connector.spi import Explanation, Step, Verdict

#: The entry for every user of the foreign realm that has none of its own.
ANY_USER: Final = "*"


class Unmapped(Enum):
    """What becomes of a caller of the foreign realm whom no entry fits."""

    REFUSE = "refuse"
    UNAUTHENTICATED = "unauthenticated"


@final
@dataclass(frozen=True, slots=True)
class InboundMap:
    """The map of one foreign realm. Immutable; safe to use from any thread; nothing here blocks.

    Attributes:
        realm: The foreign realm.
        users: Its users by name, each with the user of our realm that it is here; `*` for all others.
        groups: Its groups by name, each with our group. Groups have no `*`: who invents a group gets nothing.
        unmapped: What becomes of a caller without an entry.
    """

    realm: str
    users: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    groups: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    unmapped: Unmapped = Unmapped.REFUSE

    def entry_for(self, user: str) -> str | None:
        """The entry that fits a user of the foreign realm: its own, else `*`, else None.

        A user of the foreign realm that is called `*` is not the entry `*`: it has none of its own.
        """
        if user != ANY_USER and user in self.users:
            return user
        return ANY_USER if ANY_USER in self.users else None

    def user_for(self, user: str) -> str | None:
        """Who a user of the foreign realm is in ours; None for nobody."""
        entry = self.entry_for(user)
        return None if entry is None else self.users[entry]

    def group_for(self, group: str) -> str | None:
        """What a group of the foreign realm is in ours; None for nothing."""
        return self.groups.get(group)

    def who_maps_to(self, user: str) -> tuple[str, ...]:
        """The foreign users that are this user of ours, sorted; `*` among them stands for all without an entry."""
        return tuple(sorted(foreign for foreign, ours in self.users.items() if ours == user))

    def targets(self) -> Mapping[str, tuple[str, ...]]:
        """All users of ours that somebody maps to, each with who does."""
        return {user: self.who_maps_to(user) for user in sorted(set(self.users.values()))}

    def explain(self, user: str, groups: Iterable[str] = ()) -> Explanation:
        """What the map makes of a user and groups of the foreign realm. Asks no registry."""
        target = self.user_for(user)
        steps = [self.user_step(user), *(self.group_step(group) for group in dict.fromkeys(groups))]
        answer = target or ("the unauthenticated caller" if self.unmapped is Unmapped.UNAUTHENTICATED else "refused")
        return Explanation(f"who is {user}@{self.realm} here?", answer, tuple(steps))

    def user_step(self, user: str) -> Step:
        """One step of an explanation: which entry fits a user."""
        entry = self.entry_for(user)
        facts: tuple[tuple[str, str], ...] = (("map", self.realm), ("from", user))
        if entry is None:
            why = f"no entry fits; unmapped callers: {self.unmapped.value}"
            return Step(f"inbound map {self.realm}: user {user}", Verdict.REJECTED, why, facts=facts)
        target = self.users[entry]
        facts = (*facts, ("entry", entry), ("to", target))
        return Step(f"inbound map {self.realm}: user {user}", Verdict.TAKEN, f"entry {entry} → {target}", facts=facts)

    def group_step(self, group: str) -> Step:
        """One step of an explanation: what a group becomes."""
        target = self.groups.get(group)
        what = f"inbound map {self.realm}: group {group}"
        if target is None:
            return Step(what, Verdict.REJECTED, "no entry: dropped")
        return Step(what, Verdict.TAKEN, f"→ {target}")
