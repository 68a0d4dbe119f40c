"""Works of an adapter, run under the subject of a caller, against tasks of a bare thread pool, which has no identity.

*one work and its result*: submitted and waited for, one after the other; both sides switch threads twice. *a thousand
scheduled at once*: from the first submission to the end of the last work. Each of our works carries a security context
that names its caller by a callback, so for each a subject is established anew; the peer calls the same function.

Where the system allows it, both sides run on one core: only one thread holds the interpreter lock at a time, and on
which core the other one is woken up, its own or a sleeping one, is a matter of luck that makes a hand-over six times
dearer, for either side.
"""

from __future__ import annotations

import gc
import itertools
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from benchmarks.harness import Measure, Result, compare, seconds_each
from connector.security.audit import MemoryAuditLog
from connector.security.identity import ContainerIdentity
from connector.security.registry_answers import RegistryAnswers
from connector.spi import CallbackHandler, CallerPrincipalCallback, SecurityContext, Subject, WorkManager
from connector.work.event_loop import EventLoopThread
from connector.work.limits import WorkLimits
from connector.work.manager import ContainerWorkManager

THREADS = 4
MANY = 1000


class AliceOnly:
    """A user registry with one user, and nothing to look up."""

    realm = "bench"

    def authenticate(self, user: str, password: object) -> bool:
        """Nobody logs in here."""
        return False

    def user_exists(self, user: str) -> bool:
        """Whether it is alice."""
        return user == "alice"

    def group_exists(self, group: str) -> bool:
        """There is one."""
        return group == "clerks"

    def groups_of(self, user: str) -> frozenset[str]:
        """Hers."""
        return frozenset({"clerks"})


class FromAlice(SecurityContext):
    """Names the caller, as the adapter of a bus does for a message."""

    def setup_security_context(
        self, handler: CallbackHandler, execution_subject: Subject, service_subject: Subject | None
    ) -> None:
        """By one callback."""
        handler.handle([CallerPrincipalCallback(execution_subject, "alice")])


@contextmanager
def one_core() -> Iterator[None]:
    """Run this process, threads that are started within included, on one core."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def work_manager(threads: int = THREADS) -> Iterator[WorkManager]:
    """An adapter's view of a work manager."""
    loop = EventLoopThread()
    identity = ContainerIdentity(
        RegistryAnswers(AliceOnly()),  # type: ignore[arg-type]  # as much of a registry as is asked here
        trusted_realms=frozenset(),
        security_enabled=True,
        audit=MemoryAuditLog(),
    )
    manager = ContainerWorkManager(
        identity, container="bench", realm="bench", limits=WorkLimits(max_threads=threads), loop=loop
    )
    try:
        yield manager.for_adapter("bench")
    finally:
        manager.shutdown()
        loop.close()


def nothing() -> None:
    """The work of both sides."""


def run(*, quick: bool) -> list[Result]:
    """Measure."""
    rounds = 9 if quick else 41
    with one_core(), work_manager() as works, ThreadPoolExecutor(THREADS) as pool:
        context = (FromAlice(),)
        count = 500 if quick else 2_000

        def one() -> None:
            works.do_work(nothing, contexts=context)

        def one_of_theirs() -> None:
            pool.submit(nothing).result()

        def ours() -> float:
            return seconds_each(one, count) * 1e6

        def theirs() -> float:
            return seconds_each(one_of_theirs, count) * 1e6

        return [
            compare(
                "dispatch, one work of nobody",
                "threadpoolexecutor",
                lambda: seconds_each(lambda: works.do_work(nothing), count) * 1e6,
                theirs,
                goal=1.15,
                unit="us",
                rounds=rounds,
                note="without a context: what the dispatch costs by itself, under the unauthenticated subject",
            ),
            compare(
                "dispatch, one work and its result",
                "threadpoolexecutor",
                ours,
                theirs,
                goal=1.15,
                unit="us",
                rounds=rounds,
                note="ours under a subject that is established for each work from a caller callback",
            ),
            compare(
                "dispatch, a thousand scheduled at once",
                "threadpoolexecutor",
                _burst(lambda work: works.schedule_work(work, contexts=context)),
                _burst(pool.submit),
                goal=2.0,
                unit="ms",
                rounds=rounds,
                note="until the last has ended; ours each under a subject of its own",
            ),
        ]


def _burst(submit: Callable[[Callable[[], object]], object]) -> Measure:
    """Milliseconds for a thousand, submitted at once, to end."""

    def measure() -> float:
        ended = itertools.count(1)
        last = threading.Event()

        def work() -> None:
            if next(ended) == MANY:
                last.set()

        gc.collect()
        gc.disable()
        try:
            began = time.perf_counter()
            for _ in range(MANY):
                submit(work)
            last.wait()
            return (time.perf_counter() - began) * 1e3
        finally:
            gc.enable()

    return measure
