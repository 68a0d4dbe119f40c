"""Applications with the adapter `amqp`, and brokers for it: an engine of ours in this process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support_wire import Wire, _write_users

from connector import Container, Secret
from connector.admin.dispatch import Dispatcher
from connector.admin.endpoint import AdminEndpoint
from connector.admin.operations import Target
from connector.admin.profile import load_profile
from connector_amqp import AmqpConnection

CLIENT = """
[container]
name = "shop"
[realms.weather]
registry = "file"
path = "users.toml"
[admin]
administrator = ["user:admin"]
"""


def client_configuration(port: int, **properties: Any) -> str:
    """The configuration of a client's container."""
    given = {"provider_endpoints": [f"127.0.0.1:{port}"], "allow_plain_passwords": True} | properties
    return CLIENT + '[resources."jms/remote"]\nadapter = "amqp"\nproperties = ' + inline(given) + "\n"


def inline(values: Mapping[str, Any]) -> str:
    """An inline table of TOML."""

    def one(value: Any) -> str:
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, list):
            return "[" + ", ".join(map(one, value)) + "]"
        return f'"{value}"' if isinstance(value, str) else str(value)

    return "{ " + ", ".join(f"{name} = {one(value)}" for name, value in values.items()) + " }"


class Client:
    """A client's container."""

    def __init__(self, container: Container) -> None:
        self.container = container

    def connect(self, user: str | None = "alice", password: str | None = None) -> AmqpConnection:
        """A connection of an application there, signed on as that user."""
        factory = self.container.lookup("jms/remote")
        if user is None:
            connection: AmqpConnection = factory.get_connection()
        else:
            connection = factory.get_connection(user, Secret(password or user))
        return connection


@contextmanager
def client(folder: Path, port: int, extra: str = "", **properties: Any) -> Iterator[Client]:
    """A client's container, whose resource `jms/remote` is a broker on that port; commands may ask it."""
    folder.mkdir(exist_ok=True)
    _write_users(folder / "users.toml")
    configuration = folder / "connector.toml"
    configuration.write_text(client_configuration(port, **properties) + extra)

    def attach(container: Container) -> AdminEndpoint:
        target = Target(load_profile(configuration).stores, container)
        return AdminEndpoint(container.state_folder, Dispatcher(target, container.audit))

    with Container.open(configuration, attach=attach) as container:
        yield Client(container)


def break_all(running: Wire) -> None:
    """Break all connections from the engine's side, without a word; they are broken when this returns."""
    listeners = running.listeners

    async def abort() -> None:
        for protocol in list(listeners._clients):
            protocol.abort()

    listeners._call(abort(), 5)
