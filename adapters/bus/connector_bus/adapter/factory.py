"""The managed connection factory, and the connection factory that a look-up returns."""

from __future__ import annotations

from typing import Any, final

from connector.spi import (
    ConnectionManager,
    ConnectionRequestInfo,
    Explanation,
    ManagedConnectionFactory,
    PasswordCredential,
    Secret,
    Subject,
)
from connector_bus.adapter.bus import Bus
from connector_bus.adapter.connection import BusConnection
from connector_bus.adapter.managed import BusManagedConnection


@final
class BusManagedConnectionFactory(ManagedConnectionFactory):
    """Makes connections to one bus in this process. Safe to use from any thread."""

    def __init__(self, resource: str, bus: Bus) -> None:
        self._resource = resource
        self._bus = bus

    def create_connection_factory(self, manager: ConnectionManager) -> BusConnectionFactory:
        """What a look-up of one reference returns."""
        return BusConnectionFactory(manager)

    def create_managed_connection(
        self, subject: Subject | None, request: ConnectionRequestInfo | None
    ) -> BusManagedConnection:
        """Sign on with the subject's credential for this factory; a null or empty subject is unauthenticated.

        Blocks for the registry. Raises SignOnError CF-BUS-010, LoginRefused CF-BUS-011, AccessDenied CF-BUS-012.
        """
        credential: PasswordCredential | None = None
        if subject is not None:
            credential = subject.password_credential(self)
        made = BusManagedConnection(self._bus, self._bus.sign_on.with_credential(credential))
        made.remember_user()
        return made

    def __repr__(self) -> str:
        return f"<BusManagedConnectionFactory {self._resource} of bus {self._bus.name}>"


@final
class BusConnectionFactory:
    """Gives connections to a bus, signed on as its reference says. Safe to use from any thread."""

    def __init__(self, manager: ConnectionManager) -> None:
        self._manager = manager

    def get_connection(self, user: str | None = None, password: Secret | str | None = None) -> BusConnection:
        """Borrow a connection; close it or use it in a `with` block.

        Blocks for up to the pool's connection timeout. User and password count with `res_auth = "Application"` only.
        Raises SignOnError, LoginRefused, AccessDenied CF-BUS-012 to -015, PoolTimeout, PoolClosed, ScopeError.
        """
        if user is None and password is None:
            return BusConnection(self._manager.allocate(), self._manager)
        secret = Secret(password) if isinstance(password, str) else password
        return BusConnection(self._manager.allocate(ConnectionRequestInfo(user, secret)), self._manager)

    def explain(self, caller: Any = None) -> Explanation:
        """Where the sign-on for a caller comes from, step by step, without connecting (SIGN-8)."""
        return self._manager.explain(caller=caller)

    def __repr__(self) -> str:
        return f"<BusConnectionFactory {self._manager.reference}>"
