"""The resource adapter and what it gets to work with."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, Protocol

from connector.errors import Reason
from connector.spi.audit import AuditLog
from connector.spi.authdata import AuthenticationData
from connector.spi.clock import Clock
from connector.spi.connection import ManagedConnectionFactory
from connector.spi.delivery import ActivationHealth
from connector.spi.endpoint import ActivationSpec, MessageEndpointFactory
from connector.spi.naming import NamingKind, NamingReference
from connector.spi.observation import Measurement
from connector.spi.registry import IdentityService
from connector.spi.tls import TlsService
from connector.spi.transaction import TransactionService
from connector.spi.work import WorkManager


class BootstrapContext(Protocol):
    """The one way from an adapter to the framework. Safe to use from any thread, until `stop` has returned."""

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

    @property
    def transactions(self) -> TransactionService:
        """Units of work and their recovery (FLOW-8)."""
        ...

    def authentication_data(self, alias: str, /) -> AuthenticationData:
        """The newest user and password of an authentication alias, for connections of the adapter's own, such as from
        engine to engine: those of applications get theirs by sign-on. Does not block. Raises AuthDataError.
        """
        ...


class SectionsChange(Protocol):
    """A change of an adapter's sections that has been checked and not yet made (CONF-8); see
    `ResourceAdapter.sections_changed`.
    """

    @property
    def restart(self) -> Iterable[str]:
        """The key paths of what it can't change while it runs, for example `buses.weather.security`; `apply` leaves
        these as they are, and the container's next start brings them.
        """
        ...

    def apply(self) -> None:
        """Put in force what can be; may block. Called once at most.

        Raises ConnectorError where it can't: then everything is as it was before.
        """
        ...

    def undo(self) -> None:
        """Take back what `apply` has done, since something else of the same change has failed. Must not raise."""
        ...


@dataclass(frozen=True, slots=True)
class PostureFinding:
    """One thing of an adapter's own that `connector check` reports.

    Attributes:
        severity: `error`, `warning` or `note`.
        reason: Code, text and action.
        place: Where: a key path, or what it is about.
        details: The inserts of text and action; never a secret.
    """

    severity: Literal["error", "warning", "note"]
    reason: Reason
    place: str
    details: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Duty:
    """What a user of the container's realm is trusted with by an adapter's configuration.

    Attributes:
        user: Who.
        kind: What, the same text for the same kind of duty: `asserts callers` for example.
        place: The key path that says so.
    """

    user: str
    kind: str
    place: str


class ResourceAdapter(ABC):
    """A system-level driver for one kind of external system, found by entry point in `connector.adapters`.

    Made without arguments, once a container. Its `ra.toml`, beside the entry point's module, declares everything that
    can be declared; the class repeats nothing of it. `start` comes before anything else and `stop` after everything;
    a stopped adapter is never started again. Between them its methods may be called from any thread, several at a time;
    those of one activation (`activate_endpoint`, `deactivate_endpoint`) come one after the other.
    """

    @abstractmethod
    def start(self, context: BootstrapContext) -> None:
        """Get ready; may block for local set-up, not for remote systems. Raising stops the container's start."""

    @abstractmethod
    def stop(self) -> None:
        """Let go of everything; endpoints are deactivated and pools closed already. What it raises is logged."""

    def check_sections(self, sections: Mapping[str, Any], identity: IdentityService) -> None:
        """Check the adapter's own sections as `start` would, and start nothing; called on an adapter that has not been
        started, when its configuration is to be changed by command (CONF-8).

        Args:
            sections: As in the bootstrap context: validated against `ra.toml`, defaults filled in.
            identity: Who is who. May block for the registry.

        Raises ConfigError with all mistakes, each with its key path.
        """

    def check_resource(self, resource: str, properties: Mapping[str, Any], sections: Mapping[str, Any]) -> None:
        """Check that a resource's properties fit the adapter's own sections, as a start would; as `check_sections`.

        Args:
            resource: Its global name.
            properties: Its validated properties.
            sections: As `check_sections` gets them.

        Must not block. Raises ConfigError or NameNotFound. Nothing is checked unless overridden.
        """

    def sections_changed(self, sections: Mapping[str, Any]) -> SectionsChange | None:
        """The adapter's own sections are to change while it runs: check them and say what of it can be live (CONF-8).

        Changes nothing yet; the container calls `apply` on the answer, and `undo` where something else has failed. One
        change at a time is under way. May block for the registry.

        Args:
            sections: As `check_sections` gets them; the whole of them, not only what is different.

        Returns:
            The change; None, which is the default, for an adapter that reads its sections at the start only.

        Raises ConfigError with all mistakes, each with its key path.
        """
        return None

    def measurements(self) -> Iterable[Measurement]:
        """The adapter's own figures of this instant, beside those that the container has of pools, works and
        deliveries: none unless overridden. Must not block. Names come from its configuration, and nothing is secret.
        """
        return ()

    def create_managed_connection_factory(
        self, resource: str, properties: Mapping[str, Any]
    ) -> ManagedConnectionFactory:
        """Make the factory of one resource from its validated properties; does not connect.

        Raises ConfigError for properties that are wrong together.
        """
        raise TypeError(f"{type(self).__name__} has no connection factories")

    def naming_reference(
        self, kind: NamingKind, resource: str, properties: Mapping[str, Any]
    ) -> NamingReference | None:
        """What clients outside are told of a resource, so that they get at it from where they are (CONF-6).

        Does not block. Overridden where another adapter or other settings are what they need, for example of what lives
        in this process.

        Args:
            kind: What it is.
            resource: Its global name.
            properties: Its validated properties.

        Returns:
            The reference; None, which is the default, for the adapter itself with these properties, without secrets and
            without the user.
        """
        return None

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
        """End it: no delivery begins after this returns; those under way are waited for, at most some seconds.

        Also called after an activation that has failed or was lost. What it raises is logged.
        """
        raise TypeError(f"{type(self).__name__} has no inbound side")

    def activation_health(self, endpoint_factory: MessageEndpointFactory, spec: ActivationSpec) -> ActivationHealth:
        """How an active subscription is, at this instant. Must not block: it is asked by `status` and by metrics.

        An adapter that doesn't say counts as healthy for as long as it reports no loss (`MessageEndpointFactory.lost`).
        """
        return ActivationHealth(subscribed=True)

    def run_command(self, command: str, arguments: Mapping[str, Any]) -> Any:
        """Carry out an administrative operation that `ra.toml` lists; answers plain data for `--json`.

        The container has checked the admin role. May block. Raises ConnectorError.
        """
        raise TypeError(f"{type(self).__name__} has no command {command!r}")

    def users_changed(self) -> None:
        """Users or groups may have changed: have what is open ask again who its users are, and what they may.

        Called after each change that is made on the running container, and when an operator asks for it. May block for
        the registry, shortly. Nothing unless overridden; what it raises is logged.
        """

    def findings(self) -> Iterable[PostureFinding]:
        """What `connector check` has to say of it while it runs; may block for the registry. Nothing unless overridden.

        What it raises is reported as a finding of its own.
        """
        return ()

    def duties(self) -> Iterable[Duty]:
        """Whom the adapter's configuration trusts with what: `connector check` tells of a user with several duties.

        May block for authentication data. Nothing unless overridden; what it raises is reported as a finding.
        """
        return ()
