"""The identity service: what the container answers about who somebody is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import final

from connector.errors import AuthenticationFailed, Reason, RegistryUnavailable
from connector.security import scope
from connector.security.file_registry import FileUserRegistry
from connector.security.inbound_map import InboundMap
from connector.security.registry_answers import RegistryAnswers
from connector.spi import (
    AuditEvent,
    AuditLog,
    Outcome,
    ScramVerifier,
    ScramVerifiers,
    Secret,
    Subject,
    UserRegistry,
    VerifierReport,
)

AUTHENTICATION_REFUSED = Reason(
    "CF-SEC-010",
    "the realm {realm!r} does not accept this user and password ({user!r}).",
    "Check both; `connector users list` shows who exists, `connector users passwd` sets a password.",
)
USER_UNKNOWN = Reason(
    "CF-SEC-011",
    "the realm {realm!r} knows no user {user!r}.",
    "Add the user to the registry, or map the identity to one that exists.",
)


@final
class ContainerIdentity:
    """Implements :class:`connector.spi.IdentityService`, and `SecurityDomain`, over one user registry.

    Args:
        registry: The users and groups of one realm; or the answers of such a registry, with what is kept of them.
        trusted_realms: Foreign realms whose ready subjects and message identities count as they are.
        inbound_maps: By foreign realm, who its callers are in this one.
        security_enabled: Whether administrative security is on. Whoever asks for an authentication gets a real one
            in either case.
        audit: Told of every authentication and of every refused assertion.
        siblings: The domains of all realms of the container by realm, for `in_realm`; may be filled later.

    Calls may block like the registry's (a password check takes 50 to 400 ms) where nothing is kept. Whatever the
    registry raises because it can't be asked is a RegistryUnavailable. Safe to use from any thread.
    """

    def __init__(
        self,
        registry: UserRegistry | RegistryAnswers,
        *,
        trusted_realms: Iterable[str] = (),
        inbound_maps: Mapping[str, InboundMap] = MappingProxyType({}),
        security_enabled: bool = True,
        audit: AuditLog,
        siblings: Mapping[str, ContainerIdentity] = MappingProxyType({}),
    ) -> None:
        self._answers = registry if isinstance(registry, RegistryAnswers) else RegistryAnswers(registry, group_cache=0)
        self._realm = self._answers.registry.realm
        self._trusted_realms = frozenset(trusted_realms)
        self._inbound_maps = inbound_maps
        self._security_enabled = security_enabled
        self._audit = audit
        self._siblings = siblings

    @property
    def realm(self) -> str:
        """The realm that it answers for."""
        return self._realm

    @property
    def trusted_realms(self) -> frozenset[str]:
        """Foreign realms whose ready subjects and message identities count as they are (FLOW-3, BUS-9)."""
        return self._trusted_realms

    @property
    def security_enabled(self) -> bool:
        """Whether administrative security is on (CONF-4)."""
        return self._security_enabled

    def authenticate(self, user: str, password: Secret) -> Subject:
        """The user's read-only subject with its groups. Blocks for the password hash; audited either way.

        Raises:
            AuthenticationFailed: User and password don't fit, without telling which (CF-SEC-010).
            RegistryUnavailable: The registry can't be asked, with its own code: nobody was refused.
        """
        return self._logged_in(user, lambda: self._answers.accepts(user, password))

    def assert_user(self, user: str) -> Subject:
        """The read-only subject of a user that the realm knows, without a password.

        Raises:
            AuthenticationFailed: The realm knows no such user (CF-SEC-011).
            RegistryUnavailable: The registry can't be asked; audited as a failure.
        """
        try:
            groups = self._answers.groups_of_known(user)
        except RegistryUnavailable as error:
            self._record("assert", user, Outcome.FAILURE, error.code)
            raise
        if groups is None:
            self._record("assert", user, Outcome.DENIED, USER_UNKNOWN.code)
            raise AuthenticationFailed(USER_UNKNOWN, realm=self.realm, user=user)
        return Subject.of_user(user, self.realm, sorted(groups))

    def scram_offered(self) -> bool:
        """Whether users can sign on by SCRAM-SHA-256: the registry has a verifier of each."""
        registry = self._answers.registry
        return isinstance(registry, ScramVerifiers) and registry.scram_offered()

    def scram_verifier(self, user: str) -> ScramVerifier | None:
        """The verifier of a user, or one that nothing fits; None where that is not offered. May block."""
        registry = self._answers.registry
        return registry.scram_verifier(user) if isinstance(registry, ScramVerifiers) else None

    def without_verifier(self) -> tuple[str, ...]:
        """The users who keep SCRAM-SHA-256 from being offered, although the realm wants it. Blocks like the registry.

        Raises RegistryUnavailable.
        """
        registry = self._answers.registry
        return registry.without_verifier() if isinstance(registry, VerifierReport) else ()

    def scram_ended(self, user: str, *, proved: bool) -> Subject:
        """The subject of a user who has, or has not, proved to know the password; audited as `authenticate` is.

        Raises AuthenticationFailed CF-SEC-010, RegistryUnavailable.
        """
        return self._logged_in(user, lambda: proved)

    def _logged_in(self, user: str, accepts: Callable[[], bool]) -> Subject:
        """The subject of whoever is accepted; audited either way. Raises as `authenticate`."""
        try:
            groups = self._answers.groups_of_known(user) if accepts() else None
        except RegistryUnavailable as error:
            self._record("login", user, Outcome.FAILURE, error.code)
            raise
        if groups is None:
            self._record("login", user, Outcome.DENIED, AUTHENTICATION_REFUSED.code)
            raise AuthenticationFailed(AUTHENTICATION_REFUSED, realm=self.realm, user=user)
        self._record("login", user, Outcome.SUCCESS)
        return Subject.of_user(user, self.realm, sorted(groups))

    def user_exists(self, user: str) -> bool:
        """Whether the realm knows the user."""
        return self._answers.groups_of_known(user) is not None

    def group_exists(self, group: str) -> bool:
        """Whether the realm knows the group."""
        return self._answers.group_exists(group)

    def groups_of(self, user: str) -> frozenset[str]:
        """The groups of a user in the realm; empty for an unknown one."""
        return self._answers.groups_of_known(user) or frozenset()

    def refresh(self, user: str | None = None) -> None:
        """Keep nothing of what the registry has answered, or nothing of one user. Does not block; raises nothing."""
        self._answers.forget(user)

    @property
    def out_of_force(self) -> str:
        """Why the registry's file as it stands is not in force; empty where it is, or for another kind. May block."""
        registry = self._answers.registry
        return registry.failure if isinstance(registry, FileUserRegistry) else ""

    @property
    def remembers(self) -> bool:
        """Whether the registry keeps its answers itself, so that nothing is kept here but accepted passwords."""
        return self._answers.remembers

    @property
    def kept_for(self) -> tuple[float, float]:
        """For how many seconds users and groups are kept here, and accepted passwords."""
        return self._answers.kept_for

    @property
    def inbound_maps(self) -> Mapping[str, InboundMap]:
        """The realm's inbound maps, by foreign realm (FLOW-3)."""
        return self._inbound_maps

    @property
    def audit(self) -> AuditLog:
        """Where decisions about identities are recorded."""
        return self._audit

    @property
    def realms(self) -> tuple[str, ...]:
        """All realms of the container, sorted; this one is among them."""
        return tuple(sorted({self._realm, *self._siblings}))

    def in_realm(self, realm: str) -> ContainerIdentity | None:
        """The identity service of that realm of the same container; None where it has no such realm."""
        return self if realm == self._realm else self._siblings.get(realm)

    def unique_name(self, user: str) -> str:
        """What stays a user's own when the name is given to somebody else; raises like the registry."""
        return self._answers.unique_name(user)

    def current_subject(self) -> Subject | None:
        """The subject in force on the running thread or task, or None. Does not block. Raises ScopeError."""
        return scope.current_subject()

    def _record(self, action: str, user: str, outcome: Outcome, reason: str = "") -> None:
        self._audit.record(AuditEvent(action, user, f"realm {self.realm}", outcome, reason))

    def __repr__(self) -> str:
        return f"<ContainerIdentity of realm {self.realm}>"
