"""The conformance kit: authors of adapters, login modules, stores and registries test theirs with pytest (OPS-4).

What authors import stands here and is loaded when it is first used (PEP 562), since pytest loads
`connector.testing.pytest_plugin`, and this file with it, in every environment that the framework is installed in.
`docs/authors.md` shows both ways in, `docs/kit.md` lists the requirements.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from connector.testing.backend import Backend, Login, UserName
    from connector.testing.contracts.core import OutboundCoreContract
    from connector.testing.contracts.inbound import InboundContract
    from connector.testing.contracts.mapper import MapperContract
    from connector.testing.contracts.outbound import OutboundContract
    from connector.testing.contracts.outbound_async import OutboundAsyncContract
    from connector.testing.contracts.pool import OutboundPoolContract
    from connector.testing.contracts.reauthentication import ReauthenticationContract
    from connector.testing.contracts.registry import RegistryContract
    from connector.testing.contracts.security import OutboundSecurityContract
    from connector.testing.contracts.store import StoreContract
    from connector.testing.contracts.trust import TrustedIdentityContract
    from connector.testing.driver import Delivered, HandlerDriver
    from connector.testing.inbound_backend import Buried, InboundBackend
    from connector.testing.mapper_backend import MapperBackend, MapperCase, Outcome
    from connector.testing.registry_backend import RegistryBackend
    from connector.testing.requirement import Facet, InboundFacet, RegistryFacet, StoreFacet
    from connector.testing.store_backend import StoreBackend

#: The version of the kit. A new requirement raises the second number, a stricter one the first: authors pin it.
KIT_VERSION = "1.5"

__all__ = [
    "KIT_VERSION",
    # what authors supply
    "Backend",
    "Login",
    "UserName",
    "Facet",
    "MapperBackend",
    "MapperCase",
    "Outcome",
    "StoreBackend",
    "StoreFacet",
    "RegistryBackend",
    "RegistryFacet",
    "InboundBackend",
    "InboundFacet",
    "Buried",
    # what applications' authors use
    "HandlerDriver",
    "Delivered",
    # what authors subclass
    "OutboundContract",
    "OutboundCoreContract",
    "OutboundSecurityContract",
    "ReauthenticationContract",
    "TrustedIdentityContract",
    "OutboundPoolContract",
    "OutboundAsyncContract",
    "MapperContract",
    "StoreContract",
    "RegistryContract",
    "InboundContract",
]

_HOME = {
    "Backend": "backend",
    "Login": "backend",
    "UserName": "backend",
    "Facet": "requirement",
    "MapperBackend": "mapper_backend",
    "MapperCase": "mapper_backend",
    "Outcome": "mapper_backend",
    "OutboundContract": "contracts.outbound",
    "OutboundCoreContract": "contracts.core",
    "OutboundSecurityContract": "contracts.security",
    "ReauthenticationContract": "contracts.reauthentication",
    "TrustedIdentityContract": "contracts.trust",
    "OutboundPoolContract": "contracts.pool",
    "OutboundAsyncContract": "contracts.outbound_async",
    "MapperContract": "contracts.mapper",
    "StoreBackend": "store_backend",
    "StoreFacet": "requirement",
    "StoreContract": "contracts.store",
    "RegistryBackend": "registry_backend",
    "RegistryFacet": "requirement",
    "RegistryContract": "contracts.registry",
    "InboundBackend": "inbound_backend",
    "InboundFacet": "requirement",
    "Buried": "inbound_backend",
    "InboundContract": "contracts.inbound",
    "HandlerDriver": "driver",
    "Delivered": "driver",
}


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'connector.testing' has no attribute {name!r}")
    value = getattr(import_module(f"connector.testing.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
