"""Unknown signers at a real terminal: shown, asked about, believed or not as the person says (CHAIN-3)."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner
from support_shop_commands import Shop
from support_terminal import at_a_terminal
from support_tls import profile_keys

from connector.admin.main import main
from connector.admin.naming.answering import NamingAnswerer
from connector.admin.naming.port import NamingEndpoint
from connector.container.configuration.settings import Demand, NamingPort
from connector.security.tls.settings import TlsSettings
from connector.security.tls.signer import Signer

CONNECTOR = [sys.executable, "-c", "from connector.admin.main import main; main()"]


def on(folder: Path, *arguments: str) -> str:
    result = CliRunner().invoke(main, ["-c", str(folder / "connector.toml"), *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def trusted(folder: Path) -> list[str]:
    return [one["fingerprint"] for one in json.loads(on(folder, "--json", "signers", "list"))]


@pytest.fixture
def server(shop: Shop, tmp_path: Path) -> Iterator[tuple[str, Signer]]:
    """A container that answers look-ups by TLS, without a login; its address, and the certificate that it shows."""
    certificate = profile_keys(tmp_path, "shown").certificate
    tls = TlsSettings("naming", key_store=tmp_path / "shown.pem")
    settings = NamingPort("127.0.0.1", 0, tls, Demand.REQUIRED, Demand.OFF)
    with shop.running() as container, closing(NamingEndpoint(settings, NamingAnswerer(container, settings))) as made:
        yield f"localhost:{made.port}", Signer.of(certificate)


@pytest.fixture
def client(tmp_path: Path, server: tuple[str, Signer]) -> Path:
    folder = tmp_path / "till"
    made = CliRunner().invoke(main, ["init", str(folder), "--client", "--insecure", "--naming", server[0]])
    assert made.exit_code == 0, made.output
    on(folder, "config", "set", "naming.provider.tls", "node-default")
    return folder


def test_the_certificate_is_shown_and_a_yes_trusts_it(server: tuple[str, Signer], client: Path) -> None:
    address, signer = server
    command = [*CONNECTOR, "-c", "connector.toml", "signers", "retrieve", address]
    code, shown = at_a_terminal(command, [("Trust it?", "y")], folder=client)
    assert code == 0, shown
    for name in ("subject: CN=shown", "issuer: CN=shown", "serial:", "not before:", "not after:", signer.fingerprint):
        assert name in shown
    assert trusted(client) == [signer.fingerprint]


@pytest.mark.parametrize("answer", ["n", ""])
def test_anything_else_trusts_nobody(server: tuple[str, Signer], client: Path, answer: str) -> None:
    command = [*CONNECTOR, "-c", "connector.toml", "signers", "retrieve", server[0]]
    code, shown = at_a_terminal(command, [("Trust it?", answer)], folder=client)
    assert (code, "CF-ADM-074" in shown) == (1, True)
    assert trusted(client) == []


def test_a_look_up_that_meets_an_unknown_signer_asks_and_goes_on(server: tuple[str, Signer], client: Path) -> None:
    address, signer = server
    command = [*CONNECTOR, "-c", "connector.toml", "lookup", "--outside", "jdbc/orders"]
    code, shown = at_a_terminal(command, [("Trust it?", "y")], folder=client)
    assert code == 0, shown
    assert f"vouches for {address}" in shown
    assert "sqlite:" in shown
    assert trusted(client) == [signer.fingerprint]
    assert at_a_terminal(command, [], folder=client)[0] == 0, "the second time nobody is asked"


def test_a_no_ends_the_look_up_and_nothing_was_sent(server: tuple[str, Signer], client: Path) -> None:
    command = [*CONNECTOR, "-c", "connector.toml", "lookup", "--outside", "jdbc/orders"]
    code, shown = at_a_terminal(command, [("Trust it?", "n")], folder=client)
    assert (code, "CF-ADM-074" in shown, "sqlite:" in shown) == (1, True, False)
    assert trusted(client) == []
