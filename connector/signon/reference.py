"""What sign-on is told: the reference that asks and the target that it asks for (CONF-2, CONF-3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType

from connector.spi import BASIC_PASSWORD, Capability, ManagedConnectionFactory, Secret

#: The login configuration that a reference uses when it names none (SIGN-2).
DEFAULT_PRINCIPAL_MAPPING = "DefaultPrincipalMapping"


class ResAuth(Enum):
    """Who signs on: the application itself, or the container for it."""

    APPLICATION = "Application"
    CONTAINER = "Container"


class OnNoCredential(Enum):
    """What becomes of a container-managed sign-on whose login configuration yields no credential."""

    FAIL = "fail"  # refuse, before the pool is touched
    FACTORY_DEFAULT = "factory-default"  # a null subject: the factory's own defaults
    ANONYMOUS = "anonymous"  # an empty subject: sign on as nobody


@dataclass(frozen=True, slots=True)
class ResourceReference:
    """How one application wants one resource; two references to one resource may differ in everything (CONF-3).

    Attributes:
        name: The name in the application's own name space, or the global name of a direct look-up.
        resource: The global name of the resource that it is bound to.
        res_auth: Who signs on.
        shareable: Whether its handles may share a physical connection.
        login: The login configuration, for container-managed sign-on.
        alias: The authentication alias that the login configuration is to use, or None.
        mapping_properties: For the login modules; belong to this reference alone (SIGN-4). Copied, then read-only.
        on_no_credential: See `OnNoCredential`.
        overridden: What the deployment says in place of the application's descriptor, each with its place, for people.
    """

    name: str
    resource: str
    res_auth: ResAuth
    shareable: bool = True
    login: str = DEFAULT_PRINCIPAL_MAPPING
    alias: str | None = None
    mapping_properties: Mapping[str, str] = field(default_factory=dict, hash=False)
    on_no_credential: OnNoCredential = OnNoCredential.FAIL
    overridden: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        # The class is frozen, and so must its one container be: nobody changes another thread's mapping.
        object.__setattr__(self, "mapping_properties", MappingProxyType(dict(self.mapping_properties)))


@dataclass(frozen=True, slots=True, eq=False)
class SignOnTarget:
    """What sign-on needs to know of a resource; compared by identity.

    Attributes:
        resource: The global name.
        factory: The managed connection factory, which credentials are for.
        component_alias: The component-managed authentication alias, or None (SIGN-1).
        user: The `user` property of the resource, or None.
        password: The `password` property of the resource, or None.
        mechanisms: The authentication mechanisms that the adapter accepts; a credential of another one is never used.
        capabilities: What the adapter declares; `IDENTITY_SWITCH` is needed for trusted connections.
    """

    resource: str
    factory: ManagedConnectionFactory = field(repr=False)
    component_alias: str | None = None
    user: str | None = None
    password: Secret | None = None
    mechanisms: frozenset[str] = frozenset({BASIC_PASSWORD})
    capabilities: frozenset[Capability] = frozenset()
