"""One login of a module, step by step, with a callback handler that remembers what it was asked."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, final

from connector.spi import (
    BASIC_PASSWORD,
    AuthenticationData,
    AuthenticationDataCallback,
    Callback,
    CallerSubjectCallback,
    GroupPrincipal,
    LoginFailed,
    ManagedConnectionFactoryCallback,
    MappingPropertiesCallback,
    NameCallback,
    PasswordCallback,
    Principal,
    Secret,
    Subject,
    UnsupportedCallback,
)
from connector.testing.backend import RESOURCE
from connector.testing.mapper_backend import MapperBackend, MapperCase, Outcome


@final
class KitCallbackHandler:
    """Answers a case's callbacks, and remembers their kinds. Used on one thread."""

    def __init__(self, case: MapperCase, aliases: Mapping[str, AuthenticationData], factory: object) -> None:
        self._case = case
        self._aliases = aliases
        self._factory = factory
        # Mutable: the kinds of callbacks so far.
        self.asked: set[type[Callback]] = set()

    def handle(self, callbacks: Sequence[Callback]) -> None:
        """Answer each; raises UnsupportedCallback for one of the inbound side."""
        for callback in callbacks:
            self.asked.add(type(callback))
            match callback:
                case NameCallback():
                    caller = self._case.caller.caller if self._case.caller is not None else None
                    callback.name = self._case.user or (caller.name if caller is not None else None)
                case PasswordCallback():
                    callback.password = self._case.password
                case CallerSubjectCallback():
                    callback.subject = self._case.caller
                case MappingPropertiesCallback():
                    callback.properties = MappingProxyType(dict(self._case.properties))
                case ManagedConnectionFactoryCallback():
                    callback.factory, callback.resource = self._factory, RESOURCE
                    callback.mechanisms = frozenset({BASIC_PASSWORD})
                case AuthenticationDataCallback():
                    callback.data = self._aliases.get(callback.alias)
                case _:
                    raise UnsupportedCallback(callback)


@final
class MapperLogin:
    """One module, made and initialised for one case; the contract walks it through its phases.

    Args:
        backend: The world.
        case: The login.
        aliases: Other authentication data than the backend's.
        factory: The target; by default one of its own.
        subject: The subject to fill; by default an empty one.
    """

    def __init__(
        self,
        backend: MapperBackend,
        case: MapperCase,
        *,
        aliases: Sequence[AuthenticationData] | None = None,
        factory: object = None,
        subject: Subject | None = None,
    ) -> None:
        known = {entry.alias: entry for entry in (backend.aliases if aliases is None else aliases)}
        self.case = case
        self.factory = object() if factory is None else factory
        self.subject = Subject() if subject is None else subject
        self.handler = KitCallbackHandler(case, known, self.factory)
        self.failure: LoginFailed | None = None
        self.module = backend.module()
        self.module.initialize(self.subject, self.handler, {}, MappingProxyType(dict(backend.options)))

    def login(self) -> Outcome:
        """Phase one. What is raised and is no LoginFailed goes through."""
        try:
            return Outcome.SUCCEEDS if self.module.login() else Outcome.IGNORES
        except LoginFailed as failure:
            self.failure = failure
            return Outcome.FAILS

    def result(self) -> Hashable:
        """Both phases: the outcome and all that the subject then holds, comparable; secrets and factory left out."""
        return self.committed(self.login())

    def committed(self, outcome: Outcome = Outcome.SUCCEEDS) -> Hashable:
        """Phase two after that outcome of phase one: what `result` answers."""
        if outcome is Outcome.SUCCEEDS:
            self.module.commit()
        else:
            self.module.abort()
        return (outcome, frozenset(self.subject.principals), tuple(map(_likeness, self.subject.credentials)))


def _likeness(credential: Any) -> Hashable:
    """What of a credential must be equal for equal inputs. An assertion's groups count: the system may act on them."""
    return (
        type(credential).__name__,
        getattr(credential, "user", None),
        getattr(credential, "groups", None),
        getattr(credential, "alias", None),
        getattr(credential, "version", None),
        credential.key() if hasattr(credential, "key") else None,
    )


# --- the same login with one input changed --------------------------------------------------------------------------


def other_caller(case: MapperCase) -> MapperCase:
    """The same for a caller of another name in another realm, with the same group names and credentials."""
    groups = case.caller.groups if case.caller is not None else frozenset()
    held = case.caller.credentials if case.caller is not None else ()
    return replace(case, caller=Subject.of_user("kit-other-caller", "kit-other-realm", sorted(groups), held))


def other_groups(case: MapperCase) -> MapperCase:
    """The same for a caller with other groups; None stays None."""
    if case.caller is None or case.caller.caller is None:
        return case
    kept: list[Principal] = [each for each in case.caller.principals if not isinstance(each, GroupPrincipal)]
    group = GroupPrincipal("kit-other-group", case.caller.caller.realm)
    return replace(case, caller=Subject([*kept, group], case.caller.credentials, read_only=True))


def other_credentials(case: MapperCase) -> MapperCase:
    """The same for a caller that holds nothing; None stays None."""
    if case.caller is None:
        return case
    return replace(case, caller=Subject(case.caller.principals, read_only=True))


def other_request(case: MapperCase) -> MapperCase:
    """The same with another user and password in the call."""
    return replace(case, user="kit-other-user", password=Secret("kit-other-password"))


def other_data(aliases: Sequence[AuthenticationData]) -> tuple[AuthenticationData, ...]:
    """The same authentication data, each entry one version on, with another user and password."""
    newer = Secret("kit-newer-password")
    return tuple(replace(entry, user=f"{entry.user}-2", password=newer, version=entry.version + 1) for entry in aliases)
