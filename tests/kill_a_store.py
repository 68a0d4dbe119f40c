"""Kills real processes in the middle of changes to a store, and looks at what they left; run by a test, as a process.

    python kill_a_store.py KIND FOLDER KILLS SEED

A child is forked for each kill, since a fork costs milliseconds where an interpreter costs tenths of a second.  It
changes the store and is killed by SIGKILL: either by itself, at a chosen system call of a write (of a write half is
done), or by its parent at some instant that nobody chose.  Prints what was done as JSON; what must not be is an
AssertionError.
"""

from __future__ import annotations

import json
import os
import random
import select
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from connector.security import durable_file
from connector.security.key_file import KeyFile, generate_key
from connector.security.store_keys import VaultKeySource
from connector.security.vault import FileVault
from connector.spi import AuthenticationDataStore, Secret

KEPT = {f"kept-{number}": Secret(f"password of {number}") for number in range(5)}


class SuicidalOs:
    """The `os` module, which kills this process at one of its calls that change something; of a write half is done."""

    def __init__(self, at: int, calls: frozenset[str] = frozenset({"open", "write", "fsync", "close"})) -> None:
        self.left = at
        self.calls = calls

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        if name not in self.calls:
            return real

        def call(*args: Any, **options: Any) -> Any:
            self.left -= 1
            if self.left < 0:
                if name == "write":
                    real(args[0], bytes(args[1])[: len(args[1]) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*args, **options)

        return call


class Place:
    """A store of a kind in a folder."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind = kind
        self.folder = folder
        self.key = folder / "vault.key"
        generate_key(self.key)
        store = self.store()
        for alias, password in KEPT.items():
            store.put(alias, "keeper", password)
        store.put("a", "u0", Secret("p0"))

    def store(self) -> AuthenticationDataStore:
        if self.kind == "file":
            return FileVault(self.folder / "auth-data.vault", KeyFile(self.key))
        from connector_sqlstore.settings import read_settings
        from connector_sqlstore.store import SqlStore

        settings = read_settings({"url": f"sqlite:///{self.folder / 'list.db'}"})
        return SqlStore(settings, VaultKeySource(KeyFile(self.key)), batch=2)

    def look(self, oldest: int, newest: int) -> int:
        """What a process that comes afterwards finds: everything, and of the changed entry one whole version."""
        entries = self.store().load()
        for alias, password in KEPT.items():
            assert entries[alias].password == password, alias
        entry = entries["a"]
        number = int(entry.user.removeprefix("u"))
        assert entry.password == Secret(f"p{number}"), "user and password of different versions"
        assert oldest <= number <= newest, f"{number} is neither the old nor the new: {oldest} to {newest}"
        assert len(self.key.read_text().splitlines()) <= 2
        return number


def child(work: Callable[[], object]) -> int:
    """Fork; the child does its work and ends. Answers its process id."""
    pid = os.fork()
    if pid == 0:
        _and_end(work)
    return pid


def _and_end(work: Callable[[], object]) -> NoReturn:
    try:
        work()
    except BaseException as error:
        os.write(2, f"{type(error).__name__}: {error}\n".encode())
        os._exit(1)
    os._exit(0)


def killed(pid: int) -> bool:
    """Wait for a child; whether it was killed. One that failed by itself is an error."""
    _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status) or os.waitstatus_to_exitcode(status) == 0, "the child failed by itself"
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


def at_a_call(place: Place, number: int, call: int, *, rotates: bool) -> bool:
    """One change of the file's store, killed at its n-th call; whether it came so far."""

    def work() -> None:
        durable_file.os = SuicidalOs(call)  # type: ignore[attr-defined, assignment]  # the module's own name for it
        store = place.store()
        if rotates:
            store.rotate_key()
        else:
            store.put("a", f"u{number}", Secret(f"p{number}"))

    return killed(child(work))


def at_some_instant(place: Place, first: int, dice: random.Random) -> tuple[int, int]:
    """Changes one after the other until the parent kills it; answers the numbers begun last and finished last."""
    hearing, telling = os.pipe()

    def work() -> None:
        store = place.store()
        for number in range(first, first + 10_000):
            os.write(telling, b"%d begun\n" % number)
            store.put("a", f"u{number}", Secret(f"p{number}"))
            os.write(telling, b"%d done\n" % number)
            if number % 2 == 0:
                store.rotate_key()

    pid = child(work)
    os.close(telling)
    # So many steps, then a part of a step, by the pace that it has just now: a slow machine is killed as deep inside.
    text, steps, started = os.read(hearing, 65536), dice.randint(1, 8), time.monotonic()
    while text and text.count(b"\n") < steps:
        text += os.read(hearing, 65536)
    pace = (time.monotonic() - started) / steps
    select.select([], [], [], dice.random() * max(pace, 0.005))
    os.kill(pid, signal.SIGKILL)
    assert killed(pid)
    while part := os.read(hearing, 65536):
        text += part
    os.close(hearing)
    return _last(text, b"begun"), _last(text, b"done")


def _last(text: bytes, state: bytes) -> int:
    return max((int(line.split()[0]) for line in text.splitlines() if line.endswith(state)), default=0)


class Killing:
    """Counts what was done, and knows what may be found."""

    def __init__(self, place: Place, seed: int) -> None:
        self.place = place
        self.dice = random.Random(seed)
        self.now = 0
        self.counts = {"kills": 0, "at_calls": 0, "found_old": 0, "found_new": 0, "rotations_resumed": 0}

    def found(self, oldest: int, newest: int, *, surely: bool = False) -> None:
        """After a kill: the old or the new; sometimes, or surely, an interrupted rotation is gone on with."""
        self.counts["kills"] += 1
        found = self.place.look(max(self.now, oldest), max(self.now, newest))
        self.counts["found_new" if found > self.now else "found_old"] += 1
        self.now = found
        if len(self.place.key.read_text().splitlines()) == 2 and (surely or self.dice.random() < 0.5):
            self.place.store().rotate_key()
            self.counts["rotations_resumed"] += 1
            assert len(self.place.key.read_text().splitlines()) == 1
            self.place.look(self.now, self.now)

    def at_every_call(self, *, rotates: bool) -> None:
        """One kind of change, killed at its first call, at its second, and so on, until it comes to its end."""
        call, number = 0, self.now + 1
        while at_a_call(self.place, number, call, rotates=rotates):
            self.counts["at_calls"] += 1
            self.found(self.now, self.now if rotates else number, surely=rotates)  # from the begin next time
            call, number = call + 1, self.now + 1
        self.now = self.place.look(self.now if rotates else number, number)

    def at_some_instants(self, kills: int) -> None:
        """Changes and rotations, killed from outside."""
        for _ in range(kills):
            begun, done = at_some_instant(self.place, self.now + 1, self.dice)
            self.found(done, begun)


def main(kind: str, folder: Path, kills: int, seed: int) -> dict[str, int]:
    """Kill so many times or a few more: of a file's changes at every call, then at instants that nobody chose."""
    killing = Killing(Place(kind, folder), seed)
    if kind == "file":
        killing.at_every_call(rotates=False)
        killing.at_every_call(rotates=True)
    killing.at_some_instants(max(0, kills - killing.counts["kills"]))
    return killing.counts


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))))
