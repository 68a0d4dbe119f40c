"""The wire against RabbitMQ's plugin for AMQP 1.0, with clients that nobody here wrote: the same program for both.

A message of 100 bytes goes from one process to another over the server: unsettled, confirmed to its sender and
acknowledged by its receiver, at most 500 at once unconfirmed on either side. Both servers know their users and what
they may. Ours is a process with nothing but the bus in it. Rates tell what one gets of a machine; the server's own CPU
time for each message, in the notes, tells what it costs, also where other processes take the machine away.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.harness import Result, against_limit, compare
from benchmarks.wire_flood import Figures, Target, cpp_client, flood, idle, resident_bytes, rhea_client
from benchmarks.wire_targets import missing_programs, our_server, rabbitmq

#: Connections that are opened for their memory.
_CONNECTIONS = 500


def run(*, quick: bool) -> list[Result]:
    """Measure; where a client or the peer is missing it says so, and in CI fails."""
    if missing := missing_programs():
        if os.environ.get("CI"):
            raise RuntimeError(f"CI must have {missing} (tests/servers/install)")
        print(f"wire is not measured: it needs {missing} (tests/servers/install)", file=sys.stderr)
        return []
    rounds, count = (1, 5_000) if quick else (5, 40_000)
    # A peer that runs as somebody else has to get into its folder.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "ours").mkdir(mode=0o700)
        (folder / "theirs").mkdir()
        with our_server(folder / "ours") as ours, rabbitmq(folder / "theirs") as theirs:
            secured = ours["secured"]
            peer = "rabbitmq-amqp1.0"
            return [
                _compared("wire, transient, C++ client", peer, cpp_client(), secured, theirs, 4.0, rounds, count),
                _compared("wire, transient, rhea", peer, rhea_client(), secured, theirs, 2.0, rounds, count // 2),
                _compared(
                    "wire, durable, C++ client",
                    peer,
                    cpp_client(),
                    secured,
                    theirs,
                    1.5,
                    rounds,
                    count // 2,
                    durable=True,
                ),
                _compared("wire, bus security on", "off", cpp_client(), secured, ours["open"], 0.95, rounds * 2, count),
                _compared("wire, TLS", "plain", cpp_client(), ours["tls"], secured, 0.7, rounds, count),
                _idle(secured, 50 if quick else _CONNECTIONS),
            ]


def _compared(
    name: str,
    peer: str,
    client: Sequence[str],
    ours: Target,
    theirs: Target,
    goal: float,
    rounds: int,
    count: int,
    *,
    durable: bool = False,
) -> Result:
    used, other = Figures(), Figures()
    result = compare(
        name,
        peer,
        lambda: flood(client, ours, count=count, durable=durable, figures=used),
        lambda: flood(client, theirs, count=count, durable=durable, figures=other),
        goal=goal,
        unit="messages/s",
        rounds=rounds,
        better="higher",
    )
    spent, there = statistics.median(used.microseconds), statistics.median(other.microseconds)
    return result.noting(f"CPU of the server for each message: {spent:.0f} against {there:.0f} microseconds")


def _idle(target: Target, connections: int) -> Result:
    with idle(target, connections):
        pass  # what signing on takes, for as many at once, it has taken by now
    before = resident_bytes(target.pid)
    with idle(target, connections):
        each = (resident_bytes(target.pid) - before) / connections
    note = f"{connections} connections of rhea, each with a session and a receiving link of a thousand credit"
    return against_limit("wire, memory of an idle connection", [each / 1000], 60.0, unit="kB", note=note)
