"""What is being certified, and what its claims mean for the requirements: pure, read from `ra.toml` and the backend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import entry_points
from typing import Any

from connector import __version__
from connector.container.plugins.descriptor import AdapterDescriptor
from connector.container.plugins.descriptor_file import locate_descriptor, read_descriptor
from connector.spi import Capability
from connector.testing.backend import Backend
from connector.testing.inbound_backend import InboundBackend
from connector.testing.mapper_backend import MapperBackend
from connector.testing.registry_backend import RegistryBackend
from connector.testing.requirement import Facet, InboundFacet, Need, RegistryFacet, StoreFacet
from connector.testing.store_backend import StoreBackend


@dataclass(frozen=True, slots=True)
class Claims:
    """What an adapter claims and what of it a backend can show.

    Attributes:
        claimed: What `ra.toml` declares, and every facet.
        lacks: What the backend's system hasn't got, with the reason.
        narrowed: Which claimed capabilities the backend's very resource hasn't got, as its factory says
            (`effective_capabilities`).
    """

    claimed: frozenset[Need]
    lacks: Mapping[Need, str]
    narrowed: frozenset[Need] = frozenset()

    def narrowed_to(self, effective: frozenset[Capability]) -> Claims:
        """The claims of a resource that has these capabilities."""
        lost = {need for need in self.claimed if isinstance(need, Capability) and need not in effective}
        return replace(self, narrowed=frozenset(lost))

    def why_not(self, needs: tuple[Need, ...]) -> str | None:
        """Why a requirement with these needs does not apply; None if it does."""
        for need in needs:
            if need not in self.claimed:
                return f"the adapter does not claim {need.value}"
            if need in self.lacks:
                return f"no {need.value} here: {self.lacks[need]}"
            if need in self.narrowed:
                return f"the resource narrows what its adapter claims: no {need.value}"
        return None

    def has(self, *needs: Need) -> bool:
        """Whether all of these are claimed and can be shown."""
        return self.why_not(needs) is None


@dataclass(frozen=True, slots=True)
class Identification:
    """Who is certified, for the report.

    Attributes:
        name: The adapter's name in `ra.toml`, or the login module's class.
        version: Its version.
        backend: The backend's class: one adapter may be certified against several systems.
    """

    name: str
    version: str
    backend: str

    @classmethod
    def of_adapter(cls, backend: Backend | InboundBackend, descriptor: AdapterDescriptor) -> Identification:
        """An adapter, as its `ra.toml` names it."""
        return cls(descriptor.name, descriptor.version, type(backend).__name__)

    @classmethod
    def of_mapper(cls, backend: MapperBackend) -> Identification:
        """A login module, as its entry point names it; without one by its class."""
        module = backend.module
        package = module.__module__.partition(".")[0]
        for entry in entry_points(group="connector.mappers"):
            if entry.module.partition(".")[0] == package and entry.attr == module.__name__ and entry.dist is not None:
                return cls(entry.name, entry.dist.version, type(backend).__name__)
        return cls(module.__name__, "unknown", type(backend).__name__)

    @classmethod
    def of_store(cls, backend: StoreBackend) -> Identification:
        """A store, as its entry point names it."""
        return cls(backend.name, _version("connector.stores", backend.name), type(backend).__name__)

    @classmethod
    def of_registry(cls, backend: RegistryBackend) -> Identification:
        """A user registry, as its entry point names it."""
        return cls(backend.name, _version("connector.registries", backend.name), type(backend).__name__)

    def to_dict(self) -> dict[str, str]:
        """For the report."""
        return {"name": self.name, "version": self.version, "backend": self.backend}


def descriptor_of(backend: Backend | InboundBackend) -> AdapterDescriptor:
    """What stands in the `ra.toml` beside the backend's adapter. Raises PluginError (CF-PLUG-010, CF-PLUG-011)."""
    return read_descriptor(locate_descriptor(backend.adapter.__module__))


def claims_of_store(backend: StoreBackend) -> Claims:
    """What applies to a store. Raises ValueError for a `lacks` without a reason."""
    return Claims(frozenset(StoreFacet), _given_reasons(backend.lacks))


def claims_of_registry(backend: RegistryBackend) -> Claims:
    """What applies to a user registry. Raises ValueError for a `lacks` without a reason."""
    unclaimed = frozenset() if backend.verifiers else {RegistryFacet.VERIFIERS}
    return Claims(frozenset(RegistryFacet) - unclaimed, _given_reasons(backend.lacks))


def claims_of_inbound(backend: InboundBackend, descriptor: AdapterDescriptor) -> Claims:
    """What applies to an inbound adapter. Raises ValueError for a `lacks` without a reason."""
    return Claims(frozenset((*descriptor.capabilities, *InboundFacet)), _given_reasons(backend.lacks))


def _given_reasons(lacks: Mapping[Any, str]) -> dict[Need, str]:
    for facet, reason in lacks.items():
        if not reason.strip():
            raise ValueError(f"`lacks` gives no reason for {facet.value}")
    return _reasons(lacks)


def _version(group: str, name: str) -> str:
    """The version of the distribution that an entry point comes from; ours for what is built in."""
    found = [entry.dist for entry in entry_points(group=group, name=name)]
    return found[0].version if found and found[0] is not None else __version__


def _reasons(lacks: Mapping[Any, str]) -> dict[Need, str]:
    return dict(lacks)


def claims_of(backend: Backend, descriptor: AdapterDescriptor) -> Claims:
    """What applies to an adapter on this backend.

    Raises ValueError for a `lacks` that names what the adapter does not claim anyway, or gives no reason: a mistake
    of the author that would hide something.
    """
    claimed: frozenset[Need] = frozenset((*descriptor.capabilities, *Facet))
    for need, reason in backend.lacks.items():
        if need not in claimed:
            raise ValueError(f"`lacks` names {need.value}, which {descriptor.name} does not claim")
        if not reason.strip():
            raise ValueError(f"`lacks` gives no reason for {need.value}")
    return Claims(claimed, _reasons(backend.lacks))
