"""Group commit: one thread writes for everybody, so that one flush to disk serves all who wait at that moment.

Theory of operation
-------------------
Whoever has a unit to commit puts it into a queue and waits for its outcome. The writer takes everything that is in the
queue and commits it as one transaction; while the disk flushes, the next batch gathers. There is no artificial delay:
a lone unit is written at once, a crowd shares.

Changes of one batch never depend on each other: a message can be removed, and a branch decided, only after its arrival
or preparation was acknowledged. So equal statements of all changes are written together. If the batch fails, each of
its changes is tried alone, so that it fails for its own reasons only.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import final

from sqlalchemy.exc import SQLAlchemyError

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


class StoreUncertain(MessagingError):
    """The connection to the database broke while it was committing: the changes are all there, or none of them is."""


#: More units than this are left for the next transaction, so that the first of a flood don't wait for the last.
BATCH_LIMIT = 512

_Pending = tuple[Change, "Future[None]"]


@final
class GroupWriter:
    """The one thread that writes to a store.

    Args:
        commit: Carries out changes as one transaction, or raises and leaves nothing of them. What it raises of ours,
            MessagingError, is told as it is.
        name: How errors name the store.

    Safe to use from any thread. Mutable state: `_closed`, changed under `_lock`, which also keeps submissions from
    overtaking the end mark; `transactions` is written by the writer thread only.
    """

    def __init__(self, commit: Callable[[Sequence[Change]], None], name: str) -> None:
        self._commit = commit
        self._name = name
        self._queue: SimpleQueue[_Pending | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._closed = False
        #: How many transactions were committed, for the figures: units divided by it is the gain of sharing.
        self.transactions = 0
        self._thread = threading.Thread(target=self._run, name=f"bus-store-{name}", daemon=True)
        self._thread.start()

    def submit(self, change: Change) -> Future[None]:
        """Hand in a change; the future ends when it is on disk. Does not block.

        The future raises MessagingError CF-BUS-053 where it could not be written; CF-BUS-052 is raised here.
        """
        future: Future[None] = Future()
        with self._lock:
            if self._closed:
                raise MessagingError(STORE_CLOSED, store=self._name)
            self._queue.put((change, future))
        return future

    def close(self) -> None:
        """Write what was handed in, then end. Blocks for that long. Harmless when called twice."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        ended = False
        while not ended:
            batch: list[_Pending] = []
            item = self._queue.get()
            while item is not None:
                batch.append(item)
                if len(batch) == BATCH_LIMIT:
                    break
                try:
                    item = self._queue.get_nowait()
                except Empty:
                    break
            else:
                ended = True
            if batch:
                self._write(batch)

    def _write(self, batch: Sequence[_Pending]) -> None:
        try:
            self._commit([change for change, _ in batch])
        except StoreUncertain as error:
            # Not tried again: it may be there already, and would then be there twice.
            for _, future in batch:
                future.set_exception(error)
        except Exception as error:  # noqa: BLE001 - the writer outlives whatever a unit causes; its waiter is told
            if len(batch) > 1:
                for pending in batch:
                    self._write([pending])
                return
            batch[0][1].set_exception(self._failure(error))
        else:
            self.transactions += 1
            for _, future in batch:
                future.set_result(None)

    def _failure(self, error: Exception) -> MessagingError:
        if isinstance(error, MessagingError):
            return error
        cause = getattr(error, "orig", None) or error if isinstance(error, SQLAlchemyError) else type(error).__name__
        failure = MessagingError(STORE_FAILED, store=self._name, cause=str(cause))
        failure.__cause__ = error
        return failure
