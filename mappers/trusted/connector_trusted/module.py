"""The trusted connection mapping: the trusted user's credential, and beside it the caller to assert (TRUST-1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, final

from connector.spi import (
    AuthenticationData,
    CallerSubjectCallback,
    CredentialLoginModule,
    Dependency,
    IdentityAssertion,
    LoginFailed,
    ManagedConnectionFactoryCallback,
    MappingPropertiesCallback,
    PasswordCredential,
    Subject,
    UserPrincipal,
)
from connector_trusted.settings import TrustedSettings, read_settings


@final
class TrustedConnectionMappingModule(CredentialLoginModule):
    """Yields two things for one connection: who opens it, and in whose name it works.

    Refuses rather than lets anybody work as the trusted user: an assertion is made at every success, and never of the
    trusted user itself nor of an empty name. Options and mapping properties: see `TrustedSettings`.
    Made anew for each login; used on one thread.
    """

    #: Groups are asserted only with `propagate_groups`, but the declaration is the class's: it names the most.
    depends_on: ClassVar[frozenset[Dependency]] = frozenset({Dependency.ALIAS, Dependency.CALLER, Dependency.GROUPS})

    _remark = ""  # set by `find`

    def find(self) -> tuple[PasswordCredential, IdentityAssertion]:
        """Find the trusted user and whom to assert. Does not block.

        Raises:
            LoginFailed: no alias or an unknown one; a setting that is wrong; a caller that can't be asserted.
        """
        properties = MappingPropertiesCallback()
        target = ManagedConnectionFactoryCallback()
        caller = CallerSubjectCallback()
        self.ask(properties, target, caller)
        settings = read_settings(self.options, properties.properties)
        trusted = self._trusted_user(settings.alias)
        user, realm, groups = _effective_user(settings, caller.subject)
        if user.casefold() == trusted.user.casefold():  # some external systems fold the case of user names
            raise LoginFailed(
                f"the caller would work as the trusted user {user!r} itself",
                "Give the trusted user a name that no caller has.",
            )
        with_groups = f", with the groups {', '.join(sorted(groups))}" if groups else ""
        whom = f"{user}@{realm}" if realm else f"{user}, whoever calls"
        self._remark = f"alias {settings.alias!r} opens, to act as {whom}{with_groups}"
        return (
            PasswordCredential(trusted.user, trusted.password, target.factory, settings.alias, trusted.version),
            IdentityAssertion(user, realm, groups, target.factory),
        )

    def remarks(self) -> Sequence[str]:
        """Who opens the connection, and in whose name it works."""
        return (self._remark,) if self._remark else ()

    def _trusted_user(self, alias: str) -> AuthenticationData:
        data = self.data_of(alias)
        if data is None:
            raise LoginFailed(
                f"the trusted user's alias {alias!r} is not in the authentication data",
                "Add it with `connector auth-data set`, or correct the reference's `alias`.",
            )
        return data


def _effective_user(settings: TrustedSettings, caller: Subject | None) -> tuple[str, str, frozenset[str]]:
    """Name, realm and groups to assert. Pure. Raises LoginFailed where nobody may be asserted."""
    principal = caller.caller if caller is not None else None
    # Only a user can be a user in the external system: not the container's own work, and not nobody in particular.
    if caller is not None and isinstance(principal, UserPrincipal) and settings.use_caller_identity:
        if settings.target_realm is not None and principal.realm != settings.target_realm:
            raise LoginFailed(
                f"the caller {principal} is not of the realm {settings.target_realm!r}",
                "Call as a user of that realm, or change the mapping property `target_realm`.",
            )
        if not principal.name:
            raise LoginFailed("the caller has an empty name", "Report it to whoever authenticated the caller.")
        return principal.name, principal.realm, caller.groups if settings.propagate_groups else frozenset()
    if settings.unauthenticated_user is None:
        raise LoginFailed(
            "the caller's identity is not used (use_caller_identity), and no `unauthenticated_user` is set"
            if isinstance(principal, UserPrincipal)
            else "there is no authenticated user to assert, and no `unauthenticated_user` is set",
            "Log in, or name in the mapping property `unauthenticated_user` who such callers are to be.",
        )
    return settings.unauthenticated_user, "", frozenset()
