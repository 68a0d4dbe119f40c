"""A command at a terminal of its own: what it asks is answered as a person would, when it is asked."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path


class NotAsked(AssertionError):
    """The command never came to the question."""


def at_a_terminal(
    command: Sequence[str],
    answers: Sequence[tuple[str, str]],
    *,
    environment: Mapping[str, str],
    folder: Path,
    patience: float = 60.0,
) -> tuple[int, str]:
    """Run a command; give each answer once its question stands there. Answers exit code and all that was shown.

    Raises NotAsked where a question does not come in time, or the command ends before it.
    """
    pid, terminal = pty.fork()
    if pid == 0:  # the command
        try:
            os.chdir(folder)
            os.execvpe(command[0], list(command), dict(environment))
        finally:
            os._exit(127)
    shown, seen, end = "", 0, time.monotonic() + patience
    left = list(answers)
    try:
        while True:
            ready, _, _ = select.select([terminal], [], [], max(0.0, end - time.monotonic()))
            if not ready:
                raise NotAsked(f"{left[:1]} did not come in time after: {shown}")
            piece = _read(terminal)
            shown += piece
            while left and left[0][0] in shown[seen:]:
                question, answer = left.pop(0)
                seen = shown.index(question, seen) + len(question)
                os.write(terminal, f"{answer}\n".encode())
            if not piece:
                break
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        raise
    finally:
        os.close(terminal)
    if left:
        raise NotAsked(f"{left[0][0]!r} was not asked: {shown}")
    return code, shown.replace("\r\n", "\n")


def _read(terminal: int) -> str:
    try:
        return os.read(terminal, 65536).decode(errors="replace")
    except OSError:  # the other end is closed
        return ""
