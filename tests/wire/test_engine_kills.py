"""The engine killed under load: what it has accepted is there again, what it has settled is not (CHAIN-1, BUS-11).

The engine runs in a process of its own, as `connector run --engine` starts it. `CONNECTOR_WIRE_KILLS` says how often.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support_wire import CONFIGURATION, _write_users, require_proton

pytestmark = pytest.mark.amqp

require_proton()
from proton import Message  # noqa: E402
from proton.handlers import MessagingHandler  # noqa: E402
from proton.utils import BlockingConnection  # noqa: E402

KILLS = int(os.environ.get("CONNECTOR_WIRE_KILLS", "2"))
#: Seconds without a single message accepted that are taken for a standstill.
PATIENCE = 30


class Engine:
    """One run of the engine, in its own process."""

    def __init__(self, folder: Path, port: int) -> None:
        self._port = port
        command = [str(Path(sys.executable).parent / "connector"), "run", str(folder / "connector.toml")]
        self.process = subprocess.Popen(
            [*command, "--engine", "weather"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert self.process.stdout is not None
        assert b"is ready" in self.process.stdout.readline()

    def connect(self, user: str) -> Any:
        return BlockingConnection(
            f"amqp://127.0.0.1:{self._port}", timeout=20, user=user, password=user, allow_insecure_mechs=True
        )

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.end()

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.end()

    def end(self) -> None:
        self.process.wait(20)
        assert self.process.stdout is not None
        self.process.stdout.close()


@contextmanager
def load(*works: Any) -> Iterator[list[Exception]]:
    """Each in a thread, until the connection that it uses is lost; answers by what errors they were ended."""
    ended: list[Exception] = []

    def until_lost(work: Any) -> None:
        try:
            work()
        except Exception as error:
            ended.append(error)

    threads = [threading.Thread(target=until_lost, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    try:
        yield ended
    finally:
        for thread in threads:
            thread.join(30)
            assert not thread.is_alive()


class Settling(MessagingHandler):
    """Accepts what comes, and believes that it is settled when the engine says so."""

    def __init__(self, received: list[str], settled: set[str]) -> None:
        super().__init__(prefetch=20, auto_accept=False, auto_settle=False)
        self._received = received
        self._settled = settled
        self._bodies: dict[str, str] = {}

    def on_message(self, event: Any) -> None:
        self._received.append(event.message.body)
        self._bodies[event.delivery.tag] = event.message.body
        event.delivery.update(event.delivery.ACCEPTED)

    def on_settled(self, event: Any) -> None:
        self._settled.add(self._bodies[event.delivery.tag])
        event.delivery.settle()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


def test_no_accepted_message_is_lost_and_no_settled_one_comes_again(tmp_path: Path) -> None:
    port, chance = free_port(), random.Random(7)
    _write_users(tmp_path / "users.toml")
    text = CONFIGURATION.replace("PERMITTED", '"all"').replace("CONNECTORS", '["user:alice", "user:bob"]')
    (tmp_path / "connector.toml").write_text(text.replace("port = 0", f"port = {port}"))
    accepted: list[str] = []
    received: list[str] = []
    settled: set[str] = set()
    enough = threading.Event()

    for run in range(KILLS):
        engine, wanted = Engine(tmp_path, port), chance.randrange(20, 200)
        enough.clear()
        before = set(settled)
        came, before_run = len(received), len(accepted)

        def send(engine: Engine = engine, run: int = run, wanted: int = wanted) -> None:
            try:
                sender = engine.connect("alice").create_sender("requests")
                for number in range(100_000):
                    body = f"{run}:{number}"
                    sender.send(Message(body=body, durable=True))
                    accepted.append(body)
                    if number == wanted:
                        enough.set()
            finally:
                enough.set()  # nothing more comes: to be said at once

        def take(engine: Engine = engine) -> None:
            client = engine.connect("bob")
            client.container.create_receiver(client.conn, "requests", handler=Settling(received, settled))
            client.wait(lambda: False, timeout=60)

        with load(send, take) as ended:
            seen = -1
            # However slow machine and disk are, something is accepted now and then: each message is a flush of its own.
            while not enough.wait(PATIENCE) and seen < len(accepted):
                seen = len(accepted)
            sent = len(accepted) - before_run
            engine.kill()
            assert sent > wanted, f"run {run}: {sent} of {wanted} messages were accepted, ended by {ended}"
        assert not before & set(received[came:]), "a message that was settled has come again"

    engine = Engine(tmp_path, port)
    client = engine.connect("bob")
    came = len(received)
    client.container.create_receiver(client.conn, "requests", handler=Settling(received, settled))
    before = set(settled)
    client.wait(lambda: set(accepted) <= set(received), timeout=60)
    assert not before & set(received[came:])
    client.wait(lambda: set(received[came:]) <= settled, timeout=60)
    client.close()
    engine.stop()
    print(f"{KILLS} kills, {len(accepted)} messages accepted, {len(received)} deliveries, {len(settled)} settled")
