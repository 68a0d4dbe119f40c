"""User registries: who exists in a realm, who belongs to which group, and whose password is right."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from connector.spi.secret import Secret
from connector.spi.subject import Subject


@runtime_checkable
class UserRegistry(Protocol):
    """The users and groups of one realm.

    Methods may block for disk, network or password hashing (50 to 400 ms in `check_password`) and are safe to call
    from any thread. A registry that can't be reached raises `connector.errors.RegistryUnavailable` with a reason of
    its own: that is a temporary error, never a "no", and never kept as one.

    A registry that asks somebody else each time needs no cache: the container keeps users and groups for a while
    (`group_cache`). One that keeps answers itself is a `RememberingRegistry`.
    """

    @property
    def realm(self) -> str:
        """The realm's name."""
        ...

    def check_password(self, user: str, password: Secret) -> bool:
        """Whether user and password fit. An unknown user takes as long as a wrong password. Empty: always False."""
        ...

    def user_exists(self, user: str) -> bool:
        """Whether the realm knows the user."""
        ...

    def group_exists(self, group: str) -> bool:
        """Whether the realm knows the group."""
        ...

    def groups_of(self, user: str) -> frozenset[str]:
        """The groups of a user; empty for an unknown one."""
        ...

    def unique_name(self, user: str) -> str:
        """A name that stays the same when the display name changes; for a file registry the name itself."""
        ...

    def users(self) -> Iterable[str]:
        """All users, sorted."""
        ...

    def groups(self) -> Iterable[str]:
        """All groups, sorted."""
        ...


@runtime_checkable
class WritableUserRegistry(UserRegistry, Protocol):
    """A registry that the `connector users` commands can change; each change is atomic.

    Its methods may block for the store, and for hashing; they raise ConnectorError for what can't be stored.
    """

    def add_user(self, user: str, password: Secret, groups: Iterable[str] = ()) -> None:
        """Add a user; raises ConnectorError when it is there already or the name or password is unfit."""
        ...

    def remove_user(self, user: str) -> bool:
        """Remove a user; False if there was none. Raises ConnectorError where it can't be stored."""
        ...

    def set_password(self, user: str, password: Secret) -> None:
        """Replace a user's password. Raises ConnectorError for no such user, and for a password that is unfit."""
        ...

    def set_groups(self, user: str, groups: Iterable[str]) -> None:
        """Replace a user's groups; groups that don't exist yet come into being. Raises as `set_password`."""
        ...


@runtime_checkable
class RememberingRegistry(UserRegistry, Protocol):
    """A registry that keeps what it has found, for a time of its own: the container then keeps nothing besides."""

    def forget(self, user: str | None = None) -> None:
        """Keep nothing of what was found before now, or nothing of one user. Does not block; raises nothing."""
        ...


@dataclass(frozen=True, slots=True)
class ScramVerifier:
    """What a server needs to check a user's proof by SCRAM-SHA-256; it is not enough to sign on with.

    Attributes:
        salt, rounds: What the client makes its key of the password with.
        stored_key, server_key: The keys of RFC 5802; not shown.
    """

    salt: bytes
    rounds: int
    stored_key: bytes = field(repr=False)
    server_key: bytes = field(repr=False)


@runtime_checkable
class ScramVerifiers(Protocol):
    """What a registry, or the identity service over it, has besides if users can sign on by SCRAM-SHA-256 (CHAIN-5)."""

    def scram_offered(self) -> bool:
        """Whether every user has a verifier: clients that are offered SCRAM would not try a password instead.

        May block like the registry.
        """
        ...

    def scram_verifier(self, user: str) -> ScramVerifier | None:
        """The verifier of a user; of one who has none, or is not there, one that nothing fits and that looks alike.

        None where SCRAM is not offered. May block like the registry.
        """
        ...


@runtime_checkable
class VerifierReport(Protocol):
    """What a registry with verifiers has besides if it can tell who lacks one, for `connector check`."""

    def without_verifier(self) -> tuple[str, ...]:
        """The users who have none although the realm wants them, sorted; they keep SCRAM from being offered.

        Empty where the realm wants none. May block like the registry.
        """
        ...


@runtime_checkable
class ScramIdentities(ScramVerifiers, Protocol):
    """An identity service that lets users sign on by SCRAM-SHA-256. Safe to use from any thread."""

    def scram_ended(self, user: str, *, proved: bool) -> Subject:
        """The subject of a user who has proved to know the password. Raises AuthenticationFailed, also if not."""
        ...


class PasswordHasher(Protocol):
    """Passwords at rest, as the framework hashes them (scrypt); safe to use from any thread.

    `hash` and `verify` block for 50 to 400 ms of processor time.
    """

    def hash(self, password: Secret) -> str:
        """A salted hash to be stored: printable text of less than 255 characters.

        Raises SecurityError for an empty password.
        """
        ...

    def verify(self, password: Secret, stored: str | None) -> bool:
        """Whether the password fits a stored hash; None for an unknown user, who takes as long as a wrong password.

        An empty password never fits, and nothing fits a text that is no hash.
        """
        ...

    def is_hash(self, stored: str) -> bool:
        """Whether a stored text is a hash that can be verified. Does not block."""
        ...


@runtime_checkable
class ScramHasher(Protocol):
    """What a `PasswordHasher` has besides where it makes verifiers for SCRAM-SHA-256, as the framework's does.

    Safe to use from any thread.
    """

    def scram_verifier(self, password: Secret) -> str:
        """A verifier to be stored: printable text of less than 255 characters. Blocks for some 50 ms of processor time.

        Raises SecurityError for an empty password.
        """
        ...

    def read_scram(self, stored: str) -> ScramVerifier | None:
        """What a stored text says; None where it is no verifier. Does not block."""
        ...

    def scram_of_nobody(self, user: str, alike: ScramVerifier) -> ScramVerifier:
        """For a user who has none: one that nothing fits, alike to one of the same registry, the same each time."""
        ...


class UserRegistryProvider(Protocol):
    """What an entry point in `connector.registries` is: makes a registry from its settings."""

    def __call__(self, realm: str, settings: Mapping[str, Any]) -> UserRegistry:
        """Make the registry. `settings` is the `[realms.NAME]` table, with file paths made absolute."""
        ...


@runtime_checkable
class HashingRegistryProvider(Protocol):
    """A provider in `connector.registries` whose registries keep password hashes. It is asked by this method alone."""

    def with_passwords(self, realm: str, settings: Mapping[str, Any], passwords: PasswordHasher) -> UserRegistry:
        """Make the registry.

        Args:
            realm: The realm's name.
            settings: The `[realms.NAME]` table, with file paths made absolute.
            passwords: Hashes and verifies; what it made once it verifies after every later update.
        """
        ...


class IdentityService(Protocol):
    """What adapters may ask about identities; reached through the bootstrap context.

    `realm` is the container's own. Safe to use from any thread. Calls may block like the registry's, and raise
    RegistryUnavailable, which is an AuthenticationFailed, where it can't be asked; properties do neither.
    """

    @property
    def realm(self) -> str:
        """The container's realm."""
        ...

    @property
    def trusted_realms(self) -> frozenset[str]:
        """Foreign realms whose ready subjects and message identities count as they are (FLOW-3, BUS-9)."""
        ...

    @property
    def security_enabled(self) -> bool:
        """Whether administrative security is on (CONF-4)."""
        ...

    def authenticate(self, user: str, password: Secret) -> Subject:
        """The user's subject with its groups. Raises AuthenticationFailed."""
        ...

    def assert_user(self, user: str) -> Subject:
        """The subject of a user that the container's realm knows, without a password. Raises AuthenticationFailed."""
        ...

    def user_exists(self, user: str) -> bool:
        """Whether the container's realm knows the user."""
        ...

    def group_exists(self, group: str) -> bool:
        """Whether the container's realm knows the group."""
        ...

    def groups_of(self, user: str) -> frozenset[str]:
        """The groups of a user in the container's realm."""
        ...

    def unique_name(self, user: str) -> str:
        """What stays a user's own when the name is given to somebody else (BUS-3).

        Raises what the registry raises for a user that it doesn't know.
        """
        ...

    def current_subject(self) -> Subject | None:
        """The subject in force on the running thread or task; None where nobody has logged in.

        Raises ScopeError where it was in force and is over.
        """
        ...
