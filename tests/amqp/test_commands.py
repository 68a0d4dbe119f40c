"""`connector send|receive|browse|request --cf NAME`: by a connection factory of the client's own configuration."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from support_amqp import client_configuration
from support_wire import Wire, _write_users

from connector.admin.main import main

pytestmark = pytest.mark.amqp


class Commands:
    """The command line on a client's profile."""

    def __init__(self, folder: Path, port: int) -> None:
        folder.mkdir()
        _write_users(folder / "users.toml")
        self._configuration = folder / "connector.toml"
        self._configuration.write_text(client_configuration(port))
        self.password = folder / "password"
        self.password.write_text("alice")

    def __call__(self, *arguments: str) -> Result:
        signed_on = ("--as", "alice", "--password-file", str(self.password))
        return CliRunner().invoke(main, ["-c", str(self._configuration), "--json", *arguments, *signed_on])

    def json(self, *arguments: str) -> Any:
        result = self(*arguments)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)


@pytest.fixture
def connector(bus: Wire, tmp_path: Path) -> Commands:
    return Commands(tmp_path / "shop", bus.port())


def test_a_message_is_sent_looked_at_and_taken(connector: Commands) -> None:
    sent = connector.json("send", "--cf", "jms/remote", "requests", '{"day": "Tuesday"}')
    assert [message["body"] for message in connector.json("browse", "--cf", "jms/remote", "requests")] == [
        {"day": "Tuesday"}
    ]
    taken = connector.json("receive", "--cf", "jms/remote", "requests")
    assert (taken["message_id"], taken["body"], taken["identity"]) == (
        sent["message_id"],
        {"day": "Tuesday"},
        "alice@weather",
    )
    assert connector("receive", "--cf", "jms/remote", "requests", "--timeout", "0").exit_code == 1


def test_a_request_gets_its_reply(bus: Wire, connector: Commands) -> None:
    def serve() -> None:
        with bus.in_process("bob") as inside:
            request = inside.receive("requests", 20)
            inside.send(request.reply_to, request.body + "!", correlation_id=request.message_id)

    serving = threading.Thread(target=serve)
    serving.start()
    assert connector.json("request", "--cf", "jms/remote", "requests", "hello")["body"] == "hello!"
    serving.join(20)


def test_refusals_have_the_adapters_code(connector: Commands) -> None:
    result = connector("send", "--cf", "jms/remote", "nowhere", "hello")
    assert json.loads(result.stdout)["error"]["code"] == "CF-AMQP-021"
    connector.password.write_text("wrong")
    result = connector("send", "--cf", "jms/remote", "requests", "hello")
    assert json.loads(result.stdout)["error"]["code"] == "CF-AMQP-012"


@pytest.mark.parametrize(
    "arguments",
    [
        ("send", "--cf", "jms/remote"),
        ("send", "weather"),
        ("send", "--cf", "jms/remote", "requests", "body", "one too many"),
        ("receive", "--cf", "jms/remote", "weather", "requests"),
    ],
)
def test_with_a_connection_factory_there_is_no_bus(connector: Commands, arguments: tuple[str, ...]) -> None:
    assert connector(*arguments).exit_code == 2
