"""`make demo`, second part: client and server at five levels of security, as processes of their own (DEMO-2).

    python examples/weather/levels.py [--profile FOLDER]

At each level the server is changed; the client, which is not, fails with its stable code and a text that says what to
do; that is done, and it succeeds. Exits non-zero if any step differs from what it should be. `security_levels.py` has
the levels; docs/tutorial-securing.md tells the same at more length.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from demo_story import StepDiffers
from security_levels import ADMINISTRATOR, ASK, CLIENT, LEVELS, PREPARATION, SERVER, Level, Refusal

HERE = Path(__file__).parent / "levels"
#: The ports in the files and commands, as a tutorial has them.
PORTS = ("22809", "27276", "27286")
_CODE = re.compile(r"^(?:(?:error|warning|note): )?(CF-[A-Z]+-\d+):", re.MULTILINE)


class Places:
    """A fresh folder with the two profiles, and a shell in it. The server is stopped at the end.

    Args:
        folder: Where; emptied first.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, mode=0o700)
        self.ports = dict(zip(PORTS, _free_ports(len(PORTS)), strict=True))
        hidden = ("CONNECTOR_", "PYTHONPATH")
        found = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
        self.environment = found | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}

    def prepare(self) -> None:
        """Both profiles, open, and the weather service on the server."""
        for command in PREPARATION:
            self.succeed(command)
        with (self.folder / "server" / "connector.toml").open("a") as configuration:
            configuration.write(self.with_ports((HERE / "server.toml").read_text()))
        for name in ("uk-weather.toml", "forecasts.py"):
            shutil.copyfile(HERE / name, self.folder / "server" / name)
        shutil.copyfile(HERE / "restart.sh", self.folder / "restart.sh")

    def with_ports(self, text: str) -> str:
        """A text with the ports of this run in the place of the tutorial's."""
        for told, taken in self.ports.items():
            text = text.replace(told, taken)
        return text

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """One line in the shell; answers what it printed, to both, in one text."""
        return subprocess.run(
            ["bash", "-c", self.with_ports(command)],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )

    def succeed(self, command: str) -> str:
        """One line that must succeed. Raises StepDiffers."""
        done = self.run(command)
        if done.returncode:
            raise StepDiffers(f"{command}\n  ended with {done.returncode}: {done.stdout}")
        return done.stdout

    def stop(self) -> None:
        """End the server, if it runs."""
        lock = self.folder / "server" / "state" / "container.lock"
        with contextlib.suppress(OSError, ValueError):
            os.kill(int(lock.read_text()), signal.SIGTERM)


class Ascent:
    """Goes up the levels, tells what happens, and fails where it differs.

    Args:
        places: The profiles.
        tell: Takes each line of the story.
        changed: Is called at each level once the server has it, before the client is tried.
    """

    def __init__(
        self, places: Places, tell: Callable[[str], None], changed: Callable[[Level], None] = lambda _level: None
    ) -> None:
        self.places = places
        self.tell = tell
        self.changed = changed
        self.steps = 0

    def climb(self, number: int, level: Level) -> None:
        """One level: change, refusals and their remedies, success, what is still open."""
        self.tell(f"\n{number}. {level.name}: {level.about}")
        self._do(level.changes)
        self.changed(level)
        for refusal in level.refusals:
            self._refused(refusal)
        self._succeeds()
        self._posture(level)

    def _do(self, commands: tuple[str, ...]) -> None:
        for command in commands:
            self.tell(f"     {self._shown(command)}")
            self.places.succeed(command)

    def _refused(self, refusal: Refusal) -> None:
        self.tell(f"   ✗ {self._shown(refusal.command)}")
        done = self.places.run(refusal.command.replace("DAY", "Tuesday"))
        codes = _CODE.findall(done.stdout)
        self._expect("the code of the refusal", (done.returncode != 0, codes[:1]), (True, [refusal.code]), done.stdout)
        self._expect("what it says", refusal.says in done.stdout, True, done.stdout)
        for line in done.stdout[done.stdout.index(refusal.code) :].splitlines()[:2]:
            self.tell(f"       {line.strip()}")
        self.tell(f"   → {refusal.why}:")
        self._do(refusal.remedy)

    def _succeeds(self) -> None:
        days = {"Tuesday": "Sunny"} if self.steps else {"Tuesday": "Sunny", "Friday": "Cloudy", "Tue": "Sunny"}
        for day, wanted in days.items():
            answer = self.places.succeed(ASK.replace("DAY", day))
            found = json.loads(answer.splitlines()[-1])
            self._expect(f"the forecast for {day}", found, {"weatherCondition": wanted}, answer)
            if day == "Tuesday":
                self.tell(f"   ✓ {self._shown(ASK)}\n       {answer.splitlines()[-1]}")

    def _posture(self, level: Level) -> None:
        secured = "CF-CTR-030" not in level.still_open
        done = self.places.run(f"{SERVER} {ADMINISTRATOR if secured else ''} check --json --fail-on never")
        found = json.loads(done.stdout)
        told = {one["code"]: one["severity"] for one in found}
        self._expect("what check reports", told, dict(level.still_open), done.stdout)
        for one in found:
            self.tell(f"   ? connector check: {one['severity']}: {one['code']}: {one['text']}")

    def _shown(self, command: str) -> str:
        return self.places.with_ports(shown(command.replace("DAY", "Tuesday")))

    def _expect(self, what: str, found: object, wanted: object, output: str) -> None:
        self.steps += 1
        if found != wanted:
            raise StepDiffers(f"{what}: found {found!r}, wanted {wanted!r}\n{output}")


def shown(command: str) -> str:
    """A command as people read it: on which side, without the options that all of that side have. Pure."""
    plain = command.replace(f" {ADMINISTRATOR}", "")
    for side, program in (("server", SERVER), ("client", CLIENT)):
        if plain.startswith(program):
            side_of = f"{side}$ "
            return side_of + plain.replace(program, "connector")
    return f"server$ {plain}"


@contextlib.contextmanager
def places(folder: Path) -> Iterator[Places]:
    """The two profiles in a fresh folder; the server is stopped at the end."""
    made = Places(folder)
    try:
        made.prepare()
        yield made
    finally:
        made.stop()


def _free_ports(count: int) -> list[str]:
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [str(each.getsockname()[1]) for each in held]


def main() -> int:
    """Climb all levels; 0 if every step came out as it should."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--profile", type=Path, default=HERE.parents[2] / "build" / "levels")
    options = parser.parse_args()
    try:
        import proton  # noqa: F401 - whether the wire can be had
    except ImportError:
        print("The five levels of security are left out: they need python-qpid-proton (pip install -e '.[amqp]', gcc).")
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    started = time.monotonic()
    print("\nThe weather service over the wire: five levels of security, client and server in processes of their own.")
    print("server$ is typed on the server (-c server/connector.toml, as the administrator), client$ on the client.")
    try:
        with places(options.profile) as made:
            ascent = Ascent(made, lambda line: print(line, flush=True))
            for number, level in enumerate(LEVELS, 1):
                ascent.climb(number, level)
    except StepDiffers as error:
        print(f"DIFFERS: {error}", file=sys.stderr)
        return 1
    print(f"\nAll {ascent.steps} steps came out as they should ({time.monotonic() - started:.1f} s).")
    return 0


if __name__ == "__main__":
    sys.exit(main())
