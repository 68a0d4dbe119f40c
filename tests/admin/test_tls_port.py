"""Administration from elsewhere: the TLS port of the admin endpoint (CONF-7)."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from support_shop_commands import Shop
from support_tls import profile_keys

from connector.admin.dispatch import Dispatcher
from connector.admin.operations import Target
from connector.admin.profile import load_profile
from connector.admin.tls_endpoint import AdminTlsEndpoint
from connector.errors import ConnectionFailed
from connector.security.tls.reading import certificates_in
from connector.security.tls.settings import ClientAuthentication, TlsSettings


class Port:
    """The port of the shop's container, and commands that ask it from a folder without a configuration."""

    def __init__(self, shop: Shop, folder: Path, endpoint: AdminTlsEndpoint) -> None:
        self.shop = shop
        self.folder = folder
        self.address = f"localhost:{endpoint.port}"

    def ask(self, *arguments: str, trust: str | None = None, login: str | None = "admin") -> tuple[int, str]:
        """Exit code and the code of the failure, or what is printed."""
        trusted = str(self.folder / "server.crt") if trust is None else trust
        options = ("-c", "/nowhere/connector.toml", "--server", self.address, "--server-trust", trusted)
        self.shop.login = None
        result = self.shop(*options, *arguments, login=login)
        text = result.stdout if result.exit_code == 0 else result.stderr.partition(":")[0]
        return result.exit_code, text


@contextmanager
def opened(shop: Shop, folder: Path, tls: TlsSettings) -> Iterator[Port]:
    """The container runs with the port."""
    with shop.running() as container:
        target = Target(load_profile(shop.profile.configuration).stores, container)
        with closing(AdminTlsEndpoint("127.0.0.1", 0, tls, Dispatcher(target, container.audit))) as endpoint:
            yield Port(shop, folder, endpoint)


@pytest.fixture
def settings(tmp_path: Path) -> TlsSettings:
    """A generated key for the server; that of a client lies beside it."""
    profile_keys(tmp_path, "server")
    profile_keys(tmp_path, "client")
    return TlsSettings("admin", key_store=tmp_path / "server.pem", trust_store=tmp_path / "client.crt")


@pytest.fixture
def port(shop: Shop, tmp_path: Path, settings: TlsSettings) -> Iterator[Port]:
    with opened(shop, tmp_path, settings) as made:
        yield made


def test_a_command_asks_a_container_elsewhere_without_its_configuration(port: Port) -> None:
    assert port.ask("config", "get", "container.name") == (0, "shop\n")


def test_a_change_from_elsewhere_is_in_force_and_audited_with_where_it_came_from(port: Port) -> None:
    code, text = port.ask("config", "set", 'resources."jdbc/orders".pool.max_size', "6")
    assert (code, text.endswith(": live.\n")) == (0, True)
    (event,) = [event for event in port.shop.audited if event["action"] == "admin.config.set"]
    assert event["who"] == "admin@shop"
    assert event["details"]["peer"].startswith("127.0.0.1:")


def test_roles_count_as_on_the_local_socket(port: Port) -> None:
    assert port.ask("users", "list", login="carol")[0] == 0
    assert port.ask("users", "remove", "bob", login="carol") == (1, "CF-ADM-021")


@pytest.mark.parametrize("command", [("status",), ("send", "shop", "orders", "x")])
def test_nothing_is_done_without_a_login(port: Port, command: tuple[str, ...]) -> None:
    assert port.ask(*command, login=None) == (1, "CF-ADM-020")
    refusal = port.shop.audited[-1]
    assert (refusal["outcome"], refusal["details"]["peer"][:10]) == ("denied", "127.0.0.1:")


def test_a_wrong_password_is_refused(port: Port) -> None:
    port.shop.password_file.write_text("guess")
    assert port.ask("status") == (1, "CF-SEC-010")


def test_who_answers_is_verified_before_anything_is_sent(port: Port) -> None:
    assert port.ask("status", trust=str(port.folder / "client.crt")) == (1, "CF-ADM-093")
    assert not [event for event in port.shop.audited if event["action"] == "admin.status"]


def test_a_fingerprint_will_do_for_a_certificate(port: Port, tmp_path: Path) -> None:
    (certificate,) = certificates_in(tmp_path / "server.crt")
    fingerprint = certificate.fingerprint(hashes.SHA256()).hex(":")
    assert port.ask("config", "get", "container.name", trust=fingerprint) == (0, "shop\n")
    other = f"{'0' if fingerprint[0] != '0' else '1'}{fingerprint[1:]}"
    assert port.ask("status", trust=other) == (1, "CF-ADM-093")


def test_a_client_without_certificate_is_refused_where_one_is_required(
    shop: Shop, tmp_path: Path, settings: TlsSettings
) -> None:
    required = replace(settings, client_authentication=ClientAuthentication.REQUIRED)
    with opened(shop, tmp_path, required) as port:
        assert port.ask("status")[0] == 3
        key = ("--client-key", str(tmp_path / "client.pem"))
        assert port.ask(*key, "config", "get", "container.name") == (0, "shop\n")


def test_whoever_speaks_no_tls_is_hung_up_on(port: Port) -> None:
    host, _, number = port.address.rpartition(":")
    with socket.create_connection((host, int(number)), timeout=10) as plain:
        plain.sendall(b'{"version": 1, "operation": "status", "arguments": {}, "login": null}\n')
        with contextlib.suppress(ConnectionResetError):
            assert b"result" not in plain.recv(1000)
    assert port.ask("status")[0] == 0


def test_a_port_where_nobody_listens_can_not_be_reached(shop: Shop) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        number = free.getsockname()[1]
    result = shop("--server", f"127.0.0.1:{number}", "status")
    assert (result.exit_code, result.stderr.partition(":")[0]) == (3, "CF-ADM-092")


def test_a_name_that_no_host_can_have_can_not_be_reached(shop: Shop) -> None:
    result = shop("--server", "a..b:2810", "status")
    assert (result.exit_code, result.stderr.partition(":")[0]) == (3, "CF-ADM-092")


@pytest.mark.parametrize("address", ["nowhere", "host:", ":80", "host:0", "host:99999"])
def test_what_is_no_address_is_a_usage_mistake(shop: Shop, address: str) -> None:
    result = shop("--server", address, "status")
    assert (result.exit_code, result.stderr.partition(":")[0]) == (2, "CF-ADM-091")


def test_a_port_that_is_taken_keeps_the_container_from_starting(shop: Shop, settings: TlsSettings) -> None:
    with shop.running() as container, socket.create_server(("127.0.0.1", 0)) as taken:
        target = Target(load_profile(shop.profile.configuration).stores, container)
        number = taken.getsockname()[1]
        with pytest.raises(ConnectionFailed) as caught:
            AdminTlsEndpoint("127.0.0.1", number, settings, Dispatcher(target, container.audit))
    assert caught.value.code == "CF-ADM-090"


def test_a_port_without_tls_is_a_mistake_with_its_place(shop: Shop) -> None:
    shop.profile.edit('monitor = ["user:carol"]', 'port = 7290\nmonitor = ["user:carol"]')
    result = shop("check")
    assert (result.exit_code, "CF-CONF-077" in result.stderr) == (2, True)


def test_with_security_off_the_port_stays_shut_and_the_container_starts(shop: Shop, tmp_path: Path) -> None:
    profile_keys(tmp_path, "server")
    shop.profile.edit('monitor = ["user:carol"]', 'port = 7290\ntls = "admin"\nmonitor = ["user:carol"]')
    shop.profile.edit("[applications]", '[tls.admin]\nkey_store = "server.pem"\n\n[applications]')
    shop.profile.edit("[application]", '[application]\nunsecured = "allow"', descriptor=True)
    with shop.profile.open() as container:
        assert container.admin_port is not None
        assert container.admin_port.port == 7290
    shop.profile.edit("security = true\nrealm", "security = false\nrealm")
    with shop.profile.open() as container:
        assert container.admin_port is None
        assert "CF-CONF-076" in {finding.code for finding in container.findings()}
