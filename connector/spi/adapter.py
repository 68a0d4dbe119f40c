"""The resource adapter and what it gets to work with."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from connector.spi.audit import AuditLog
from connector.spi.clock import Clock
from connector.spi.connection import ManagedConnectionFactory
from connector.spi.delivery import ActivationHealth
from connector.spi.endpoint import ActivationSpec, MessageEndpointFactory
from connector.spi.registry import IdentityService
from connector.spi.tls import TlsService
from connector.spi.work import WorkManager


class BootstrapContext(Protocol):
    """The one way from an adapter to the framework."""

    @property
    def container_name(self) -> str:
        """The container's name."""
        ...

    @property
    def work_manager(self) -> WorkManager:
        """Where work is submitted."""
        ...

    @property
    def identity(self) -> IdentityService:
        """Who is who."""
        ...

    @property
    def state_folder(self) -> Path:
        """A folder that is the adapter's own, made with mode 0700, kept between runs."""
        ...

    @property
    def sections(self) -> Mapping[str, Any]:
        """The configuration sections that the adapter's `ra.toml` owns, validated, defaults filled in."""
        ...

    @property
    def audit(self) -> AuditLog:
        """The security audit log."""
        ...

    @property
    def tls(self) -> TlsService:
        """The TLS configurations of the deployer, as contexts."""
        ...

    @property
    def clock(self) -> Clock:
        """The time."""
        ...


class ResourceAdapter(ABC):
    """A system-level driver for one kind of external system, found by entry point in `connector.adapters`.

    Made without arguments, once a container. Its `ra.toml`, beside the entry point's module, declares everything that
    can be declared; the class repeats nothing of it. `start` comes before anything else and `stop` after everything;
    a stopped adapter is never started again.
    """

    @abstractmethod
    def start(self, context: BootstrapContext) -> None:
        """Get ready; may block for local set-up, not for remote systems. Raising stops the container's start."""

    @abstractmethod
    def stop(self) -> None:
        """Let go of everything; endpoints are deactivated and pools closed already. What it raises is logged."""

    def create_managed_connection_factory(
        self, resource: str, properties: Mapping[str, Any]
    ) -> ManagedConnectionFactory:
        """Make the factory of one resource from its validated properties; does not connect.

        Raises ConfigError for properties that are wrong together.
        """
        raise TypeError(f"{type(self).__name__} has no connection factories")

    def validate_activation(self, spec: ActivationSpec) -> None:
        """Check the properties of an activation together, at every start and before the first message flows.

        Must not block for remote systems: what only they know is found out by `activate_endpoint`. Raises ConfigError
        or NameNotFound: the container then doesn't start, and its error names the activation and this cause.
        """

    def activate_endpoint(self, endpoint_factory: MessageEndpointFactory, spec: ActivationSpec) -> None:
        """Begin to deliver messages; returns once the subscription stands. Needs Capability.INBOUND.

        Raises ConnectorError where the sign-on or the destination is refused (CHAIN-6): the container reports it and
        tries again later.
        """
        raise TypeError(f"{type(self).__name__} has no inbound side")

    def deactivate_endpoint(self, endpoint_factory: MessageEndpointFactory, spec: ActivationSpec) -> None:
        """End it: no delivery begins after this returns; those under way are waited for, at most some seconds."""
        raise TypeError(f"{type(self).__name__} has no inbound side")

    def activation_health(self, endpoint_factory: MessageEndpointFactory, spec: ActivationSpec) -> ActivationHealth:
        """How an active subscription is, at this instant. Must not block: it is asked by `status` and by metrics.

        An adapter that doesn't say counts as healthy for as long as it reports no loss (`MessageEndpointFactory.lost`).
        """
        return ActivationHealth(subscribed=True)

    def run_command(self, command: str, arguments: Mapping[str, Any]) -> Any:
        """Carry out an administrative operation that `ra.toml` lists; answers plain data for `--json`.

        The container has checked the admin role. Raises ConnectorError.
        """
        raise TypeError(f"{type(self).__name__} has no command {command!r}")
