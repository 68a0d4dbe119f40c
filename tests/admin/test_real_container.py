"""The real thing: the installed command, a real container, a real socket, from `init` to the signal that ends it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from support_admin import MARKER

COMMAND = [str(Path(sys.executable).with_name("connector"))]

pytestmark = pytest.mark.slow


@dataclass
class RealContainer:
    """A profile with a queue and a container that runs on it."""

    folder: Path
    process: subprocess.Popen[str] | None = None
    outputs: list[str] = field(default_factory=list)

    def run(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*COMMAND, *arguments], input=stdin, capture_output=True, text=True, env=self.environment, timeout=60
        )
        self.outputs += [done.stdout, done.stderr]
        return done

    @property
    def environment(self) -> dict[str, str]:
        plain = {name: value for name, value in os.environ.items() if not name.startswith("CONNECTOR")}
        return {**plain, "CONNECTOR_CONFIG": str(self.folder / "connector.toml")}

    def start(self) -> str:
        self.process = subprocess.Popen(
            [*COMMAND, "run"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.environment
        )
        assert self.process.stdout is not None
        return self.process.stdout.readline()  # ends with the ready line, or with the process

    def stop(self, number: signal.Signals) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        out, error = self.process.communicate(timeout=5)  # "within five seconds" (issue A)
        self.outputs += [out, error]
        return self.process.returncode

    def password(self, user: str, password: str) -> str:
        path = self.folder / f"{user}.password"
        path.write_text(f"{password}\n")
        return str(path)


@pytest.fixture
def real(tmp_path: Path) -> Iterator[RealContainer]:
    container = RealContainer(tmp_path / "weather")
    made = container.run("init", str(container.folder), "--password-stdin", stdin=f"{MARKER}\n")
    assert made.returncode == 0, made.stderr
    configuration = container.folder / "connector.toml"
    text = configuration.read_text().replace("connector = [", 'connector = ["user:alice", ')
    configuration.write_text(f'{text}\n[buses.weather.destinations."q"]\ntype = "queue"\n')
    assert container.run("users", "add", "alice", "--password-stdin", stdin=f"{MARKER}-alice\n").returncode == 0
    yield container
    if container.process is not None and container.process.poll() is None:
        container.process.kill()
        container.process.communicate()


def test_a_new_profile_passes_its_check(real: RealContainer) -> None:
    checked = real.run("check", "--json")
    assert (checked.returncode, checked.stderr) == (0, "")
    assert [finding for finding in json.loads(checked.stdout) if finding["severity"] == "error"] == []


def test_messages_outlive_the_container_that_a_command_opens(real: RealContainer) -> None:
    sign_on = ("--as", "alice", "--password-file", real.password("alice", f"{MARKER}-alice"))
    assert real.run("send", "weather", "q", '{"day": "Tuesday"}', *sign_on).returncode == 0
    received = json.loads(real.run("receive", "weather", "q", *sign_on, "--json").stdout)
    assert (received["body"], received["identity"]) == ({"day": "Tuesday"}, "alice@weather")


def test_a_wrong_user_table_stops_everything_with_exit_code_2(real: RealContainer) -> None:
    with (real.folder / "connector.toml").open("a") as file:
        file.write("[nonsense]\n")
    refused = real.run("check")
    assert refused.returncode == 2
    assert "nonsense" in refused.stderr
    assert not (real.folder / "state" / "admin.sock").exists()


def test_a_running_container_from_ready_to_stopped(real: RealContainer) -> None:
    boss = ("--login", "admin", "--login-password-file", real.password("admin", MARKER))
    alice = ("--as", "alice", "--password-file", real.password("alice", f"{MARKER}-alice"))
    assert real.start().startswith("container weather is ready (security on")

    refused = real.run("status")
    assert (refused.returncode, refused.stderr.split(":")[0]) == (1, "CF-ADM-020")
    assert json.loads(real.run(*boss, "--json", "status").stdout)["name"] == "weather"
    for pool in json.loads(real.run(*boss, "--json", "pool", "show").stdout):
        purged = json.loads(real.run(*boss, "--json", "pool", "purge", pool["resource"]).stdout)
        counts = {"closed": 0, "on_return": 0, "ended": 0, "kept": 0, "asked": 0}
        assert purged == {"resource": pool["resource"], "mode": "gracefully", "dry_run": False, **counts}
    twice = real.run("run")
    assert (twice.returncode, twice.stderr.split(":")[0]) == (1, "CF-CTR-001")

    assert real.run("send", "weather", "q", "hello", *alice).returncode == 0
    wrong = ("--as", "alice", "--password-file", real.password("wrong", "guess"))
    nothing = real.run("receive", "weather", "q", *wrong)
    assert (nothing.returncode != 0, nothing.stdout, nothing.stderr[:7]) == (True, "", "CF-BUS-")
    assert json.loads(real.run("receive", "weather", "q", *alice, "--json").stdout)["body"] == "hello"

    # A user that is added is known to the running container at once.
    added = real.run(*boss, "users", "add", "eve", "--password-stdin", stdin="eve's\n")
    assert added.returncode == 0, added.stderr
    eve = ("--login", "eve", "--login-password-file", real.password("eve", "eve's"))
    denied = real.run(*eve, "users", "list")
    assert (denied.returncode, denied.stderr.split(":")[0]) == (1, "CF-ADM-021")

    assert real.stop(signal.SIGTERM) == 0
    assert not (real.folder / "state" / "admin.sock").exists()
    audit = (real.folder / "state" / "audit.log").read_text()
    assert {"admin.users.add", "admin.bus.send", "admin.pool.show", "pool.purge"} <= {
        json.loads(line)["action"] for line in audit.splitlines()
    }
    assert MARKER not in audit + "".join(real.outputs)


def test_ctrl_c_stops_a_container_in_order(real: RealContainer) -> None:
    assert "is ready" in real.start()
    assert real.stop(signal.SIGINT) == 0
    assert real.outputs[-2] == "container weather stops\n"


def test_a_command_stops_a_container_as_well_and_comes_back_when_it_has_stopped(real: RealContainer) -> None:
    nothing = real.run("stop")
    assert (nothing.returncode, nothing.stderr.split(":")[0]) == (3, "CF-ADM-044")
    assert "is ready" in real.start()
    boss = ("--login", "admin", "--login-password-file", real.password("admin", MARKER))
    alice = ("--login", "alice", "--login-password-file", real.password("alice", f"{MARKER}-alice"))
    refused = real.run(*alice, "stop")
    assert (refused.returncode, refused.stderr.split(":")[0]) == (1, "CF-ADM-021")
    assert real.process is not None
    assert real.process.poll() is None
    stopped = real.run(*boss, "--json", "stop")
    assert json.loads(stopped.stdout) == {"container": "weather", "stopped": True}
    again = real.run(
        "send", "weather", "q", "x", "--as", "alice", "--password-file", real.password("a", f"{MARKER}-alice")
    )
    assert again.returncode == 0  # nobody holds the state folder any more
    out, _ = real.process.communicate(timeout=5)
    assert (real.process.returncode, out) == (0, "container weather stops\n")
    lines = [json.loads(line) for line in (real.folder / "state" / "audit.log").read_text().splitlines()]
    stops = [(line["who"], line["outcome"]) for line in lines if line["action"] == "admin.stop"]
    assert stops == [("alice@weather", "denied"), ("admin@weather", "success")]


def test_a_thread_that_an_application_left_behind_does_not_keep_the_process(real: RealContainer) -> None:
    (real.folder / "lingering.py").write_text(
        "import threading\nthreading.Thread(target=threading.Event().wait, name='lingering').start()\n"
    )
    (real.folder / "app.toml").write_text('[application]\nhandlers = ["lingering"]\npath = ["."]\n')
    with (real.folder / "connector.toml").open("a") as file:
        file.write('[applications]\napp = "app.toml"\n')
    assert "is ready" in real.start()
    assert real.stop(signal.SIGTERM) == 0
    assert "left behind: thread lingering" in real.outputs[-1]
