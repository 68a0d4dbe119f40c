"""The last step of a start: the applications' handlers, planned all together and then activated (FLOW-5)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from connector.container import deployment
from connector.container.activations import end_activations, keep_trying, plan_activation
from connector.endpoint.declaration import declared_handlers

if TYPE_CHECKING:
    from connector.container.startup import Parts

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
    core = parts.configuration.container
    switch = "administrative security" if not core.security else "application security"
    planned: list[tuple[str, deployment.PlannedHandler]] = []
    for name, application in parts.configuration.applications.items():
        modules = deployment.import_handlers(name, application.handlers, application.path, str(application.descriptor))
        declared = [handler for module in modules for handler in declared_handlers(module)]
        for handler in deployment.plan_handlers(application, declared, role_checks=parts.role_checks, switch=switch):
            if handler.roles_allowed and not handler.roles_checked:
                log.warning(
                    "application %r: the roles of handler %r are unchecked: %s is off and the deployment says "
                    "unsecured = 'allow' (FLOW-7)",
                    name,
                    handler.name,
                    switch,
                )
            planned.append((name, handler))
        parts.role_maps[name] = deployment.role_map(application.roles, core.realm, parts.identity.trusted_realms)
    parts.activations.extend([plan_activation(parts, name, handler) for name, handler in planned])
    parts.stack.callback(end_activations, parts)
    if not activate:
        return
    # An activation that the adapter refuses is reported and tried again: the container starts all the same, since what
    # refuses it (a missing alias, a role) can be put right while it runs.
    for deployed in parts.activations:
        deployed.activation.activate()
    if parts.activations:
        parts.stack.callback(keep_trying(parts).close)
