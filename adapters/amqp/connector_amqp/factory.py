"""The managed connection factory, and the connection factory that a look-up returns."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable, Coroutine
from typing import Any, final

from connector.spi import (
    AsyncManagedConnection,
    Capability,
    ConnectionManager,
    ConnectionRequestInfo,
    Explanation,
    ManagedConnectionFactory,
    PasswordCredential,
    Secret,
    Subject,
)
from connector_amqp.async_connection import AsyncAmqpConnection
from connector_amqp.async_managed import AsyncAmqpManagedConnection
from connector_amqp.connection import AmqpConnection
from connector_amqp.dialling import dial
from connector_amqp.loop import LoopThread
from connector_amqp.managed import AmqpManagedConnection
from connector_amqp.redirects import alternatives_of
from connector_amqp.settings import Broker, Endpoint
from connector_amqp.under_way import DeliveriesUnderWay
from connector_amqp.wire import Wire

_LOG = logging.getLogger("connector_amqp")


@final
class Dialler:
    """Opens connections to brokers for whoever asks. Safe to use from any thread.

    Args:
        loop: The adapter's thread.
        container: The container's name, by which brokers know us.
        tls: The client's TLS context in force, by the configuration's name; asked for each connection.

    Attributes:
        loop: See above.
        deliveries: The transacted deliveries under way.
    """

    def __init__(self, loop: LoopThread, container: str, tls: Callable[[str], ssl.SSLContext]) -> None:
        self.loop = loop
        self.deliveries = DeliveriesUnderWay()
        self._container = container
        self._tls = tls
        # Mutable state: whose passwords were warned of already.
        self._warned: set[str] = set()
        # And on the loop only: where else brokers have said that they are served, by resource.
        self._alternatives: dict[str, tuple[Endpoint, ...]] = {}
        # And all connections that were not lost yet; who has one may have no more chance to close it.
        self._wires: set[Wire] = set()
        loop.at_end = self._abort_all

    def open(self, broker: Broker, credential: PasswordCredential | None, *, by_certificate: bool) -> Wire:
        """An opened connection, signed on. Blocks for connecting.

        Args:
            broker: Where.
            credential: User and password; None for nobody.
            by_certificate: Whether nobody may be whom the certificate says.

        Raises what `dial` raises, and what the TLS configuration raises.
        """
        context = None if broker.tls is None else self._tls(broker.tls)
        dialling = self._dialled(broker, credential, context, by_certificate=by_certificate)
        return self.loop.run(dialling, lambda wire: wire.abort("nobody waits for it any more"))

    async def open_async(self, broker: Broker, credential: PasswordCredential | None, *, by_certificate: bool) -> Wire:
        """The same for a task of another loop; waits instead of blocking."""
        context = None if broker.tls is None else await asyncio.to_thread(self._tls, broker.tls)
        dialling = self._dialled(broker, credential, context, by_certificate=by_certificate)
        return await self.loop.awaited(dialling, lambda wire: wire.abort("nobody waits for it any more"))

    def _dialled(
        self,
        broker: Broker,
        credential: PasswordCredential | None,
        context: ssl.SSLContext | None,
        *,
        by_certificate: bool,
    ) -> Coroutine[Any, Any, Wire]:
        if context is None and credential is not None and broker.resource not in self._warned:
            self._warned.add(broker.resource)
            if broker.allow_plain_passwords:
                _LOG.warning("%s sends passwords to %s in plain text", broker.resource, broker)
        external = by_certificate and broker.certificate_sign_on and credential is None
        return self.dial(broker, credential, external=external, tls=context)

    async def dial(
        self, broker: Broker, credential: PasswordCredential | None, *, external: bool, tls: ssl.SSLContext | None
    ) -> Wire:
        """The same on the loop, for a TLS context that is at hand."""
        wire = await dial(
            broker,
            credential,
            external=external,
            container_id=self._container,
            tls=tls,
            alternatives=self._alternatives.get(broker.resource, ()),
        )
        self._alternatives[broker.resource] = alternatives_of(wire.peer_properties, secured=tls is not None)
        self._wires.add(wire)
        wire.on_lost = lambda _error: self._wires.discard(wire)
        return wire

    def _abort_all(self) -> None:
        for wire in list(self._wires):
            wire.abort("the adapter has been stopped")


@final
class AmqpManagedConnectionFactory(ManagedConnectionFactory):
    """Makes connections to one broker. Safe to use from any thread."""

    def __init__(self, broker: Broker, dialler: Dialler) -> None:
        self._broker = broker
        self._dialler = dialler

    def effective_capabilities(self, declared: frozenset[Capability]) -> frozenset[Capability]:
        """Units of work where the resource wants them: not every broker has transactions."""
        return declared if self._broker.transactions else declared - {Capability.LOCAL_TRANSACTION}

    def create_connection_factory(self, manager: ConnectionManager) -> AmqpConnectionFactory:
        """What a look-up of one reference returns."""
        return AmqpConnectionFactory(manager)

    def create_managed_connection(
        self, subject: Subject | None, request: ConnectionRequestInfo | None
    ) -> AmqpManagedConnection:
        """Connect and sign on with the subject's credential for this factory.

        A null subject without one is whom the certificate says, where the resource signs on by certificate; else, like
        an empty one, nobody (ANONYMOUS). Blocks for connecting.

        Raises what `dial` raises.
        """
        credential, by_certificate = self._signing_on(subject)
        wire = self._dialler.open(self._broker, credential, by_certificate=by_certificate)
        user = None if credential is None else credential.user
        return AmqpManagedConnection(self._dialler.loop, self._broker, wire, user, self._dialler.deliveries)

    async def create_managed_connection_async(
        self, subject: Subject | None, request: ConnectionRequestInfo | None
    ) -> AsyncManagedConnection:
        """The same for the tasks of the running event loop; waits instead of blocking."""
        credential, by_certificate = self._signing_on(subject)
        wire = await self._dialler.open_async(self._broker, credential, by_certificate=by_certificate)
        user = None if credential is None else credential.user
        return AsyncAmqpManagedConnection(self._dialler.loop, self._broker, wire, user)

    def _signing_on(self, subject: Subject | None) -> tuple[PasswordCredential | None, bool]:
        """User and password, and whether nobody may be whom the certificate says."""
        credential = None if subject is None else subject.password_credential(self)
        return credential, subject is None or not subject.is_empty

    def __repr__(self) -> str:
        return f"<AmqpManagedConnectionFactory {self._broker.resource} to {self._broker}>"


@final
class AmqpConnectionFactory:
    """Gives connections to a broker, signed on as its reference says. Safe to use from any thread."""

    def __init__(self, manager: ConnectionManager) -> None:
        self._manager = manager

    def get_connection(self, user: str | None = None, password: Secret | str | None = None) -> AmqpConnection:
        """Borrow a connection; close it or use it in a `with` block.

        Blocks for up to the pool's connection timeout, plus connecting. User and password count with
        `res_auth = "Application"` only. Raises SignOnError, LoginRefused, ConnectionFailed, AccessDenied, PoolTimeout,
        PoolClosed, ScopeError.
        """
        # Under the same name: from here on no frame of ours holds the plain text.
        password = Secret(password) if isinstance(password, str) else password
        return AmqpConnection(self._manager.allocate(_request_of(user, password)))

    def get_async_connection(
        self, user: str | None = None, password: Secret | str | None = None
    ) -> AsyncAmqpConnection:
        """Borrow a connection for the running task's caller; use it in an `async with` block, where it signs on.

        The same as `get_connection`, awaited (POOL-7). Does not block; beginning the block waits, and raises what
        `get_connection` raises. Connections for asyncio are in no unit of work: within one, a resource with
        `transactions` refuses them (CF-OUT-021).
        """
        password = Secret(password) if isinstance(password, str) else password
        return AsyncAmqpConnection(self._manager, _request_of(user, password))

    def explain(self, caller: Any = None) -> Explanation:
        """Where the sign-on for a caller comes from, step by step, without connecting (SIGN-8)."""
        return self._manager.explain(caller=caller)

    def __repr__(self) -> str:
        return f"<AmqpConnectionFactory {self._manager.reference}>"


def _request_of(user: str | None, password: Secret | None) -> ConnectionRequestInfo | None:
    return None if user is None and password is None else ConnectionRequestInfo(user, password)
