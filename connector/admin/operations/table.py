"""Which operations there are, and what each asks of its caller (CONF-4, CONF-7)."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, final

from connector.admin.access import Access
from connector.admin.operations import (
    activations,
    bus_exceptions,
    bus_itself,
    bus_links,
    bus_policy,
    bus_resources,
    bus_roles,
    bus_subscriptions,
    configuration,
    messages,
    pools,
    process,
    realms,
    show,
    signers,
    stores,
    transactions,
)
from connector.admin.operations.request import Request
from connector.admin.operations.target import Target
from connector.errors import NameNotFound, Reason

OPERATION_UNKNOWN = Reason(
    "CF-ADM-031",
    "there is no operation {name!r}{suggestion}.",
    "Use the `connector` command of the same version as the container.",
)


@final
@dataclass(frozen=True, slots=True)
class Operation:
    """One operation.

    Attributes:
        name: How requests call it.
        access: What it asks of its caller.
        run: Carries it out and answers plain data for JSON, without secrets. May block. Raises ConnectorError.
        resource: The names of the arguments that say on what; they go to the audit log.
        handlers: Whether a container that is opened for it has to deliver to its handlers meanwhile.
        offline: Whether it works on the stores alone, so that no container need be opened for it: then whoever owns
            the files may (CONF-7).
        running: Whether it has a meaning on a running container only: what it is about does not outlive the process.
    """

    name: str
    access: Access
    run: Callable[[Target, Request], Any]
    resource: tuple[str, ...] = ()
    offline: bool = False
    handlers: bool = False
    running: bool = False


_PLACE = ("bus", "kind", "name", "topic")
_ROLE = (*_PLACE, "role", "holder")
_HOLDER = ("bus", "holder")
_RESOURCE = ("bus", "kind", "name")
_MEDIATION = ("bus", "name", "handler")
_FACTORY = ("reference", "destination")
_EXCEPTIONS = ("bus", "destination")
_CHAIN = ("bus", "chain")
_SUBSCRIPTION = ("bus", "subscription")

_ALL = (
    Operation("status", Access.MONITOR, show.status),
    Operation("stop", Access.OPERATOR, process.stop, running=True),
    Operation("explain", Access.MONITOR, show.explain, ("reference", "caller")),
    Operation("plugins", Access.MONITOR, show.plugins),
    Operation("findings", Access.MONITOR, show.findings),
    Operation("lookup", Access.AUTHENTICATED, show.lookup, ("reference",)),
    Operation("test-connection", Access.OPERATOR, show.test_connection, ("reference", "caller")),
    Operation("pool.show", Access.MONITOR, pools.show_pools, ("reference",), running=True),
    Operation("pool.purge", Access.OPERATOR, pools.purge_pool, pools.PURGED, running=True),
    Operation("pool.resize", Access.OPERATOR, pools.resize_pool, pools.RESIZED, running=True),
    Operation("pool.suspend", Access.OPERATOR, pools.suspend_pool, ("reference",), running=True),
    Operation("pool.resume", Access.OPERATOR, pools.resume_pool, ("reference",), running=True),
    Operation("config.get", Access.MONITOR, configuration.get, ("key",), offline=True),
    Operation("config.set", Access.CONFIGURATOR, configuration.set_keys, offline=True),
    Operation("config.unset", Access.CONFIGURATOR, configuration.unset_keys, ("keys",), offline=True),
    Operation("config.reload", Access.CONFIGURATOR, configuration.reload, running=True),
    Operation("transactions.list", Access.MONITOR, transactions.list_transactions),
    Operation("transactions.recover", Access.OPERATOR, transactions.recover_transactions),
    Operation("transactions.commit", Access.OPERATOR, transactions.commit_transaction, ("unit",)),
    Operation("transactions.rollback", Access.OPERATOR, transactions.rollback_transaction, ("unit",)),
    Operation("transactions.forget", Access.OPERATOR, transactions.forget_transaction, ("unit",)),
    Operation("activations.list", Access.MONITOR, activations.list_activations, running=True),
    Operation("activations.pause", Access.OPERATOR, activations.pause_activation, ("activation",), running=True),
    Operation("activations.resume", Access.OPERATOR, activations.resume_activation, ("activation",), running=True),
    Operation("activations.retry", Access.OPERATOR, activations.retry_activation, ("activation",), running=True),
    Operation("auth-data.refresh", Access.OPERATOR, stores.refresh_auth_data, offline=True),
    Operation("auth-data.list", Access.MONITOR, stores.list_auth_data, offline=True),
    Operation("auth-data.set", Access.ADMINISTRATOR, stores.set_auth_data, ("alias",), offline=True),
    Operation("auth-data.remove", Access.ADMINISTRATOR, stores.remove_auth_data, ("alias",), offline=True),
    Operation("auth-data.rotate-key", Access.ADMINISTRATOR, stores.rotate_key, offline=True),
    Operation("auth-data.init-key", Access.ADMINISTRATOR, stores.init_key, offline=True),
    Operation("users.list", Access.MONITOR, stores.list_users, offline=True),
    Operation("users.add", Access.ADMINISTRATOR, stores.add_user, ("user",), offline=True),
    Operation("users.remove", Access.ADMINISTRATOR, stores.remove_user, ("user",), offline=True),
    Operation("users.passwd", Access.ADMINISTRATOR, stores.set_password, ("user",), offline=True),
    Operation("users.groups", Access.ADMINISTRATOR, stores.set_groups, ("user",), offline=True),
    Operation("users.refresh", Access.OPERATOR, realms.refresh_users, ("user", "realm"), running=True),
    Operation("realms.list", Access.MONITOR, realms.list_realms),
    Operation("realms.maps", Access.MONITOR, realms.list_maps),
    Operation("realms.explain", Access.MONITOR, realms.explain_caller, ("caller", "realm")),
    Operation("signers.list", Access.MONITOR, signers.list_signers, ("tls",), offline=True),
    Operation("signers.export", Access.MONITOR, signers.export_certificate, ("tls",), offline=True),
    Operation("signers.add", Access.ADMINISTRATOR, signers.add_signers, ("tls",), offline=True),
    Operation("signers.remove", Access.ADMINISTRATOR, signers.remove_signer, ("tls", "fingerprint"), offline=True),
    Operation("bus.roles.list", Access.MONITOR, bus_roles.list_roles, ("bus", "holder"), offline=True),
    Operation("bus.roles.add", Access.CONFIGURATOR, bus_roles.add_role, _ROLE, offline=True),
    Operation("bus.roles.remove", Access.CONFIGURATOR, bus_roles.remove_role, _ROLE, offline=True),
    Operation("bus.roles.remove-from-all", Access.CONFIGURATOR, bus_roles.remove_from_all, _HOLDER, offline=True),
    Operation("bus.roles.populate", Access.CONFIGURATOR, bus_roles.populate_unique_names, ("bus",), offline=True),
    Operation("bus.roles.clear", Access.CONFIGURATOR, bus_roles.clear_roles, _PLACE, offline=True),
    Operation("bus.inherit.show", Access.MONITOR, bus_roles.show_inheritance, _PLACE, offline=True),
    Operation("bus.inherit", Access.CONFIGURATOR, bus_roles.set_inheritance, _PLACE, offline=True),
    Operation("bus.resources.list", Access.MONITOR, bus_resources.list_resources, ("bus", "kind"), offline=True),
    Operation("bus.resources.show", Access.MONITOR, bus_resources.show_resource, _RESOURCE, offline=True),
    Operation("bus.resources.add", Access.CONFIGURATOR, bus_resources.add_resource, _RESOURCE, offline=True),
    Operation("bus.resources.remove", Access.CONFIGURATOR, bus_resources.remove_resource, _RESOURCE, offline=True),
    Operation("bus.list", Access.MONITOR, bus_itself.list_buses, offline=True),
    Operation("bus.add", Access.CONFIGURATOR, bus_itself.add_bus, ("bus",), offline=True),
    Operation("bus.remove", Access.CONFIGURATOR, bus_itself.remove_bus, ("bus",), offline=True),
    Operation("bus.chains.list", Access.MONITOR, bus_itself.list_chains, ("bus",), offline=True),
    Operation("bus.chains.permit", Access.CONFIGURATOR, bus_itself.permit_chain, _CHAIN, offline=True),
    Operation("bus.chains.forbid", Access.CONFIGURATOR, bus_itself.forbid_chain, _CHAIN, offline=True),
    Operation("bus.topics.list", Access.MONITOR, bus_resources.list_topics, ("bus", "name"), offline=True),
    Operation("bus.mediations.list", Access.MONITOR, bus_resources.list_mediations, ("bus", "name"), offline=True),
    Operation("bus.mediations.add", Access.CONFIGURATOR, bus_resources.add_mediation, _MEDIATION, offline=True),
    Operation("bus.mediations.remove", Access.CONFIGURATOR, bus_resources.remove_mediation, _MEDIATION, offline=True),
    Operation("bus.exceptions.list", Access.OPERATOR, bus_exceptions.list_exceptions, _EXCEPTIONS),
    Operation("bus.exceptions.show", Access.OPERATOR, bus_exceptions.show_exception, (*_EXCEPTIONS, "message")),
    Operation("bus.exceptions.replay", Access.OPERATOR, bus_exceptions.replay, (*_EXCEPTIONS, "messages", "to")),
    Operation("bus.exceptions.discard", Access.OPERATOR, bus_exceptions.discard, (*_EXCEPTIONS, "messages")),
    Operation("bus.show", Access.MONITOR, bus_policy.show, ("bus",)),
    Operation("bus.explain", Access.MONITOR, bus_policy.explain, ("bus", "role", "user", "destination")),
    Operation("bus.diff", Access.MONITOR, bus_policy.diff, ("bus", "role", "destination")),
    Operation("bus.links.list", Access.MONITOR, bus_links.list_links, ("bus",)),
    Operation("bus.links.show", Access.MONITOR, bus_links.show_link, ("bus", "link")),
    Operation("bus.links.start", Access.OPERATOR, bus_links.start_link, ("bus", "link")),
    Operation("bus.links.stop", Access.OPERATOR, bus_links.stop_link, ("bus", "link")),
    Operation("bus.links.route", Access.MONITOR, bus_links.show_route, ("bus", "destination", "user")),
    Operation("bus.subscriptions.list", Access.MONITOR, bus_subscriptions.list_subscriptions, ("bus", "destination")),
    Operation("bus.subscriptions.show", Access.MONITOR, bus_subscriptions.show_subscription, _SUBSCRIPTION),
    Operation("bus.subscriptions.delete", Access.OPERATOR, bus_subscriptions.delete_subscription, _SUBSCRIPTION),
    Operation("bus.send", Access.BUS, messages.send, ("bus", "destination")),
    Operation("bus.receive", Access.BUS, messages.receive, ("bus", "destination")),
    Operation("bus.browse", Access.BUS, messages.browse, ("bus", "destination")),
    Operation("bus.request", Access.BUS, messages.request, ("bus", "destination"), handlers=True),
    Operation("connection.send", Access.OPERATOR, messages.send, _FACTORY),
    Operation("connection.receive", Access.OPERATOR, messages.receive, _FACTORY),
    Operation("connection.browse", Access.OPERATOR, messages.browse, _FACTORY),
    Operation("connection.request", Access.OPERATOR, messages.request, _FACTORY, handlers=True),
)

#: All operations by name.
OPERATIONS: Mapping[str, Operation] = MappingProxyType({operation.name: operation for operation in _ALL})


def operation_named(name: str) -> Operation:
    """The operation of that name. Raises NameNotFound (CF-ADM-031) with the nearest one as a suggestion."""
    operation = OPERATIONS.get(name)
    if operation is None:
        near = difflib.get_close_matches(name, OPERATIONS, n=1)
        suggestion = f" (did you mean {near[0]!r}?)" if near else ""
        raise NameNotFound(OPERATION_UNKNOWN, name=name[:80], suggestion=suggestion)
    return operation
