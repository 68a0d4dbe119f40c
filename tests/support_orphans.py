"""Whatever tests start ends with them, also where they are killed: no server outlives the process that started it.

Theory of operation
-------------------
A process that is killed tells nobody. So there is a second one, the watcher, in a session of its own, at the other end
of a pipe: each program that is started is told to it, and the end of the pipe is how it hears that the tests are over.
Then it ends what is left. A number that the system has given to another process since is recognised by its start time.

Run as a program this module is the watcher.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

#: Seconds that programs get to end by themselves once the tests are over.
PATIENCE = 5.0


def watch_programs(patience: float = PATIENCE) -> None:
    """From now on what this process starts ends with it, killed after so many seconds. Once, before all else."""
    if not hasattr(os, "posix_spawn") or not Path("/proc/self/stat").exists():
        return
    reading, writing = os.pipe()
    actions = [
        (os.POSIX_SPAWN_DUP2, reading, 0),
        (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
        (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
    ]
    command = [sys.executable, "-IS", __file__, str(patience)]
    os.posix_spawn(sys.executable, command, {}, file_actions=actions, setsid=True)
    os.close(reading)
    start = subprocess.Popen.__init__

    def started(self: subprocess.Popen[Any], *arguments: Any, **options: Any) -> None:
        start(self, *arguments, **options)
        with suppress(BrokenPipeError):
            os.write(writing, b"%d\n" % self.pid)

    subprocess.Popen.__init__ = started  # type: ignore[method-assign]


def started_at(process: int) -> str | None:
    """What tells a process from others of the same number; None where there is none, or it is over."""
    try:
        text = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else fields[19]


def end(process: int, how: signal.Signals) -> None:
    """Send a signal to a process, or to all of its group where it leads one."""
    with suppress(ProcessLookupError, PermissionError):
        if os.getpgid(process) == process:
            os.killpg(process, how)
        else:
            os.kill(process, how)


def _watch(patience: float) -> None:
    told: dict[int, str] = {}
    with os.fdopen(0) as numbers:
        for line in numbers:
            at = started_at(int(line))
            if at is not None:
                told[int(line)] = at
    left = {process for process, at in told.items() if started_at(process) == at}
    for process in left:
        end(process, signal.SIGTERM)
    deadline = time.monotonic() + patience
    while left and time.monotonic() < deadline:
        time.sleep(0.05)
        left = {process for process in left if started_at(process) == told[process]}
    for process in left:
        end(process, signal.SIGKILL)


if __name__ == "__main__":
    _watch(float(sys.argv[1]))
