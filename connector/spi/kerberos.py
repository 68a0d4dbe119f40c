"""Kerberos credentials: whom tickets are for, and where they can be had when a connection is opened (SIGN-6)."""

from __future__ import annotations

from collections.abc import Hashable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import NoReturn, Protocol, runtime_checkable

from connector.spi.credentials import KERBV5


@runtime_checkable
class Tickets(Protocol):
    """Where the tickets of one principal come from. Safe to use from several threads at once."""

    @property
    def expired(self) -> bool:
        """Whether there is no use in asking any more: what they are made from has run out. Does not block."""
        ...

    def cache_for(self, service: str) -> AbstractContextManager[str]:
        """A credential cache of its own for one connect, with a ticket for `service`; gone when it is left.

        The ticket is obtained anew, or renewed, as need be: blocks for round trips to the KDC, and where no KDC
        answers for as long as the Kerberos library tries.

        Args:
            service: The service to be connected to, as `name@host`, for example `postgres@db.example`.

        Yields:
            The name of the cache (`FILE:…`), which only this process's user can read. It is for the thread that
            connects, never for the process: whoever puts it into an environment variable gives it to everybody.

        Raises:
            ConnectionFailed: no KDC, a clock that is wrong, a ticket that has run out; nobody was refused.
            LoginRefused: the KDC refuses the principal, or refuses to delegate.
        """
        ...


@dataclass(frozen=True, slots=True)
class KerberosCredential:
    """A sign-on by ticket (SIGN-6). It holds no ticket: it knows who can get one.

    In a caller's own subject it has no factory and stands for what the caller brought, for example a delegated ticket;
    a mapping module makes of it one for the factory that is signed on.

    Attributes:
        principal: Whom the tickets are for, with the realm: `alice@EXAMPLE.ORG`.
        user: The user in the external system that this principal signs on as.
        tickets: Where they come from.
        factory: The managed connection factory that it is for; other factories must not use it.
    """

    principal: str
    user: str
    tickets: Tickets = field(repr=False, compare=False)
    factory: object | None = field(default=None, repr=False)
    mechanism: str = KERBV5

    def key(self) -> Hashable:
        """Principal and user. A renewed ticket is the same identity, and finds the connections made by the older."""
        return (self.mechanism, self.principal, self.user)

    def __hash__(self) -> int:
        return hash((self.mechanism, self.principal, self.user, id(self.factory)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, KerberosCredential):
            return NotImplemented
        return self.factory is other.factory and self.key() == other.key()

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a KerberosCredential can't be pickled or copied")
