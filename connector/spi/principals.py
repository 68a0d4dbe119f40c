"""Principals: a name in a realm."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Principal:
    """A name that a realm answers for. Equal only within one class: a user and a group of one name differ.

    Attributes:
        name: The name in its realm, as the user registry spells it.
        realm: The realm's name; empty only for the unauthenticated principal.
    """

    name: str
    realm: str

    def __str__(self) -> str:
        return f"{self.name}@{self.realm}" if self.realm else self.name


@dataclass(frozen=True, slots=True)
class UserPrincipal(Principal):
    """An authenticated or asserted user."""


@dataclass(frozen=True, slots=True)
class GroupPrincipal(Principal):
    """A group that the user belongs to."""


@dataclass(frozen=True, slots=True)
class ServerPrincipal(Principal):
    """The container's own work, or an authenticated engine: the special group Server (BUS-3)."""


@dataclass(frozen=True, slots=True)
class UnauthenticatedPrincipal(Principal):
    """Nobody in particular: the caller of work that carries no identity (FLOW-3)."""

    name: str = "unauthenticated"
    realm: str = ""


UNAUTHENTICATED = UnauthenticatedPrincipal()
