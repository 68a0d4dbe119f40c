"""One bus's part in one transaction: what is sent and received within it, decided as a whole (FLOW-8)."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from enum import Enum
from typing import final

from connector.spi import Vote
from connector_bus.engine.branches import Branch
from connector_bus.engine.delivery_unit import DeliveryUnit, Receipt
from connector_bus.engine.engine import BusEngine
from connector_bus.store.record import StoredMessage


class _State(Enum):
    ACTIVE = "active"
    PREPARED = "prepared"
    COMMITTED = "committed"
    ROLLED_BACK = "rolled back"


@final
class BusParticipant:
    """A delivery unit as a `connector.spi.TransactionParticipant`; two-phase.

    Args:
        engine: The engine.
        unit: What is collected; it is over once a method of this is called.
        own: The message whose delivery the transaction belongs to, if it is one. It leaves with the commit; when the
            unit is rolled back it is the delivery that decides what becomes of it, unless it has let go (`leave`).

    Safe to use from any thread. Mutable state: `_state` and `_left`, changed under `_lock`; `_written`, by whoever
    carries out `prepare`.
    """

    two_phase = True

    def __init__(self, engine: BusEngine, unit: DeliveryUnit, own: Receipt | None = None) -> None:
        self.unit = unit
        self._engine = engine
        self._own = own
        self._lock = threading.Lock()
        self._state = _State.ACTIVE
        self._left = False
        self._written = False  # whether there may be something in the store to undo

    @property
    def resource(self) -> str:
        """`bus:NAME`."""
        return self._engine.resource

    def prepare(self, branch: str) -> Vote:
        """Write everything down for a decision to come. Blocks for the disk. Raises MessagingError to vote no."""
        collected, receipts = self._collected()
        sends: Sequence[StoredMessage] = collected
        if not sends and not receipts:
            return Vote.READ_ONLY
        # Their places are taken for good once it commits; until then others may have them.
        sends, needed = self._engine.admit(sends, receipts, wait=True)
        self._engine.rooms.entered(needed)
        unit = self._engine.store_unit(sends, receipts)
        self._written = True
        admitted = list(sends)
        self._engine.branches.prepare(branch, unit, Branch(lambda: self._committed(admitted, receipts), self._undone))
        with self._lock:
            self._state = _State.PREPARED
        return Vote.PREPARED

    def commit(self, branch: str, *, one_phase: bool = False) -> None:
        """Put it in force. Blocks for the disk.

        Raises MessagingError: with `one_phase` nothing of it has happened; otherwise it is in doubt.
        """
        if not one_phase:
            self._engine.branches.commit(branch)
            return
        sends, receipts = self._collected()
        try:
            self._engine.commit(sends, receipts)
        except BaseException:
            self._undone()
            raise
        with self._lock:
            self._state = _State.COMMITTED

    def rollback(self, branch: str) -> None:
        """Undo it: nothing was sent, and what was received is there again. Blocks for the disk where it was prepared.

        Raises MessagingError where it could not be undone: it is then in doubt.
        """
        self.unit.close()
        if self._written:
            self._engine.branches.rollback(branch)
        self._undone()

    def leave(self) -> bool:
        """The delivery is over without having been committed; answers whether its message is for it to book as failed.

        False while the transaction is in doubt, and where it has committed after all: its decision settles the
        message then, whenever it comes. Does not block.
        """
        with self._lock:
            self._left = True
            return self._state not in (_State.PREPARED, _State.COMMITTED)

    def _collected(self) -> tuple[list[StoredMessage], list[Receipt]]:
        sends, receipts = self.unit.close()
        return sends, [*receipts, *(() if self._own is None else (self._own,))]

    def _committed(self, sends: list[StoredMessage], receipts: list[Receipt]) -> None:
        with self._lock:
            self._state = _State.COMMITTED
        self._engine.settled(sends, receipts)

    def _undone(self) -> None:
        with self._lock:
            if self._state in (_State.COMMITTED, _State.ROLLED_BACK):
                return
            in_doubt, self._state = self._state is _State.PREPARED, _State.ROLLED_BACK
            own = self._own if in_doubt and self._left else None
        for queue, entry in (*self.unit.close()[1], *(() if own is None else (own,))):
            queue.release(entry)

    def __repr__(self) -> str:
        return f"<BusParticipant of {self.resource}, {self._state.value}>"
