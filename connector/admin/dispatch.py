"""One request of the admin endpoint from its plain data to its answer: login, role, operation, audit. No sockets."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, final

from connector.admin.access import LOGIN_NEEDED, Access, check_access, needs_login
from connector.admin.arguments import Arguments
from connector.admin.audit_record import admin_event, claimed_caller
from connector.admin.failure import Failure
from connector.admin.operations import Login, Operation, Request, Target, operation_named
from connector.admin.wire import VERSION
from connector.errors import AuthenticationFailed, ConfigError, ConnectorError, Reason
from connector.spi import AuditLog

log = logging.getLogger("connector.admin")

VERSION_FOREIGN = Reason(
    "CF-ADM-032",
    "the request is of protocol version {found}, this container speaks {known}.",
    "Use the `connector` command of the same version as the container.",
)


@final
class Dispatcher:
    """Carries out requests on one running container. Immutable, safe to use from any thread.

    Args:
        target: The container with its stores.
        audit: Where each request is recorded: allowed, denied or failed (OPS-2).
    """

    def __init__(self, target: Target, audit: AuditLog) -> None:
        self._target = target
        self._audit = audit

    def answer(
        self,
        plain: Mapping[str, Any],
        *,
        uid: int | None,
        abandoned: Callable[[], bool],
        peer: str | None = None,
    ) -> dict[str, Any]:
        """Carry out one request; blocks for as long as its operation takes. Never raises an Exception.

        Args:
            plain: The request, as wire.py describes it.
            uid: The user id of the process that asks, for the audit log.
            abandoned: Whether nobody waits for the answer any more.
            peer: Where a request came from over the network, for the audit log; it then needs a login whatever it asks
                for. None for the local socket.

        Returns:
            The response, as wire.py describes it.
        """
        who = f"uid {uid}" if peer is None else peer
        notes: dict[str, Any] = {} if peer is None else {"peer": peer}
        operation: Operation | None = None
        arguments = Arguments({})
        response: dict[str, Any]
        raised: Exception | None = None
        try:
            operation, arguments, login = _parse(plain)
            who = claimed_caller(operation, login, uid) if peer is None or login is not None else peer
            caller, roles = self._identify(operation, login, remote=peer is not None)
            who = caller or who
            if caller is not None:
                notes["roles"] = sorted(roles)
            require = partial(self._require, operation.name, caller, roles)
            require(operation.access)
            request = Request(arguments, login, abandoned, require, notes)
            response = {"result": operation.run(self._target, request)}
            reason = f"access {operation.access.value}"
        except Exception as error:  # noqa: BLE001 - whatever an operation raises, the endpoint lives on and answers
            raised, failure = error, Failure.of(error)
            response, reason = {"error": failure.to_dict()}, failure.code
            if not isinstance(error, ConnectorError):
                log.error("an administrative operation failed with %s", type(error).__name__)
        container = self._target.container.name
        event = admin_event(operation, arguments, who=who, uid=uid, container=container, error=raised, reason=reason)
        self._audit.record(replace(event, details={**event.details, **notes}))
        return response

    def _identify(
        self, operation: Operation, login: Login | None, *, remote: bool
    ) -> tuple[str | None, frozenset[str]]:
        """Check the login; answers the authenticated caller with its admin roles, or None where none is needed.

        Raises AuthenticationFailed, from the network without a login as well.
        """
        container = self._target.container
        caller: str | None = None
        roles: frozenset[str] = frozenset()
        if remote and login is None:
            raise AuthenticationFailed(LOGIN_NEEDED, operation=operation.name, container=container.name)
        if login is not None and (remote or needs_login(operation.access, security=container.security)):
            # Only looked at: the operation itself does not run as the administrator.
            with container.login(login.user, login.password) as scope:
                caller = str(scope.subject.caller)
                roles = container.admin_roles_of(scope.subject)
        return caller, roles

    def _require(self, operation: str, caller: str | None, roles: frozenset[str], access: Access) -> None:
        """Let the caller pass, or raise."""
        container = self._target.container
        check_access(
            operation, access, security=container.security, container=container.name, caller=caller, roles=roles
        )


def _parse(plain: Mapping[str, Any]) -> tuple[Operation, Arguments, Login | None]:
    if plain.get("version") != VERSION:
        raise ConfigError(VERSION_FOREIGN, found=str(plain.get("version"))[:20], known=VERSION)
    operation = operation_named(str(plain.get("operation")))
    given, login = plain.get("arguments"), plain.get("login")
    arguments = Arguments(given if isinstance(given, Mapping) else {})
    if not isinstance(login, Mapping):
        return operation, arguments, None
    fields = Arguments(login)
    return operation, arguments, Login(fields.text("user"), fields.password("password"))
