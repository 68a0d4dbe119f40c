"""The server that all clients are tried against, and how they reach it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from support_clients import Client, Server, client_named
from support_wire import Wire

QUEUES = 200
SPACES = 20
EXTRA = """
[tls.node]
key_store = "node.pem"
trust_store = "alice.crt"
client_authentication = "supported"
[chains.InboundSecureMessaging]
port = 0
tls = "node"
[chains.Certificates]
port = 0
tls = "node"
certificate_users = true
[buses.weather.temporary_prefixes.desk]
inherit_defaults = false
roles = { creator = ["user:alice"], sender = ["user:bob"] }
[buses.weather.destinations]
""" + "\n".join(
    [
        *(f"queue{number} = {{}}" for number in range(QUEUES)),
        *(f'news{number} = {{ type = "topic-space" }}' for number in range(SPACES)),
    ]
)


@dataclass
class Place:
    """The server, and how clients reach it."""

    wire: Wire
    folder: Path

    def __post_init__(self) -> None:
        self._queues = (f"queue{number}" for number in range(QUEUES))
        self._spaces = (f"news{number}" for number in range(SPACES))
        self.plain = Server(self.wire.port())
        trust = self.folder / "node.crt"
        self.secure = Server(self.wire.port("InboundSecureMessaging"), trust)
        self.certificates = Server(self.wire.port("Certificates"), trust, self.folder / "alice.pem")

    def new_queue(self) -> str:
        return next(self._queues)

    def new_space(self) -> str:
        return next(self._spaces)


def built(name: str, clients: dict[str, Client]) -> Client:
    if name not in clients:
        clients[name] = client_named(name)
    return clients[name]
