"""The wire against RabbitMQ's plugin for AMQP 1.0, with clients that nobody here wrote: the same program for both.

A message of 100 bytes goes from one process to another over the server: unsettled, confirmed to its sender and
acknowledged by its receiver, at most 500 at once unconfirmed on either side. Both servers know their users and what
they may. Ours is a process with nothing but the bus in it. Nobody is pinned: servers and clients share all cores.
Both servers run all the time and are flooded in turns. The first turn of each does not count, and one is long enough
for the clients' compiler (V8) and for what RabbitMQ's queues do in the background to be in it.

Rates tell what one gets of a machine. The CPU time for each message, of the server and of its two clients together, in
the notes, tells what it costs, also where other processes take the machine away; what the clients need no server can
spare them.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.harness import Result, against_limit, compare
from benchmarks.wire_flood import Figures, Target, cpp_client, flood, idle, median, resident_bytes, rhea_client
from benchmarks.wire_targets import missing_programs, our_server, rabbitmq

#: Connections that are opened for their memory.
_CONNECTIONS = 200


def run(*, quick: bool) -> list[Result]:
    """Measure; where a client or the peer is missing it says so, and in CI fails."""
    if missing := missing_programs():
        if os.environ.get("CI"):
            raise RuntimeError(f"CI must have {missing} (tests/servers/install)")
        print(f"wire is not measured: it needs {missing} (tests/servers/install)", file=sys.stderr)
        return []
    rounds, count = (1, 5_000) if quick else (7, 80_000)
    # A peer that runs as somebody else has to get into its folder.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "ours").mkdir(mode=0o700)
        (folder / "theirs").mkdir()
        with our_server(folder / "ours") as ours, rabbitmq(folder / "theirs") as theirs:
            secured = ours["secured"]
            peer = "rabbitmq-amqp1.0"
            # First of all: what a server has used before it would use again.
            idle = _idle(secured, 50 if quick else _CONNECTIONS)
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
                idle,
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

    def side(target: Target, figures: Figures) -> float:
        return flood(client, target, count=count, durable=durable, figures=figures)

    result = compare(
        name,
        peer,
        lambda: side(ours, used),
        lambda: side(theirs, other),
        goal=goal,
        unit="messages/s",
        rounds=rounds,
        better="higher",
    )
    ratios = [mine / their for mine, their in zip(used.rates[1:], other.rates[1:], strict=True)]
    return result.noting(
        f"ratio by rounds {min(ratios):.2f} … {max(ratios):.2f}; CPU for each message: "
        f"server {median(used.server)} against {median(other.server)} microseconds, "
        f"clients {median(used.clients)} against {median(other.clients)}"
    )


def _idle(target: Target, connections: int) -> Result:
    # Beside others that stay: what the first ones cost once (helpers, what signing on takes) is not theirs.
    with idle(target, connections // 4):
        before = resident_bytes(target.pid)
        with idle(target, connections):
            each = (resident_bytes(target.pid) - before) / connections
    note = f"{connections} connections of rhea, each with a session and a receiving link of a thousand credit"
    return against_limit("wire, memory of an idle connection", [each / 1000], 60.0, unit="kB", note=note)
