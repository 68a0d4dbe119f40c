"""One end of a link as a process of its own, which can be killed and started again."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = Path(__file__).parent / "kill_a_link.py"


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
