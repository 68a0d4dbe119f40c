"""`python -m benchmarks.exactly_once`: messages, rows and further messages, while the process is killed over and over.

A handler writes a row into PostgreSQL and sends a message on for each message that it gets, four at once. Its process
is killed -9 at random, also while it starts and recovers; the last one comes to the end. Transacted, each message has
its row and its further message exactly once; not transacted at least once. None is lost. Exit code 1 where not.
"""

from __future__ import annotations

import argparse
import logging
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from benchmarks.exactly_once_profile import ExactlyOnceProfile

ROOT = Path(__file__).parents[1]
#: Seconds that a process that was ended may take.
_PATIENCE = 120.0
#: How many of the kills come before the first message is handled.
_EARLY = 0.15


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one run.

    Attributes:
        transacted: Whether the handler was.
        messages: How many were sent.
        kills: How many processes were killed.
        early: How many of those before they had handled anything.
        handled: How often the handler came to its end: over `messages` where a kill undid it, or made it come again.
        missing: Messages without a row.
        repeated: Messages with more rows than one.
        missing_sends: Messages that were not sent on.
        repeated_sends: Messages that were sent on more than once.
        left: What is left on the queue, in doubt, prepared, or among the exceptions.
        seconds: How long it took.
    """

    transacted: bool
    messages: int
    kills: int
    early: int
    handled: int
    missing: int
    repeated: int
    missing_sends: int
    repeated_sends: int
    left: int
    seconds: float

    @property
    def is_as_promised(self) -> bool:
        """Exactly once, or at least once; nothing lost, nothing left."""
        once = not self.transacted or not (self.repeated or self.repeated_sends)
        return once and not (self.missing or self.missing_sends or self.left)


class Life:
    """One process, from its start on."""

    def __init__(self, profile: ExactlyOnceProfile) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.exactly_once_worker", str(profile.path)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.handled = 0

    def until(self, word: str, times: int = 1) -> None:
        """Wait until it has said a word so often, or that there is nothing more to do. Raises RuntimeError where it
        has ended by itself.
        """
        while times:
            said = self._out.readline()
            if not said:
                raise RuntimeError("the process has ended by itself")
            self.handled += said == "handled\n"
            times = 0 if said == "empty\n" else times - (said == f"{word}\n")

    def kill(self) -> None:
        """End it at once, and hear what it has said."""
        self._process.kill()
        self.handled += self._out.read().count("handled\n")
        self._close()

    def end(self) -> None:
        """Let it end in order."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._out.read()
        self._close()

    @property
    def _out(self) -> IO[str]:
        assert self._process.stdout is not None
        return self._process.stdout

    def _close(self) -> None:
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        self._process.wait(_PATIENCE)


def demonstrate(
    profile: ExactlyOnceProfile, *, transacted: bool, messages: int, kills: int, seed: int | None
) -> Outcome:
    """Run it; blocks until all messages are handled. Prints how far it is."""
    chance = random.Random(seed)
    began = time.monotonic()
    profile.send(messages)
    early = handled = 0
    for number in range(kills):
        life = Life(profile)
        if chance.random() < _EARLY:
            time.sleep(chance.uniform(0.0, 1.5))  # in the middle of its start, or of its recovery
        else:
            # So many that some are left for the last kill, whatever chance says.
            life.until("handled", chance.randint(1, max(1, 3 * messages // (2 * kills))))
            time.sleep(chance.uniform(0.0, 0.01))
        life.kill()
        early += not life.handled
        handled += life.handled
        _progress(f"{number + 1} of {kills} kills, {handled} times handled")
    last = Life(profile)
    last.until("empty")
    last.end()
    handled += last.handled
    _progress("")
    rows, sends = Counter(profile.rows()), Counter(profile.done())
    return Outcome(
        transacted=transacted,
        messages=messages,
        kills=kills,
        early=early,
        handled=handled,
        missing=_missing(rows, messages),
        repeated=_repeated(rows),
        missing_sends=_missing(sends, messages),
        repeated_sends=_repeated(sends),
        left=sum(profile.left().values()),
        seconds=round(time.monotonic() - began, 1),
    )


def _missing(found: Counter[int], messages: int) -> int:
    return len(set(range(messages)) - set(found))


def _repeated(found: Counter[int]) -> int:
    return sum(times > 1 for times in found.values())


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Start a server, run it with a transacted and with another handler, print the figures; answers the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.exactly_once", description=__doc__)
    parser.add_argument("--messages", type=int, default=10_000, help="how many (10,000)")
    parser.add_argument("--kills", type=int, default=50, help="how many processes are killed (50)")
    parser.add_argument("--seed", type=int, default=None, help="draws the same moments again, as far as chance goes")
    parser.add_argument("--only", choices=("transacted", "plain"), help="one of the two only")
    options = parser.parse_args(arguments)
    seed = options.seed if options.seed is not None else int.from_bytes(os.urandom(4), "big")
    sys.path.append(str(ROOT / "examples/weather"))
    from weather_postgresql import PostgreSQLServer

    logging.disable(logging.WARNING)  # that this container is open is told at every start
    promised = True
    with PostgreSQLServer() as server:
        for transacted in (True, False):
            if options.only == ("plain" if transacted else "transacted"):
                continue
            print(f"{'transacted' if transacted else 'not transacted'}, seed {seed}", flush=True)
            with tempfile.TemporaryDirectory() as folder:
                profile = ExactlyOnceProfile(Path(folder), server, transacted=transacted)
                outcome = demonstrate(
                    profile, transacted=transacted, messages=options.messages, kills=options.kills, seed=seed
                )
            for name, value in asdict(outcome).items():
                print(f"  {name}: {value}")
            print(f"  {'as promised' if outcome.is_as_promised else 'NOT as promised'}", flush=True)
            promised = promised and outcome.is_as_promised
    return 0 if promised else 1


if __name__ == "__main__":
    sys.exit(main())
