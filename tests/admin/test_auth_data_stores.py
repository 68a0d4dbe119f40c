"""`connector auth-data` does the same for every store, with and without a running container (AUTHD-2, CONF-7)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from support_secrets import MARKER
from support_stores import SECRET_SERVICE, secret_service

from connector.admin.main import main

CONFIGURATION = """
[container]
name = "stores"
security = false
[realms.stores]
path = "users.toml"
[auth_data]
"""
STORES = {
    "file": 'path = "auth-data.vault"\nkey = "file:vault.key"',
    "passphrase": 'path = "auth-data.vault"\nkey = "passphrase"\npassphrase = "file:passphrase"',
    "sql": 'store = "sql"\nurl = "sqlite:///FOLDER/list.db"\nkey = "file:vault.key"',
    "keyring": f'store = "keyring"\nbackend = "{SECRET_SERVICE}"\nservice = "FOLDER"',
}


class Profile:
    """A profile with a store, and the command line on it."""

    def __init__(self, folder: Path, auth_data: str) -> None:
        self.folder = folder
        self.file = folder / "connector.toml"
        self.file.write_text(CONFIGURATION + auth_data.replace("FOLDER", str(folder)))
        self.password = folder / "password"
        self.password.write_text(MARKER)
        (folder / "passphrase").write_text("the passphrase\n")
        (folder / "users.toml").touch(0o600)
        self.shown: list[str] = []
        self.process: subprocess.Popen[str] | None = None

    def __call__(self, *arguments: str) -> Result:
        result = CliRunner().invoke(main, ["-c", str(self.file), *arguments])
        self.shown += [result.output]
        return result

    def json(self, *arguments: str) -> Any:
        result = self("--json", "auth-data", *arguments)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def set(self, alias: str, user: str) -> Any:
        return self.json("set", alias, "--user", user, "--password-file", str(self.password))

    def start(self, *options: str) -> None:
        command = [str(Path(sys.executable).with_name("connector")), "-c", str(self.file), *options, "run"]
        plain = {name: value for name, value in os.environ.items() if not name.startswith("CONNECTOR")}
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, env=plain
        )
        assert self.process.stdout is not None
        ready = self.process.stdout.readline()
        assert "is ready" in ready, self.process.communicate()[1]

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            self.shown += self.process.communicate(timeout=10)
            self.process = None


@pytest.fixture(scope="module")
def bus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with secret_service(tmp_path_factory.mktemp("keyring")) as environ:
        yield environ


@pytest.fixture
def make(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    made: list[Profile] = []

    def make(auth_data: str) -> Profile:
        if SECRET_SERVICE in auth_data:
            for name, value in request.getfixturevalue("bus").items():
                monkeypatch.setenv(name, value)
        made.append(Profile(tmp_path, auth_data))
        return made[-1]

    yield make
    for profile in made:
        profile.stop()


@pytest.mark.slow
@pytest.mark.parametrize("store", STORES)
def test_every_store_is_administered_alike(store: str, make: Any) -> None:
    profile: Profile = make(STORES[store])
    if store == "keyring":
        assert "CF-ADM-045" in profile("auth-data", "init-key").output
    else:
        assert profile.json("init-key") == {"made": True}
        assert profile("auth-data", "init-key").exit_code == 1  # never over another
    assert profile.json("list") == []
    assert profile.set("ledger", "batch") == {
        "alias": "ledger", "user": "batch", "version": 1, "running": False, "changed": [],
    }  # fmt: skip
    profile.start()
    assert profile.set("ledger", "batch-2") == {
        "alias": "ledger", "user": "batch-2", "version": 2, "running": True, "changed": ["ledger"],
    }  # fmt: skip
    assert profile.json("list") == [{"alias": "ledger", "user": "batch-2", "description": "", "version": 2}]
    assert profile.json("refresh") == {"running": True, "changed": []}
    if store == "keyring":
        assert "CF-KEYR-008" in profile("auth-data", "rotate-key").output
    else:
        assert profile.json("rotate-key") == {"entries": 1, "resumed": False, "running": True, "changed": []}
    assert profile.json("remove", "ledger")["changed"] == ["ledger"]
    assert "CF-ADM-043" in profile("auth-data", "remove", "ledger").output
    profile.stop()
    assert profile.json("list") == []
    assert not [text for text in profile.shown if MARKER in text or "the passphrase" in text.split("\n")]


def test_a_rotation_tells_how_far_it_is_on_standard_error(make: Any) -> None:
    profile: Profile = make(STORES["sql"])
    profile.json("init-key")
    for alias in ("a", "b"):
        profile.set(alias, "u")
    result = profile("auth-data", "rotate-key")
    assert result.stdout == "Encrypted 2 entries under a new key.\n"
    assert result.stderr.splitlines()[-1] == "2 of 2 entries are encrypted under the new key"


def test_an_interrupted_rotation_that_is_gone_on_with_is_told_apart(make: Any) -> None:
    profile: Profile = make(STORES["file"])
    profile.json("init-key")
    profile.set("a", "u")
    key = profile.folder / "vault.key"
    other = profile.folder / "other.key"
    CliRunner().invoke(main, ["-c", str(profile.file), "--json", "version"])
    from connector.security.key_file import generate_key

    generate_key(other)
    key.write_text(key.read_text() + other.read_text())  # as a kill after the first step leaves it
    result = profile("auth-data", "rotate-key")
    assert "Went on with the rotation" in result.stdout
    assert "Rotate again if" in result.stdout
    assert key.read_text() == other.read_text()


def test_a_passphrase_comes_by_option_and_is_changed_while_nothing_runs(make: Any, tmp_path: Path) -> None:
    profile: Profile = make('path = "auth-data.vault"\nkey = "passphrase"')
    for name, text in {"one": "first passphrase", "two": "second passphrase"}.items():
        (tmp_path / name).write_text(text)
    old, new = ("--passphrase-file", str(tmp_path / "one")), ("--passphrase-file", str(tmp_path / "two"))
    assert "CF-AUTHD-050" in profile("auth-data", "init-key").output  # no terminal here
    assert profile.json("init-key", *old) == {"made": True}
    assert "CF-AUTHD-054" in profile("auth-data", "list", *new).output
    profile.json("set", "a", "--user", "u", "--password-file", str(profile.password), *old)
    rotated = profile.json("rotate-key", *old, "--new-passphrase-file", str(tmp_path / "two"))
    assert rotated["entries"] == 1
    assert [entry["alias"] for entry in profile.json("list", *new)] == ["a"]
    assert "CF-AUTHD-054" in profile("auth-data", "list", *old).output
    stdin = CliRunner().invoke(
        main,
        ["-c", str(profile.file), "--json", "--passphrase-stdin", "auth-data", "list"],
        input="second passphrase\n",
    )
    assert [entry["alias"] for entry in json.loads(stdin.stdout)] == ["a"]


@pytest.mark.slow
def test_a_running_container_takes_no_new_passphrase(make: Any) -> None:
    profile: Profile = make(STORES["passphrase"])
    profile.json("init-key")
    profile.start()
    refused = profile("auth-data", "rotate-key", "--new-passphrase-file", str(profile.password))
    assert "CF-ADM-046" in refused.output
    assert refused.exit_code == 2


@pytest.mark.parametrize(
    ("auth_data", "code", "line"),
    [
        ('store = "sql"\nkey = "file:k"', "CF-CONF-031", 7),
        ('store = "sql"\nurl = "sqlite://"\nkey = "file:k"\ntabel = "x"', "CF-CONF-030", 11),
        ('store = "keyring"', "CF-CONF-031", 7),
        ('store = "keyring"\nbackend = "b"\nkey = "file:k"', "CF-CONF-030", 10),
        ('store = "sql"\nurl = "postgresql+psycopg://u:pw@h/d"\nkey = "file:k"', "CF-CONF-039", 9),
        ('path = "v"\nkey = "file:k"\nwatch = "1ms"', "CF-CONF-012", 10),
        ('store = "env"\nprefx = "X"', "CF-CONF-010", 9),
        ('store = "vault"', "CF-CONF-040", 8),
    ],
)
def test_a_mistake_in_a_stores_own_keys_is_found_with_its_line(auth_data: str, code: str, line: int, make: Any) -> None:
    output = make(auth_data)("check").output
    assert code in output
    assert f"connector.toml:{line}:" in output
    assert "pw" not in output
