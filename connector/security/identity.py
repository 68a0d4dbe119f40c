"""The identity service: what the container answers about who somebody is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import final

from connector.errors import AuthenticationFailed, Reason
from connector.security import scope
from connector.spi import AuditEvent, AuditLog, Outcome, Secret, Subject, UserRegistry

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
    """Implements :class:`connector.spi.IdentityService` over one user registry.

    Args:
        registry: The users and groups of the container's realm.
        trusted_realms: Foreign realms whose ready subjects and message identities count as they are.
        security_enabled: Whether administrative security is on. Whoever asks for an authentication gets a real one
            in either case.
        audit: Told of every authentication and of every refused assertion.

    Calls may block like the registry's (a password check takes 50 to 400 ms). Safe to use from any thread.
    """

    def __init__(
        self,
        registry: UserRegistry,
        *,
        trusted_realms: Iterable[str] = (),
        security_enabled: bool = True,
        audit: AuditLog,
    ) -> None:
        self._registry = registry
        self._trusted_realms = frozenset(trusted_realms)
        self._security_enabled = security_enabled
        self._audit = audit

    @property
    def realm(self) -> str:
        """The container's realm."""
        return self._registry.realm

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
            AuthenticationFailed: User and password don't fit, without telling which (CF-SEC-010), or the registry
                can't be reached, with its own code.
        """
        try:
            accepted = self._registry.check_password(user, password)
            groups = self._registry.groups_of(user) if accepted else frozenset()
        except AuthenticationFailed as error:
            self._record("login", user, Outcome.FAILURE, error.code)
            raise
        if not accepted:
            self._record("login", user, Outcome.DENIED, AUTHENTICATION_REFUSED.code)
            raise AuthenticationFailed(AUTHENTICATION_REFUSED, realm=self.realm, user=user)
        self._record("login", user, Outcome.SUCCESS)
        return Subject.of_user(user, self.realm, sorted(groups))

    def assert_user(self, user: str) -> Subject:
        """The read-only subject of a user that the realm knows, without a password.

        Raises:
            AuthenticationFailed: The realm knows no such user (CF-SEC-011), or the registry can't be reached.
        """
        if not self._registry.user_exists(user):
            self._record("assert", user, Outcome.DENIED, USER_UNKNOWN.code)
            raise AuthenticationFailed(USER_UNKNOWN, realm=self.realm, user=user)
        return Subject.of_user(user, self.realm, sorted(self._registry.groups_of(user)))

    def user_exists(self, user: str) -> bool:
        """Whether the container's realm knows the user."""
        return self._registry.user_exists(user)

    def group_exists(self, group: str) -> bool:
        """Whether the container's realm knows the group."""
        return self._registry.group_exists(group)

    def groups_of(self, user: str) -> frozenset[str]:
        """The groups of a user in the container's realm; empty for an unknown one."""
        return self._registry.groups_of(user)

    def unique_name(self, user: str) -> str:
        """What stays a user's own when the name is given to somebody else; raises like the registry."""
        return self._registry.unique_name(user)

    def current_subject(self) -> Subject | None:
        """The subject in force on the running thread or task, or None. Does not block. Raises ScopeError."""
        return scope.current_subject()

    def _record(self, action: str, user: str, outcome: Outcome, reason: str = "") -> None:
        self._audit.record(AuditEvent(action, user, f"realm {self.realm}", outcome, reason))

    def __repr__(self) -> str:
        return f"<ContainerIdentity of realm {self.realm}>"
