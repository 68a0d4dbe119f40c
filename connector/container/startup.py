"""Starting a container: everything in order, each step with its reverse, nothing half started (CONF-1).

Order: state folder, audit, realm, authentication data, transactions, work manager, adapters, resources, applications,
activations. Each step puts its reverse on one exit stack; when a step raises, what was started is stopped in reverse
order and the error goes on. Stopping is the same stack unwound.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from connector.container import login_configurations
from connector.container.adapter_life import start_adapter, stop_adapter, stop_quietly
from connector.container.applications import make_application, make_references
from connector.container.auth_data_store import make_store
from connector.container.configuration.placing import placed
from connector.container.labels import label_of
from connector.container.login_door import LoginDoor
from connector.container.login_options import mistakes_in_options
from connector.container.naming import Application, direct_references
from connector.container.observed import observed_by
from connector.container.parts import Parts
from connector.container.plugins.hooks import HookCaller
from connector.container.realms import open_realms
from connector.container.recovery import start_recovery
from connector.container.resources import ReferenceBinder, Resource, fill, make_resource
from connector.container.state import StateFolder
from connector.container.stop_deadline import AFTER_WORKS
from connector.container.tls_service import ContainerTls
from connector.errors import ConfigError
from connector.pool.housekeeper import Housekeeper
from connector.security.audit import FileAuditLog
from connector.security.authdata import AuthDataService
from connector.signon.resolver import SignOnResolver
from connector.spi import TransactionContext
from connector.transactions.service import Transactions
from connector.work.contexts import STANDARD_KINDS, ContextKind
from connector.work.event_loop import EventLoopThread
from connector.work.manager import ContainerWorkManager

if TYPE_CHECKING:
    pass

log = logging.getLogger("connector.container")


def start(parts: Parts, *, activate: bool = True) -> None:
    """Start everything, in order; without `activate` no handler gets messages.

    Raises what the first failing step raises; the caller unwinds the stack.
    """
    parts.activate = activate
    _open_state(parts)
    _open_security(parts)
    _open_work(parts)
    _start_adapters(parts)
    _make_resources(parts)
    start_recovery(parts, look=activate)
    _make_applications(parts)
    parts.stack.callback(_end_activations, parts)
    if parts.configuration.applications:
        from connector.container.handlers import deploy_handlers  # its rooms are not needed for a start without any

        deploy_handlers(parts, activate=activate)
    # Before they hear of the start: what one of them has begun there ends even if another one is interrupted.
    parts.stack.callback(parts.hooks.container_stopping)
    parts.hooks.container_started(lambda plugin: observed_by(plugin, parts))


def _open_state(parts: Parts) -> None:
    parts.label = parts.stack.enter_context(label_of(parts.configuration.container.name))
    parts.state = StateFolder(parts.configuration.container.state)
    parts.state.acquire()
    parts.stack.callback(parts.state.release)
    parts.hooks = HookCaller(parts.catalogue, parts.configuration.container.name)
    parts.audit = FileAuditLog(parts.state.folder / "audit.log", parts.clock, parts.hooks.audit_event)
    parts.stack.callback(parts.audit.close)


def _open_security(parts: Parts) -> None:
    configuration = parts.configuration
    core = configuration.container
    if not core.security:
        log.warning(
            "administrative security is off: bus security and role checks have no effect, commands need no login "
            "(CONF-4); set `security = true` in [container]"
        )
    parts.realms = open_realms(configuration, parts.catalogue, parts.audit, parts.clock, parts.stack)
    parts.identity = parts.realms[core.realm]
    parts.auth_data = AuthDataService(make_store(configuration, parts.catalogue), parts.audit)
    parts.tls = ContainerTls(configuration.tls)
    parts.logins = login_configurations.build(configuration.login, parts.catalogue)
    mistakes = mistakes_in_options(parts.logins, configuration.login)
    if mistakes:
        raise placed(ConfigError.of(mistakes), configuration)


def _open_work(parts: Parts) -> None:
    core = parts.configuration.container
    parts.transactions = Transactions(core.name, parts.state.folder / "transactions", parts.clock)
    parts.stack.callback(parts.transactions.close)
    parts.loop = EventLoopThread(f"connector-{core.name}-loop")
    parts.stack.callback(lambda: parts.loop.close(parts.stopping.left()))
    parts.work_manager = ContainerWorkManager(
        parts.identity,
        container=parts.label,
        realm=core.realm,
        limits=parts.configuration.work,
        clock=parts.clock,
        loop=parts.loop,
        context_kinds=(*STANDARD_KINDS, ContextKind(TransactionContext, parts.transactions.imported.around)),
    )
    parts.stack.callback(lambda: parts.work_manager.shutdown(parts.stopping.left(keep=AFTER_WORKS)))


def _start_adapters(parts: Parts) -> None:
    configuration = parts.configuration
    wanted = {resource.adapter for resource in configuration.resources.values()} | set(configuration.sections)
    parts.stack.callback(_stop_adapters, parts)
    for name in sorted(wanted):
        start_adapter(parts, name, configuration)


def _stop_adapters(parts: Parts) -> None:
    """Stop all adapters, the last one first: also those that came after the start."""
    for name in reversed(list(parts.adapters)):
        stop_adapter(parts, name)


def _end_activations(parts: Parts) -> None:
    if parts.activations:
        from connector.container.activations import end_activations  # its rooms are not needed where there are none

        end_activations(parts)


def _make_resources(parts: Parts) -> None:
    parts.stack.callback(_close_resources, parts)
    parts.housekeeper = Housekeeper(f"connector-{parts.configuration.container.name}-pools", parts.clock)
    parts.stack.callback(parts.housekeeper.close)
    for name, configured in parts.configuration.resources.items():
        if configured.kind != "connection-factory":
            continue
        descriptor = parts.catalogue.adapters[configured.adapter]
        resource = make_resource(
            name, configured, parts.adapters[configured.adapter], descriptor, parts.clock, parts.audit
        )
        parts.resources[name] = resource
    parts.resolver = SignOnResolver(parts.auth_data, parts.logins, parts.audit)
    parts.binder = ReferenceBinder(
        parts.resources,
        parts.resolver,
        parts.auth_data,
        parts.identity.assert_user,
        container=parts.label,
        transactions=parts.transactions,
    )
    door = LoginDoor(parts.identity, parts.label)
    parts.direct = Application("", direct_references(parts.resources), parts.binder.connect, door)
    _look_after_pools(parts)


def _look_after_pools(parts: Parts) -> None:
    for name, resource in parts.resources.items():
        look_after(parts, name, resource)


def look_after(parts: Parts, name: str, resource: Resource) -> None:
    """Have a resource's pools kept by the housekeeper, and filled where they are to be."""
    if resource.pool.settings.min_size:
        fill(resource, parts.direct.manager(name))
    parts.housekeeper.add(resource.pools)
    parts.housekeeper.start()


def _close_resources(parts: Parts) -> None:
    """Close all pools, then their factories: also those that came after the start."""
    for name, resource in reversed(list(parts.resources.items())):
        close_resource(name, resource)


def close_resource(name: str, resource: Resource) -> None:
    """Close a resource's pools, then its factory; raises nothing."""
    stop_quietly(f"pool of {name}", resource.pool.close)
    if resource.async_pools is not None:
        stop_quietly(f"asyncio pools of {name}", resource.async_pools.close)
    stop_quietly(f"factory of {name}", resource.factory.close)


def _make_applications(parts: Parts) -> None:
    for name, application in parts.configuration.applications.items():
        references = make_references(parts.configuration, application)
        parts.applications[name] = make_application(parts, application, references)
