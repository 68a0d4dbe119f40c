"""One bus's part in units of work: what is sent and received within one is decided as a whole (FLOW-8)."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from enum import Enum
from typing import TYPE_CHECKING, final

from connector.errors import OutcomeUnknown
from connector.spi import TransactionService, UnitOfWork, Vote
from connector_bus.engine.branches import Branch
from connector_bus.engine.delivery_unit import DeliveryUnit, Outside, Receipt, current_unit
from connector_bus.store.record import StoredMessage
from connector_bus.store.writer import StoreUncertain

if TYPE_CHECKING:
    from connector_bus.engine.engine import BusEngine


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
            self._over()
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

        Raises MessagingError: with `one_phase` nothing of it has happened; otherwise it is in doubt. Raises
        OutcomeUnknown where a commit in one phase was cut off.
        """
        if not one_phase:
            self._engine.branches.commit(branch)
            return
        sends, receipts = self._collected()
        try:
            self._engine.commit(sends, receipts)
        except StoreUncertain as error:
            # If it was kept, what was received is gone, and whoever is given it now finds that out.
            self._undone()
            raise OutcomeUnknown(error.reason, **error.details) from error
        except BaseException:
            self._undone()
            raise
        with self._lock:
            self._state = _State.COMMITTED
        self._over()

    def rollback(self, branch: str) -> None:
        """Undo it: nothing was sent, and what was received is there again. Blocks for the disk where it was prepared.

        Raises MessagingError where it could not be undone: it is then in doubt.
        """
        self.unit.close()
        if self._written:
            self._engine.branches.rollback(branch)
        self._undone()

    def leave(self) -> bool:
        """The delivery has failed; answers whether its message is for it to book as failed.

        False while the transaction is in doubt, and where it has committed after all: its decision settles the
        message then, whenever it comes. What was never brought into a transaction is undone. Does not block.
        """
        with self._lock:
            self._left = True
            if self._state in (_State.PREPARED, _State.COMMITTED):
                return False
        self._undone()
        return True

    def _collected(self) -> tuple[list[StoredMessage], list[Receipt]]:
        sends, receipts = self.unit.close()
        return sends, [*receipts, *(() if self._own is None else (self._own,))]

    def _committed(self, sends: list[StoredMessage], receipts: list[Receipt]) -> None:
        with self._lock:
            self._state = _State.COMMITTED
        self._engine.settled(sends, receipts)
        self._over()

    def _undone(self) -> None:
        with self._lock:
            if self._state in (_State.COMMITTED, _State.ROLLED_BACK):
                return
            in_doubt, self._state = self._state is _State.PREPARED, _State.ROLLED_BACK
            own = self._own if in_doubt and self._left else None
        for queue, entry in (*self.unit.close()[1], *(() if own is None else (own,))):
            queue.release(entry)
        self._over()

    def _over(self) -> None:
        self._engine.participants.ended(self)

    def __repr__(self) -> str:
        return f"<BusParticipant of {self.resource}, {self._state.value}>"


@final
class Participants:
    """Which units of work an engine takes part in. Safe to use from any thread; nothing in it blocks.

    Args:
        engine: The engine.
        transactions: The container's units of work.

    Mutable state: `_by_unit`, from a unit's identifier to the part in it, changed under `_lock`.
    """

    def __init__(self, engine: BusEngine, transactions: TransactionService) -> None:
        self._engine = engine
        self._transactions = transactions
        self._lock = threading.Lock()
        self._by_unit: dict[str, BusParticipant] = {}

    def current(self) -> DeliveryUnit | None:
        """What is collected for the unit of work in force; the engine takes part in it from now on. None without one.

        Raises TransactionError where it has ended or can only be rolled back.
        """
        work = self._transactions.current()
        if work is None:
            return None
        with self._lock:  # of two threads of a unit the second takes part by the first one's
            participant = self._by_unit.get(work.id)
            if participant is None:
                participant = BusParticipant(self._engine, DeliveryUnit(self._engine))
                work.enlist(participant)
                self._by_unit[work.id] = participant
        return participant.unit

    def collecting(self) -> DeliveryUnit | None:
        """What collects the sends and receipts here; None: each is done at once. Raises TransactionError."""
        unit = current_unit(self._engine)
        if isinstance(unit, Outside):
            return None
        return self.current() if unit is None else unit

    def bind(self, participant: BusParticipant) -> bool:
        """A delivery's unit of work has begun, with its participant in it; False where none is in force."""
        work = self._transactions.current()
        if work is None:
            return False
        self._bind(work, participant)
        return True

    def ended(self, participant: BusParticipant) -> None:
        """Its unit of work is over, or over for it."""
        with self._lock:
            self._by_unit = {unit: each for unit, each in self._by_unit.items() if each is not participant}

    def recover(self) -> None:
        """Have finished what an earlier process left prepared. Blocks for the store, and for what is found there."""
        if self._engine.branches.in_doubt():
            self._transactions.recover(self._engine.resource, self._engine.branches)
        else:
            self._transactions.register(self._engine.resource, self._engine.branches)

    def _bind(self, work: UnitOfWork, participant: BusParticipant) -> None:
        with self._lock:
            self._by_unit[work.id] = participant
