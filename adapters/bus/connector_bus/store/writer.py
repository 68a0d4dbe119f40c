"""Group commit: whoever comes to write writes for everybody who waits at that moment, with one flush to disk.

Theory of operation
-------------------
Whoever has a change to commit puts it in the line and then takes the writer's lock. Who gets the lock takes the whole
line and commits it as one transaction; who gets it after that and finds its change written has nothing more to do.
While the disk flushes, the next batch gathers. There is no artificial delay and, for a lone committer, no other thread:
handing over to a thread and being woken by it costs as much as the writing itself. A change that nobody waits for
(`submit`) is driven by a thread of its own, which starts with the first one.

Changes of one batch never depend on each other: a message can be removed, and a branch decided, only after its arrival
or preparation was acknowledged. So equal statements of all changes are written together. If the batch fails, each of
its changes is tried alone, so that it fails for its own reasons only.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from queue import SimpleQueue
from typing import final

from connector.errors import MessagingError, Reason
from connector_bus.store.unit import Change

STORE_CLOSED = Reason(
    "CF-BUS-052",
    "the message store {store} is closed",
    "The bus has stopped; what was acknowledged before is kept and is there again after the next start.",
)
STORE_FAILED = Reason(
    "CF-BUS-053",
    "the message store {store} could not be written: {cause}",
    "Nothing of this unit was kept. Look for a full disk or a file that can't be written.",
)
OUTCOME_UNKNOWN = Reason(
    "CF-BUS-085",
    "the commit to the message store {store} was cut off",
    "All of this unit was kept, or nothing of it. Look whether it is there before it is sent again.",
)

#: More changes than this are left for the next transaction, so that the first of a flood don't wait for the last.
BATCH_LIMIT = 512


class StoreUncertain(MessagingError):
    """The commit was cut off: the changes are all there, or none of them is."""


@final
class _Pending:
    """A change in the line, and what became of it."""

    __slots__ = ("change", "error", "future", "is_done")

    def __init__(self, change: Change, future: Future[None] | None = None) -> None:
        self.change = change
        self.future = future
        self.error: BaseException | None = None
        self.is_done = False

    def done(self, error: BaseException | None = None) -> None:
        self.error = error
        self.is_done = True
        if self.future is not None:
            if error is None:
                self.future.set_result(None)
            else:
                self.future.set_exception(error)


@final
class GroupWriter:
    """Writes to a store, one transaction at a time.

    Args:
        commit: Carries out changes as one transaction, or raises and leaves nothing of them. What it raises of ours,
            MessagingError, is told as it is. Called by one thread at a time, not always the same one.
        name: How errors name the store.

    Safe to use from any thread. Mutable state: `_line`, `_closed`, `_driver`, changed under `_lock`; `transactions`,
    under `_writing`.
    """

    def __init__(self, commit: Callable[[Sequence[Change]], None], name: str) -> None:
        self._commit = commit
        self._name = name
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._line: list[_Pending] = []
        self._closed = False
        self._driver: threading.Thread | None = None
        self._to_drive: SimpleQueue[_Pending | None] = SimpleQueue()
        #: How many transactions were committed, for the figures: changes divided by it is the gain of sharing.
        self.transactions = 0

    def commit(self, change: Change) -> None:
        """Write a change; blocks until it is on disk.

        Raises MessagingError: CF-BUS-052 once closed, CF-BUS-053 where it could not be written.
        """
        pending = _Pending(change)
        self._queue(pending)
        self._drive(pending)
        if pending.error is not None:
            raise pending.error

    def submit(self, change: Change) -> Future[None]:
        """Hand in a change; the future ends when it is on disk. Does not block.

        The future raises MessagingError CF-BUS-053 where it could not be written; CF-BUS-052 is raised here.
        """
        future: Future[None] = Future()
        pending = _Pending(change, future)
        self._queue(pending)
        with self._lock:
            if self._driver is None and not self._closed:
                self._driver = threading.Thread(target=self._run, name=f"bus-store-{self._name}", daemon=True)
                self._driver.start()
        self._to_drive.put(pending)
        return future

    def close(self) -> None:
        """Write what was handed in, then end. Blocks for that long. Harmless when called twice."""
        with self._lock:
            self._closed = True
            driver, self._driver = self._driver, None
        if driver is not None:
            self._to_drive.put(None)
            driver.join()
        with self._writing:
            while self._line:
                self._write_batch()

    def _queue(self, pending: _Pending) -> None:
        with self._lock:
            if self._closed:
                raise MessagingError(STORE_CLOSED, store=self._name)
            self._line.append(pending)

    def _drive(self, pending: _Pending) -> None:
        while not pending.is_done:
            with self._writing:
                if not pending.is_done:
                    self._write_batch()

    def _run(self) -> None:
        while (pending := self._to_drive.get()) is not None:
            self._drive(pending)

    def _write_batch(self) -> None:
        with self._lock:
            batch, self._line = self._line[:BATCH_LIMIT], self._line[BATCH_LIMIT:]
        try:
            self._write(batch)
        finally:
            # An interrupt of the thread that writes for others; they must not wait for ever.
            for pending in batch:
                if not pending.is_done:
                    pending.done(StoreUncertain(OUTCOME_UNKNOWN, store=self._name))

    def _write(self, batch: Sequence[_Pending]) -> None:
        try:
            self._commit([pending.change for pending in batch])
        except StoreUncertain as error:
            # Not tried again: it may be there already, and would then be there twice.
            for pending in batch:
                pending.done(error)
        except Exception as error:  # noqa: BLE001 - whatever a change causes, the others of its batch are written
            if len(batch) > 1:
                for pending in batch:
                    self._write([pending])
            else:
                batch[0].done(self._failure(error))
        else:
            self.transactions += 1
            for pending in batch:
                pending.done()

    def _failure(self, error: Exception) -> MessagingError:
        if isinstance(error, MessagingError):
            return error
        failure = MessagingError(STORE_FAILED, store=self._name, cause=type(error).__name__)
        failure.__cause__ = error
        return failure
