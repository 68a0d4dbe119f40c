"""Helpers for sign-on, outbound and mapper tests: a world small enough to be read at one glance."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, ClassVar

from support_secrets import MARKER

from connector.security.audit import MemoryAuditLog
from connector.security.login_configuration import ChainEntry, LoginConfiguration
from connector.security.scope import current_scope
from connector.signon.reference import OnNoCredential, ResAuth, ResourceReference, SignOnTarget
from connector.signon.resolver import SignOnResolver
from connector.spi import (
    AuthenticationData,
    CallbackHandler,
    CallerSubjectCallback,
    Capability,
    ConnectionManager,
    ConnectionRequestInfo,
    ControlFlag,
    Dependency,
    Lease,
    LoginFailed,
    LoginModule,
    ManagedConnection,
    ManagedConnectionFactory,
    ManagedConnectionFactoryCallback,
    PasswordCredential,
    Secret,
    SignOnPlan,
    Subject,
)
from connector_default import DefaultPrincipalMappingModule
from connector_trusted import TrustedConnectionMappingModule

REALM = "weather"


class Factory(ManagedConnectionFactory):
    """A factory that only is somebody."""

    def create_connection_factory(self, manager: ConnectionManager) -> Any:
        return manager

    def create_managed_connection(
        self, subject: Subject | None, request: ConnectionRequestInfo | None
    ) -> ManagedConnection:
        raise AssertionError("sign-on connects to nothing")


class AuthData:
    """Authentication data that a test can change."""

    def __init__(self, **users: str) -> None:
        self.generation = 1
        self._entries = {
            alias: AuthenticationData(alias, user, Secret(MARKER), version=3) for alias, user in users.items()
        }

    def get(self, alias: str) -> AuthenticationData | None:
        return self._entries.get(alias)

    def put(self, alias: str, user: str, *, version: int) -> None:
        self._entries[alias] = AuthenticationData(alias, user, Secret(MARKER), version=version)
        self.generation += 1


class CallerModule:
    """Yields what a test says for a caller, and counts how often it is asked."""

    depends_on: ClassVar[frozenset[Dependency]] = frozenset({Dependency.CALLER})

    def __init__(self, yields: Callable[[CallerModule], Any], asked: list[Subject | None]) -> None:
        self._yields = yields
        self._asked = asked

    def initialize(
        self,
        subject: Subject,
        callback_handler: CallbackHandler,
        shared_state: MutableMapping[str, Any],
        options: Mapping[str, Any],
    ) -> None:
        self.subject, self.handler = subject, callback_handler

    def login(self) -> bool:
        caller, target = CallerSubjectCallback(), ManagedConnectionFactoryCallback()
        self.handler.handle([caller, target])
        self.caller, self.factory = caller.subject, target.factory
        self._asked.append(caller.subject)
        self._found = self._yields(self)
        return self._found is not None

    def commit(self) -> bool:
        for credential in self._found or ():
            self.subject.add_credential(credential)
        return self._found is not None

    def abort(self) -> bool:
        return True

    def logout(self) -> bool:
        return True


def own_user(module: CallerModule) -> Any:
    """Each caller to the external user of the caller's name."""
    if module.caller is None or module.caller.caller is None:
        raise LoginFailed("there is no caller")
    return [PasswordCredential(module.caller.caller.name, Secret(MARKER), module.factory)]


def chain(name: str, make: Callable[[], LoginModule], module: str = "spy", **options: Any) -> LoginConfiguration:
    """A login configuration of one required module."""
    return LoginConfiguration(name, (ChainEntry(module, make, ControlFlag.REQUIRED, options),))


def calling(
    yields: Callable[[CallerModule], Any],
    *,
    asked: list[Subject | None] | None = None,
    depends_on: frozenset[Dependency] | None = None,
    name: str = "Mapping",
) -> LoginConfiguration:
    """A login configuration of one CallerModule that depends on what the test says."""
    record = [] if asked is None else asked

    kind: type[CallerModule] = CallerModule
    if depends_on is not None:
        kind = type("DeclaredModule", (CallerModule,), {"depends_on": depends_on})
    return chain(name, lambda: kind(yields, record))


BUILT_IN = {
    "DefaultPrincipalMapping": chain("DefaultPrincipalMapping", DefaultPrincipalMappingModule, "default"),
    "TrustedConnectionMapping": chain("TrustedConnectionMapping", TrustedConnectionMappingModule, "trusted"),
}


def resolver(
    auth_data: AuthData | None = None, *configurations: LoginConfiguration, audit: MemoryAuditLog | None = None
) -> SignOnResolver:
    """A resolver with the built-in configurations and those given."""
    named = {configuration.name: configuration for configuration in configurations}
    return SignOnResolver(auth_data or AuthData(), {**BUILT_IN, **named}, audit or MemoryAuditLog())


def application(resource: str = "jdbc/ledger") -> ResourceReference:
    """An application-managed reference."""
    return ResourceReference("jdbc/log", resource, ResAuth.APPLICATION)


def container_managed(
    login: str = "DefaultPrincipalMapping",
    *,
    alias: str | None = None,
    on_no_credential: OnNoCredential = OnNoCredential.FAIL,
    name: str = "jdbc/log",
    **mapping_properties: str,
) -> ResourceReference:
    """A container-managed reference."""
    return ResourceReference(
        name,
        "jdbc/ledger",
        ResAuth.CONTAINER,
        login=login,
        alias=alias,
        mapping_properties=mapping_properties,
        on_no_credential=on_no_credential,
    )


def target(factory: ManagedConnectionFactory | None = None, **settings: Any) -> SignOnTarget:
    """A resource that accepts passwords and can switch identities."""
    settings.setdefault("capabilities", frozenset({Capability.IDENTITY_SWITCH}))
    return SignOnTarget("jdbc/ledger", factory or Factory(), **settings)


def call(user: str | None = None, password: str | None = None, **properties: str) -> ConnectionRequestInfo:
    """What an application passes in the call."""
    secret = Secret(password) if password is not None else None
    return ConnectionRequestInfo(user, secret, tuple(sorted(properties.items())))


def user_of(plan: SignOnPlan) -> str | None:
    """The user in the credential that the factory is given."""
    assert plan.subject is not None
    (credential,) = plan.subject.credentials
    assert isinstance(credential, PasswordCredential)
    return credential.user


ALICE = Subject.of_user("alice", REALM, ["clerks"])
BOB = Subject.of_user("bob", REALM)


class LentByPlan:
    """A lease that only knows its plan; stands for the pool in tests of what comes before it."""

    def __init__(self, plan: SignOnPlan) -> None:
        self.plan = plan
        self.closed = False

    @property
    def physical(self) -> ManagedConnection:
        raise AssertionError("not asked here")

    def close(self) -> None:
        self.closed = True

    def invalidate(self, cause: BaseException | None = None) -> None:
        self.closed = True

    def __enter__(self) -> Lease:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class PlanPool:
    """A pool that lends without end."""

    def __init__(self) -> None:
        self.taken: list[SignOnPlan] = []
        self.forgiven: list[SignOnPlan] = []

    def forgive(self, plan: SignOnPlan) -> None:
        self.forgiven.append(plan)

    def take(self, plan: SignOnPlan) -> Lease:
        current_scope()  # as a real one: whoever has left gets nothing
        self.taken.append(plan)
        return LentByPlan(plan)
