"""Naming from outside: look-ups over the network, with login and TLS off, supported or required (CONF-6)."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support_shop_commands import Shop
from support_tls import profile_keys

from connector.admin.naming.answering import NamingAnswerer
from connector.admin.naming.port import NamingEndpoint
from connector.admin.naming.rules import check_look_up
from connector.container.configuration.settings import Demand, NamingPort
from connector.errors import ConnectionFailed, ConnectorError
from connector.security.tls.settings import TlsSettings

OFF, SUPPORTED, REQUIRED = Demand.OFF, Demand.SUPPORTED, Demand.REQUIRED


class Port:
    """A naming port of the shop's container, and look-ups that know nothing but its address and what they are given."""

    def __init__(self, shop: Shop, folder: Path, endpoint: NamingEndpoint) -> None:
        self.shop = shop
        self.trust = str(folder / "server.crt")
        self.address = f"localhost:{endpoint.port}"

    def ask(self, name: str, *, tls: bool = True, login: str | None = "alice") -> dict[str, Any]:
        """What is answered, or the error."""
        self.shop.login = None
        trust = ("--server-trust", self.trust) if tls else ()
        options = ("-c", "/nowhere/connector.toml", "--json", *trust)
        result = self.shop(*options, "lookup", name, "--naming", self.address, login=login)
        answered: dict[str, Any] = json.loads(result.stdout)
        return answered

    def refused(self, name: str = "jdbc/orders", **options: Any) -> str:
        """The code of the refusal."""
        return str(self.ask(name, **options)["error"]["code"])


@contextmanager
def opened(shop: Shop, folder: Path, encryption: Demand = REQUIRED, login: Demand = REQUIRED) -> Iterator[Port]:
    """The container runs with a naming port."""
    if not (folder / "server.pem").exists():
        profile_keys(folder, "server")
    tls = None if encryption is OFF else TlsSettings("naming", key_store=folder / "server.pem")
    settings = NamingPort("127.0.0.1", 0, tls, encryption, login)
    with shop.running() as container, closing(NamingEndpoint(settings, NamingAnswerer(container, settings))) as made:
        yield Port(shop, folder, made)


def test_a_client_outside_is_told_the_adapter_and_its_settings(shop: Shop, tmp_path: Path) -> None:
    with opened(shop, tmp_path) as port:
        found = port.ask("jdbc/orders")
        assert (found["name"], found["kind"], found["adapter"]) == ("jdbc/orders", "connection-factory", "sql")
        assert found["properties"]["url"].startswith("sqlite:")


def test_a_factory_of_a_bus_tells_clients_to_come_over_the_wire(shop: Shop, tmp_path: Path) -> None:
    with opened(shop, tmp_path) as port:
        found = port.ask("jms/shop")
    assert found["adapter"] == "amqp"
    assert found["properties"] == {
        "bus": "shop",
        "provider_endpoints": ["localhost:7276:BootstrapBasicMessaging"],
        "target_chain": "InboundBasicMessaging",
    }


def test_no_secret_and_no_user_leaves(shop: Shop, tmp_path: Path) -> None:
    (shop.profile.folder / "database.password").write_text("swordfish-7")
    shop.profile.edit(
        '[resources."jdbc/orders"]',
        '[resources."jdbc/guarded"]\nadapter = "sql"\n'
        'properties = { url = "sqlite://", user = "ledger", password = "file:database.password" }\n\n'
        '[resources."jdbc/orders"]',
    )
    with opened(shop, tmp_path) as port:
        found = json.dumps(port.ask("jdbc/guarded"))
    assert "swordfish" not in found
    assert "ledger" not in found


def test_an_activation_is_no_name_for_clients(shop: Shop, tmp_path: Path) -> None:
    with opened(shop, tmp_path) as port:
        assert port.refused("jms/orders-in") == "CF-CTR-010"
        assert port.refused("nothing") == "CF-CTR-010"


def test_a_login_is_needed_and_any_user_of_the_realm_will_do(shop: Shop, tmp_path: Path) -> None:
    with opened(shop, tmp_path) as port:
        assert port.refused(login=None) == "CF-NAM-002"
        assert "properties" in port.ask("jdbc/orders", login="alice")
        shop.password_file.write_text("guess")
        assert port.refused() == "CF-SEC-010"


def test_plain_tcp_is_told_to_use_tls_before_its_login_is_looked_at(shop: Shop, tmp_path: Path) -> None:
    with opened(shop, tmp_path) as port:
        assert port.refused(tls=False, login=None) == "CF-NAM-001"
        assert port.refused(tls=False) == "CF-NAM-001"


def test_both_are_spoken_on_one_port_where_tls_is_supported(shop: Shop, tmp_path: Path) -> None:
    with opened(shop, tmp_path, SUPPORTED, SUPPORTED) as port:
        assert "properties" in port.ask("jdbc/orders", tls=True)
        assert "properties" in port.ask("jdbc/orders", tls=False, login=None)
        assert port.refused(tls=False) == "CF-NAM-003"


def test_an_open_port_looks_at_no_login(shop: Shop, tmp_path: Path) -> None:
    with opened(shop, tmp_path, OFF, OFF) as port:
        shop.password_file.write_text("guess")
        assert "properties" in port.ask("jdbc/orders", tls=False)


def test_a_client_believes_nobody_whom_it_has_no_reason_to_trust(shop: Shop, tmp_path: Path) -> None:
    profile_keys(tmp_path, "somebody-else")
    with opened(shop, tmp_path) as port:
        port.trust = str(tmp_path / "somebody-else.crt")
        assert port.refused() == "CF-NAM-007"
        assert not [event for event in shop.audited if event["action"] == "naming.lookup"]


def test_each_look_up_is_audited(shop: Shop, tmp_path: Path) -> None:
    with opened(shop, tmp_path) as port:
        port.ask("jdbc/orders")
        port.refused(login=None)
    allowed, denied = [event for event in shop.audited if event["action"] == "naming.lookup"]
    assert (allowed["who"], allowed["outcome"], allowed["details"]["name"]) == ("alice@shop", "success", "jdbc/orders")
    assert allowed["details"]["encrypted"] is True
    assert (denied["who"], denied["outcome"], denied["reason"]) == ("nobody", "denied", "CF-NAM-002")


@pytest.mark.parametrize("line", [b"\n", b"GET / HTTP/1.1\r\n\r\n", b"[]\n", b'{"version": 1}\n', b"\x16\x03\x01\n"])
def test_what_is_no_look_up_is_refused_and_the_port_lives_on(shop: Shop, tmp_path: Path, line: bytes) -> None:
    with opened(shop, tmp_path, OFF, OFF) as port:
        host, _, number = port.address.rpartition(":")
        with socket.create_connection((host, int(number)), timeout=10) as raw:
            raw.sendall(line)
            answer = json.loads(raw.makefile("rb").readline())
        assert answer["error"]["code"] in ("CF-NAM-004", "CF-ADM-050")
        assert "properties" in port.ask("jdbc/orders", tls=False)


def test_administration_can_not_be_asked_for_on_this_port(shop: Shop, tmp_path: Path) -> None:
    with opened(shop, tmp_path, OFF, OFF) as port:
        host, _, number = port.address.rpartition(":")
        with socket.create_connection((host, int(number)), timeout=10) as raw:
            raw.sendall(b'{"version": 1, "operation": "status", "arguments": {}, "login": null}\n')
            assert b"CF-NAM-004" in raw.makefile("rb").readline()


def test_the_provider_of_the_configuration_is_asked_with_its_alias(shop: Shop, tmp_path: Path) -> None:
    with opened(shop, tmp_path) as port:
        shop.profile.edit(
            "[applications]",
            f'[tls.outside]\ntrust_store = "{port.trust}"\n\n'
            f'[naming.provider]\naddress = "{port.address}"\ntls = "outside"\nalias = "shop-applications"\n\n'
            "[applications]",
        )
        shop.login = None
        found = json.loads(shop("--json", "lookup", "--outside", "jdbc/orders").stdout)
    assert found["adapter"] == "sql"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("lookup", "x", "--outside"), "CF-NAM-009"),
        (("lookup", "x", "--naming", "nowhere"), "CF-NAM-010"),
        (("lookup", "x", "--naming", "localhost:1"), "CF-NAM-006"),
        (("lookup", "x", "--naming", "a..b:2809"), "CF-NAM-006"),
    ],
)
def test_where_nobody_can_be_asked_it_says_why(shop: Shop, arguments: tuple[str, ...], code: str) -> None:
    assert shop("--json", *arguments).stdout.count(code) == 1


@pytest.mark.parametrize(
    ("naming", "code"),
    [
        ("port = 2809", "CF-CONF-086"),
        ('port = 2809\ntls = "nobody"', "CF-CONF-086"),
        ('port = 2809\nlogin = "supported"\nencryption = "off"', "CF-CONF-085"),
        ('provider = { address = "here" }', "CF-CONF-088"),
        ('provider = { address = "here:1", tls = "nobody" }', "CF-CONF-087"),
    ],
)
def test_mistakes_are_found_by_check(shop: Shop, naming: str, code: str) -> None:
    shop.profile.edit("[applications]", f"[naming]\n{naming}\n\n[applications]")
    result = shop("check")
    assert result.exit_code == 2
    assert code in result.stderr


def test_a_port_that_is_taken_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = NamingPort("127.0.0.1", taken.getsockname()[1], None, OFF, OFF)
        with pytest.raises(ConnectionFailed, match="CF-NAM-005"):
            NamingEndpoint(settings, None)  # type: ignore[arg-type]


@given(st.sampled_from(Demand), st.sampled_from(Demand), st.booleans(), st.booleans())
def test_every_look_up_is_judged_as_the_table_says(
    encryption: Demand, login: Demand, encrypted: bool, has_login: bool
) -> None:
    try:
        outcome: object = check_look_up("c", encryption, login, encrypted=encrypted, has_login=has_login)
    except ConnectorError as refusal:
        outcome = refusal.code
    in_the_clear = encryption is not OFF and not encrypted
    if encryption is REQUIRED and not encrypted:
        assert outcome == "CF-NAM-001"
    elif login is OFF:
        assert outcome is False
    elif has_login:
        assert outcome == ("CF-NAM-003" if in_the_clear else True)
    else:
        assert outcome == ("CF-NAM-002" if login is REQUIRED else False)
