"""The subject: who somebody is, with the principals known and the credentials held."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar, final

from connector.spi.credentials import IdentityAssertion, PasswordCredential, same_factory
from connector.spi.principals import (
    UNAUTHENTICATED,
    GroupPrincipal,
    Principal,
    ServerPrincipal,
    UnauthenticatedPrincipal,
    UserPrincipal,
)

C = TypeVar("C")

#: Most subjects of plans have none, and of those there are as many as callers: a set of its own is 216 bytes each.
_NO_GROUPS: frozenset[str] = frozenset()


@final
class Subject:
    """Principals and private credentials of one identity.

    A *null* subject is None and an *empty* one has no principals and no credentials: the two differ. Credentials are
    kept in a list, not in a set, since equal user and password for two factories are two credentials.

    Args:
        principals: To begin with.
        credentials: To begin with; private, never shown.
        read_only: Whether it can still be changed. A subject that a scope or a plan holds is read-only.

    Not safe to change from two threads; safe to share once read-only.
    """

    __slots__ = ("_principals", "_credentials", "_read_only", "_caller", "_groups")

    def __init__(
        self, principals: Iterable[Principal] = (), credentials: Iterable[Any] = (), *, read_only: bool = False
    ) -> None:
        # An empty one is made for each inbound message.
        self._principals: list[Principal] = list(dict.fromkeys(principals)) if principals else []
        self._credentials: list[Any] = list(credentials) if credentials else []
        self._read_only = False
        self._caller: Principal | None = None
        self._groups: frozenset[str] | None = None
        if read_only:
            self.set_read_only()

    @classmethod
    def of_user(cls, name: str, realm: str, groups: Iterable[str] = (), credentials: Iterable[Any] = ()) -> Subject:
        """A read-only subject with one user principal and its groups in the same realm."""
        principals: list[Principal] = [UserPrincipal(name, realm)]
        principals += [GroupPrincipal(group, realm) for group in groups]
        return cls(principals, credentials, read_only=True)

    @classmethod
    def unauthenticated(cls) -> Subject:
        """A read-only subject with the unauthenticated principal (FLOW-3)."""
        return cls([UNAUTHENTICATED], read_only=True)

    @classmethod
    def server(cls, name: str, realm: str) -> Subject:
        """A read-only subject of the container's own work."""
        return cls([ServerPrincipal(name, realm)], read_only=True)

    @property
    def principals(self) -> tuple[Principal, ...]:
        """All principals, in the order in which they were added."""
        return tuple(self._principals)

    @property
    def credentials(self) -> tuple[Any, ...]:
        """The private credentials, in the order in which they were added."""
        return tuple(self._credentials)

    @property
    def caller(self) -> Principal | None:
        """The first principal that is not a group, or None."""
        if self._caller is not None:
            return self._caller
        return next((p for p in self._principals if not isinstance(p, GroupPrincipal)), None)

    @property
    def groups(self) -> frozenset[str]:
        """The names of the groups in the caller's realm."""
        if self._groups is not None:
            return self._groups
        caller = self.caller
        named = [
            p.name
            for p in self._principals
            if isinstance(p, GroupPrincipal) and (caller is None or p.realm == caller.realm)
        ]
        return frozenset(named) if named else _NO_GROUPS

    @property
    def is_authenticated(self) -> bool:
        """Whether there is a caller and it is not the unauthenticated one."""
        caller = self.caller
        return caller is not None and not isinstance(caller, UnauthenticatedPrincipal)

    @property
    def is_server(self) -> bool:
        """Whether this is the container's own work or an engine."""
        return isinstance(self.caller, ServerPrincipal)

    @property
    def is_empty(self) -> bool:
        """Whether it holds nothing at all."""
        return not self._principals and not self._credentials

    @property
    def is_read_only(self) -> bool:
        """Whether adding and removing are refused."""
        return self._read_only

    def add_principal(self, principal: Principal) -> None:
        """Add a principal; one that is there already is not added again. Raises RuntimeError when read-only."""
        self._check_writable()
        if principal not in self._principals:
            self._principals.append(principal)

    def add_credential(self, credential: Any) -> None:
        """Add a private credential. Raises RuntimeError when read-only."""
        self._check_writable()
        self._credentials.append(credential)

    def remove_credential(self, credential: Any) -> None:
        """Remove that very object, if it is there. Raises RuntimeError when read-only."""
        self._check_writable()
        self._credentials = [held for held in self._credentials if held is not credential]

    def clear(self) -> None:
        """Remove everything. Raises RuntimeError when read-only."""
        self._check_writable()
        self._principals.clear()
        self._credentials.clear()

    def set_read_only(self) -> Subject:
        """From now on nothing can be added or removed. Answers itself."""
        self._caller = self.caller
        self._groups = self.groups
        self._read_only = True
        return self

    def credentials_of(self, kind: type[C], factory: object | None = None) -> tuple[C, ...]:
        """The credentials of one type; with a factory those that belong to it."""
        return tuple(
            c for c in self._credentials if isinstance(c, kind) and (factory is None or same_factory(c, factory))
        )

    def password_credential(self, factory: object) -> PasswordCredential | None:
        """The factory's own user and password, or None: another factory's is never answered (connectors.md 2.3)."""
        return next(iter(self.credentials_of(PasswordCredential, factory)), None)

    def identity_assertion(self, factory: object) -> IdentityAssertion | None:
        """The identity to assert on the factory's connections, or None (TRUST-1)."""
        return next(iter(self.credentials_of(IdentityAssertion, factory)), None)

    def _check_writable(self) -> None:
        if self._read_only:
            raise RuntimeError("this subject is read-only")

    def __repr__(self) -> str:
        names = ", ".join(str(p) for p in self._principals)
        return f"Subject([{names}], {len(self._credentials)} credential(s))"
