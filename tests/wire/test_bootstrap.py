"""Finding a bus: chains that send clients elsewhere, lists of other servers, engines alone (CHAIN-8)."""

from __future__ import annotations

from pathlib import Path

import pytest
from support_wire import receive, require_proton, wire

from connector import Container
from connector.errors import ConfigError, NameNotFound

pytestmark = pytest.mark.amqp

require_proton()
from proton import ConnectionException, Message  # noqa: E402

PLACES = """
[chains.Bootstrap]
port = 0
redirect_to = ["amqps://one.example:7286", "amqp://two.example:7276"]
[chains.Told]
port = 0
failover = ["amqps://other.example:7286"]
"""


def test_who_may_connect_is_sent_to_an_engine_each_to_the_next(tmp_path: Path) -> None:
    with wire(tmp_path, extra=PLACES) as running:
        places = set()
        for _ in range(2):
            with pytest.raises(ConnectionException, match="amqp:connection:redirect") as sent:
                running.connect("alice", chain="Bootstrap")
            places |= {
                place for place in ("amqps://one.example:7286", "amqp://two.example:7276") if place in str(sent.value)
            }
        assert len(places) == 2


def test_who_may_not_connect_is_refused_there_as_elsewhere(tmp_path: Path) -> None:
    with wire(tmp_path, extra=PLACES) as running, pytest.raises(ConnectionException, match="CF-BUS-012"):
        running.connect("mallory", chain="Bootstrap")


def test_clients_are_told_where_else_the_bus_is(tmp_path: Path) -> None:
    with wire(tmp_path, extra=PLACES) as running:
        told = running.connect("alice", chain="Told").conn.remote_properties["failover-server-list"]
        assert [{str(name): value for name, value in each.items()} for each in told] == [
            {"hostname": "weather", "network-host": "other.example", "port": 7286, "scheme": "amqps"}
        ]


@pytest.mark.parametrize("place", ["one:7286", "http://one:1", "amqp://one", "amqp://u@one:1", "amqp://one:x"])
def test_what_is_no_place_stops_the_start(tmp_path: Path, place: str) -> None:
    extra = f'[chains.Bootstrap]\nport = 0\nredirect_to = ["{place}"]\n'
    with pytest.raises(ConfigError, match="CF-BUS-306"), wire(tmp_path, extra=extra):
        pass


def test_an_engine_alone_serves_its_bus_and_has_no_applications_resources_or_other_buses(tmp_path: Path) -> None:
    with wire(tmp_path, extra="[buses.other]\n") as running:
        client = running.connect("alice", virtual_host="weather")
        client.create_sender("requests").send(Message(body="kept", durable=True))
    with wire(tmp_path, extra="[buses.other]\n", engine="weather") as running:
        assert receive(running.connect("bob"), "requests").body == "kept"
        with pytest.raises(NameNotFound):
            running.container.lookup("jms/weather")
        assert [each["bus"] for each in running.adapter.run_command("show", {})["buses"]] == ["weather"]


def test_an_engine_of_a_bus_that_is_not_there_does_not_start(tmp_path: Path) -> None:
    with wire(tmp_path):
        pass
    with pytest.raises(NameNotFound, match="CF-CTR-200"):
        Container.open(tmp_path / "connector.toml", engine="wether")
