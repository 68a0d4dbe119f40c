"""Telling a submission's listener and its submitter how far the work is (FLOW-1).

Who tells the listener: a thread of the work manager that a work runs on, or the submitter's own.  A rejection is found
out elsewhere, by the start timer on the event loop's thread or by a shutdown, which a listener that blocks against its
contract must not stop.  A submitter that waits is woken up there and tells its listener itself; of a work that nobody
waits for a thread tells that is there for the notices of that one adapter.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import final

from connector.errors import WorkRejected
from connector.spi import WorkEventKind
from connector.work.submission import Awaited, Submission

_log = logging.getLogger("connector.work")


def tell(submission: Submission, kind: WorkEventKind) -> None:
    """Tell the listener, if there is one. What it raises is logged by type and dropped, as its contract says.

    An interrupt of the main thread passes: it is the user's, not the listener's.
    """
    if submission.listener is None:
        return
    try:
        submission.listener(submission.event(kind))
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread():
            raise
        _log.warning("a work listener raised %s at %s", type(error).__name__, kind.value)


@final
class Rejections:
    """Rejections of works that were accepted before. Safe to use from any thread.

    Args:
        container: The container's name, for the threads' names.
    """

    # Mutable state, changed under `_lock`: `_queues`, by adapter.

    def __init__(self, container: str) -> None:
        self._container = container
        self._lock = threading.Lock()
        self._queues: dict[str, SimpleQueue[Callable[[], object] | None]] = {}

    def reject(self, submission: Submission, error: WorkRejected) -> None:
        """The ledger has moved the submission to REJECTED: have its listener and its submitter told. Does not block."""
        submission.error = error
        if submission.call_off is not None:
            submission.call_off()
        if submission.awaited is not Awaited.NOTHING:
            submission.signal.release()
        elif submission.listener is not None:
            self._queue(submission.account.adapter).put(lambda: tell(submission, WorkEventKind.REJECTED))

    def flush(self) -> list[threading.Event]:
        """Events that are set once everything that was rejected until now has been told. Does not block."""
        told = []
        with self._lock:
            queues = list(self._queues.values())
        for queue in queues:
            told.append(threading.Event())
            queue.put(told[-1].set)
        return told

    def stop(self) -> None:
        """Let the threads end once they have told everything. Does not block; a later rejection starts a new one."""
        with self._lock:
            queues, self._queues = self._queues, {}
        for queue in queues.values():
            queue.put(None)

    def _queue(self, adapter: str) -> SimpleQueue[Callable[[], object] | None]:
        with self._lock:
            queue = self._queues.get(adapter)
            if queue is None:
                queue = self._queues[adapter] = SimpleQueue()
                name = f"{self._container}-work-notices"
                threading.Thread(target=_serve, args=(queue,), name=name, daemon=True).start()
            return queue


def _serve(queue: SimpleQueue[Callable[[], object] | None]) -> None:
    while (notice := queue.get()) is not None:
        notice()
