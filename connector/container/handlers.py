"""The last step of a start: the applications' handlers, planned all together and then activated (FLOW-5)."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING

from connector.container import deployment
from connector.container.activations import keep_trying, plan_activation
from connector.container.configuration.settings import ApplicationSettings, ContainerConfiguration
from connector.endpoint.declaration import declared_handlers
from connector.security.roles import RoleMap

if TYPE_CHECKING:
    from connector.container.parts import Parts

log = logging.getLogger("connector.container")


def deploy_handlers(parts: Parts, *, activate: bool) -> None:
    """Import, plan and activate the handlers of all applications.

    Only when every application can be deployed does the first message flow. Blocks for imports and adapters.

    Args:
        parts: The container so far.
        activate: Whether handlers get messages.

    Raises:
        DeploymentError: An application can't be deployed, or an adapter refuses an activation's specification; no
            handler has got a message.
    """
    configuration = parts.configuration
    planned = plan_applications(configuration)
    for name, handlers in planned.items():
        warn_of_unchecked_roles(name, handlers)
        parts.role_maps[name] = role_map_of(parts, configuration.applications[name])
    parts.activations.extend(
        plan_activation(parts, name, handler) for name, handlers in planned.items() for handler in handlers
    )
    if not activate:
        return
    # An activation that the adapter refuses is reported and tried again: the container starts all the same, since what
    # refuses it (a missing alias, a role) can be put right while it runs.
    for deployed in parts.activations:
        deployed.activation.activate()
    parts.stack.callback(keep_trying(parts).close)


def role_map_of(parts: Parts, application: ApplicationSettings) -> RoleMap:
    """An application's role bindings, in its realm."""
    return deployment.role_map(application.roles, application.realm, parts.realms[application.realm].trusted_realms)


def plan_applications(configuration: ContainerConfiguration) -> dict[str, list[deployment.PlannedHandler]]:
    """The handlers of all applications by application: imported and matched with their activations; starts nothing.

    Blocks for imports. Raises DeploymentError for the first application that can't be deployed.
    """
    core = configuration.container
    planned: dict[str, list[deployment.PlannedHandler]] = {}
    for name, application in configuration.applications.items():
        modules = deployment.import_handlers(name, application.handlers, application.path, str(application.descriptor))
        declared = [handler for module in modules for handler in declared_handlers(module)]
        planned[name] = deployment.plan_handlers(
            application,
            declared,
            role_checks=core.security and core.application_security,
            switch="administrative security" if not core.security else "application security",
        )
    return planned


def warn_of_unchecked_roles(application: str, handlers: Iterable[deployment.PlannedHandler]) -> None:
    """Say which handlers' roles nobody checks (FLOW-7)."""
    for handler in handlers:
        if handler.roles_allowed and not handler.roles_checked:
            log.warning(
                "application %r: the roles of handler %r are unchecked: administrative or application security "
                "is off and the deployment says "
                "unsecured = 'allow' (FLOW-7)",
                application,
                handler.name,
            )
