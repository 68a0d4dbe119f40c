"""Either end of a link is killed under load, again and again: nothing is lost, nothing comes twice (BUS-9)."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from support_rabbitmq import free_port
from support_wire import require_proton

from connector_bus.store.sqlite_store import SqliteStore

PROGRAM = Path(__file__).parents[1] / "kill_a_link.py"
#: How often one of the ends is killed; more at will.
KILLS = int(os.environ.get("CONNECTOR_LINK_KILLS", "8"))


class End:
    """One end of the link, as a process that can be started again."""

    def __init__(self, bus: str, folder: Path, way: str) -> None:
        self.bus, self.folder, self.way = bus, folder, way
        self.runs = 0
        self.acknowledged: list[str] = []
        folder.mkdir()
        self.start()

    def start(self) -> None:
        self.runs += 1
        arguments = [self.bus, str(self.folder), self.way, f"run{self.runs}"]
        path = os.pathsep.join([str(PROGRAM.parent), *sys.path])
        self.process = subprocess.Popen(
            [sys.executable, str(PROGRAM), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": path},
        )
        assert self.line() == "ready"

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def listen(self, count: int) -> None:
        """Hear of so many acknowledged messages."""
        for _ in range(count):
            self.acknowledged.append(self.line())

    def kill(self) -> None:
        self.process.kill()
        assert self.process.stdout is not None
        assert self.process.stdin is not None
        whole = self.process.stdout.read().split("\n")[:-1]
        self.acknowledged += [each for each in whole if self.bus == "britain"]
        self.process.wait()
        self.process.stdout.close()
        self.process.stdin.close()

    def end(self) -> list[str]:
        """Let it come to its end; answers what it says last."""
        said, _ = self.process.communicate("", timeout=120)
        return said.split()


@pytest.fixture(params=["local", pytest.param("chain", marks=pytest.mark.amqp)])
def ways(request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """How Britain and France reach each other."""
    if request.param == "chain":
        require_proton()
        one, other = free_port(), free_port()
        yield f"{one}:{other}", f"{other}:{one}"
        return
    with tempfile.TemporaryDirectory(prefix="l-", dir="/tmp") as sockets:
        yield sockets, sockets


def test_nothing_is_lost_or_doubled_when_either_end_is_killed(tmp_path: Path, ways: tuple[str, str]) -> None:
    chance = random.Random(int(os.environ.get("CONNECTOR_LINK_SEED", "7")))
    here_way, there_way = ways
    there = End("france", tmp_path / "france", there_way)
    here = End("britain", tmp_path / "britain", here_way)
    for _ in range(KILLS):
        here.listen(chance.randint(1, 300))
        victim = chance.choice((here, there))
        victim.kill()
        victim.start()
    here.listen(20)
    *rest, drained, stopped = here.end()
    here.acknowledged += rest
    assert (drained, stopped) == ("drained", "stopped")
    assert there.end() == ["stopped"]
    store = SqliteStore(tmp_path / "france" / "france.db")
    lines = [store.read(line.sequence) for line in store.index()]
    arrived = Counter(stored.message().body for stored in lines if stored is not None)
    held = store.received("britain")
    store.close()
    assert [body for body, count in arrived.items() if count > 1] == []
    assert set(here.acknowledged) - set(arrived) == set()
    assert len(here.acknowledged) > KILLS
    assert len(held) <= 64  # what is remembered of it does not grow
