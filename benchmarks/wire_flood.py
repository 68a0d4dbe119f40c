"""Clients that nobody here wrote flood a server on the wire: one sends, one receives, each a process of its own."""

from __future__ import annotations

import hashlib
import os
import resource
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

PROGRAMS = Path(__file__).with_name("wire_clients")
#: Where tests/servers/install puts what it gets from npm; here too what is compiled for the measurement.
INSTALLED = Path(sys.prefix) / "interop"
#: Bytes of a body, and how many messages are unconfirmed at once.
SIZE, CREDIT = 100, 500
#: Seconds after which a client is taken to hang.
PATIENCE = 300


@dataclass(frozen=True)
class Target:
    """A server that is to be flooded.

    Attributes:
        pid: Its process.
        url: Where it listens.
        user, password: Who signs on.
        addresses: Its queues: `transient` and `durable`.
        environment: What else its clients are told.
    """

    pid: int
    url: str
    user: str
    password: str
    addresses: Mapping[str, str]
    environment: Mapping[str, str] = field(default_factory=dict)

    def told(self) -> dict[str, str]:
        """The environment of its clients."""
        own = {"WIRE_USER": self.user, "WIRE_PASSWORD": self.password, "NODE_PATH": str(INSTALLED / "node_modules")}
        return {**os.environ, **own, **self.environment}


@dataclass
class Figures:
    """What the rounds have shown beside the rates.

    Attributes:
        rates: Those, messages a second.
        server, clients: Microseconds of CPU time for each message, of the server, and of its two clients together with
            what their start costs.
    """

    rates: list[float] = field(default_factory=list)
    server: list[float] = field(default_factory=list)
    clients: list[float] = field(default_factory=list)


def median(figures: Sequence[float]) -> str:
    """Over all rounds but the first, which warms up."""
    return f"{statistics.median(figures[1:]):.1f}"


def cpp_client() -> list[str]:
    """Qpid Proton's for C++, compiled where it is not yet."""
    source = PROGRAMS / "flood.cpp"
    program = INSTALLED / f"flood-{hashlib.sha256(source.read_bytes()).hexdigest()[:16]}"
    if not program.exists():
        INSTALLED.mkdir(exist_ok=True)
        making = program.with_suffix(f".{os.getpid()}")
        subprocess.run(["g++", "-O2", "-std=c++17", "-o", making, source, "-lqpid-proton-cpp"], check=True)
        making.rename(program)
    return [str(program)]


def rhea_client() -> list[str]:
    """JavaScript's."""
    node = shutil.which("node")
    if node is None or not (INSTALLED / "node_modules" / "rhea").is_dir():
        raise RuntimeError("needs node and the npm package rhea (tests/servers/install)")
    return [node, str(PROGRAMS / "flood.js")]


def flood(client: Sequence[str], target: Target, *, count: int, durable: bool, figures: Figures | None = None) -> float:
    """Messages a second, from the first that is sent to the last that is received and acknowledged."""
    address = target.addresses["durable" if durable else "transient"]
    words = [target.url, address, str(count), str(CREDIT), str(SIZE), "1" if durable else "0"]
    ended = _seconds_of_ended()
    with _running([*client, "receive", *words], target) as receiver:
        _expect(receiver, "READY")
        used = cpu_seconds(target.pid)
        with _running([*client, "send", *words], target) as sender:
            (began, sent), (_, received) = _done(sender), _done(receiver)
    rate = count / (max(sent, received) - began)
    if figures is not None:
        figures.rates.append(rate)
        figures.server.append((cpu_seconds(target.pid) - used) / count * 1e6)
        figures.clients.append((_seconds_of_ended() - ended) / count * 1e6)
    return rate


@contextmanager
def idle(target: Target, connections: int) -> Iterator[None]:
    """So many connections, each with a session and a receiving link that has no credit left to give."""
    words = ["idle", target.url, target.addresses["transient"], str(connections)]
    with _running([*rhea_client(), *words], target) as running:
        _expect(running, "READY")
        yield


def cpu_seconds(pid: int) -> float:
    """What a process has used so far."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def _seconds_of_ended() -> float:
    """The CPU time of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def resident_bytes(pid: int) -> int:
    """How much memory a process has."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def _running(command: Sequence[str], target: Target) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=target.told()
    ) as process:
        try:
            yield process
            assert process.stdin is not None
            process.stdin.close()
            if process.wait(PATIENCE) != 0:
                raise RuntimeError(f"{command[0]} has failed")
        finally:
            process.kill()


def _expect(process: subprocess.Popen[str], word: str) -> list[str]:
    assert process.stdout is not None
    line = process.stdout.readline().split()
    if not line or line[0] != word:
        raise RuntimeError(f"a client was to say {word}")
    return line[1:]


def _done(process: subprocess.Popen[str]) -> tuple[float, float]:
    began, ended = map(float, _expect(process, "DONE"))
    return began, ended
