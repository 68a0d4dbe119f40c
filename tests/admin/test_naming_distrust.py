"""A client takes over from another container what it needs to reach it, and gives no secret away for it (CONF-6)."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from connector import Secret
from connector.admin.naming import outside as module
from connector.admin.naming.client import _reference
from connector.admin.naming.outside import Outside
from connector.admin.operations.messages import _check_fault
from connector.admin.operations.request import Login
from connector.admin.profile import Profile
from connector.admin.settings import CommandSettings
from connector.container.configuration.settings import NamingProvider
from connector.errors import AccessDenied, ConfigError, RequestFailed
from connector.spi import Message, NamingReference, ServerPrincipal, UserPrincipal


def asking(settings: CommandSettings | None = None, address: str | None = None, **provider: Any) -> Outside:
    """A client whose profile defines `jms/own` and knows a provider."""
    said: dict[str, Any] = {
        "host": "weather.example",
        "port": 2809,
        "tls": None,
        "alias": None,
        "connection_tls": None,
        "connection_alias": None,
        "connection_properties": {},
        **provider,
    }
    stores: Any = SimpleNamespace(open_auth_data=lambda: SimpleNamespace(load=lambda: {"weather": object()}))
    profile = Profile(
        Path("connector.toml"), "client", Path(), True, stores, frozenset({"jms/own"}), NamingProvider(**said)
    )
    return Outside(settings or CommandSettings(), profile, address)


def test_nothing_of_sign_on_tls_or_files_is_believed() -> None:
    answer = {
        "provider_endpoints": ["weather.example:5672"],
        "user": "x",
        "password": "file:/home/ann/.ssh/id_rsa",
        "tls": "theirs",
        "allow_plain_passwords": True,
        "certificate_sign_on": True,
        "virtual_host": "env:HOME",
        "store_password": "plain",
    }
    made = asking().connection_overrides("weather/CF", NamingReference("connection-factory", "amqp", answer))
    assert made["resources"]["weather/CF"]["properties"] == {"provider_endpoints": ["weather.example:5672"]}
    assert "component_alias" not in made["resources"]["weather/CF"]


def test_what_the_own_configuration_says_is_added() -> None:
    client = asking(connection_tls="node", connection_alias="weather", connection_properties={"idle_timeout": "5s"})
    made = client.connection_overrides("weather/CF", NamingReference("connection-factory", "amqp", {"bus": "b"}))
    resource = made["resources"]["weather/CF"]
    assert resource["properties"] == {"bus": "b", "tls": "node", "idle_timeout": "5s"}
    assert resource["component_alias"] == "weather"


def test_an_alias_that_is_still_to_be_made_is_left_to_whoever_connects() -> None:
    client = asking(connection_alias="gone")
    made = client.connection_overrides("weather/CF", NamingReference("connection-factory", "amqp", {}))
    assert "component_alias" not in made["resources"]["weather/CF"]
    assert client.settings.connection_alias == "gone"


def test_a_name_of_the_own_configuration_is_not_pointed_elsewhere() -> None:
    with pytest.raises(ConfigError, match="CF-NAM-012"):
        asking().connection_overrides("jms/own", NamingReference("connection-factory", "amqp", {}))


def test_a_destination_is_no_connection_factory() -> None:
    with pytest.raises(ConfigError, match="CF-NAM-015"):
        asking().connection_overrides("weather/D", NamingReference("destination", "amqp", {}))


@pytest.mark.parametrize("adapter", ["sql", "bus", "http", "AMQP", ""])
def test_no_other_adapter_is_made_to_do_what_whoever_answers_likes(adapter: str) -> None:
    answer = NamingReference("connection-factory", adapter, {"url": "sqlite:////home/ann/new.db"})
    with pytest.raises(ConfigError, match="CF-NAM-581"):
        asking().connection_overrides("weather/CF", answer)


@pytest.mark.parametrize("address", ["weather.example:2809", "192.0.2.1:2809"])
def test_a_login_goes_to_another_machine_by_tls_only(
    address: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    password = tmp_path / "password"
    password.write_text("secret")
    settings = CommandSettings(login="ann", login_password_file=password)
    with pytest.raises(AccessDenied, match="CF-NAM-013"):
        asking(settings, address).look_up("weather/CF")


@pytest.mark.parametrize(
    ("host", "here"), [("localhost", True), ("127.0.0.1", True), ("::1", True), ("a.example", False)]
)
def test_this_machine_is_told_from_others(host: str, here: bool) -> None:
    assert module._is_here(host) is here


def test_a_login_that_was_asked_for_is_asked_for_once() -> None:
    client = asking()
    client.asked = Login("ann", Secret("x"))
    assert client._login() is client.asked


def test_only_an_engine_tells_of_a_fault() -> None:
    fault = Message({"code": "CF-BUS-020", "text": "no"}, {"connector_fault": "CF-BUS-020"})
    _check_fault(fault.replace(identity=UserPrincipal("mallory", "weather")), "requests")
    with pytest.raises(RequestFailed, match="CF-BUS-020"):
        _check_fault(fault.replace(identity=ServerPrincipal("weather", "weather")), "requests")


@pytest.mark.parametrize(
    "answer",
    [
        None,
        5,
        {},
        {"kind": "activation", "adapter": "amqp", "properties": {}},
        {"kind": "destination", "adapter": 5, "properties": {}},
        {"kind": "destination", "adapter": "amqp", "properties": "none"},
    ],
)
def test_what_is_no_reference_is_told_as_that(answer: Any) -> None:
    assert _reference(answer) is None
