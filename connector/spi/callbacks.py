"""Callbacks: how a login module or a security context talks to the framework.

A module creates the callbacks that it needs, hands them to its callback handler in one or several calls, in any order,
and reads the answers from them. Outbound modules get answers; an inbound security context tells who the caller is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

from connector.spi.authdata import AuthenticationData
from connector.spi.principals import Principal
from connector.spi.secret import Secret
from connector.spi.subject import Subject


class Callback:
    """The root of all callbacks; mappers and adapters don't define their own."""

    __slots__ = ()


class UnsupportedCallback(Exception):
    """The handler doesn't know this kind of callback, for example an outbound one on the inbound side.

    Attributes:
        callback: The callback that was not answered.
    """

    def __init__(self, callback: object) -> None:
        super().__init__(f"unsupported callback: {type(callback).__name__}")
        self.callback = callback


class CallbackHandler(Protocol):
    """Answers callbacks of one login, or of one work's set-up, on the thread that it runs on."""

    def handle(self, callbacks: Sequence[Callback]) -> None:
        """Answer each callback by setting its result.

        May block where an answer needs a registry or a store. Raises UnsupportedCallback for a callback of another
        side; what was answered before it stays answered.
        """
        ...


class NameCallback(Callback):
    """Asks for the name: outbound the user given in the call, else the caller's; at a log-in the user to log in.

    Attributes:
        prompt: What a person would be asked.
        name: The answer, or None.
    """

    __slots__ = ("prompt", "name")

    def __init__(self, prompt: str = "user: ") -> None:
        self.prompt = prompt
        self.name: str | None = None


class PasswordCallback(Callback):
    """Asks for the password that goes with the name.

    Attributes:
        prompt: What a person would be asked.
        password: The answer, or None.
    """

    __slots__ = ("prompt", "password")

    def __init__(self, prompt: str = "password: ") -> None:
        self.prompt = prompt
        self.password: Secret | None = None


class MappingPropertiesCallback(Callback):
    """Asks for the mapping properties of the one reference that is being signed on (SIGN-4).

    Attributes:
        properties: The answer; the reference's authentication alias stands in it under `alias`.
    """

    __slots__ = ("properties",)

    def __init__(self) -> None:
        self.properties: Mapping[str, str] = MappingProxyType({})


class ManagedConnectionFactoryCallback(Callback):
    """Asks for the managed connection factory that the credential is wanted for (SIGN-4).

    Attributes:
        factory: The answer; goes into the credential's `factory`.
        resource: The factory's global resource name.
        mechanisms: The authentication mechanisms that its adapter accepts (SIGN-6).
    """

    __slots__ = ("factory", "resource", "mechanisms")

    def __init__(self) -> None:
        self.factory: object | None = None
        self.resource = ""
        self.mechanisms: frozenset[str] = frozenset()


class CallerSubjectCallback(Callback):
    """Asks for the caller on the running thread or task.

    Attributes:
        subject: The answer: read-only; None where there is no caller at all (null and empty differ).
    """

    __slots__ = ("subject",)

    def __init__(self) -> None:
        self.subject: Subject | None = None


class AuthenticationDataCallback(Callback):
    """Asks for the newest authentication data of an alias.

    Attributes:
        alias: Whose.
        data: The answer: user, password and version of one snapshot, or None where the alias is unknown.
    """

    __slots__ = ("alias", "data")

    def __init__(self, alias: str) -> None:
        self.alias = alias
        self.data: AuthenticationData | None = None


class CallerPrincipalCallback(Callback):
    """Inbound: says who the caller is (FLOW-3).

    Attributes:
        subject: The execution subject that was handed to the security context.
        principal: The caller: a name in the application's realm, a principal with its realm (of another one only
            where an inbound map translates its callers), or None for the unauthenticated caller.
    """

    __slots__ = ("subject", "principal")

    def __init__(self, subject: Subject, principal: Principal | str | None) -> None:
        self.subject = subject
        self.principal = principal


class GroupPrincipalCallback(Callback):
    """Inbound: says which groups the caller belongs to; several are united without duplicates (FLOW-3).

    Attributes:
        subject: The execution subject.
        groups: Group names in the application's realm, or in the caller's where that is another one and an inbound
            map translates it; None or empty for none.
    """

    __slots__ = ("subject", "groups")

    def __init__(self, subject: Subject, groups: Sequence[str] | None) -> None:
        self.subject = subject
        self.groups = tuple(groups or ())


class PasswordValidationCallback(Callback):
    """Inbound: asks to validate a user's password; a wrong one fails the set-up, whatever the context does next.

    Attributes:
        subject: The execution subject.
        user: Whose password: a user of the application's realm, never of another one.
        password: The password; None once it has been checked (it is taken out of the callback).
        result: Whether it was right.
    """

    __slots__ = ("subject", "user", "password", "result")

    def __init__(self, subject: Subject, user: str, password: Secret) -> None:
        self.subject = subject
        self.user = user
        self.password: Secret | None = password
        self.result = False
