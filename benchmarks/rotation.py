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
from functools import partial
from pathlib import Path

from sqlalchemy import text

from benchmarks.rotated_profile import ALIAS, RESOURCES, USERS, RotatedProfile, new_password
from connector import Container, Secret

#: Fewer connections than threads, so that some wait in the middle of each rotation; short pauses, for many probes.
POOL = {"max_size": "6", "connection_timeout": '"60s"', "login_backoff": '"20ms"', "login_backoff_max": '"100ms"'}
_WAYS = ("store first", "database first", "user and password")
_WHO = text("SELECT current_user")

#: The two halves of one, in order.
Rotation = tuple[Callable[[], object], Callable[[], object]]


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
    """Threads that ask until there were enough requests and all rotations are made.

    Args:
        container: The running container.
        requests: How many at least, over all threads.
        threads: How many threads, spread over the resources.
    """

    # Mutable state: all below, changed under `_more`.

    def __init__(self, container: Container, requests: int, threads: int) -> None:
        self._container = container
        self._requests = requests
        self._threads = threads
        self._more = threading.Condition()
        self._rotated = False
        self.answered = 0
        self.failures: Counter[str] = Counter()

    def run(self, rotations: list[Rotation]) -> None:
        """Ask; meanwhile make the rotations, spread evenly over the requests. Blocks until all is done.

        A rotation begins when each pool has taken up the one before, as an operator would wait for it.
        """
        threads = [
            threading.Thread(target=self._ask, args=(RESOURCES[number % len(RESOURCES)],), daemon=True)
            for number in range(self._threads)
        ]
        for thread in threads:
            thread.start()
        halves = 2 * len(rotations) + 1
        for number, (first, second) in enumerate(rotations):
            self._wait_for(self._requests * (2 * number + 1) // halves, self._is_taken_up)
            first()
            self._wait_for(self._requests * (2 * number + 2) // halves)
            second()
        with self._more:
            self._rotated = True
        for thread in threads:
            thread.join()

    def _ask(self, resource: str) -> None:
        going = True
        while going:
            try:
                with self._container.lookup(resource).get_connection() as connection:
                    user = connection.execute(_WHO).scalar_one()
                going = self._note("" if user in USERS else f"answered as {user}")
            except Exception as error:
                going = self._note(f"{type(error).__name__}: {getattr(error, 'code', '')}")

    def _note(self, failure: str) -> bool:
        """Count a request; answers whether to go on."""
        with self._more:
            self.answered += 1
            if failure:
                self.failures[failure] += 1
            self._more.notify_all()
            return self.answered < self._requests or not self._rotated

    def _is_taken_up(self) -> bool:
        in_force = self._container.auth_data_store.load()[ALIAS]
        return all(
            any(line.version == in_force.version for line in self._container.pool(name).contents())
            for name in RESOURCES
        )

    def _wait_for(self, answered: int, condition: Callable[[], bool] = lambda: True) -> None:
        with self._more:
            self._more.wait_for(lambda: self.answered >= answered)
        while not condition():
            time.sleep(0.001)


def rotations_of(profile: RotatedProfile, container: Container, count: int) -> list[Rotation]:
    """The rotations, in three ways by turns, each in two halves."""
    rotations: list[Rotation] = []
    user = profile.user
    for number in range(count):
        way = _WAYS[number % len(_WAYS)]
        if way == "user and password":
            user = USERS[1 - USERS.index(user)]
        password = new_password()
        in_database = partial(profile.set_in_database, user, password)
        in_store = partial(_put_in_force, profile, container, user, password)
        rotations.append((in_store, in_database) if way == "store first" else (in_database, in_store))
    return rotations


def _put_in_force(profile: RotatedProfile, container: Container, user: str, password: Secret) -> None:
    profile.set_in_store(user, password)
    container.update_auth_data()


def demonstrate(profile: RotatedProfile, *, requests: int, threads: int, rotations: int) -> Outcome:
    """Run it; blocks until all requests are answered and all rotations made."""
    began = time.monotonic()
    with profile.open() as container:
        load = Load(container, requests, threads)
        load.run(rotations_of(profile, container, rotations))
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
