"""A process that borrows and is interrupted, again and again, at any instant: `tests/pool/test_threads.py` runs it."""

from __future__ import annotations

import signal
import sys

from support_pool import PoolBench

INTERRUPTS, LEASES = 300, 10_000


class Interrupted(BaseException):
    """What Ctrl-C would raise."""


def interrupt(*_: object) -> None:
    raise Interrupted


def main() -> None:
    sys.unraisablehook = lambda _: None  # one may hit a finaliser, which can't raise it
    bench = PoolBench(max_size=1000)
    signal.signal(signal.SIGALRM, interrupt)
    for number in range(INTERRUPTS):
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.00002 + number % 50 * 0.000001)
            for _ in range(LEASES):  # it ends where a finaliser has swallowed the interrupt
                bench.pool.take(bench.alice).close()
        except Interrupted:
            if not bench.pool._lock.acquire(timeout=20):
                sys.exit(f"interrupt {number} has left the lock taken")
            bench.pool._lock.release()
    print(f"the lock was free after each of {INTERRUPTS} interrupts")


if __name__ == "__main__":
    main()
