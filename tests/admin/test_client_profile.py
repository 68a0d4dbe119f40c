"""`connector init --client`: a client's own profile, without any password, and what it asks for (CONF-5, CONF-6)."""

from __future__ import annotations

import json
import stat
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from connector.admin.client_profile import ClientProfile, client_configuration
from connector.admin.main import main
from connector.security.tls.key_store import read_key_store
from connector.security.tls.signer import Signer


def init(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["init", "--client", *arguments])


def on(folder: Path, *arguments: str, stdin: str = "") -> Result:
    return CliRunner().invoke(main, ["-c", str(folder / "connector.toml"), *arguments], input=stdin)


@pytest.fixture
def client(tmp_path: Path) -> Path:
    folder = tmp_path / "till"
    result = init(str(folder), "--naming", "weather.example:2809")
    assert result.exit_code == 0, result.output
    return folder


def test_it_has_a_key_and_a_trust_store_of_its_own_and_no_password(client: Path) -> None:
    store = read_key_store(client / "keys" / "node.pem")
    assert Signer.of(store.certificate).subject == "CN=till"
    assert (client / "keys" / "trust.pem").read_bytes() == b""
    assert not (client / "auth-data.vault").exists()
    assert (client / "users.toml").read_text() == ""


def test_two_clients_share_nothing(tmp_path: Path) -> None:
    for name in ("one", "two"):
        assert init(str(tmp_path / name)).exit_code == 0
    for file in ("keys/node.pem", "vault.key"):
        assert (tmp_path / "one" / file).read_bytes() != (tmp_path / "two" / file).read_bytes()


def test_nobody_else_can_read_anything(client: Path) -> None:
    for path in [client, *client.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_it_goes_by_tls_and_with_logins_of_its_own(client: Path) -> None:
    assert tomllib.loads((client / "connector.toml").read_text())["naming"]["provider"] == {
        "address": "weather.example:2809",
        "tls": "node-default",
        "alias": "look-up",
        "connection_tls": "node-default",
        "connection_alias": "connection",
    }


def test_it_passes_its_check(client: Path) -> None:
    result = on(client, "check", "--fail-on", "note")
    assert result.exit_code == 0, result.output


def test_it_says_what_is_to_be_done_next_and_each_command_works(client: Path, tmp_path: Path) -> None:
    answer = json.loads(init(str(tmp_path / "shown"), "--naming", "127.0.0.1:1", "--json").stdout)
    assert (answer["name"], answer["provider"], answer["aliases"]) == (
        "shown",
        "127.0.0.1:1",
        ["look-up", "connection"],
    )
    shown = init(str(tmp_path / "again"), "--naming", "127.0.0.1:1").stdout
    assert [line.strip() for line in shown.splitlines() if "connector -c" in line] == [
        command.replace("/shown/", "/again/") for command in answer["next"]
    ]
    codes = []
    for command in answer["next"]:
        words = command.split()[1:]
        stdin = [] if "auth-data" not in words else ["--password-stdin"]
        codes.append(CliRunner().invoke(main, [*words, *stdin], input="secret\n").exit_code)
    assert codes == [3, 0, 0, 0]  # nobody listens at port 1


def test_an_open_one_is_said_to_be_open(tmp_path: Path) -> None:
    result = init(str(tmp_path / "till"), "--insecure")
    assert "OPEN" in result.stdout
    assert tomllib.loads((tmp_path / "till" / "connector.toml").read_text())["naming"]["provider"] == {
        "address": "localhost:2809"
    }


def test_the_security_of_an_open_one_is_switched_on_by_the_commands_that_refusals_name(tmp_path: Path) -> None:
    init(str(tmp_path / "till"), "--insecure")
    for key, value in (("tls", "node-default"), ("alias", "look-up"), ("connection_tls", "node-default")):
        result = on(tmp_path / "till", "config", "set", f"naming.provider.{key}", value)
        assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--naming", "weather.example"), "CF-NAM-010"),
        (("--name", "a.b"), "CF-ADM-060"),
        (("--password-stdin",), "CF-ADM-003"),
    ],
)
def test_what_is_unfit_makes_nothing(tmp_path: Path, arguments: tuple[str, ...], code: str) -> None:
    result = init(str(tmp_path / "till"), *arguments)
    assert (result.exit_code, result.stderr.split(":")[0]) == (2, code)
    assert list(tmp_path.iterdir()) == []


def test_without_a_terminal_a_missing_login_is_refused_with_the_command(client: Path) -> None:
    result = on(client, "lookup", "weather/CF", "--outside")
    assert result.exit_code == 2
    assert "CF-NAM-011" in result.stderr
    assert "connector auth-data set look-up --user USER" in result.stderr


@pytest.mark.parametrize(
    ("file", "code"), [("auth-data.vault", "CF-NAM-421"), ("vault.key", "CF-AUTHD-011")], ids=["logins", "key"]
)
def test_logins_that_others_could_read_are_refused(client: Path, file: str, code: str) -> None:
    assert on(client, "auth-data", "set", "look-up", "--user", "alice", "--password-stdin", stdin="x\n").exit_code == 0
    assert stat.S_IMODE((client / file).stat().st_mode) == 0o600
    (client / file).chmod(0o640)
    result = on(client, "lookup", "weather/CF", "--outside")
    assert (result.exit_code, result.stderr.split(":")[0]) == (1, code)
    assert f"chmod 600 {client / file}" in result.stderr.replace("\n  ", " ")


def test_its_comments_stand_beside_what_they_are_about() -> None:
    for security in (True, False):
        text = client_configuration(ClientProfile("till", "weather.example:2809", security=security))
        assert max(len(line) for line in text.splitlines()) <= 120
