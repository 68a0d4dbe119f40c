"""The backends by which the adapter `amqp` is certified."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from support_rabbitmq import LETTERS, RabbitMQ, password_of
from support_secrets import MARKER

from connector import Container, Secret
from connector.errors import MessagingError
from connector.security.file_registry import FileUserRegistry
from connector.spi import AsyncManagedConnection, ManagedConnection, Message, ResourceAdapter
from connector.testing import Backend, InboundBackend, Login
from connector.testing.backend import UserName
from connector.testing.requirement import Facet, InboundFacet
from connector_amqp import AmqpResourceAdapter
from connector_amqp.async_managed import AsyncAmqpManagedConnection
from connector_amqp.codec import encoded
from connector_amqp.managed import AmqpManagedConnection
from connector_amqp.wire import Wire

ENGINE = """
[container]
name = "kit-engine"
[realms.kit]
registry = "file"
path = "users.toml"
[buses.kit]
permitted_chains = "all"
[buses.kit.roles]
connector = ["AllAuthenticated"]
[buses.kit.destinations.letters]
max_redeliveries = 100
[buses.kit.destinations.replies]
[chains.InboundBasicMessaging]
port = 0
"""
LOGINS = tuple(Login(name, Secret(f"{MARKER}-{name}")) for name in ("alice", "bob", "server"))


@contextmanager
def engine(folder: Path) -> Iterator[Container]:
    """A container whose only bus is `kit`."""
    registry = FileUserRegistry("kit", folder / "users.toml")
    for login in LOGINS:
        registry.add_user(login.user, login.password, ())
    (folder / "connector.toml").write_text(ENGINE)
    with Container.open(folder / "connector.toml") as container:
        yield container


class BusOverTheWire(Backend):
    """A secured bus of another container, over the wire."""

    adapter = AmqpResourceAdapter
    lacks = {Facet.STATE: "a connection keeps nothing that another user of it could see"}

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = ExitStack()

    def open(self) -> None:
        container = self._stack.enter_context(engine(self._folder))
        adapter: Any = container._parts.adapters["bus"]
        self.listeners = adapter._listeners

    def close(self) -> None:
        self._stack.close()

    @property
    def properties(self) -> Mapping[str, Any]:
        port = self.listeners.ports()["InboundBasicMessaging"]
        return {"provider_endpoints": [f"127.0.0.1:{port}"], "allow_plain_passwords": True}

    @property
    def logins(self) -> tuple[Login, ...]:
        return LOGINS[:2]

    def unreachable(self) -> Mapping[str, Any]:
        return {**self.properties, "provider_endpoints": ["127.0.0.1:1"]}

    @contextmanager
    def borrowed(self, connections: Any) -> Iterator[Callable[[], UserName]]:
        with connections.get_connection() as connection:
            yield lambda: self.user_of(connection._lease.physical)

    def user_of(self, connection: ManagedConnection) -> UserName:
        assert isinstance(connection, AmqpManagedConnection)
        conversation = connection._conversation
        reply_to = connection._run(conversation.reply_queue, "a queue of its own")
        connection.send(reply_to, Message("who am I?"))
        identity = connection._run(conversation.next_reply, "the reply").identity
        return None if identity is None else identity.name

    @asynccontextmanager
    async def borrowed_async(self, connections: Any) -> AsyncIterator[Callable[[], Awaitable[UserName]]]:
        async with connections.get_async_connection() as connection:
            yield lambda: self.user_of_async(connection._physical())

    async def user_of_async(self, connection: AsyncManagedConnection) -> UserName:
        assert isinstance(connection, AsyncAmqpManagedConnection)
        conversation = connection._conversation
        reply_to = await connection._run(conversation.reply_queue, "a queue of its own")
        await connection.send(reply_to, Message("who am I?"))
        identity = (await connection._run(conversation.next_reply, "the reply")).identity
        return None if identity is None else identity.name

    async def kill_async(self, connection: AsyncManagedConnection) -> None:
        assert isinstance(connection, AsyncAmqpManagedConnection)
        await asyncio.to_thread(self._end, connection.wire)

    def relayed(self, relay: Callable[[str, int], int]) -> Mapping[str, Any]:
        port = self.listeners.ports()["InboundBasicMessaging"]
        return {**self.properties, "provider_endpoints": [f"127.0.0.1:{relay('127.0.0.1', port)}"]}

    def kill(self, connection: ManagedConnection) -> None:
        assert isinstance(connection, AmqpManagedConnection)
        self._end(connection.wire)

    def _end(self, wire: Wire) -> None:
        transport = wire._transport
        assert transport is not None
        own = transport.get_extra_info("sockname")

        async def abort() -> None:
            for protocol in list(self.listeners._clients):
                if protocol._outlet.transport.get_extra_info("peername") == own:
                    protocol.abort()

        self.listeners._call(abort(), 5)


class BusInboundOverTheWire(InboundBackend):
    """A queue of a secured bus of another container; emptied before each test."""

    adapter = AmqpResourceAdapter
    senders = LOGINS[:2]
    consumer = LOGINS[2]
    lacks = {
        InboundFacet.BURIAL: "the engine buries what is rejected, with a code of its own for the reason",
        InboundFacet.REPLIES: "a reply is sent as whom the activation is signed on as, not as the caller",
        InboundFacet.GROUPS: "where groups keep their order one message is out at a time",
    }

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = ExitStack()

    def open(self) -> None:
        self.container = self._stack.enter_context(engine(self._folder))
        adapter: Any = self.container._parts.adapters["bus"]
        self.bus = adapter._buses["kit"]
        self._port = adapter._listeners.ports()["InboundBasicMessaging"]

    def close(self) -> None:
        self._stack.close()

    @property
    def properties(self) -> Mapping[str, Any]:
        return {
            "provider_endpoints": [f"127.0.0.1:{self._port}"],
            "allow_plain_passwords": True,
            "destination": "letters",
            "transactions": True,
        }

    def empty(self) -> None:
        """Take away what a test has left."""
        with self._connection(LOGINS[0]) as connection:
            while connection.receive("letters", 0) is not None:
                pass

    def send(self, adapter: ResourceAdapter, message: Message, sender: Login) -> None:
        with self._connection(sender) as connection:
            connection.send("letters", message)

    def at_rest(self, adapter: ResourceAdapter) -> list[Any]:
        store = self.bus.engine.store
        found = [store.read(line.sequence) for line in store.index() if line.destination == "letters"]
        return [stored.message().body for stored in found if stored is not None]

    def _connection(self, login: Login) -> Any:
        return self.container.bus_connection("kit", login.user, login.password)


class RabbitMQBackend(Backend):
    """RabbitMQ, by its plugin for AMQP 1.0."""

    adapter = AmqpResourceAdapter
    lacks = {Facet.STATE: "a connection keeps nothing that another user of it could see"}

    def __init__(self, broker: RabbitMQ) -> None:
        self._broker = broker

    @property
    def properties(self) -> Mapping[str, Any]:
        return {"provider_endpoints": [f"127.0.0.1:{self._broker.port}"], "allow_plain_passwords": True}

    @property
    def logins(self) -> tuple[Login, ...]:
        return tuple(Login(name, Secret(password_of(name))) for name in ("alice", "bob"))

    def unreachable(self) -> Mapping[str, Any]:
        return {**self.properties, "provider_endpoints": ["127.0.0.1:1"]}

    @contextmanager
    def borrowed(self, connections: Any) -> Iterator[Callable[[], UserName]]:
        with connections.get_connection() as connection:
            yield lambda: self.user_of(connection._lease.physical)

    def user_of(self, connection: ManagedConnection) -> UserName:
        assert isinstance(connection, AmqpManagedConnection)
        """The broker refuses a message in somebody else's name, and says in whose it would not."""
        forged = encoded(Message("who am I?"), LETTERS, "nobody")
        try:
            connection._run(lambda: connection._conversation.send(LETTERS, forged), "a question")
        except MessagingError as refusal:
            return str(re.findall("authenticated user was '([^']*)'", str(refusal))[0])
        raise AssertionError("the broker believes any user-id")

    def kill(self, connection: ManagedConnection) -> None:
        assert isinstance(connection, AmqpManagedConnection)
        self._broker.kill(_port_of(connection.wire))

    @asynccontextmanager
    async def borrowed_async(self, connections: Any) -> AsyncIterator[Callable[[], Awaitable[UserName]]]:
        async with connections.get_async_connection() as connection:
            yield lambda: self.user_of_async(connection._physical())

    async def user_of_async(self, connection: AsyncManagedConnection) -> UserName:
        assert isinstance(connection, AsyncAmqpManagedConnection)
        forged = encoded(Message("who am I?"), LETTERS, "nobody")
        try:
            await connection._run(lambda: connection._conversation.send(LETTERS, forged), "a question")
        except MessagingError as refusal:
            return str(re.findall("authenticated user was '([^']*)'", str(refusal))[0])
        raise AssertionError("the broker believes any user-id")

    async def kill_async(self, connection: AsyncManagedConnection) -> None:
        assert isinstance(connection, AsyncAmqpManagedConnection)
        await asyncio.to_thread(self._broker.kill, _port_of(connection.wire))

    def relayed(self, relay: Callable[[str, int], int]) -> Mapping[str, Any]:
        return {**self.properties, "provider_endpoints": [f"127.0.0.1:{relay('127.0.0.1', self._broker.port)}"]}


def _port_of(wire: Wire) -> int:
    transport = wire._transport
    assert transport is not None
    port: int = transport.get_extra_info("sockname")[1]
    return port
