"""A container's transactions: units begin and end here, and recovery is asked for here (FLOW-8)."""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, final

from connector.errors import Reason, TransactionError
from connector.spi import Clock, RecoverableBranches
from connector.transactions.completion import PackageCompletion
from connector.transactions.coordinator import Coordinator
from connector.transactions.current import CURRENT_UNIT
from connector.transactions.decision_log import DecisionLog
from connector.transactions.imported import ImportedTransactions
from connector.transactions.in_doubt import Unfinished, unfinished
from connector.transactions.records import Record, Standing
from connector.transactions.recovery import Recovery
from connector.transactions.unit import Unit, UnitState

if TYPE_CHECKING:
    from collections.abc import Callable

    from connector.transactions.completion import Completion

_log = logging.getLogger("connector.transactions")

ALREADY_WITHIN = Reason(
    "CF-TX-020",
    "a unit of work can't begin within unit {unit}.",
    "Go on in that one, which is in force already, or suspend it for work that is to stand whatever becomes of it.",
)
NONE_HERE = Reason(
    "CF-TX-021",
    "there is no unit of work on this thread or task that could be {what}.",
    "Begin one first; a plain thread doesn't see the one of the thread that started it.",
)
WRONG_TIMEOUT = Reason(
    "CF-TX-022",
    "a unit of work can't have a time limit of {seconds!r} s.",
    "Give seconds above 0, or None for no limit.",
)
ANOTHER_IN_FORCE = Reason(
    "CF-TX-023",
    "unit {unit} can't be resumed here: unit {other} is in force.",
    "End or suspend that one first.",
)
ANOTHER_CONTAINERS = Reason(
    "CF-TX-025",
    "unit of work {unit} is not one of container {container!r}, so nothing of that container can take part in it.",
    "End it before, or work within its own container's `no_transaction()`: what is done there stands by itself.",
)
NOT_IN_DOUBT = Reason(
    "CF-TX-024",
    "unit {unit} is not in doubt: {standing}.",
    "See `connector transactions list` for those that are.",
)


@final
class Transactions:
    """Implements `connector.spi.TransactionService`, and is what begins and ends units. Safe to use from any thread.

    Nothing is read or written before the first unit begins, or recovery is asked for.

    Args:
        container: The container's name.
        folder: Where the decision log is kept; made when missing.
        clock: The time, for time limits.

    Attributes:
        imported: The transactions whose superior is elsewhere.
    """

    def __init__(self, container: str, folder: Path, clock: Clock) -> None:
        self._container = container
        self._folder = folder
        self._path = folder / "decisions.log"
        self._clock = clock
        self._numbers = itertools.count(1)
        self.imported: Final = ImportedTransactions(self)
        # The mutable state: the log with recovery, opened once; the units that have not ended; whether it is over.
        self._lock = threading.Lock()
        self._opened: tuple[DecisionLog, Recovery] | None = None
        self._running: dict[str, Unit] = {}
        self._to_register: dict[str, RecoverableBranches] = {}  # until the log is opened
        self._closed = False
        self._told: set[str] = set()  # which units over their time have been told of; one thread at a time looks

    # --- units -----------------------------------------------------------------------------------------------------

    def begin(self, timeout: float | None = None) -> Unit:
        """Begin a unit of work, in force on this thread or task from now on. Blocks for the disk the first time only.

        Args:
            timeout: Seconds after which it can only be rolled back; None for no limit.

        Raises TransactionError: one is in force already (CF-TX-020), or another container's (CF-TX-025), a wrong time
        limit (CF-TX-022), the package transaction is missing (CF-TX-006). Raises ConfigError where the decision log
        can't be used.
        """
        within = CURRENT_UNIT.get()
        if within is not None:
            self.require_own(within)
            within.require_active()  # what is left behind by one that has ended hears that
            raise TransactionError(ALREADY_WITHIN, unit=within.id)
        unit = self.new_unit(timeout, PackageCompletion)
        CURRENT_UNIT.set(unit)
        return unit

    def new_unit(self, timeout: float | None, completion: Callable[[Coordinator], Completion]) -> Unit:
        """A unit that is in force nowhere yet. Raises as `begin`."""
        if timeout is not None and not timeout > 0:
            raise TransactionError(WRONG_TIMEOUT, seconds=timeout)
        log, _recovery = self._open()
        unit = Unit(log.owner.unit(next(self._numbers)), log, self._clock, timeout, completion, self)
        with self._lock:
            self._running[unit.id] = unit
        unit.at_end(lambda _outcome: self._has_ended(unit))
        return unit

    def commit(self, unit: Unit | None = None) -> None:
        """Commit a unit; see `Unit.commit`. If it is in force here it no more is, whatever is raised.

        Args:
            unit: Which; the one in force here by default.
        """
        self._end(unit, "committed").commit()

    def rollback(self, unit: Unit | None = None) -> None:
        """Roll back a unit; see `Unit.rollback`. If it is in force here it no more is.

        Args:
            unit: Which; the one in force here by default.
        """
        self._end(unit, "rolled back").rollback()

    def suspend(self) -> Unit | None:
        """Take the unit off this thread or task, without ending it; answers it, for `resume`. None where there is none.

        Does not block.
        """
        unit = CURRENT_UNIT.get()
        CURRENT_UNIT.set(None)
        return unit

    def resume(self, unit: Unit | None) -> None:
        """Put a suspended unit in force here, on the thread that suspended it or another; None does nothing.

        Does not block. Raises TransactionError where another one is in force (CF-TX-023).
        """
        if unit is None:
            return
        other = CURRENT_UNIT.get()
        if other is not None and other is not unit:
            raise TransactionError(ANOTHER_IN_FORCE, unit=unit.id, other=other.id)
        CURRENT_UNIT.set(unit)

    @contextmanager
    def unit(self, timeout: float | None = None) -> Iterator[Unit]:
        """A unit for a `with` block: committed at its end, rolled back where the block raises.

        Where the block has marked it for rollback it is rolled back, and TransactionError raised (CF-TX-003). Raises
        what `begin` and `commit` raise.
        """
        unit = self.begin(timeout)
        try:
            yield unit
        except BaseException:
            CURRENT_UNIT.set(None)
            if unit.state is UnitState.ACTIVE:  # else the block has ended it itself
                unit.rollback()
            raise
        CURRENT_UNIT.set(None)
        unit.commit()

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """For the `with` block no unit is in force here."""
        unit = self.suspend()
        try:
            yield
        finally:
            CURRENT_UNIT.set(unit)

    def current(self) -> Unit | None:
        """See `TransactionService`. One that has ended is answered as well, on a task that it left behind: it refuses
        whatever is done in it. Raises TransactionError where another container's is in force (CF-TX-025).
        """
        unit = CURRENT_UNIT.get()
        if unit is not None:
            self.require_own(unit)
        return unit

    def require_own(self, unit: Unit) -> None:
        """Raise TransactionError (CF-TX-025) for another container's unit: after a kill nobody would finish what a
        resource of ours had prepared in it, since that container knows ours only by names that may be its own as well.
        """
        if unit.home is not self:
            raise TransactionError(ANOTHER_CONTAINERS, unit=unit.id, container=self._container)

    @property
    def terminator(self) -> ImportedTransactions:
        """See `TransactionService`."""
        return self.imported

    # --- recovery --------------------------------------------------------------------------------------------------

    def recover(self, resource: str, branches: RecoverableBranches) -> None:
        """See `TransactionService`. Raises ConfigError where the decision log can't be used, and nothing else."""
        self._open()[1].recover(resource, branches)

    def register(self, resource: str, branches: RecoverableBranches) -> None:
        """As `recover`, but the resource is asked at a `look`: where something was ever prepared there, at the next.

        Does not block, but for the disk where there is a log already. Raises as `recover`.
        """
        with self._lock:
            if self._opened is None and not self._path.exists():
                self._to_register[resource] = branches
                return
        self._open()[1].register(resource, branches)

    def look(self, *, everywhere: bool = False) -> None:
        """Finish what can be finished; blocks for the resources. Raises nothing.

        Imported transactions whose time is over are rolled back, between their works; other units whose time is over
        are told of, once: only whoever works in one knows where it stands.

        Args:
            everywhere: Whether to ask also where nothing is known to be left.
        """
        if self._opened is not None and not self._closed:
            self.imported.end_overdue()
            self._tell_of_overdue()
            self._opened[1].look(everywhere=everywhere)

    @property
    def log(self) -> DecisionLog:
        """The decision log. Raises ConfigError where it can't be used."""
        return self._open()[0]

    @property
    def running(self) -> tuple[Unit, ...]:
        """The units of this process that have not ended."""
        with self._lock:
            return tuple(self._running.values())

    def unfinished(self) -> tuple[Unfinished, ...]:
        """The units that are not finished and not running; does not ask the resources (see `look`).

        Raises ConfigError where the decision log can't be used.
        """
        log, recovery = self._open()
        running = {unit.id for unit in self.running if unit.state is not UnitState.PREPARED}
        records = {unit: record for unit, record in log.open_units.items() if unit not in running}
        return unfinished(records, recovery.left, recovery.resources)

    def decide(self, unit: str, *, commit: bool) -> None:
        """An operator decides a unit that is in doubt; then its resources are asked, which blocks.

        Without `commit` also an imported one that is not prepared, between its works: its superior may be gone.

        Raises TransactionError where it is not in doubt (CF-TX-024), or the decision could not be written.
        """
        log, recovery = self._open()
        here = self._running_now().get(unit)
        if not commit and here is not None and self.imported.abandon(here):
            return
        if here is not None and here.state is UnitState.PREPARED:
            here.finish_prepared(commit=commit)
            return
        record = self._open_record(unit)
        if record.is_decided:
            raise TransactionError(NOT_IN_DOUBT, unit=unit, standing=f"it is decided to {record.standing.value}")
        standing = Standing.COMMIT if commit else Standing.ROLLBACK
        log.decide(Record(standing, unit, record.branches, xid=record.xid))
        recovery.look()

    def forget(self, unit: str) -> None:
        """Give up a unit: nothing is done about its branches any more that are found prepared after a decision.

        Branches of a unit that the log doesn't know are rolled back: forget one only whose branches are gone, or whose
        resource is. Raises TransactionError where the log doesn't know it (CF-TX-024), or that could not be written.
        """
        self._open_record(unit)
        self.log.decide(Record(Standing.DONE, unit))

    def close(self) -> None:
        """No unit begins any more; the log is closed. Units that run are not waited for. Harmless when called twice."""
        with self._lock:
            self._closed = True
            opened = self._opened
        if opened is not None:
            opened[0].close()

    def _open_record(self, unit: str) -> Record:
        record = self.log.open_units.get(unit)
        if record is None or any(one.id == unit for one in self.running):
            raise TransactionError(
                NOT_IN_DOUBT, unit=unit, standing="it is running" if record else "the log doesn't know it"
            )
        return record

    def _open(self) -> tuple[DecisionLog, Recovery]:
        opened = self._opened
        if opened is None:
            with self._lock:
                if self._opened is None:
                    self._folder.mkdir(mode=0o700, exist_ok=True)
                    log = DecisionLog(self._path, self._container)
                    recovery = Recovery(log, self._running_now)
                    for resource, branches in self._to_register.items():
                        recovery.register(resource, branches)
                    self._opened = (log, recovery)
                opened = self._opened
        return opened

    def _tell_of_overdue(self) -> None:
        for unit in self.running:
            if unit.remaining == 0.0 and unit.state is UnitState.ACTIVE and unit.id not in self._told:
                self._told.add(unit.id)
                unit.at_end(lambda _outcome, name=unit.id: self._told.discard(name))  # type: ignore[misc]
                text = (
                    "unit %s is over its time of %g s and has not ended: it holds its connections and locks until then"
                )
                _log.warning(text, unit.id, unit.timeout)

    def _running_now(self) -> dict[str, Unit]:
        with self._lock:
            return dict(self._running)

    @staticmethod
    def _end(unit: Unit | None, what: str) -> Unit:
        here = CURRENT_UNIT.get()
        unit = unit or here
        if unit is None:
            raise TransactionError(NONE_HERE, what=what)
        if unit is here:
            CURRENT_UNIT.set(None)
        return unit

    def _has_ended(self, unit: Unit) -> None:
        with self._lock:
            self._running.pop(unit.id, None)
        for branch in unit.coordinator.left:
            self._open()[1].left_behind(branch.resource)

    def __repr__(self) -> str:
        return f"<Transactions of {self._container!r}, {len(self._running)} running>"
