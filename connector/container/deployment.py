"""Deployment of an application's handlers: import them and match them with activations (FLOW-5, FLOW-7)."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from connector.container.configuration.activation_section import ActivationSection
from connector.container.configuration.application import RoleSection
from connector.container.configuration.settings import ApplicationSettings
from connector.endpoint.declaration import HandlerDeclaration
from connector.errors import DeploymentError, Reason
from connector.security.roles import RoleBinding, RoleMap, SpecialSubject

HANDLER_MODULE_BROKEN = Reason(
    "CF-CTR-020",
    "application {application!r}: the handler module {module!r} can't be imported: {kind}: {text}.",
    "Correct the module, or its name under `handlers`, or the folders under `path`, of {descriptor}.",
)
HANDLER_WITHOUT_ACTIVATION = Reason(
    "CF-CTR-021",
    "application {application!r}: handler {handler!r} wants the activation {activation!r}, which the descriptor lacks.",
    "Add [activations.{activation!r}] with `bind` to {descriptor}, or correct the name in @message_driven.",
)
ACTIVATION_WITHOUT_HANDLER = Reason(
    "CF-CTR-022",
    "application {application!r}: no handler module declares a handler for the activation {activation!r}.",
    "Name the module under `handlers` of {descriptor}, or remove the activation.",
)
ACTIVATION_TWICE = Reason(
    "CF-CTR-023",
    "application {application!r}: the handlers {first!r} and {second!r} both want the activation {activation!r}.",
    "Give each its own activation.",
)
ROLES_UNSECURED = Reason(
    "CF-CTR-024",
    "application {application!r}: handler {handler!r} allows roles {roles}, but {switch} is off: nobody would check.",
    'Switch security on in [container], or say unsecured = "allow" in {descriptor} (FLOW-7).',
)
ROLE_UNDEFINED = Reason(
    "CF-CTR-025",
    "application {application!r}: handler {handler!r} allows role {role!r}, which no [roles.{role}] binds.",
    "Bind it to users, groups or special subjects in {descriptor}. Bound: {known}.",
)


@dataclass(frozen=True, slots=True)
class PlannedHandler:
    """One handler with what the descriptor and the decorator together say of it; the descriptor wins (FLOW-5).

    Attributes:
        activation: The activation's name in the application.
        handler: The function.
        name: The function as `module:function`.
        roles_allowed: Who may call it; empty for any caller.
        roles_checked: Whether that is checked.
        transacted: Whether receive, reply and sends are to be one unit.
        section: What only the descriptor says.
    """

    activation: str
    handler: Callable[..., Any]
    name: str
    roles_allowed: frozenset[str]
    roles_checked: bool
    transacted: bool
    section: ActivationSection


def add_to_import_path(folders: Iterable[str]) -> None:
    """Let modules of an application be imported from these folders: handlers, and what adapters load by name."""
    for folder in folders:
        if folder not in sys.path:
            sys.path.append(folder)


def import_handlers(application: str, modules: Iterable[str], path: Iterable[str], descriptor: str) -> list[ModuleType]:
    """Import an application's handler modules. Raises DeploymentError for the first that can't be."""
    add_to_import_path(path)
    imported = []
    for module in modules:
        try:
            imported.append(importlib.import_module(module))
        except (Exception, SystemExit) as error:  # a module that is a script must not end the container
            raise DeploymentError(
                HANDLER_MODULE_BROKEN,
                application=application,
                module=module,
                kind=type(error).__name__,
                text=str(error),
                descriptor=descriptor,
            ) from error
    return imported


def plan_handlers(
    application: ApplicationSettings,
    declared: Iterable[HandlerDeclaration],
    *,
    role_checks: bool,
    switch: str,
) -> list[PlannedHandler]:
    """Match declared handlers with the descriptor's activations. Pure.

    Args:
        application: The application's merged configuration.
        declared: What the handler modules declare.
        role_checks: Whether roles are checked (CONF-4).
        switch: Which security switch is off, for the message.

    Raises:
        DeploymentError: a handler without activation or the reverse, two handlers for one activation, roles on an
            unsecured container without `unsecured = "allow"`, a role that nothing binds.
    """
    names: dict[str, Any] = {"application": application.name, "descriptor": application.descriptor}
    planned: dict[str, PlannedHandler] = {}
    for handler in declared:
        activation = application.activations.get(handler.activation)
        if activation is None:
            raise DeploymentError(
                HANDLER_WITHOUT_ACTIVATION, handler=handler.name, activation=handler.activation, **names
            )
        if handler.activation in planned:
            raise DeploymentError(
                ACTIVATION_TWICE,
                first=planned[handler.activation].name,
                second=handler.name,
                activation=handler.activation,
                **names,
            )
        roles = activation.roles_allowed if activation.roles_allowed is not None else handler.roles_allowed
        roles = frozenset(roles or ())
        _check_roles(application, handler.name, roles, role_checks=role_checks, switch=switch, names=names)
        planned[handler.activation] = PlannedHandler(
            activation=handler.activation,
            handler=handler.handler,
            name=handler.name,
            roles_allowed=roles,
            roles_checked=role_checks,
            transacted=activation.transacted if activation.transacted is not None else handler.transacted,
            section=activation,
        )
    for name in application.activations:
        if name not in planned:
            raise DeploymentError(ACTIVATION_WITHOUT_HANDLER, activation=name, **names)
    return list(planned.values())


def _check_roles(
    application: ApplicationSettings,
    handler: str,
    roles: frozenset[str],
    *,
    role_checks: bool,
    switch: str,
    names: Mapping[str, Any],
) -> None:
    if roles and not role_checks and application.unsecured != "allow":
        raise DeploymentError(ROLES_UNSECURED, handler=handler, roles=", ".join(sorted(roles)), switch=switch, **names)
    for role in sorted(roles - set(application.roles)):
        raise DeploymentError(
            ROLE_UNDEFINED, handler=handler, role=role, known=", ".join(sorted(application.roles)) or "none", **names
        )


def role_map(roles: Mapping[str, RoleSection], realm: str, trusted_realms: frozenset[str]) -> RoleMap:
    """An application's role bindings as the object that decides."""
    return RoleMap(
        {
            name: RoleBinding(
                users=frozenset(role.users),
                groups=frozenset(role.groups),
                special=frozenset(SpecialSubject(special) for special in role.special),
            )
            for name, role in roles.items()
        },
        realm,
        trusted_realms,
    )
