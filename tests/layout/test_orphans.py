"""No program that tests start outlives them, however they end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
#: Stands for the tests: starts a server that holds the end of a pipe open for as long as it lives, and says so.
TESTS_THAT_START = """
import subprocess, sys
from support_orphans import watch_programs
watch_programs(float(sys.argv[3]))
SERVER = "import signal, sys; STUBBORN; print('up', flush=True); signal.pause()".replace("STUBBORN", sys.argv[1])
server = subprocess.Popen([sys.executable, "-c", SERVER], start_new_session=sys.argv[2] == "leads")
sys.stdin.read()
"""
DEAF = "signal.signal(signal.SIGTERM, signal.SIG_IGN)"


@pytest.mark.parametrize("leads", ["leads", "follows"])
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, None])
def test_a_server_ends_with_the_tests_that_started_it(how: signal.Signals | None, leads: str) -> None:
    _start_and_end("pass", leads, how)


def test_a_server_that_does_not_listen_is_killed() -> None:
    _start_and_end(DEAF, "leads", signal.SIGKILL, patience=0.1)


def _start_and_end(stubborn: str, leads: str, how: signal.Signals | None, *, patience: float = 30.0) -> None:
    reading, writing = os.pipe()
    tests = subprocess.Popen(
        [sys.executable, "-c", TESTS_THAT_START, stubborn, leads, str(patience)],
        stdin=subprocess.PIPE,
        stdout=writing,
        env={**os.environ, "PYTHONPATH": str(TESTS)},
    )
    os.close(writing)
    with tests, os.fdopen(reading, "rb") as server:
        assert server.readline() == b"up\n"
        if how is None:
            assert tests.stdin is not None
            tests.stdin.close()
        else:
            tests.send_signal(how)
        assert server.read() == b""  # it is over: nobody holds the pipe any more
