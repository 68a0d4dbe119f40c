"""FLOW-8: the threads that coroutines wait on."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError

import pytest
from support_work import PATIENCE

from connector.errors import WorkRejected
from connector.work.helpers import HelperThreads

HANGS = """
import asyncio, sys, threading
from contextvars import copy_context
from connector.work.event_loop import EventLoopThread

async def hang():
    print("hangs", flush=True)
    await asyncio.to_thread(threading.Event().wait)

loop = EventLoopThread()
threading.Thread(target=lambda: loop.run(hang(), copy_context()), daemon=True).start()
sys.stdin.readline()
loop.close(5.0)
"""


@pytest.fixture
def helpers() -> Iterator[HelperThreads]:
    threads = HelperThreads(2, "helpers-of-the-test")
    yield threads
    threads.shutdown()
    assert not [
        thread for thread in threading.enumerate() if thread.name == "helpers-of-the-test" and thread.is_alive()
    ]


def test_a_helper_that_hangs_keeps_no_process_from_ending() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", HANGS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"hangs\n"
        process.communicate(b"\n", timeout=PATIENCE)
    assert process.returncode == 0


def test_what_a_function_answers_or_raises_comes_back(helpers: HelperThreads) -> None:
    assert helpers.submit(int, "11", base=2).result(PATIENCE) == 3
    failed = helpers.submit(sys.exit, 3)
    assert isinstance(failed.exception(PATIENCE), SystemExit)
    assert helpers.submit(threading.current_thread).result(PATIENCE).daemon


def test_as_many_run_at_once_as_may_and_the_others_wait(helpers: HelperThreads) -> None:
    together, go_on = threading.Barrier(3), threading.Event()

    def meet() -> None:
        together.wait(PATIENCE)
        go_on.wait(PATIENCE)

    first = [helpers.submit(meet) for _ in range(2)]
    third = helpers.submit(lambda: "third")
    together.wait(PATIENCE)
    assert not third.running()
    go_on.set()
    assert [future.result(PATIENCE) for future in first] == [None, None]
    assert third.result(PATIENCE) == "third"


def test_a_thread_that_has_nothing_to_do_is_used_again(helpers: HelperThreads) -> None:
    idents = set()
    for _ in range(20):
        idents.add(helpers.submit(threading.get_ident).result(PATIENCE))
    assert len(idents) <= 2


def test_after_the_end_nothing_is_taken_and_what_waits_is_cancelled(helpers: HelperThreads) -> None:
    entered, go_on = threading.Barrier(3), threading.Event()

    def hang() -> None:
        entered.wait(PATIENCE)
        go_on.wait(PATIENCE)

    running = [helpers.submit(hang) for _ in range(2)]
    waiting = helpers.submit(lambda: None)
    entered.wait(PATIENCE)
    helpers.shutdown(wait=False, cancel_futures=True)
    with pytest.raises(CancelledError):
        waiting.result(PATIENCE)
    with pytest.raises(WorkRejected, match="CF-WORK-042"):
        helpers.submit(lambda: None)
    go_on.set()
    assert [future.result(PATIENCE) for future in running] == [None, None]


def test_one_that_was_cancelled_before_its_turn_is_not_called(helpers: HelperThreads) -> None:
    entered, go_on = threading.Barrier(3), threading.Event()
    called: list[str] = []

    def hang() -> None:
        entered.wait(PATIENCE)
        go_on.wait(PATIENCE)

    running = [helpers.submit(hang) for _ in range(2)]
    waiting = helpers.submit(called.append, "called")
    entered.wait(PATIENCE)
    assert waiting.cancel()
    go_on.set()
    assert [future.result(PATIENCE) for future in running] == [None, None]
    assert helpers.submit(lambda: "next").result(PATIENCE) == "next"
    assert called == []
