"""Connections as an operator sees them: how they come about, tests, pools, authentication data (SIGN-8, POOL-6)."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

from connector.container.auth_data_updates import AuthDataUpdates
from connector.container.pool_operations import OperatedPool, operated_pool
from connector.container.surface.names import Names
from connector.errors import SecurityError
from connector.outbound.test_connection import TestResult, test_connection
from connector.security.login_outcome import ModuleResult
from connector.spi import AuthenticationDataStore, Explanation, Secret


class Connections(Names):
    """How connections come about, and what there is of them."""

    _auth_data_updates: AuthDataUpdates

    def explain(
        self, reference: str, *, caller: str | None = None, suppose: Mapping[str, ModuleResult] | None = None
    ) -> Explanation:
        """How a reference's sign-on comes about for a caller; does not connect, shows no secret (SIGN-8).

        Args:
            reference: `application:reference`, or the global name of a resource.
            caller: A user of the application's realm; None for no identity.
            suppose: What login modules, by name, are to have answered without being asked.

        Blocks as long as the login modules do. A refusal is explained, not raised; raises NameNotFound,
        AuthenticationFailed for a caller that the realm doesn't know, and ConfigError for a supposed module that the
        reference's login configuration does not have.
        """
        manager = self._manager(reference)
        try:
            return manager.explain(caller=self._door(reference).caller(caller, None), suppose=suppose)
        except SecurityError as error:
            if isinstance(error.explanation, Explanation):
                return error.explanation
            raise

    def test_connection(
        self, reference: str, *, caller: str | None = None, password: Secret | None = None
    ) -> TestResult:
        """Sign on and connect for real, on a physical connection of its own that is closed again (POOL-6).

        Re-reads the authentication data first (AUTHD-3). Blocks for the time that connecting takes.

        Args:
            reference: `application:reference`, or the global name of a resource.
            caller: A user of the application's realm; None for no identity.
            password: The caller's; without it the caller is asserted, as an operator may.

        Raises:
            NameNotFound: no such reference.
            AuthDataError: the authentication data can't be read.
            AuthenticationFailed: the realm doesn't know the caller, or the password is wrong.
            SignOnError, LoginRefused, ConnectionFailed: what the application would get, each by its own code.
        """
        self.update_auth_data()
        manager = self._manager(reference)
        door = self._door(reference)
        subject = door.caller(caller, password)
        if subject is None:
            return test_connection(manager)
        with door.run_as(subject, origin=f"test connection as {caller}"):
            return test_connection(manager)

    @property
    def auth_data_store(self) -> AuthenticationDataStore:
        """The store of the authentication data, to administer it; `update_auth_data` puts a change in force."""
        return self._parts.auth_data.store

    def update_auth_data(self) -> frozenset[str]:
        """Re-read the authentication data; answers the changed aliases (AUTHD-3).

        Connections signed on with superseded credentials are retired, failed activations are tried again. Blocks for
        the store, for closing free connections and for the activations. When the store can't be read the last good
        data stay in force and AuthDataError is raised.
        """
        return self._auth_data_updates.update()

    def bus_connection(
        self, bus: str, user: str | None = None, password: Secret | None = None
    ) -> AbstractContextManager[Any]:
        """A connection to a bus for an operator: signed on as the user given, or as nobody; no alias steps in.

        Raises NameNotFound where no bus of that name is configured, LoginRefused and AccessDenied as the bus does.
        """
        from connector.container.operator_access import operator_factory  # not needed for a start

        connection: AbstractContextManager[Any] = operator_factory(self._parts, bus).get_connection(user, password)
        return connection

    def pool(self, reference: str) -> OperatedPool:
        """The pools of a resource, to look at and to operate (POOL-6). Does not block, does not connect.

        Args:
            reference: `application:reference`, or the global name of a resource.

        Raises NameNotFound.
        """
        return operated_pool(self._parts, reference)

    def pools(self) -> tuple[OperatedPool, ...]:
        """The pools of all resources of this instant, in the order of the configuration. Does not block."""
        return tuple(operated_pool(self._parts, name) for name in list(self._parts.resources))
