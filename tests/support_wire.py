"""A container with a bus on the wire, and clients of another make: python-qpid-proton's own."""

from __future__ import annotations

import importlib.util
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from support_servers import missing

from connector import Container, Secret
from connector.security.file_registry import FileUserRegistry

CONFIGURATION = """
[container]
name = "weather"
[realms.weather]
registry = "file"
path = "users.toml"
[admin]
administrator = ["user:admin"]
[buses.weather]
security = true
permitted_chains = PERMITTED
[buses.weather.roles]
connector = CONNECTORS
[buses.weather.destinations.requests]
type = "queue"
max_redeliveries = 1
[buses.weather.destinations.private]
type = "queue"
inherit_defaults = false
roles = { sender = ["user:alice"], receiver = ["user:bob"], browser = ["user:carol"] }
[buses.weather.destinations.narrow]
max_depth = 1
max_message_size = 1000
[chains.InboundBasicMessaging]
port = 0
"""
RESOURCE = """
[resources."jms/weather"]
adapter = "bus"
properties = { bus = "weather" }
"""
#: Also their passwords.
USERS = ("alice", "bob", "carol", "mallory", "admin")


_users_file: bytes | None = None


def _write_users(path: Path) -> None:
    """The same file each time: hashing passwords takes its time."""
    global _users_file
    if _users_file is None:
        registry = FileUserRegistry("weather", path)
        for user in USERS:
            registry.add_user(user, Secret(user), ())
        _users_file = path.read_bytes()
    path.touch(mode=0o600)
    path.write_bytes(_users_file)


def require_proton() -> None:
    """Skip, or fail in CI, without the library."""
    if importlib.util.find_spec("proton") is None:
        missing("the package python-qpid-proton, extra amqp (tests/servers/install)")


class Wire:
    """The running container and its ports."""

    def __init__(self, container: Container) -> None:
        self.container = container
        adapter: Any = container._parts.adapters["bus"]
        self.adapter = adapter
        self.listeners = adapter._listeners
        self.bus = adapter._buses.get("weather")
        self._clients = ExitStack()

    def port(self, chain: str = "InboundBasicMessaging") -> int:
        port: int = self.listeners.ports()[chain]
        return port

    def connect(self, user: str | None = "alice", password: str | None = None, **options: Any) -> Any:
        """A client's connection; signs on by PLAIN, or not at all without a user."""
        from proton.utils import BlockingConnection

        options.setdefault("timeout", 10)
        if user is not None:
            options |= {"user": user, "password": password or user, "allow_insecure_mechs": True}
        scheme = "amqps" if "ssl_domain" in options else "amqp"
        port = self.port(options.pop("chain", "InboundBasicMessaging"))
        connection = BlockingConnection(f"{scheme}://127.0.0.1:{port}", **options)
        self._clients.callback(connection.close)
        return connection

    def in_process(self, user: str) -> Any:
        """A connection of an application in the same container."""
        return self.container.lookup("jms/weather").get_connection(user, Secret(user))

    def close(self) -> None:
        self._clients.close()


@contextmanager
def wire(
    folder: Path,
    *,
    permitted: str = '"all"',
    connectors: str = '["user:alice", "user:bob", "user:carol"]',
    extra: str = "",
    engine: str | None = None,
    bus: str = "",
    name: str = "weather",
) -> Iterator[Wire]:
    """A container on a fresh profile; `bus` are further lines of the bus's own table."""
    require_proton()
    _write_users(folder / "users.toml")
    text = CONFIGURATION.replace("PERMITTED", permitted).replace("CONNECTORS", connectors)
    text += RESOURCE + extra
    text = text.replace("[buses.weather]\n", f"[buses.weather]\n{bus}\n", 1)
    if "engine = false" in bus:
        text = text.replace(RESOURCE, "")
    text = text.replace('name = "weather"\n', f'name = "{name}"\n', 1)
    (folder / "connector.toml").write_text(text)
    with Container.open(folder / "connector.toml", engine=engine) as container:
        running = Wire(container)
        try:
            yield running
        finally:
            running.close()


def first_words(user: str, container: str, bus: str, *capabilities: str) -> bytes:
    """What a client says until its connection is open, signing on by PLAIN, all at once; for who reads the answer."""

    def frame(kind: int, code: int, *fields: bytes) -> bytes:
        data = b"".join(fields)
        body = b"\x00\x53" + bytes((code, 0xC0, len(data) + 1, len(fields))) + data
        return (8 + len(body)).to_bytes(4, "big") + bytes((2, kind, 0, 0)) + body

    def short(constructor: int, text: str) -> bytes:
        return bytes((constructor, len(text))) + text.encode()

    wanted = b"".join(short(0xA3, each)[1:] for each in capabilities)
    array = b"\xe0" + bytes((len(wanted) + 2, len(capabilities), 0xA3)) + wanted if capabilities else b"\x40"
    login = frame(1, 0x41, short(0xA3, "PLAIN"), short(0xA0, f"\0{user}\0{user}"))
    opening = frame(0, 0x10, short(0xA1, container), short(0xA1, bus), *(b"\x40",) * 6, array)
    return b"AMQP\x03\x01\x00\x00" + login + b"AMQP\x00\x01\x00\x00" + opening


def all_that_is_said(client: socket.socket) -> bytes:
    """Everything until the server ends the connection."""
    said = b""
    while piece := client.recv(65536):
        said += piece
    return said


class Coordinator:
    """A client's transactions, in terms of the protocol."""

    def __init__(self, client: Any) -> None:
        from proton import Terminus, symbol
        from proton.reactor import SenderOption

        class AtCoordinator(SenderOption):
            def apply(self, link: Any) -> None:
                link.target.type = Terminus.COORDINATOR
                link.target.capabilities.put_object(symbol("amqp:local-transactions"))

        self._client = client
        self.sender = client.create_sender(None, name="coordinator", options=AtCoordinator())

    def declare(self) -> bytes:
        delivery = self.ask("declare", None)
        assert delivery.remote_state == 0x33, delivery.remote.condition
        return bytes(delivery.remote.data[0])

    def discharge(self, unit: bytes, *, fail: bool = False) -> str | None:
        """None where it went well, else the condition."""
        delivery = self.ask("discharge", unit, fail)
        if delivery.remote_state == delivery.ACCEPTED:
            return None
        return str(delivery.remote.condition.name)

    def ask(self, what: str, *fields: Any) -> Any:
        return self._settled(self.say(what, *fields))

    def say(self, what: str, *fields: Any) -> Any:
        """Ask without waiting for the answer."""
        from proton import Described, Message, symbol

        return self.sender.link.send(Message(body=Described(symbol(f"amqp:{what}:list"), [*fields])))

    def send(self, sender: Any, message: Any, unit: bytes) -> Any:
        delivery = sender.link.send(message)
        delivery.local.data = [unit]
        delivery.update(0x34)
        return self._settled(delivery)

    def settle(self, receiver: Any, unit: bytes, outcome: int = 0x24, *, finally_: bool = True) -> Any:
        """Say within the transaction what is to become of the message that was received last."""
        from proton import Described, ulong

        delivery = receiver.fetcher.unsettled.pop()
        delivery.local.data = [unit, Described(ulong(outcome), [])]
        delivery.update(0x34)
        if finally_:
            delivery.settle()
        transport = self._client.conn.transport
        self._client.wait(lambda: transport.pending() == 0, timeout=10)
        return delivery

    def _settled(self, delivery: Any) -> Any:
        self._client.wait(lambda: delivery.settled, timeout=10)
        return delivery


def receive(client: Any, address: str, **options: Any) -> Any:
    """The next message of a destination, accepted."""
    receiver = client.create_receiver(address, credit=1, **options)
    message = receiver.receive(timeout=10)
    receiver.accept()
    receiver.close()
    return message


def is_empty(running: Wire, destination: str) -> bool:
    """Whether there is nothing there to be taken."""
    counts: tuple[int, int] = running.bus.engine.destinations.get(destination).queue.counts()
    return counts[0] == 0
