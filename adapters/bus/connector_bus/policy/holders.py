"""Role holders: users, groups and the special groups, as they are written (BUS-3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


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
        unique_name: For a user, the registry's unique name: the assignment is for the one user who has it, and not
            for somebody else who is later given the same name. None: for whoever has the name.
    """

    kind: HolderKind
    name: str
    unique_name: str | None = None

    def __str__(self) -> str:
        if self.kind is HolderKind.SPECIAL:
            return self.name
        unique = "" if self.unique_name is None else f" ({self.unique_name})"
        return f"{self.kind}:{self.name}{unique}"


EVERYONE = Holder(HolderKind.SPECIAL, "Everyone")
ALL_AUTHENTICATED = Holder(HolderKind.SPECIAL, "AllAuthenticated")
SERVER = Holder(HolderKind.SPECIAL, "Server")
_SPECIAL = {holder.name: holder for holder in (EVERYONE, ALL_AUTHENTICATED, SERVER)}


def parse_holder(written: object) -> Holder | None:
    """Read a holder; None for anything that is none. Does not block.

    It is written `user:NAME`, `group:NAME`, as a special group's name, or, with a unique name, as a table
    `{ user = NAME, unique_name = NAME }`.
    """
    if isinstance(written, Mapping):
        return _identified(written)
    text = str(written)
    if text in _SPECIAL:
        return _SPECIAL[text]
    kind, colon, name = text.partition(":")
    if colon and name and kind in (HolderKind.USER, HolderKind.GROUP):
        return Holder(HolderKind(kind), name)
    return None


def _identified(table: Mapping[str, Any]) -> Holder | None:
    user, unique = table.get("user"), table.get("unique_name")
    if set(table) != {"user", "unique_name"} or not isinstance(user, str) or not isinstance(unique, str):
        return None
    return Holder(HolderKind.USER, user, unique) if user and unique else None
