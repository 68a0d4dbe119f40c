"""A running container's activations for whoever operates them: look at, pause, resume, try again; audited (FLOW-5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

from connector.container.activations import Deployed
from connector.container.naming import unknown
from connector.container.operator_audit import recorded
from connector.endpoint.activation import ActivationState
from connector.endpoint.health import ActivationReport
from connector.endpoint.statistics import DeliveryStatistics
from connector.spi import AuditLog

if TYPE_CHECKING:
    from connector.container.parts import Parts

#: Seconds that an adapter gets to end a subscription before a pause is answered; it goes on ending it.
PAUSE_TIMEOUT = 5.0


@dataclass(frozen=True, slots=True)
class ActivationOutcome:
    """What became of an operation.

    Attributes:
        name: `application:activation`.
        before: The state before.
        state: The state now.
        in_delivery: How many handlers still run.
        ended: With a pause: whether the adapter has ended its subscription by now; True otherwise.
        error: Why it failed, in words; empty where it hasn't.
    """

    name: str
    before: str
    state: str
    in_delivery: int
    ended: bool = True
    error: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for programs."""
        return {
            "activation": self.name,
            "before": self.before,
            "state": self.state,
            "in_delivery": self.in_delivery,
            "ended": self.ended,
            "error": self.error or None,
        }


@final
class OperatedActivation:
    """One activation as `Container.activation` answers it. Safe to use from any thread; it holds nothing itself.

    What changes something is recorded in the audit log, with who is the caller on this thread or task, what was asked
    and what became of it.
    """

    def __init__(self, deployed: Deployed, audit: AuditLog) -> None:
        self._activation = deployed.activation
        self._factory = deployed.factory
        self._audit = audit

    @property
    def name(self) -> str:
        """`application:activation`."""
        return self._activation.name

    @property
    def state(self) -> ActivationState:
        """Where it is."""
        return self._activation.state

    def report(self) -> ActivationReport:
        """Where it is and how healthy. Does not block longer than the adapter's own word takes."""
        return self._activation.report()

    def statistics(self) -> DeliveryStatistics:
        """What has become of the messages so far. Does not block."""
        return self._factory.statistics()

    def to_dict(self) -> dict[str, Any]:
        """All of that as plain data. Blocks as `report`."""
        factory = self._factory
        return {
            **self.report().to_dict(),
            "handler": factory.names["handler"],
            "transacted": factory.transacted,
            "concurrency": factory.concurrency,
            "ordering": factory.ordering.value,
            "deliveries": self.statistics().to_dict(),
        }

    def pause(self, timeout: float = PAUSE_TIMEOUT) -> ActivationOutcome:
        """Deliver nothing until `resume`, messages wait in their source; handlers that run end undisturbed.

        Blocks for at most `timeout` seconds, for the adapter's end. Harmless where it is paused already. Until the
        container stops: the configuration stays as it is. Raises DeploymentError once it has ended.
        """
        before, details = self.state, dict[str, Any]()
        with recorded(self._audit, "activation.pause", self.name, details):
            ended = self._activation.pause(timeout)
            return self._outcome(before, details, ended=ended)

    def resume(self) -> ActivationOutcome:
        """Deliver again; one that is not paused stays as it is. Blocks as long as the adapter does.

        Where the adapter refuses, the outcome says so, and it is tried again by itself. Raises DeploymentError once it
        has ended.
        """
        before, details = self.state, dict[str, Any]()
        with recorded(self._audit, "activation.resume", self.name, details):
            self._activation.resume()
            return self._outcome(before, details)

    def retry(self) -> ActivationOutcome:
        """Try a failed one again now, without waiting for its pause; others stay as they are.

        Blocks as long as the adapter does; where it refuses again, the outcome says so.
        """
        before, details = self.state, dict[str, Any]()
        with recorded(self._audit, "activation.retry", self.name, details):
            self._activation.retry()
            return self._outcome(before, details)

    def _outcome(self, before: ActivationState, details: dict[str, Any], *, ended: bool = True) -> ActivationOutcome:
        failure = self._activation.failure
        details |= {"before": before.value, "state": self.state.value}
        return ActivationOutcome(
            self.name,
            before.value,
            self.state.value,
            self.statistics().active,
            ended,
            "" if failure is None else str(failure),
        )

    def __repr__(self) -> str:
        return f"<OperatedActivation {self.name}, {self.state.value}>"


def operated_activation(parts: Parts, name: str) -> OperatedActivation:
    """An activation by `application:activation`. Raises NameNotFound."""
    for deployed in parts.activations:
        if deployed.activation.name == name:
            return OperatedActivation(deployed, parts.audit)
    raise unknown("activation", name, "this container", [each.activation.name for each in parts.activations])


def operated_activations(parts: Parts) -> tuple[OperatedActivation, ...]:
    """All activations, in the order of the configuration."""
    return tuple(OperatedActivation(deployed, parts.audit) for deployed in parts.activations)
