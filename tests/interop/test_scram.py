"""Clients that nobody here wrote sign on where SCRAM-SHA-256 is offered, by it or by what they have (CHAIN-5)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support_clients import Client, Server
from support_interop import built
from support_wire import CONFIGURATION, RESOURCE, USERS, Wire, require_proton

from connector import Container, Secret
from connector.security.file_registry import FileUserRegistry
from connector.security.passwords import ScryptCost

pytestmark = pytest.mark.amqp


@pytest.fixture(scope="module")
def proving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    """A bus whose users all have a verifier."""
    require_proton()
    folder = tmp_path_factory.mktemp("scram")
    registry = FileUserRegistry("weather", folder / "users.toml", ScryptCost(2, 8, 1), scram=True)
    for user in USERS:
        registry.add_user(user, Secret(user))
    text = CONFIGURATION.replace("PERMITTED", '"all"').replace("CONNECTORS", '["user:alice"]') + RESOURCE
    (folder / "connector.toml").write_text(text.replace('path = "users.toml"', 'path = "users.toml"\nscram = true'))
    with Container.open(folder / "connector.toml") as container:
        yield Wire(container)


def test_every_client_signs_on_whatever_it_has(proving: Wire, client: Client) -> None:
    server = Server(proving.port())
    client.run(server, "alice", "send", "requests", "hello").succeeded()
    assert client.run(server, "alice", "receive", "requests", "1").messages == ["hello"]


def test_a_jms_client_proves_that_it_knows_the_password(proving: Wire, clients: dict[str, Client]) -> None:
    jms = built("jms", clients).told(WIRE_MECHANISM="SCRAM-SHA-256")
    server = Server(proving.port())
    jms.run(server, "alice", "send", "requests", "proved").succeeded()
    assert jms.run(server, "alice", "receive", "requests", "1").messages == ["proved"]
    for user in ("alice", "nobody-there"):
        assert "JMSSecurity" in jms.run(server, user, "send", "requests", "x", password="guessed").refusal
