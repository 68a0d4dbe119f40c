"""Carries administrative operations out in the container's own process, and records them (BUS-12, OPS-2)."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, final

from connector.admin.access import Access, check_access
from connector.admin.arguments import Arguments
from connector.admin.audit_record import admin_event
from connector.admin.failure import Failure
from connector.admin.operations import Operation, Request, Stores, Target, operation_named
from connector.spi import UnauthenticatedPrincipal

if TYPE_CHECKING:
    from connector.container.container import Container

_Opened = TypeVar("_Opened")


@final
class Operator:
    """The operations of the admin endpoint, called instead of sent. Safe to use from any thread.

    Args:
        container: The container.
        ask_roles: Whether the caller needs the admin role that the operation asks for, as at the endpoint.
    """

    def __init__(self, container: Container, *, ask_roles: bool) -> None:
        self._container = container
        self._ask_roles = ask_roles
        self._target = Target(_stores(container), container)

    def call(self, operation: str, **arguments: Any) -> Any:
        """Carry one out; answers plain data. Blocks for as long as it takes, and raises what it raises.

        The audit log says who: the caller of the running scope, or else the user of the process.
        """
        wanted, given = operation_named(operation), Arguments(arguments)
        caller, roles = self._caller()
        notes: dict[str, Any] = {} if caller is None else {"roles": sorted(roles)}
        require = partial(self._require, wanted, caller, roles)
        request = Request(given, require=require, notes=notes)
        try:
            require(wanted.access)
            result = wanted.run(self._target, request)
        except Exception as error:
            self._record(wanted, given, caller, notes, error, Failure.of(error).code)
            raise
        self._record(
            wanted, given, caller, notes, None, f"access {wanted.access.value}" if self._ask_roles else "Python"
        )
        return result

    def _caller(self) -> tuple[str | None, frozenset[str]]:
        subject = self._container.current_subject()
        caller = None if subject is None else subject.caller
        if caller is None or isinstance(caller, UnauthenticatedPrincipal):
            return None, frozenset()
        return str(caller), self._container.admin_roles_of(subject)

    def _require(self, operation: Operation, caller: str | None, roles: frozenset[str], access: Access) -> None:
        if self._ask_roles:
            container = self._container
            security = container.security
            check_access(
                operation.name, access, security=security, container=container.name, caller=caller, roles=roles
            )

    def _record(
        self,
        operation: Operation,
        arguments: Arguments,
        caller: str | None,
        notes: dict[str, Any],
        error: Exception | None,
        reason: str,
    ) -> None:
        uid = os.geteuid()
        who, name = caller or f"uid {uid}", self._container.name
        event = admin_event(operation, arguments, who=who, uid=uid, container=name, error=error, reason=reason)
        self._container.audit.record(replace(event, details={**event.details, **notes}))


def _stores(container: Container) -> Stores:
    """The container's stores, opened when an operation needs them: most don't."""
    from connector.admin.profile import load_profile

    def of_profile(opened: Callable[[Stores], _Opened]) -> Callable[[], _Opened]:
        return lambda: opened(load_profile(container.configuration_path, container.overrides).stores)

    return Stores(
        container.realm,
        of_profile(lambda stores: stores.open_registry()),
        lambda: container.auth_data_store,
    )
