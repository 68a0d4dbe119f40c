"""What a source of identity has found in a request, before anybody was asked about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, final

from connector.spi import Secret
from connector_web.request import WebRequest
from connector_web.throttle import Throttle


@final
@dataclass(frozen=True, slots=True)
class Password:
    """A user and a password, which the realm has yet to be asked about.

    Attributes:
        user: The name presented.
        password: The password presented.
        throttle: Who counts the wrong ones.
    """

    user: str
    password: Secret
    throttle: Throttle


@final
@dataclass(frozen=True, slots=True)
class Caller:
    """A caller whom somebody else has authenticated: an issuer of tokens, a certificate authority, the application.

    Whether such a caller is believed depends on the realm, by the container's rules for inbound identities (FLOW-3).

    Attributes:
        name: The name in its realm.
        realm: Its realm; None for the container's own.
        groups: The groups that come with it.
    """

    name: str
    realm: str | None = None
    groups: tuple[str, ...] = ()

    @classmethod
    def of(cls, name: str, realm: str | None = None, groups: Iterable[str] = ()) -> Caller:
        """A caller with groups from any iterable."""
        return cls(name, realm, tuple(groups))


class Source(Protocol):
    """Where an identity may come from.

    `read` runs on the event loop where there is one: it does not block. Safe to use from any thread.
    """

    @property
    def name(self) -> str:
        """Its name in audit records: `basic`, `bearer`, …"""
        ...

    @property
    def scheme(self) -> str | None:
        """The scheme of the header `Authorization` that is its own, in small letters; None where it has none."""
        ...

    def challenge(self, realm: str, *, refused: bool) -> str | None:
        """What `WWW-Authenticate` says of it; None where a client can't answer one.

        Args:
            realm: The container's realm.
            refused: Whether this source has just refused what was presented.
        """
        ...

    def read(self, request: WebRequest) -> Password | Caller | None:
        """What the request presents to this source; None for nothing. Raises CredentialRefused."""
        ...
