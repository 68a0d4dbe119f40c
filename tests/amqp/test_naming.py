"""A client that knows nothing but where names are looked up: factory and destinations come from there (CONF-6)."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from support_amqp import CLIENT
from support_bus import MemoryAudit
from support_pool import until
from support_wire import Wire, _write_users, require_proton, wire

from connector.admin.main import main
from connector.admin.naming.answering import NamingAnswerer
from connector.admin.naming.port import NamingEndpoint
from connector.container.configuration.settings import Demand, NamingPort
from connector.container.naming import unknown
from connector.spi import NamingReference

pytestmark = pytest.mark.amqp


class Offering:
    """What of a container the naming port needs."""

    name = "server"

    def __init__(self, port: int) -> None:
        self.audit = MemoryAudit()
        factory = {"bus": "weather", "provider_endpoints": [f"127.0.0.1:{port}:BootstrapBasicMessaging"]}
        self._names = {
            "Forecast/CF": NamingReference("connection-factory", "amqp", factory),
            "Forecast/RECEIVE_D": NamingReference("destination", "amqp", {"bus": "weather", "name": "requests"}),
            "Forecast/SEND_D": NamingReference("destination", "amqp", {"bus": "weather", "name": "replies"}),
        }

    def naming_reference(self, name: str) -> NamingReference:
        if name not in self._names:
            raise unknown("connection factory or destination", name, "this container", self._names)
        return self._names[name]


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[Wire]:
    require_proton()
    with wire(tmp_path, extra='[buses.weather.destinations.replies]\ntype = "queue"\n') as running:
        yield running


@pytest.fixture
def naming(bus: Wire) -> Iterator[str]:
    settings = NamingPort("127.0.0.1", 0, None, Demand.OFF, Demand.OFF)
    offering: Any = Offering(bus.port())
    with closing(NamingEndpoint(settings, NamingAnswerer(offering, settings))) as endpoint:
        yield f"127.0.0.1:{endpoint.port}"


class Profile:
    """A client's profile and the command line on it."""

    def __init__(self, folder: Path, naming: str) -> None:
        folder.mkdir()
        _write_users(folder / "users.toml")
        self._configuration = folder / "connector.toml"
        provider = (
            f'[naming.provider]\naddress = "{naming}"\nconnection_properties = {{ allow_plain_passwords = true }}\n'
        )
        self._configuration.write_text(f"{CLIENT}{provider}")
        self._password = folder / "password"
        self._password.write_text("alice")

    def __call__(self, *arguments: str) -> Result:
        return CliRunner().invoke(main, self._words(arguments))

    def beside(self, *arguments: str) -> subprocess.Popen[str]:
        """The command in a process of its own."""
        program = "import sys; from connector.admin.main import main; main(sys.argv[1:])"
        command = [sys.executable, "-c", program, *self._words(arguments)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def _words(self, arguments: Sequence[str]) -> list[str]:
        signed_on = ("--as", "alice", "--password-file", str(self._password))
        return ["-c", str(self._configuration), "--json", *arguments, *signed_on]


@pytest.fixture
def client(tmp_path: Path, naming: str) -> Profile:
    return Profile(tmp_path / "client", naming)


def test_a_request_needs_nothing_but_names(bus: Wire, client: Profile) -> None:
    def serve() -> None:
        with bus.in_process("bob") as inside:
            request = inside.receive("requests", 20)
            inside.send("replies", "somebody else's", correlation_id="another")
            inside.send(request.reply_to, request.body + "!", correlation_id=request.message_id)

    serving = threading.Thread(target=serve)
    serving.start()
    names = ("--cf", "Forecast/CF", "--request", "Forecast/RECEIVE_D", "--response", "Forecast/SEND_D")
    result = client("request", *names, "hello")
    serving.join(20)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["body"] == "hello!"


def test_messages_are_sent_looked_at_and_taken_by_looked_up_names(client: Profile) -> None:
    assert client("send", "--cf", "Forecast/CF", "Forecast/RECEIVE_D", "hello").exit_code == 0
    seen = json.loads(client("browse", "--cf", "Forecast/CF", "requests").stdout)
    assert [message["body"] for message in seen] == ["hello"]
    taken = json.loads(client("receive", "--cf", "Forecast/CF", "Forecast/RECEIVE_D").stdout)
    assert (taken["body"], taken["identity"]) == ("hello", "alice@weather")


def test_no_reply_within_the_time_is_told(client: Profile) -> None:
    names = ("--cf", "Forecast/CF", "--request", "Forecast/RECEIVE_D", "--response", "Forecast/SEND_D")
    result = client("request", *names, "hello", "--timeout", "0.2")
    assert json.loads(result.stdout)["error"]["code"] == "CF-ADM-151"


def test_a_name_that_is_not_offered_is_told(client: Profile) -> None:
    result = client("send", "--cf", "Nothing/CF", "Forecast/RECEIVE_D", "hello")
    assert json.loads(result.stdout)["error"]["code"] == "CF-CTR-010"


def test_a_connection_factory_is_no_destination(client: Profile) -> None:
    result = client("request", "--cf", "Forecast/CF", "--request", "Forecast/CF", "hello")
    assert result.exit_code == 2
    assert json.loads(result.stdout)["error"]["code"] == "CF-NAM-580"


def test_what_is_wrong_on_the_command_line_is_a_usage_mistake(client: Profile) -> None:
    assert client("request", "--request", "Forecast/RECEIVE_D", "hello").exit_code == 2
    assert client("request", "--cf", "Forecast/CF", "--request", "Forecast/RECEIVE_D", "a", "b").exit_code == 2


def test_commands_of_one_profile_may_run_at_once(bus: Wire, client: Profile, tmp_path: Path) -> None:
    other = client.beside("receive", "--cf", "Forecast/CF", "Forecast/RECEIVE_D", "--timeout", "60")
    until(lambda: bus.listeners._clients or other.poll() is not None)  # it is connected: its container is open
    sent = client("send", "--cf", "Forecast/CF", "Forecast/RECEIVE_D", "hello")
    taken, errors = other.communicate(timeout=60)
    assert (sent.exit_code, other.returncode) == (0, 0), sent.output + errors
    assert json.loads(taken)["body"] == "hello"
    log = (tmp_path / "client" / "state" / "audit.log").read_text()
    actions = [json.loads(line)["action"] for line in log.splitlines()]
    assert {"admin.connection.send", "admin.connection.receive"} <= set(actions)
    assert {path.name for path in (tmp_path / "client" / "state").iterdir()} == {"audit.log"}
