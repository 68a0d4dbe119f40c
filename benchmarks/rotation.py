"""`python -m benchmarks.rotation`: a password is rotated in PostgreSQL and in the store while threads ask; none fails.

No comparison with a peer but a demonstration (AUTHD-3): real container, real adapter, an embedded PostgreSQL. The
rotations come in three ways by turns: the store first and the database later, the database first and the store later,
another user with another password at once. Between the two halves of a rotation the store's password is wrong. Exit
code 1 if a request failed.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from sqlalchemy import text

from benchmarks.rotated_profile import RESOURCES, USERS, RotatedProfile, new_password
from connector import Container

#: Fewer connections than threads, so that some wait in the middle of each rotation; short pauses, for many probes.
POOL = {"max_size": "6", "connection_timeout": '"60s"', "login_backoff": '"20ms"', "login_backoff_max": '"100ms"'}
_WAYS = ("store first", "database first", "user and password")
_WHO = text("SELECT current_user")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was done and what came of it.

    Attributes:
        requests: Requests that were answered: a connection obtained, asked who it is, given back.
        failures: Those that were not, by error.
        rotations: Rotations, each with a half-way.
        opened: Physical connections opened, of all pools.
        refused: Logins that the server has refused, by its own log.
        spared: Logins that were not tried, since one was refused a moment before.
        seconds: How long it took.
    """

    requests: int
    failures: dict[str, int]
    rotations: int
    opened: int
    refused: int
    spared: int
    seconds: float


class Load:
    """Threads that ask, and a plan of what happens after how many requests.

    Args:
        container: The running container.
        requests: How many, over all threads.
        threads: How many threads, spread over the resources.
    """

    # Mutable state: `answered` and `failures`, changed under `_more` by `_note` only.

    def __init__(self, container: Container, requests: int, threads: int) -> None:
        self._container = container
        self._requests = requests
        self._threads = threads
        self._more = threading.Condition()
        self.answered = 0
        self.failures: Counter[str] = Counter()

    def run(self, steps: list[Callable[[], object]]) -> None:
        """Ask; meanwhile take the steps, spread evenly over the requests. Blocks until all is done."""
        share, rest = divmod(self._requests, self._threads)
        threads = [
            threading.Thread(target=self._ask, args=(RESOURCES[number % len(RESOURCES)], share + (number < rest)))
            for number in range(self._threads)
        ]
        for thread in threads:
            thread.start()
        for number, step in enumerate(steps, 1):
            self._wait_for(self._requests * number // (len(steps) + 1))
            step()
        for thread in threads:
            thread.join()

    def _ask(self, resource: str, count: int) -> None:
        for _ in range(count):
            try:
                with self._container.lookup(resource).get_connection() as connection:
                    user = connection.execute(_WHO).scalar_one()
                self._note("" if user in USERS else f"answered as {user}")
            except Exception as error:
                self._note(f"{type(error).__name__}: {getattr(error, 'code', '')}")

    def _note(self, failure: str) -> None:
        with self._more:
            self.answered += 1
            if failure:
                self.failures[failure] += 1
            self._more.notify_all()

    def _wait_for(self, answered: int) -> None:
        with self._more:
            self._more.wait_for(lambda: self.answered >= answered)


def steps_of(profile: RotatedProfile, container: Container, rotations: int) -> list[Callable[[], object]]:
    """The halves of the rotations, in order."""
    steps: list[Callable[[], object]] = []
    user = profile.user
    for number in range(rotations):
        way = _WAYS[number % len(_WAYS)]
        if way == "user and password":
            user = USERS[1 - USERS.index(user)]
        password = new_password()

        def in_database(user: str = user, password: object = password) -> None:
            profile.set_in_database(user, password)  # type: ignore[arg-type]  # a default argument binds it

        def in_store(user: str = user, password: object = password) -> None:
            profile.set_in_store(user, password)  # type: ignore[arg-type]
            container.update_auth_data()

        steps += [in_store, in_database] if way == "store first" else [in_database, in_store]
    return steps


def demonstrate(profile: RotatedProfile, *, requests: int, threads: int, rotations: int) -> Outcome:
    """Run it; blocks until all requests are answered and all rotations made."""
    began = time.monotonic()
    with profile.open() as container:
        load = Load(container, requests, threads)
        load.run(steps_of(profile, container, rotations))
        pools = [container.pool(name).statistics() for name in RESOURCES]
    return Outcome(
        requests=load.answered - load.failures.total(),
        failures=dict(load.failures),
        rotations=rotations,
        opened=sum(pool.created for pool in pools),
        refused=profile.refused_logins(),
        spared=sum(pool.spared_logins for pool in pools),
        seconds=round(time.monotonic() - began, 1),
    )


def main(arguments: list[str] | None = None) -> int:
    """Start a server, run the demonstration, print its figures; answers the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rotation", description=__doc__)
    parser.add_argument("--requests", type=int, default=100_000, help="over all threads (100,000)")
    parser.add_argument("--threads", type=int, default=16, help="threads that ask (16)")
    parser.add_argument("--rotations", type=int, default=60, help="rotations, by turns in three ways (60)")
    options = parser.parse_args(arguments)
    sys.path.append(str(Path(__file__).parents[1] / "examples/weather"))
    from weather_postgresql import PostgreSQLServer

    logging.getLogger("connector.pool").setLevel(logging.ERROR)  # that each wrong password is told is tested elsewhere

    with PostgreSQLServer() as server, tempfile.TemporaryDirectory() as folder:
        profile = RotatedProfile(Path(folder), server, POOL)
        outcome = demonstrate(profile, **vars(options))
    for name, value in asdict(outcome).items():
        print(f"{name}: {value}")
    return 1 if outcome.failures else 0


if __name__ == "__main__":
    sys.exit(main())
