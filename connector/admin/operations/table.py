"""Which operations there are, and what each asks of its caller (CONF-4, CONF-7)."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, final

from connector.admin.access import Access
from connector.admin.operations import activations, messages, pools, show, signers, stores
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


_ALL = (
    Operation("status", Access.MONITOR, show.status),
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
    Operation("signers.list", Access.MONITOR, signers.list_signers, ("tls",), offline=True),
    Operation("signers.export", Access.MONITOR, signers.export_certificate, ("tls",), offline=True),
    Operation("signers.add", Access.ADMINISTRATOR, signers.add_signers, ("tls",), offline=True),
    Operation("signers.remove", Access.ADMINISTRATOR, signers.remove_signer, ("tls", "fingerprint"), offline=True),
    Operation("bus.send", Access.BUS, messages.send, ("bus", "destination")),
    Operation("bus.receive", Access.BUS, messages.receive, ("bus", "destination")),
    Operation("bus.browse", Access.BUS, messages.browse, ("bus", "destination")),
    Operation("bus.request", Access.BUS, messages.request, ("bus", "destination"), handlers=True),
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
