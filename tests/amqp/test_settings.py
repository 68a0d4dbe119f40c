"""How a broker is reached, as properties say it."""

from __future__ import annotations

import sys

import pytest

from connector.errors import ConfigError
from connector_amqp.dialling import LONGEST_PAUSE, round_pause
from connector_amqp.library import load_proton
from connector_amqp.settings import Endpoint, read_broker


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("broker.example:5671", Endpoint("broker.example", 5671)),
        ("[::1]:5672", Endpoint("::1", 5672)),
        ("weather.example:7286:BootstrapSecureMessaging", Endpoint("weather.example", 7286)),
    ],
)
def test_an_endpoint_is_a_host_and_a_port(text: str, endpoint: Endpoint) -> None:
    assert read_broker("r", {"provider_endpoints": [text]}).endpoints == (endpoint,)


@pytest.mark.parametrize(
    "text", ["", "broker", "broker:", ":5672", "broker:0", "broker:65536", "broker:x", "broker:-1"]
)
def test_nothing_else_is(text: str) -> None:
    with pytest.raises(ConfigError, match="CF-AMQP-003"):
        read_broker("r", {"provider_endpoints": [text]})


def test_the_bus_of_a_look_up_is_the_virtual_host() -> None:
    given = {"provider_endpoints": ["b:1"], "bus": "weather"}
    assert read_broker("r", given).virtual_host == "weather"
    with pytest.raises(ConfigError, match="CF-AMQP-008"):
        read_broker("r", given | {"virtual_host": "other"})


def test_pauses_between_rounds_grow_up_to_a_limit() -> None:
    pauses = [round_pause(rounds) for rounds in range(1, 40)]
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (0.2, LONGEST_PAUSE)


def test_without_the_library_it_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "proton", None)
    with pytest.raises(ConfigError, match=r"CF-AMQP-001.*connector-framework\[amqp\]"):
        load_proton()
