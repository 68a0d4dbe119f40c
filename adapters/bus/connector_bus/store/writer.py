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
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import final

from sqlalchemy import Connection, Engine, bindparam, delete, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from connector.errors import MessagingError, Reason
from connector_bus.store.record import to_row
from connector_bus.store.schema import messages, prepared
from connector_bus.store.unit import Change, Preparation, Resolution, StoreUnit

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

#: More units than this are left for the next transaction, so that the first of a flood don't wait for the last.
BATCH_LIMIT = 512

_INSERT = insert(messages)
_REMOVE = delete(messages).where(messages.c.sequence == bindparam("of_sequence"))
_ATTEMPTS = (
    update(messages).where(messages.c.sequence == bindparam("of_sequence")).values(attempts=bindparam("new_attempts"))
)

_PREPARE = insert(prepared)
_DECIDE = delete(prepared).where(prepared.c.branch == bindparam("of_branch"))
#: On commit what leaves goes, on rollback what arrived.
_REMOVE_OF_BRANCH = {
    commit: delete(messages).where(
        messages.c.sequence.in_(
            select(prepared.c.sequence).where(
                prepared.c.branch == bindparam("of_branch"), prepared.c.arrives.is_(not commit)
            )
        )
    )
    for commit in (True, False)
}

_Pending = tuple[Change, "Future[None]"]


@final
class GroupWriter:
    """The one thread that writes to a store.

    Safe to use from any thread. Mutable state: `_closed`, changed under `_lock`, which also keeps submissions from
    overtaking the end mark; `transactions` is written by the writer thread only.
    """

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine = engine
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
        except Exception as error:  # noqa: BLE001 - the writer outlives whatever a unit causes; its waiter is told
            if len(batch) > 1:
                for pending in batch:
                    self._write([pending])
                return
            cause = (
                getattr(error, "orig", None) or error if isinstance(error, SQLAlchemyError) else type(error).__name__
            )
            failure = MessagingError(STORE_FAILED, store=self._name, cause=str(cause))
            failure.__cause__ = error
            batch[0][1].set_exception(failure)
        else:
            for _, future in batch:
                future.set_result(None)

    def _commit(self, changes: Sequence[Change]) -> None:
        with self._engine.begin() as connection:
            _apply(connection, changes)
        self.transactions += 1


def _apply(connection: Connection, changes: Sequence[Change]) -> None:
    """A handful of statements for any number of changes."""
    units = [change for change in changes if isinstance(change, StoreUnit)]
    preparations = [change for change in changes if isinstance(change, Preparation)]
    attempts = [{"of_sequence": s, "new_attempts": n} for unit in units for s, n in unit.attempts.items()]
    removed = [{"of_sequence": sequence} for unit in units for sequence in unit.remove]
    arriving = (*units, *(each.unit for each in preparations))
    inserted = [to_row(stored) for unit in arriving for stored in unit.insert]
    if attempts:
        connection.execute(_ATTEMPTS, attempts)
    if removed:
        connection.execute(_REMOVE, removed)
    if inserted:
        connection.execute(_INSERT, inserted)
    if held := [row for each in preparations for row in _held(each)]:
        connection.execute(_PREPARE, held)
    decisions = [change for change in changes if isinstance(change, Resolution)]
    for commit, remove in _REMOVE_OF_BRANCH.items():
        if branches := [{"of_branch": each.branch} for each in decisions if each.commit is commit]:
            connection.execute(remove, branches)
            connection.execute(_DECIDE, branches)


def _held(preparation: Preparation) -> Iterator[dict[str, object]]:
    branch, unit = preparation.branch, preparation.unit
    for stored in unit.insert:
        yield {"branch": branch, "sequence": stored.sequence, "arrives": True}
    for sequence in unit.remove:
        yield {"branch": branch, "sequence": sequence, "arrives": False}
