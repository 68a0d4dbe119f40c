"""The outbound callback handler: what a login module can ask for while it maps one sign-on (SIGN-4)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TypeAlias, final

from connector.signon.reference import ResourceReference, SignOnTarget
from connector.spi import (
    ALIAS_PROPERTY,
    AuthenticationData,
    AuthenticationDataCallback,
    Callback,
    CallerSubjectCallback,
    ConnectionRequestInfo,
    ManagedConnectionFactoryCallback,
    MappingPropertiesCallback,
    NameCallback,
    PasswordCallback,
    Secret,
    Subject,
    UnsupportedCallback,
)

#: Alias → user, password and version of one snapshot, or None where the alias is unknown. Does not block.
AliasLookup: TypeAlias = Callable[[str], AuthenticationData | None]


@final
class SignOnCallbackHandler:
    """Answers the callbacks of one chain run, on one thread.

    Args:
        reference: Whose mapping properties and alias are answered.
        target: Whose factory is answered.
        request: What the application passed in the call, or None.
        caller: The caller, or None.
        lookup: Reads authentication data.
    """

    def __init__(
        self,
        reference: ResourceReference,
        target: SignOnTarget,
        request: ConnectionRequestInfo | None,
        caller: Subject | None,
        lookup: AliasLookup,
    ) -> None:
        self._target = target
        self._request = request
        self._caller = caller
        self._lookup = lookup
        self._properties = _mapping_properties(reference)
        # Mutable: alias → the answer given. Two modules of one chain that read one alias get one and the same
        # snapshot, even where a refresh comes between them. One thread only, so no lock.
        self._answered: dict[str, AuthenticationData | None] = {}

    @property
    def versions(self) -> Mapping[str, int]:
        """Alias → version of the authentication data that modules have read; unknown aliases are left out."""
        return {alias: data.version for alias, data in self._answered.items() if data is not None}

    def handle(self, callbacks: Sequence[Callback]) -> None:
        """Answer each callback. Raises UnsupportedCallback for an inbound or foreign one."""
        for callback in callbacks:
            self._answer(callback)

    def _answer(self, callback: Callback) -> None:
        match callback:
            case NameCallback():
                callback.name = self._name()
            case PasswordCallback():
                callback.password = self._password()
            case MappingPropertiesCallback():
                callback.properties = self._properties
            case ManagedConnectionFactoryCallback():
                callback.factory = self._target.factory
                callback.resource = self._target.resource
                callback.mechanisms = self._target.mechanisms
            case CallerSubjectCallback():
                callback.subject = self._caller
            case AuthenticationDataCallback():
                callback.data = self._authentication_data(callback.alias)
            case _:
                raise UnsupportedCallback(callback)

    def _name(self) -> str | None:
        if self._request is not None and self._request.user is not None:
            return self._request.user
        caller = self._caller.caller if self._caller is not None else None
        return caller.name if caller is not None else None

    def _password(self) -> Secret | None:
        # A password without its user would end up beside the caller's name: user and password are one unit (SIGN-1).
        if self._request is None or self._request.user is None:
            return None
        return self._request.password

    def _authentication_data(self, alias: str) -> AuthenticationData | None:
        if alias not in self._answered:
            self._answered[alias] = self._lookup(alias)
        return self._answered[alias]


def _mapping_properties(reference: ResourceReference) -> Mapping[str, str]:
    """The reference's mapping properties, with its alias; the reference's own `alias` setting wins."""
    if reference.alias is None:
        return reference.mapping_properties
    return MappingProxyType({**reference.mapping_properties, ALIAS_PROPERTY: reference.alias})
