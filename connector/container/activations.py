"""Activations: a planned handler, its endpoint factory and the adapter that delivers to it (CHAIN-6)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from connector.container.configuration.settings import ResourceSettings
from connector.container.deployment import PlannedHandler
from connector.container.stop_deadline import AFTER_HANDLERS
from connector.endpoint.activation import Activation
from connector.endpoint.factory import HandlerEndpointFactory
from connector.spi import ActivationSpec, PasswordCredential, Subject, UserPrincipal

if TYPE_CHECKING:
    from connector.container.startup import Parts


@dataclass(frozen=True, slots=True)
class Deployed:
    """One deployed handler: the life of its activation, what the adapter delivers to, and what both were made from."""

    activation: Activation
    factory: HandlerEndpointFactory
    application: str
    planned: PlannedHandler
    resource: ResourceSettings


def start_activation(
    parts: Parts,
    application: str,
    handler: PlannedHandler,
    *,
    activate: bool,
    resource: ResourceSettings | None = None,
) -> Deployed:
    """Activate one handler. An activation that the adapter refuses is reported and can be tried again: the container
    starts all the same, since what refuses it (a missing alias, a role) can be put right while it runs.
    """
    resource = resource or parts.configuration.resources[handler.resource]
    spec = ActivationSpec(handler.resource, dict(resource.properties))
    factory = HandlerEndpointFactory(
        application=application,
        activation=handler.activation,
        handler=handler.handler,
        roles_allowed=handler.roles_allowed,
        role_map=parts.role_maps[application] if handler.roles_checked else None,
        transacted=handler.transacted,
        concurrency=handler.concurrency,
        max_redeliveries=handler.max_redeliveries,
        redelivery_delay=handler.redelivery_delay,
        lookup=parts.applications[application].lookup,
        loop=parts.loop,
        audit=parts.audit,
        sign_on=activation_sign_on(parts, spec, handler.alias or resource.component_alias),
        realm=parts.applications[application].realm,
    )
    activation = Activation(parts.adapters[resource.adapter], factory, spec)
    deployed = Deployed(activation, factory, application, handler, resource)
    parts.activations.append(deployed)
    if activate:
        activation.activate()
    return deployed


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
