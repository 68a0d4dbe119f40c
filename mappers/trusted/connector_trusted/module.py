"""The trusted connection mapping: the trusted user's credential, and beside it the caller to assert (TRUST-1)."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any, ClassVar, final

from connector.spi import (
    AuthenticationData,
    AuthenticationDataCallback,
    CallbackHandler,
    CallerSubjectCallback,
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
class TrustedConnectionMappingModule:
    """Yields two things for one connection: who opens it, and in whose name it works.

    Refuses rather than lets anybody work as the trusted user: an assertion is made at every success, and never of the
    trusted user itself nor of an empty name. Options and mapping properties: see `TrustedSettings`.
    Made anew for each login; used on one thread.
    """

    #: Groups are asserted only with `propagate_groups`, but the declaration is the class's: it names the most.
    depends_on: ClassVar[frozenset[Dependency]] = frozenset({Dependency.ALIAS, Dependency.CALLER, Dependency.GROUPS})

    def initialize(
        self,
        subject: Subject,
        callback_handler: CallbackHandler,
        shared_state: MutableMapping[str, Any],
        options: Mapping[str, Any],
    ) -> None:
        """Get ready; the options are the defaults of the mapping properties."""
        self._subject = subject
        self._handler = callback_handler
        self._options = options
        # Mutable: what `login` found, until `commit` puts it into the subject and `abort` or `logout` take it out.
        self._found: tuple[PasswordCredential, IdentityAssertion] | None = None

    def login(self) -> bool:
        """Find the trusted user and whom to assert. Does not block.

        Raises:
            LoginFailed: no alias or an unknown one; a setting that is wrong; a caller that can't be asserted.
        """
        properties = MappingPropertiesCallback()
        target = ManagedConnectionFactoryCallback()
        caller = CallerSubjectCallback()
        self._handler.handle([properties, target, caller])
        settings = read_settings(self._options, properties.properties)
        trusted = self._trusted_user(settings.alias)
        user, realm, groups = _effective_user(settings, caller.subject)
        if user.casefold() == trusted.user.casefold():  # some external systems fold the case of user names
            raise LoginFailed(
                f"the caller would work as the trusted user {user!r} itself",
                "Give the trusted user a name that no caller has.",
            )
        self._found = (
            PasswordCredential(trusted.user, trusted.password, target.factory, settings.alias, trusted.version),
            IdentityAssertion(user, realm, groups, target.factory),
        )
        return True

    def remarks(self) -> Sequence[str]:
        """Who opens the connection, and in whose name it works."""
        if self._found is None:
            return ()
        trusted, acting = self._found
        groups = f", with the groups {', '.join(sorted(acting.groups))}" if acting.groups else ""
        whom = f"{acting.user}@{acting.realm}" if acting.realm else f"{acting.user}, whoever calls"
        return (f"alias {trusted.alias!r} opens, to act as {whom}{groups}",)

    def commit(self) -> bool:
        """Put credential and assertion into the subject; False if `login` had not succeeded."""
        if self._found is None:
            return False
        for credential in self._found:
            self._subject.add_credential(credential)
        return True

    def abort(self) -> bool:
        """Forget both, also where they have been committed."""
        return self.logout()

    def logout(self) -> bool:
        """Take both out of the subject. True if there were any."""
        found, self._found = self._found, None
        if found is None:
            return False
        if not self._subject.is_read_only:
            for credential in found:
                self._subject.remove_credential(credential)
        return True

    def _trusted_user(self, alias: str) -> AuthenticationData:
        answer = AuthenticationDataCallback(alias)
        self._handler.handle([answer])
        if answer.data is None:
            raise LoginFailed(
                f"the trusted user's alias {alias!r} is not in the authentication data",
                "Add it with `connector auth-data set`, or correct the reference's `alias`.",
            )
        return answer.data


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
