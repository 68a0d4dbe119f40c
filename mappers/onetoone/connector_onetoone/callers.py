"""Whom an entry is for, and whom it names: callers and groups as `NAME` or `NAME@REALM`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from connector.spi import Subject, UserPrincipal

#: The option `realm` that means every realm that the container lets in.
ANY_REALM = "*"

#: The `caller` of the rule for every user.
EVERYBODY = "*"


class Named(NamedTuple):
    """A name as it is written in a table or rule.

    Attributes:
        name: The caller's or the group's.
        realm: Its realm; None where none is written.
    """

    name: str
    realm: str | None

    @classmethod
    def read(cls, text: str) -> Named | None:
        """What stands before and after the last @; None where one of them is empty. Pure."""
        name, separator, realm = text.rpartition("@")
        if not separator:
            return cls(text, None) if text else None
        return cls(name, realm) if name and realm else None


@dataclass(frozen=True, slots=True)
class User:
    """A caller who can be mapped: a user. Not the container's own work, and not nobody in particular.

    Attributes:
        name: The name in the realm; never empty.
        realm: The realm.
        groups: The names of the groups in that realm.
    """

    name: str
    realm: str
    groups: frozenset[str] = frozenset()

    @classmethod
    def of(cls, caller: Subject | None) -> User | None:
        """The user of a subject, or None. Pure."""
        principal = caller.caller if caller is not None else None
        if caller is None or not isinstance(principal, UserPrincipal) or not principal.name:
            return None
        return cls(principal.name, principal.realm, caller.groups)

    def is_of(self, realm: str | None, default: str) -> bool:
        """Whether the user is of that realm, where none is written of the default one."""
        if realm is not None:
            return self.realm == realm
        return default in (ANY_REALM, self.realm)

    @property
    def whole(self) -> str | None:
        """NAME@REALM, which patterns are held against.

        None where the realm itself has an @ or is empty: then it could not be told from a name that has one.
        """
        return f"{self.name}@{self.realm}" if self.realm and "@" not in self.realm else None

    def __str__(self) -> str:
        return f"{self.name}@{self.realm}"
