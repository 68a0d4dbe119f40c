"""Credentials: what a subject holds privately, each for one managed connection factory."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from connector.spi.secret import Secret

BASIC_PASSWORD = "BasicPassword"  # noqa: S105 - the name of a mechanism (SIGN-6)
KERBV5 = "Kerbv5"

# Digests in pool keys are keyed by this process: a key that leaks into a dump tells nothing about the password.
_DIGEST_KEY = secrets.token_bytes(32)


@runtime_checkable
class Credential(Protocol):
    """What any credential offers to sign-on and pool (SIGN-6)."""

    @property
    def mechanism(self) -> str:
        """The authentication mechanism, for example `BasicPassword`."""
        ...

    @property
    def factory(self) -> object | None:
        """The managed connection factory that it belongs to; None for a credential of no factory in particular."""
        ...

    def key(self) -> Hashable:
        """What tells this credential from others in a pool key: never the secret, and not its version."""
        ...


@dataclass(frozen=True, slots=True)
class PasswordCredential:
    """User and password as one unit that is never taken apart (SIGN-1).

    Two credentials with equal user and password for two factories are two credentials (connectors.md 2.3).

    Attributes:
        user: The user in the external system.
        password: The password.
        factory: The managed connection factory that it is for; other factories must not use it.
        alias: The authentication alias that it came from, if it did.
        version: The alias's version in the authentication data; a higher one supersedes this one (AUTHD-3).
    """

    user: str
    password: Secret
    factory: object | None = field(default=None, repr=False)
    alias: str | None = None
    version: int = 0
    mechanism: str = BASIC_PASSWORD

    def key(self) -> Hashable:
        """User and alias; without an alias user and a keyed digest of the password."""
        if self.alias is not None:
            return (self.mechanism, self.user, "alias", self.alias)
        digest = hmac.new(_DIGEST_KEY, self.password.reveal().encode(), hashlib.sha256).hexdigest()
        return (self.mechanism, self.user, "digest", digest)

    def __hash__(self) -> int:
        return hash((self.mechanism, self.user, self.alias, self.version, id(self.factory)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PasswordCredential):
            return NotImplemented
        return (
            self.factory is other.factory
            and self.user == other.user
            and self.mechanism == other.mechanism
            and self.alias == other.alias
            and self.version == other.version
            and self.password == other.password
        )


@dataclass(frozen=True, slots=True)
class IdentityAssertion:
    """The caller's identity to be asserted on a connection that a trusted user has opened (TRUST-1).

    It is no proof in itself: the trusted user's credential, beside it in the subject, is what the external system
    trusts. Only a mapping module makes one; an application has no way to pass one.

    Attributes:
        user: The name to assert in the external system.
        realm: The realm that the caller was known in.
        groups: The caller's groups, for systems that take them.
        factory: The managed connection factory that it is for.
    """

    user: str
    realm: str
    groups: frozenset[str] = frozenset()
    factory: object | None = field(default=None, repr=False, compare=False)

    def key(self) -> Hashable:
        """The effective user: what connections may be shared by."""
        return (self.user, self.realm)


def same_factory(credential: Any, factory: object) -> bool:
    """Whether a credential belongs to a factory (by `==`, as connectors.md 2.3 asks; None belongs to none)."""
    owner = getattr(credential, "factory", None)
    return owner is not None and (owner is factory or bool(owner == factory))
