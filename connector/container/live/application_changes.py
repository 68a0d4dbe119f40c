"""What a changed configuration means for applications: references, role bindings, handlers and activations (CONF-8).

A handler is replaced by ending its activation, which waits for the messages in work, and beginning the new one's: what
arrives in between waits on its destination, so that nothing is lost and nothing is handled twice (DEMO-3).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from connector.container import deployment
from connector.container.activations import Deployed, start_activation
from connector.container.applications import make_application, make_references
from connector.container.configuration.settings import ApplicationSettings, ContainerConfiguration
from connector.container.handlers import plan_applications, role_map_of, warn_of_unchecked_roles
from connector.container.live.steps import Step
from connector.endpoint.activation import ActivationState
from connector.errors import DeploymentError, Reason

if TYPE_CHECKING:
    from connector.container.parts import Parts

ACTIVATION_REFUSED = Reason(
    "CF-CTR-070",
    "the activation {activation} could not begin: {failure}",
    "Nothing was changed: what was in force is in force again. Put right what the text says, and try again.",
)

REALM_NOT_STARTED = Reason(
    "CF-CTR-097",
    "application {application!r} is of the realm {realm!r}, which this container was not started with.",
    "Nothing was changed. Realms are opened at the start: add the realm, start again, then add the application.",
)

#: Seconds that handlers under way get when their activation ends; what takes longer is settled when it ends.
END_TIMEOUT = 5.0


def application_changes(parts: Parts, new: ContainerConfiguration) -> list[Step]:
    """What is to be done for applications, in order: first what ends, then what begins.

    Changes nothing but what importing a handler module does. Raises DeploymentError for an application that can't be
    deployed.

    Args:
        parts: The container.
        new: The configuration that will be in force when the steps are made.
    """
    planned = plan_applications(new)
    ending: list[Step] = []
    beginning: list[Step] = []
    for name in dict.fromkeys((*parts.configuration.applications, *new.applications)):
        wanted = {handler.activation: handler for handler in planned.get(name, ())}
        deployed = {each.planned.activation: each for each in parts.activations if each.application == name}
        for activation, each in deployed.items():
            if not _stays(each, wanted.get(activation), new):
                ending.append(_ended(parts, each))
        kept = [each for activation, each in deployed.items() if _stays(each, wanted.get(activation), new)]
        beginning += _names(parts, name, new, kept)
        for activation, handler in wanted.items():
            if activation not in deployed or not _stays(deployed[activation], handler, new):
                was = deployed.get(activation)
                failed = was is not None and was.activation.state is ActivationState.FAILED
                beginning.append(_begun(parts, name, handler, may_fail=failed))
        warn_of_unchecked_roles(name, wanted.values())
    return [*ending, *beginning]


def in_started_realms(
    wanted: Mapping[str, ApplicationSettings], old: ContainerConfiguration, realms: frozenset[str]
) -> dict[str, ApplicationSettings]:
    """The applications with the realms that are in force: one that runs stays in its realm until the next start. Pure.

    Args:
        wanted: As the files say now.
        old: The configuration in force.
        realms: The realms that were started.

    Raises DeploymentError for a new application in a realm that was not.
    """
    effective: dict[str, ApplicationSettings] = {}
    for name, application in wanted.items():
        running = old.applications.get(name)
        if running is not None:
            application = replace(application, realm=running.realm)
        elif application.realm not in realms:
            raise DeploymentError(REALM_NOT_STARTED, application=name, realm=application.realm)
        effective[name] = application
    return effective


def _stays(deployed: Deployed, wanted: deployment.PlannedHandler | None, new: ContainerConfiguration) -> bool:
    return deployed.planned == wanted and deployed.resource == new.resources.get(deployed.planned.section.bind)


def _names(parts: Parts, name: str, new: ContainerConfiguration, kept: list[Deployed]) -> Iterator[Step]:
    """The application's name space and its role bindings."""
    present, wanted = parts.configuration.applications.get(name), new.applications.get(name)
    if wanted is None:
        gone = parts.applications[name]
        yield Step(
            f"application {name}",
            partial(parts.applications.pop, name),
            partial(parts.applications.__setitem__, name, gone),
        )
        return
    references = make_references(new, wanted)
    if present is None:
        made = make_application(parts, wanted, references)
        yield Step(
            f"application {name}",
            partial(parts.applications.__setitem__, name, made),
            partial(parts.applications.pop, name, None),
        )
    elif references != parts.applications[name].declared:
        application = parts.applications[name]
        yield Step(
            f"references of {name}",
            partial(application.rebind, references),
            partial(application.rebind, dict(application.declared)),
        )
    if present is None or present.roles != wanted.roles:
        yield _roles(parts, wanted, kept)


def _roles(parts: Parts, wanted: ApplicationSettings, kept: list[Deployed]) -> Step:
    """Other role bindings: a message that is delivered from now on is checked against them."""
    name, before = wanted.name, parts.role_maps.get(wanted.name)
    after = role_map_of(parts, wanted)
    checked = [each for each in kept if each.planned.roles_checked]

    def bind() -> None:
        parts.role_maps[name] = after
        for each in checked:
            each.factory.roles = after

    def back() -> None:
        if before is None:
            parts.role_maps.pop(name, None)
            return
        parts.role_maps[name] = before
        for each in checked:
            each.factory.roles = before

    return Step(f"roles of {name}", bind, back)


def _ended(parts: Parts, deployed: Deployed) -> Step:
    def end() -> None:
        parts.activations.remove(deployed)
        deployed.activation.deactivate(END_TIMEOUT)

    def again() -> None:
        # An activation that has ended can't begin again: another one of the same handler takes its place.
        start_activation(
            parts, deployed.application, deployed.planned, activate=parts.activate, resource=deployed.resource
        )

    return Step(f"end of activation {deployed.activation.name}", end, again)


def _begun(parts: Parts, application: str, handler: deployment.PlannedHandler, *, may_fail: bool) -> Step:
    begun: list[Deployed] = []

    def begin() -> None:
        deployed = start_activation(parts, application, handler, activate=parts.activate)
        failure = deployed.activation.failure
        if failure is not None and not may_fail:
            parts.activations.remove(deployed)
            deployed.activation.deactivate(END_TIMEOUT)
            raise DeploymentError(ACTIVATION_REFUSED, activation=deployed.activation.name, failure=failure)
        begun.append(deployed)

    def end() -> None:
        parts.activations.remove(begun[0])
        begun[0].activation.deactivate(END_TIMEOUT)

    return Step(f"activation {application}:{handler.activation}", begin, end)
