"""Ten thousand callers with a user each, over a pool of twenty connections from eight threads.

What the container then knows of them (plans, credentials, what the pool remembers) may cost so much memory and no more.
Nobody's connection is ever there when it comes back: each lease closes another's and opens its own, which is the churn.
"""

from __future__ import annotations

import gc
import threading
import time
import tracemalloc
from collections.abc import Iterator

from benchmarks.harness import Result, against_limit
from benchmarks.one_to_one import one_to_one_manager
from connector.outbound.manager import ReferenceConnectionManager
from connector.pool import PoolSettings
from connector.security.scope import open_scope
from connector.spi import Subject

CALLERS, CONNECTIONS, THREADS = 10_000, 20, 8
LIMIT_MB = 20.0
SETTINGS = PoolSettings(max_size=CONNECTIONS, connection_timeout=30.0)


def run(*, quick: bool) -> list[Result]:
    """Measure."""
    rounds = 1 if quick else 5
    serve(one_to_one_manager(SETTINGS)[0], callers=100)  # what is loaded and kept once doesn't count
    figures = [_megabytes() for _ in range(rounds)]
    first, again = zip(*(_churn() for _ in range(rounds)), strict=True)
    note = (
        f"tracemalloc after {CALLERS:,} callers, each of whom was served; a lease that replaces another's connection"
        f" costs {min(first):.0f} us with its sign-on, {min(again):.0f} us by {CALLERS // 4:,} callers known already"
    )
    return [against_limit("identities", figures, LIMIT_MB, unit="MB", note=note)]


def _megabytes() -> float:
    tracemalloc.start()
    try:
        manager, pool = one_to_one_manager(SETTINGS)
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        serve(manager)
        gc.collect()
        cost = tracemalloc.get_traced_memory()[0] - before
        pool.close()
    finally:
        tracemalloc.stop()
    return cost / 1e6


def _churn() -> tuple[float, float]:
    """Microseconds a lease: when all sign on for the first time, and when a quarter of them come back."""
    manager, pool = one_to_one_manager(SETTINGS)
    first = serve(manager, callers=CALLERS // 4) / (CALLERS // 4)
    again = serve(manager, callers=CALLERS // 4) / (CALLERS // 4)
    pool.close()
    return first * 1e6, again * 1e6


def serve(manager: ReferenceConnectionManager, callers: int = CALLERS) -> float:
    """Serve each caller once; answers the seconds that it took. Raises where somebody was not served."""
    subjects = iter(range(callers))
    served = [0] * THREADS
    failures: list[BaseException] = []

    def work(thread: int) -> None:
        try:
            for number in _taken(subjects):
                subject = Subject.of_user(f"caller{number}", "bench")
                with open_scope(subject, realm="bench", container="bench", origin="the benchmark"):
                    manager.allocate().close()
                served[thread] += 1
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - began
    if failures:
        raise failures[0]
    if sum(served) != callers:
        raise RuntimeError(f"{callers - sum(served)} callers were not served")
    return took


def _taken(numbers: Iterator[int]) -> Iterator[int]:
    # `next` of a range's iterator is one step for the interpreter: no number is given twice.
    return iter(lambda: next(numbers, -1), -1)
