"""Who may come in: authentication and the connector role, one stable code for each failure (CHAIN-5, CHAIN-6)."""

from __future__ import annotations

from typing import final

from connector.errors import (
    AccessDenied,
    AuthenticationFailed,
    ConnectionFailed,
    LoginRefused,
    Reason,
    RegistryUnavailable,
    SignOnError,
)
from connector.spi import IdentityAssertion, IdentityService, PasswordCredential, Subject
from connector_bus.engine.access import AccessControl
from connector_bus.policy.roles import Role
from connector_bus.settings import BusSettings

NO_USER = Reason(
    "CF-BUS-010",
    "no user was given for a connection to the secured bus {bus}",
    "Give the reference or activation an alias, or pass user and password.",
)
LOGIN_REFUSED = Reason(
    "CF-BUS-011",
    "user {user} could not sign on to bus {bus}: {cause}",
    "Correct the authentication data; after a change in the registry only a new connection helps.",
)
ASSERTION_REFUSED = Reason(
    "CF-BUS-013",
    "{user} may not assert other callers on bus {bus}",
    'Add it to identity_assertion of [buses."{bus}"], if it is to be trusted with every caller.',
)
ASSERTED_UNKNOWN = Reason(
    "CF-BUS-014",
    "the asserted caller {user} is no user of realm {realm}: {cause}",
    "Only users that the container's registry knows can be asserted.",
)
ASSERTED_FOREIGN = Reason(
    "CF-BUS-015",
    "the asserted caller {user} is of the foreign realm {realm}",
    "Only users of the container's own realm can be asserted on a bus connection.",
)

REGISTRY_AWAY = Reason(
    "CF-BUS-046",
    "user {user} could not sign on to bus {bus}, nobody was refused: {cause}",
    "Try again once the user registry answers.",
)

_NOBODY = Subject.unauthenticated()


@final
class SignOn:
    """Lets subjects onto one bus. Safe to use from any thread; everything may block for the registry.

    Mutable state: `_settings` and `_asserters`, replaced by `reconfigure`.
    """

    def __init__(self, settings: BusSettings, access: AccessControl, identity: IdentityService) -> None:
        self._access = access
        self._identity = identity
        self.reconfigure(settings)

    def reconfigure(self, settings: BusSettings) -> None:
        """Let in by other settings from now on."""
        self._settings = settings
        self._asserters = self._access.holder_set(settings.identity_assertion)

    def with_credential(self, credential: PasswordCredential | None) -> Subject:
        """The subject of whoever comes with this credential; nobody without bus security (BUS-4).

        Raises SignOnError CF-BUS-010 (none given), LoginRefused CF-BUS-011, AccessDenied CF-BUS-012,
        ConnectionFailed CF-BUS-046 (the registry is away).
        """
        if not self._access.active:
            return _NOBODY
        subject = _NOBODY if credential is None else self._authenticated(credential)
        try:
            self._access.require(subject, Role.CONNECTOR)
        except AccessDenied as denial:
            if credential is None:
                # Somebody who gave no name is told to give one; that Everyone might be let in is the second thought.
                raise SignOnError(NO_USER, explanation=denial.explanation, bus=self._settings.name) from None
            raise
        self._access.connected(subject)
        return subject

    def asserted(self, system: Subject, assertion: IdentityAssertion) -> Subject:
        """The subject of a caller that a trusted user asserts; it needs the connector role like everybody (TRUST-1).

        Raises AccessDenied CF-BUS-013, -014, -015 or CF-BUS-012; ConnectionFailed CF-BUS-046.
        """
        if not self._access.active:
            return _NOBODY
        caller = system.caller
        try:
            trusted = system.is_authenticated and self._asserters.admits(system)
        except RegistryUnavailable as failure:  # it is asked for the unique name
            raise self._undecided(str(caller), failure) from failure
        if not trusted:
            raise AccessDenied(ASSERTION_REFUSED, user=str(caller), bus=self._settings.name)
        if assertion.realm != self._identity.realm:
            raise AccessDenied(ASSERTED_FOREIGN, user=assertion.user, realm=assertion.realm)
        try:
            subject = self._identity.assert_user(assertion.user)
        except RegistryUnavailable as failure:
            raise self._undecided(assertion.user, failure) from failure
        except AuthenticationFailed as failure:
            raise AccessDenied(
                ASSERTED_UNKNOWN, user=assertion.user, realm=assertion.realm, cause=failure.text
            ) from failure
        self._access.require(subject, Role.CONNECTOR)
        self._access.connected(subject)
        return subject

    def _authenticated(self, credential: PasswordCredential) -> Subject:
        try:
            return self._identity.authenticate(credential.user, credential.password)
        except RegistryUnavailable as failure:
            raise self._undecided(credential.user, failure) from failure
        except AuthenticationFailed as failure:
            raise LoginRefused(
                LOGIN_REFUSED, user=credential.user, bus=self._settings.name, cause=failure.text
            ) from failure

    def _undecided(self, user: str, failure: RegistryUnavailable) -> ConnectionFailed:
        """Not a LoginRefused: that would be taken for a wrong credential, and no other would be tried with it."""
        cause = f"{failure.code}: {failure.text}"
        return ConnectionFailed(REGISTRY_AWAY, user=user, bus=self._settings.name, cause=cause)
