"""Many threads on few connections: who borrows, gives back, and comes straight back for the next."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.lease import as_alice

THREADS, CONNECTIONS = 32, 4
#: Runs of less say little: they can fit into a few slices of the interpreter lock.
SECONDS = 2.0
HOLD = 0.001


@dataclass(frozen=True, slots=True)
class Crowd:
    """What became of one run.

    Attributes:
        counts: Operations of each thread.
        waits: Seconds from asking to having, of all operations of all threads; empty where nothing was held.
        seconds: How long it took until the last thread was done.
    """

    counts: list[int]
    waits: list[float]
    seconds: float

    @property
    def microseconds_each(self) -> float:
        """Time by the wall over all operations."""
        return self.seconds / sum(self.counts) * 1e6

    @property
    def share(self) -> float:
        """The smallest number of operations of a thread over the largest: 1.0 is equal shares, 0.0 a thread starved."""
        return min(self.counts) / max(self.counts)


def crowd(borrow: Callable[[], Any], seconds: float = SECONDS, *, hold: bool) -> Crowd:
    """Let the threads at it.

    Args:
        borrow: Answers something that is given back by its `close`.
        seconds: For how long.
        hold: Whether each connection is held for `HOLD`, and waits are measured. Else nothing but borrowing happens.
    """
    counts: list[int] = [0] * THREADS
    waits: list[list[float]] = [[] for _ in range(THREADS)]
    start, stop = threading.Barrier(THREADS + 1), threading.Event()
    use = _hold if hold else _hammer

    def work(number: int) -> None:
        with as_alice():
            start.wait()
            counts[number] = use(borrow, stop, waits[number])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    start.wait()
    began = time.perf_counter()
    time.sleep(seconds)
    stop.set()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - began
    return Crowd(counts, [wait for each in waits for wait in each], took)


def _hammer(borrow: Callable[[], Any], stop: threading.Event, waits: list[float]) -> int:  # noqa: ARG001 - as `_hold`
    count = 0
    while not stop.is_set():
        borrow().close()
        count += 1
    return count


def _hold(borrow: Callable[[], Any], stop: threading.Event, waits: list[float]) -> int:
    now = time.perf_counter
    while not stop.is_set():
        asked = now()
        held = borrow()
        waits.append(now() - asked)
        time.sleep(HOLD)
        held.close()
    return len(waits)
