"""Global sign-on: a caller's own user and password in an external system, from a directory (SIGN-5)."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, ClassVar, Final, final

from connector.errors import ConfigError, ConnectorError, Problem
from connector.spi import (
    CallerSubjectCallback,
    CredentialLoginModule,
    Dependency,
    LoginFailed,
    ManagedConnectionFactoryCallback,
    MappingPropertiesCallback,
    PasswordCredential,
    Secret,
    Subject,
    UserPrincipal,
)
from connector_ldap.directory import ServiceAccount
from connector_ldap.entries import can_be_a_name
from connector_ldap.gso_directory import DIRECTORIES, Found
from connector_ldap.gso_settings import GsoSettings, read_options

#: The mapping property that picks the external system.
TARGET_PROPERTY: Final = "target"


@final
class DirectoryLoginFailed(LoginFailed):
    """The directory could not be asked: this says nothing about the caller.

    Attributes:
        code: The stable code of what went wrong, which the text begins with.
        retryable: Whether trying again later may help.
    """

    def __init__(self, error: ConnectorError) -> None:
        super().__init__(f"{error.code}: {error.text}", error.action)
        self.code = error.code
        self.retryable: bool = getattr(error, "retryable", False)


@final
class LdapGsoMappingModule(CredentialLoginModule):
    """Looks up the caller's credential for the system that the mapping property `target` names.

    Options: see `GsoSettings`. Fails, and never ignores, where there is no user, no entry or no directory, so that
    nobody works as somebody else by default. Made anew for each login; used on one thread.
    """

    #: TIME: the directory changes by itself. `dependencies` and `revision` narrow it to a window of time.
    depends_on: ClassVar[frozenset[Dependency]] = frozenset({Dependency.ALIAS, Dependency.CALLER, Dependency.TIME})

    @classmethod
    def dependencies(cls, options: Mapping[str, Any]) -> frozenset[Dependency]:
        """With `cache_time` an outcome may be kept for as long as `revision` stays the same. Raises ConfigError."""
        return cls.depends_on - {Dependency.TIME} if read_options(options).cache_time > 0 else cls.depends_on

    @classmethod
    def revision(cls, options: Mapping[str, Any]) -> Hashable:
        """Changes when what was found must be asked for again. Does not block. Raises ConfigError."""
        return DIRECTORIES.of(read_options(options)).revision()

    @classmethod
    def mistakes(cls, options: Mapping[str, Any]) -> Sequence[Problem]:
        """The first mistake in the options, as data; empty where there is none."""
        try:
            read_options(options)
        except ConfigError as error:
            name = str(error.details.get("name", "urls"))
            return (Problem(error.code, "configuration", None, name, error.text, "docs/directory.md", error.action),)
        return ()

    def find(self) -> tuple[PasswordCredential, ...]:
        """Find the caller's credential. Blocks for the directory where nothing is kept.

        Raises:
            LoginFailed: No mapping property `target`, no user as the caller, no service account, no entry.
            DirectoryLoginFailed: The directory could not be asked (CF-LDAP-010 to 016, 030), or an option is wrong.
        """
        failure: ConnectorError
        try:
            found, target = self._looked_up()
        except ConnectorError as error:
            failure = error
        else:
            return (PasswordCredential(found.user, found.password, target),)
        raise DirectoryLoginFailed(failure)

    def _looked_up(self) -> tuple[Found, object]:
        settings = read_options(self.options)
        properties = MappingPropertiesCallback()
        target = ManagedConnectionFactoryCallback()
        caller = CallerSubjectCallback()
        self.ask(properties, target, caller)
        system = properties.properties.get(TARGET_PROPERTY, "")
        if not can_be_a_name(system):
            raise LoginFailed(
                "the reference does not say which external system it is for",
                f"Give it the mapping property `{TARGET_PROPERTY}`, the system's name in the directory.",
            )
        user = _user(settings, caller.subject)
        found = DIRECTORIES.of(settings).credential(self._account(settings.alias), user, system)
        if found is None:
            raise LoginFailed(
                f"the directory has no credential of {user!r} for {system!r}",
                "Add an entry for this caller and system, or correct the mapping property `target`.",
            )
        return found, target.factory

    def _account(self, alias: str) -> ServiceAccount:
        data = self.data_of(alias)
        if data is None:
            raise LoginFailed(
                f"the service account's alias {alias!r} is not in the authentication data",
                "Add it with `connector auth-data set`, or correct the option `alias`.",
            )
        if not _usable(data.user, data.password):
            raise LoginFailed(
                f"the service account's alias {alias!r} has an empty name or password",
                "Give it both: without a password the directory would take it for anybody.",
            )
        return ServiceAccount(data.user, data.password)


def _usable(user: str, password: Secret) -> bool:
    return bool(user) and bool(password)


def _user(settings: GsoSettings, caller: Subject | None) -> str:
    """The name to look up. Pure. Raises LoginFailed where there is nobody whom an entry could be for."""
    principal = caller.caller if caller is not None else None
    if not isinstance(principal, UserPrincipal):
        raise LoginFailed("there is no authenticated user to look up", "Log in.")
    if principal.realm != settings.realm:
        raise LoginFailed(
            f"the caller {principal} is not of the realm {settings.realm!r}",
            "Call as a user of that realm, or change the option `realm`.",
        )
    if not can_be_a_name(principal.name):
        raise LoginFailed(f"the caller's name {principal.name!r} can't be looked up", "Use a name that is plain text.")
    return principal.name
