"""The servers whose wire is measured: ours, and RabbitMQ with its plugin for AMQP 1.0; on loopback and free ports."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import json
import os
import pwd
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from benchmarks.wire_flood import INSTALLED, Target
from benchmarks.wire_server import PASSWORD, USER

RABBITMQ = Path("/usr/lib/rabbitmq/bin")
_OUR_ADDRESSES = {"transient": "transient", "durable": "durable"}
_THEIR_ADDRESSES = {"transient": "/amq/queue/transient", "durable": "/amq/queue/durable"}
#: Seconds that RabbitMQ may take until it listens.
_PATIENCE = 120


@contextmanager
def our_server(folder: Path) -> Iterator[dict[str, Target]]:
    """Ours: `secured`, `open` (the bus without security) and `tls`, of one process."""
    command = [sys.executable, "-m", "benchmarks.wire_server", str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            word, _, ports = process.stdout.readline().partition(" ")
            if word != "READY":
                raise RuntimeError("the server did not start")
            port = json.loads(ports)
            basic = f"amqp://127.0.0.1:{port['InboundBasicMessaging']}"
            secured = Target(process.pid, basic, USER, PASSWORD, _OUR_ADDRESSES)
            yield {
                "secured": secured,
                "open": replace(secured, environment={"WIRE_BUS": "open"}),
                "tls": replace(
                    secured,
                    url=f"amqps://localhost:{port['InboundSecureMessaging']}",
                    environment={"WIRE_TRUST": str(folder / "node.crt")},
                ),
            }
            assert process.stdin is not None
            process.stdin.close()
            process.wait(30)
        finally:
            process.kill()


@contextmanager
def rabbitmq(folder: Path) -> Iterator[Target]:
    """RabbitMQ, as an unprivileged user; with a user, its rights, and queues that survive a restart."""
    if not (RABBITMQ / "rabbitmq-server").exists():
        raise RuntimeError("needs RabbitMQ (tests/servers/install)")
    port, distribution, mapper = (_free_port() for _ in range(3))
    _configure(folder, port)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_EPMD_PORT": str(mapper),
        "RABBITMQ_NODENAME": "bench@localhost",
        "RABBITMQ_DIST_PORT": str(distribution),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
        "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_PID_FILE": str(folder / "pid"),
        # The one that Debian's package brings is for its service.
        "RABBITMQ_CONF_ENV_FILE": str(folder / "none"),
    }
    server = subprocess.Popen(
        [*_unprivileged(folder), _program("rabbitmq-server")],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _await_port(server, port)
        pid = int((folder / "pid").read_text())
        yield Target(pid, f"amqp://127.0.0.1:{port}", USER, PASSWORD, _THEIR_ADDRESSES)
    finally:
        server.terminate()
        server.wait(60)
        # What tells its nodes of each other outlives them.
        subprocess.run([*_unprivileged(folder), "epmd", "-kill"], env=environment, capture_output=True, check=False)


def missing_programs() -> str:
    """What of the clients and the peer isn't there; empty where everything is."""
    found = {
        "g++ and Qpid Proton for C++": shutil.which("g++") and Path("/usr/include/proton/container.hpp").exists(),
        "node and the npm package rhea": shutil.which("node") and (INSTALLED / "node_modules" / "rhea").is_dir(),
        "RabbitMQ": (RABBITMQ / "rabbitmq-server").exists(),
        "python-qpid-proton": importlib.util.find_spec("proton") is not None,
    }
    return ", ".join(name for name, there in found.items() if not there)


def _program(name: str) -> str:
    """Not Debian's wrapper, which would change to the user of the service and its folders."""
    found = sorted(Path("/usr/lib/rabbitmq/lib").glob(f"rabbitmq_server-*/sbin/{name}"))
    return str(found[-1] if found else RABBITMQ / name)


def _configure(folder: Path, port: int) -> None:
    salt = os.urandom(4)
    digest = base64.b64encode(salt + hashlib.sha256(salt + PASSWORD.encode()).digest()).decode()
    rights = {
        "user": USER,
        "vhost": "/",
        "configure": "",
        "write": "transient|durable|amq.default",
        "read": "transient|durable",
    }
    queue = {"vhost": "/", "durable": True, "auto_delete": False, "arguments": {}}
    definitions = {
        "users": [{"name": USER, "password_hash": digest, "tags": ""}],
        "vhosts": [{"name": "/"}],
        "permissions": [rights],
        "queues": [{"name": name, **queue} for name in _THEIR_ADDRESSES],
    }
    (folder / "definitions.json").write_text(json.dumps(definitions))
    (folder / "enabled_plugins").write_text("[rabbitmq_amqp1_0].\n")
    lines = (
        f"listeners.tcp.1 = 127.0.0.1:{port}",
        f"load_definitions = {folder}/definitions.json",
        "log.file.level = error",
    )
    (folder / "rabbitmq.conf").write_text("\n".join(lines) + "\n")


def _unprivileged(folder: Path) -> list[str]:
    """How to run something as nobody of importance; root gives the folder away for that."""
    if os.geteuid() != 0:
        return []
    nobody = pwd.getpwnam("nobody")
    for path in (folder, *folder.rglob("*")):
        os.chown(path, nobody.pw_uid, nobody.pw_gid)
    setpriv = shutil.which("setpriv") or "setpriv"
    return [setpriv, f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _await_port(server: subprocess.Popen[bytes], port: int) -> None:
    give_up = time.monotonic() + _PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if server.poll() is not None or time.monotonic() > give_up:
                raise RuntimeError("RabbitMQ did not start") from None
            time.sleep(0.1)
        else:
            return
