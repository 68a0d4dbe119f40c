"""Imported transactions: works that take part in a transaction whose superior is elsewhere (FLOW-2, FLOW-8).

A work that carries a `TransactionContext` runs in the unit of that transaction, which is made at its first work and
stays until the superior has ended it, through the adapter and its `TransactionTerminator`. One work at a time: a second
one is refused, not made to wait, and so is one that comes while the transaction is being ended.

A superior may never speak again. Once the time of a transaction is over it is rolled back between two works, so that it
holds no connections and locks, and is kept as rolled back until its superior does speak: a later work must not begin it
anew, or the superior would commit the half of it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

from connector.errors import Reason, TransactionError, WorkCompletedWithError
from connector.spi import TransactionContext, Vote, WorkErrorCode
from connector.transactions.completion import SteppedCompletion
from connector.transactions.coordinator import Outcome
from connector.transactions.current import CURRENT_UNIT
from connector.transactions.records import Standing
from connector.transactions.unit import Unit, UnitState

if TYPE_CHECKING:
    from connector.transactions.service import Transactions

_log = logging.getLogger("connector.transactions")

CONCURRENT_WORK = Reason(
    "CF-TX-040",
    "a work of the imported transaction {xid!r} was not run: {why}.",
    "Submit one work of a transaction at a time, and none once its end has begun.",
)
XID_UNKNOWN = Reason(
    "CF-TX-041",
    "there is no imported transaction {xid!r} that could be {what}.",
    "It has been ended, or nothing of it was prepared before a restart, which rolls it back.",
)
WORK_UNDER_WAY = Reason(
    "CF-TX-042",
    "the imported transaction {xid!r} can't be {what}: {why}.",
    "Wait for the end of its work; a transaction is ended once, prepared first unless it is in one phase.",
)
XID_WRONG = Reason(
    "CF-TX-043",
    "{found} is no identifier of a transaction.",
    "Give text of 1 to {longest} characters.",
)

ABANDONED = Reason(
    "CF-TX-044",
    "the imported transaction {xid!r} can't be {what}: it was rolled back here, since its time was over or an operator"
    " decided so.",
    "Roll it back where its superior is; nothing of it is there.",
)

#: How many rolled back ones are kept whose superior has not spoken since; then the oldest go.
_MOST_ABANDONED: Final = 10_000
#: Characters that an identifier may have: enough for XA's format, global and branch parts in hexadecimal.
_LONGEST: Final = 300


@dataclass
class _Imported:
    """One transaction here.

    Attributes:
        unit: Its unit.
        busy: Why nobody else may do anything with it now; None: nobody does.
    """

    unit: Unit
    busy: str | None = None


@final
class ImportedTransactions:
    """The imported transactions of one container. Implements `connector.spi.TransactionTerminator`.

    Safe to use from any thread.

    Args:
        transactions: The container's transactions.
    """

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions
        # The mutable state, under the lock, which is not held while anything is run or ended.
        self._lock = threading.Lock()
        self._imported: dict[str, _Imported] = {}
        self._abandoned: dict[str, None] = {}  # rolled back without their superior, the oldest first

    @contextmanager
    def around(self, context: TransactionContext) -> Iterator[None]:
        """What stands around a work with a transaction context: its unit is in force, here and nowhere else.

        Raises WorkCompletedWithError for a second work (CF-TX-040), TransactionError for what is no identifier
        (CF-TX-043), and what beginning a unit raises.
        """
        xid = context.xid
        if not isinstance(xid, str):
            raise TransactionError(XID_WRONG, found=f"a {type(xid).__name__}", longest=_LONGEST)
        if not 0 < len(xid) <= _LONGEST:
            raise TransactionError(XID_WRONG, found=f"text of {len(xid)} characters", longest=_LONGEST)
        imported = self._claimed_for_work(xid, context.timeout)
        before = CURRENT_UNIT.get()
        CURRENT_UNIT.set(imported.unit)
        try:
            yield
        finally:
            CURRENT_UNIT.set(before)
            imported.busy = None

    def prepare(self, xid: str) -> Vote:
        """See TransactionTerminator."""
        with self._ending(xid, "prepared") as unit:
            outcome = unit.prepare(xid)
        return Vote.PREPARED if outcome is Outcome.PREPARED else Vote.READ_ONLY

    def commit(self, xid: str, *, one_phase: bool = False) -> None:
        """See TransactionTerminator."""
        self._end(xid, commit=True, one_phase=one_phase)

    def rollback(self, xid: str) -> None:
        """See TransactionTerminator."""
        self._end(xid, commit=False)

    def in_doubt(self) -> tuple[str, ...]:
        """See TransactionTerminator."""
        records = self._transactions.log.open_units.values()
        return tuple(
            record.xid for record in records if record.standing is Standing.PREPARED and record.xid is not None
        )

    def end_overdue(self) -> None:
        """Roll back those whose time is over and that no work is under way in. Blocks as they do; raises nothing."""
        with self._lock:
            overdue = [one.unit for one in self._imported.values() if one.busy is None and one.unit.remaining == 0.0]
        for unit in overdue:
            if self.abandon(unit):
                text = "the imported transaction of unit %s is rolled back: its time of %g s is over"
                _log.warning(text, unit.id, unit.timeout)

    def abandon(self, unit: Unit) -> bool:
        """Roll back a transaction without its superior, where it is neither prepared nor worked in; answers whether.

        Blocks for the resources. A unit that is no imported one's is left alone.
        """
        with self._lock:
            xid = next((xid for xid, one in self._imported.items() if one.unit is unit), "")
            if not xid or self._imported[xid].busy is not None or unit.state is not UnitState.ACTIVE:
                return False
            self._imported[xid].busy = "it is being ended"
        try:
            unit.rollback()
        finally:
            with self._lock:
                del self._imported[xid]
                self._abandoned[xid] = None
                if len(self._abandoned) > _MOST_ABANDONED:
                    del self._abandoned[next(iter(self._abandoned))]
        return True

    def _claimed_for_work(self, xid: str, timeout: float | None) -> _Imported:
        with self._lock:
            imported = self._imported.get(xid)
            if imported is None:
                if xid in self._abandoned:
                    raise _disallowed(xid, "it was rolled back, since its time was over or an operator decided so")
                if xid in self.in_doubt():
                    raise _disallowed(xid, "it was prepared before a restart")
                unit = self._transactions.new_unit(
                    timeout, lambda coordinator: SteppedCompletion(coordinator, f"of transaction {xid}")
                )
                imported = self._imported[xid] = _Imported(unit)
            elif imported.busy is not None:
                raise _disallowed(xid, imported.busy)
            elif imported.unit.state is not UnitState.ACTIVE:
                raise _disallowed(xid, f"it is {imported.unit.state.value}")
            imported.busy = "a work of it is under way"
            return imported

    @contextmanager
    def _ending(self, xid: str, what: str) -> Iterator[Unit]:
        """Claims a transaction for its end, and forgets it where it has ended."""
        with self._lock:
            imported = self._imported.get(xid)
            if imported is None and xid in self._abandoned:
                del self._abandoned[xid]
                raise TransactionError(ABANDONED, xid=xid, what=what)
            if imported is None:
                raise TransactionError(XID_UNKNOWN, xid=xid, what=what)
            if imported.busy is not None:
                raise TransactionError(WORK_UNDER_WAY, xid=xid, what=what, why=imported.busy)
            imported.busy = "it is being ended"
        try:
            yield imported.unit
        finally:
            with self._lock:
                imported.busy = None
                if imported.unit.state not in (UnitState.ACTIVE, UnitState.PREPARED):
                    del self._imported[xid]

    def _end(self, xid: str, *, commit: bool, one_phase: bool = False) -> None:
        what = "committed" if commit else "rolled back"
        with self._lock:
            if not commit and xid in self._abandoned:
                del self._abandoned[xid]
                return  # that is what its superior wants
            here = xid in self._imported or xid in self._abandoned
        if not here:
            self._end_of_a_former_run(xid, what, commit=commit)
            return
        with self._ending(xid, what) as unit:
            prepared = unit.state is UnitState.PREPARED
            if prepared and not one_phase:
                unit.finish_prepared(commit=commit)
            elif commit and prepared:
                raise TransactionError(WORK_UNDER_WAY, xid=xid, what=what, why="it is prepared, so not in one phase")
            elif commit and not one_phase:
                raise TransactionError(WORK_UNDER_WAY, xid=xid, what=what, why="it has not been prepared")
            elif commit:
                unit.commit()
            else:
                unit.rollback()

    def _end_of_a_former_run(self, xid: str, what: str, *, commit: bool) -> None:
        for record in self._transactions.log.open_units.values():
            if record.xid == xid and record.standing is Standing.PREPARED:
                self._transactions.decide(record.unit, commit=commit)
                return
        raise TransactionError(XID_UNKNOWN, xid=xid, what=what)


def _disallowed(xid: str, why: str) -> WorkCompletedWithError:
    return WorkCompletedWithError(
        CONCURRENT_WORK, error_code=WorkErrorCode.CONCURRENT_WORK_DISALLOWED, xid=xid, why=why
    )
