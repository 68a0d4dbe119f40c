"""Activations: a planned handler, its endpoint factory and the adapter that delivers to it (CHAIN-6)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from connector.container.configuration.settings import ResourceSettings
from connector.container.delivery_units import DeliveryUnits
from connector.container.deployment import PlannedHandler
from connector.container.periodic import Periodic
from connector.container.run_as import run_as_of
from connector.container.stop_deadline import AFTER_HANDLERS
from connector.endpoint.activation import Activation
from connector.endpoint.factory import HandlerEndpointFactory
from connector.errors import ConnectorError, DeploymentError, Reason
from connector.spi import (
    ActivationSpec,
    Measurement,
    Ordering,
    PasswordCredential,
    RedeliveryPolicy,
    ResourceAdapter,
    Subject,
    UserPrincipal,
)

if TYPE_CHECKING:
    from connector.container.parts import Parts
SPECIFICATION_REFUSED = Reason(
    "CF-CTR-026",
    "application {application!r}: the activation {activation!r} can't be: the adapter refuses the specification "
    "{resource!r}: {cause}",
    "Correct the properties of that resource; no handler has got a message.",
)

#: Seconds between two looks after activations that failed: their own pauses are longer and longer.
RETRY_INTERVAL = 1.0


@dataclass(frozen=True, slots=True)
class Deployed:
    """One deployed handler: the life of its activation, what the adapter delivers to, and what both were made from."""

    activation: Activation
    factory: HandlerEndpointFactory
    application: str
    planned: PlannedHandler
    resource: ResourceSettings

    def measurements(self) -> Iterator[Measurement]:
        """Whether it is healthy, and what has become of its messages. Blocks as the adapter's word on its health."""
        yield from self.activation.report().measurements()
        yield from self.factory.statistics().measurements(self.factory.application, self.factory.activation)


def start_activation(
    parts: Parts,
    application: str,
    handler: PlannedHandler,
    *,
    activate: bool,
    resource: ResourceSettings | None = None,
) -> Deployed:
    """Plan one handler's activation and begin it. One that the adapter refuses is reported and tried again: what
    refuses it (a missing alias, a role) can be put right while the container runs.
    """
    deployed = plan_activation(parts, application, handler, resource=resource)
    parts.activations.append(deployed)
    if activate:
        deployed.activation.activate()
    return deployed


def plan_activation(
    parts: Parts, application: str, handler: PlannedHandler, *, resource: ResourceSettings | None = None
) -> Deployed:
    """Make a handler's endpoint factory and its activation, and have the adapter check the specification.

    Raises DeploymentError with the adapter's reason (CF-CTR-026): before any message flows, and nothing is activated.
    """
    section = handler.section
    resource = resource or parts.configuration.resources[section.bind]
    adapter = parts.adapters[resource.adapter]
    spec = ActivationSpec(section.bind, dict(resource.properties))
    factory = HandlerEndpointFactory(
        application=application,
        activation=handler.activation,
        handler=handler.handler,
        roles_allowed=handler.roles_allowed,
        role_map=parts.role_maps[application] if handler.roles_checked else None,
        transacted=handler.transacted,
        transaction_timeout=section.transaction_timeout,
        concurrency=section.concurrency,
        ordering=Ordering(section.ordering),
        redelivery=RedeliveryPolicy(
            section.max_redeliveries,
            section.redelivery_delay,
            section.redelivery_backoff,
            section.redelivery_max_delay,
        ),
        lookup=parts.applications[application].lookup,
        loop=parts.loop,
        audit=parts.audit,
        sign_on=activation_sign_on(parts, spec, section.alias or resource.component_alias),
        realm=parts.applications[application].realm,
        units=DeliveryUnits(parts.transactions),
        acting=run_as_of(parts, application, handler),
        clock=parts.clock,
    )
    _validate(adapter, spec, factory)
    activation = Activation(adapter, factory, spec, healthy_within=section.healthy_within, clock=parts.clock)
    return Deployed(activation, factory, application, handler, resource)


def _validate(adapter: ResourceAdapter, spec: ActivationSpec, factory: HandlerEndpointFactory) -> None:
    try:
        adapter.validate_activation(spec)
    except Exception as error:
        cause = str(error) if isinstance(error, ConnectorError) else type(error).__name__
        raise DeploymentError(
            SPECIFICATION_REFUSED,
            cause=cause,
            application=factory.application,
            activation=factory.activation,
            resource=spec.resource,
        ) from error


def keep_trying(parts: Parts) -> Periodic:
    """Try failed activations again from now on, each after its own pauses, on a thread of its own (CHAIN-6)."""

    def look() -> None:
        for deployed in parts.activations:
            deployed.activation.retry_if_due()

    return Periodic(f"{parts.configuration.container.name}-activations", RETRY_INTERVAL, look)


def end_activations(parts: Parts) -> None:
    """End all activations, the last one first; handlers under way get the seconds that a stop has for them.

    All are told before the first is waited for: together they take no longer than the slowest. Raises nothing.
    """
    ending = [deployed.activation for deployed in reversed(parts.activations)]
    for activation in ending:
        activation.begin_end()
    for activation in ending:
        activation.deactivate(parts.stopping.left(keep=AFTER_HANDLERS))


def activation_sign_on(parts: Parts, spec: ActivationSpec, alias: str | None) -> Callable[[], Subject | None]:
    """How an adapter signs on for its own consuming: by the newest credential of the activation's alias."""

    def sign_on() -> Subject | None:
        if alias is None:
            return None
        data = parts.auth_data.require(alias)
        credential = PasswordCredential(data.user, data.password, spec, data.alias, data.version)
        return Subject([UserPrincipal(data.user, parts.identity.realm)], [credential], read_only=True)

    return sign_on
