"""A command at a terminal of its own: what it asks is answered as a person would, when it is asked."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path


class NotAsked(AssertionError):
    """The command never came to the question."""


def at_a_terminal(
    command: Sequence[str], answers: Sequence[tuple[str, str]], *, folder: Path, patience: float = 120.0
) -> tuple[int, str]:
    """Run a command; give each answer once its question stands there. Answers exit code and all that was shown.

    Raises NotAsked where a question does not come in time, or the command ends before it.
    """
    terminal, its_end = pty.openpty()
    process = subprocess.Popen(
        list(command), cwd=folder, stdin=its_end, stdout=its_end, stderr=its_end, start_new_session=True
    )
    os.close(its_end)
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
        code = process.wait(patience)
    finally:
        process.kill()
        process.wait()
        os.close(terminal)
    if left:
        raise NotAsked(f"{left[0][0]!r} was not asked: {shown}")
    return code, shown.replace("\r\n", "\n")


def _read(terminal: int) -> str:
    try:
        return os.read(terminal, 65536).decode(errors="replace")
    except OSError:  # the other end is closed
        return ""
