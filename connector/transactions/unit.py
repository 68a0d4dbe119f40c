"""A unit of work: what is done in it, until when, and how it ends (FLOW-8)."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from enum import Enum
from typing import Any, Final, final

from connector.errors import OutcomeUnknown, Reason, TransactionError
from connector.spi import Clock, TransactionParticipant
from connector.transactions.branch import Branch, told
from connector.transactions.completion import Completion
from connector.transactions.coordinator import Coordinator, Decisions, Outcome
from connector.transactions.identifiers import branch_of

UNIT_OVER = Reason(
    "CF-TX-001",
    "unit of work {unit} is {state}; nothing can be done in it any more.",
    "Keep no connection, task or thread of a unit beyond its end; begin another one.",
)
SECOND_LAST_RESOURCE = Reason(
    "CF-TX-002",
    "unit of work {unit} has {first}, which can't prepare; {second} can't either, and one such resource is all that a"
    " unit can have.",
    "Use a resource with two-phase commit for one of them, share one connection of the resource (one caller, a"
    " shareable reference), or work in two units.",
)
ROLLED_BACK = Reason(
    "CF-TX-003",
    "unit of work {unit} was rolled back: {why}.",
    "Nothing of it is there; see the cause, and do it again where that makes sense.",
)
ROLLBACK_ONLY = Reason(
    "CF-TX-004",
    "unit of work {unit} can only be rolled back: {why}.",
    "End it; nothing that is done in it from now on would be kept.",
)
OUTCOME_UNKNOWN = Reason(
    "CF-TX-005",
    "what became of unit of work {unit} is not known: {why}.",
    "What others have prepared waits for `connector transactions`; see docs/transactions.md on what is in doubt.",
)

_log = logging.getLogger("connector.transactions")

_MARKED: Final = "it was marked for rollback"


class UnitState(Enum):
    """Where a unit is."""

    ACTIVE = "active"
    ENDING = "being ended"
    PREPARED = "prepared"  # imported, until its superior has decided
    COMMITTED = "committed"
    ROLLED_BACK = "rolled back"
    UNKNOWN = "over, its outcome unknown"


@final
class Unit:
    """Implements `connector.spi.UnitOfWork`. Made by the service. Safe to use from any thread; ends once.

    Args:
        identifier: Its identifier.
        log: The decision log.
        clock: The time.
        timeout: Seconds from now until it can only be rolled back; None for no limit.
        completion: Makes what ends it.
        home: The service that made it.

    Attributes:
        id: See above.
        home: See above: nobody else's resources may take part.
        local: What the rooms that work in it keep with it, by a key of their own; a room locks its own.
        timeout: See above.
    """

    def __init__(
        self,
        identifier: str,
        log: Decisions,
        clock: Clock,
        timeout: float | None,
        completion: Callable[[Coordinator], Completion],
        home: object,
    ) -> None:
        self.id = identifier
        self.home: Final = home
        self.local: dict[object, Any] = {}
        self.timeout = timeout
        self._clock = clock
        self._began = clock.monotonic()
        self._deadline = None if timeout is None else self._began + timeout
        self._coordinator = Coordinator(identifier, log, self._require_in_time)
        self._completion = completion(self._coordinator)
        # The mutable state, changed under the lock, which is never held while a participant is called:
        self._lock = threading.Lock()
        self._state = UnitState.ACTIVE
        self._doomed: str | None = None  # why it can only be rolled back
        self._at_end: list[Callable[[Outcome], None]] = []

    # --- what it is ------------------------------------------------------------------------------------------------

    @property
    def state(self) -> UnitState:
        """Where it is."""
        return self._state

    @property
    def age(self) -> float:
        """Seconds since it began."""
        return self._clock.monotonic() - self._began

    @property
    def remaining(self) -> float | None:
        """See `UnitOfWork`."""
        return None if self._deadline is None else max(0.0, self._deadline - self._clock.monotonic())

    @property
    def active(self) -> bool:
        """See `UnitOfWork`."""
        return self._state is UnitState.ACTIVE and self._why_not() is None

    @property
    def rollback_only(self) -> bool:
        """See `UnitOfWork`."""
        return self._why_not() is not None

    @property
    def branches(self) -> tuple[Branch, ...]:
        """What takes part in it, in the order of enlistment."""
        return self._coordinator.branches

    @property
    def coordinator(self) -> Coordinator:
        """Its protocol; for whoever ends it."""
        return self._coordinator

    @property
    def manager(self) -> Any:
        """Its `transaction.TransactionManager`, for data managers of the application's own (docs/transactions.md).

        Raises TransactionError for an imported unit (CF-TX-007).
        """
        return self._completion.manager

    # --- what is done in it ----------------------------------------------------------------------------------------

    def require_active(self) -> None:
        """Raise TransactionError unless it can still be worked in (CF-TX-001, CF-TX-004). Does not block."""
        if self._state is not UnitState.ACTIVE:
            raise self._ended_before()
        why = self._why_not()
        if why is not None:
            raise TransactionError(ROLLBACK_ONLY, unit=self.id, why=why)

    def enlist(self, participant: TransactionParticipant) -> None:
        """See `UnitOfWork`."""
        with self._lock:
            self.require_active()
            branches = self._coordinator.branches
            if any(branch.participant is participant for branch in branches):
                return
            branch = Branch(participant, branch_of(self.id, len(branches) + 1))
            last = self._coordinator.last
            if last is not None and not branch.two_phase:
                raise TransactionError(SECOND_LAST_RESOURCE, unit=self.id, first=last.resource, second=branch.resource)
            self._coordinator.add(branch)
            self._completion.join(branch)

    def set_rollback_only(self, why: str = _MARKED) -> None:
        """See `UnitOfWork`.

        Args:
            why: The reason, in words, for whoever ends it.
        """
        with self._lock:
            if self._state is UnitState.ACTIVE and self._doomed is None:
                self._doomed = why

    def at_end(self, action: Callable[[Outcome], None]) -> None:
        """Have something called when it has ended, after all participants, the latest first. What it raises is logged.

        Raises TransactionError where it has ended.
        """
        with self._lock:
            if self._state is not UnitState.ACTIVE:
                raise self._ended_before()
            self._at_end.append(action)

    # --- its end ---------------------------------------------------------------------------------------------------

    def commit(self) -> None:
        """Commit all, or roll all back. Blocks for the round trips of all participants and for the disk.

        Returning means committed; a branch that can't be reached for it any more is finished by recovery.

        Raises:
            TransactionError: it was rolled back (CF-TX-003), or has been ended before (CF-TX-001).
            OutcomeUnknown: nobody knows (CF-TX-005); what is prepared stays so.
        """
        self._claim()
        try:
            why = self._why_not()
            if why is not None:
                self._completion.roll_back()
                raise TransactionError(ROLLED_BACK, unit=self.id, why=why)
            try:
                self._completion.commit()
            except BaseException as error:
                if self._coordinator.outcome is Outcome.UNKNOWN:
                    raise OutcomeUnknown(OUTCOME_UNKNOWN, unit=self.id, why=told(error)) from error
                if not isinstance(error, Exception):
                    raise
                if self._coordinator.outcome is not Outcome.COMMITTED:
                    raise TransactionError(ROLLED_BACK, unit=self.id, why=told(error)) from error
                # A data manager of the application's own, which has voted yes, and raised after the decision.
                _log.error("unit %s is committed; one of its data managers raised %s", self.id, told(error))
        finally:
            self._over()

    def rollback(self) -> None:
        """Roll all back. Blocks for the participants. Raises TransactionError where it has been ended before."""
        self._claim()
        try:
            self._completion.roll_back()
        finally:
            self._over()

    def prepare(self, xid: str) -> Outcome:
        """Phase one alone, for the superior of an imported unit. Blocks for the participants and for the disk.

        Answers PREPARED, which a kill does not undo; or COMMITTED where nobody has anything to commit: it has ended.

        Raises TransactionError: it was rolled back and has ended (CF-TX-003), or has been ended before (CF-TX-001).
        """
        self._claim()
        try:
            why = self._why_not()
            if why is not None:
                self._completion.roll_back()
                raise TransactionError(ROLLED_BACK, unit=self.id, why=why)
            try:
                self._coordinator.prepare(xid)
            except Exception as error:
                self._completion.roll_back()
                raise TransactionError(ROLLED_BACK, unit=self.id, why=told(error)) from error
        finally:
            if self._coordinator.outcome is Outcome.PREPARED:
                self._state = UnitState.PREPARED
            else:
                self._over()
        return self._coordinator.outcome or Outcome.ROLLED_BACK

    def finish_prepared(self, *, commit: bool) -> None:
        """Phase two, as the superior has decided. Blocks for the participants and for the disk.

        Raises TransactionError where it is not prepared (CF-TX-001), or the decision could not be written.
        """
        with self._lock:
            if self._state is not UnitState.PREPARED:
                raise self._ended_before()
            self._state = UnitState.ENDING
        try:
            self._coordinator.superior_decides(commit=commit)
        except TransactionError:
            self._state = UnitState.PREPARED
            raise
        self._over()

    def _why_not(self) -> str | None:
        """Why it can only be rolled back; None where it may be committed."""
        if self._doomed is not None:
            return self._doomed
        if self._completion.doomed:
            return _MARKED
        if self._deadline is not None and self._clock.monotonic() >= self._deadline:
            return f"its time of {self.timeout:g} s is over"
        return None

    def _require_in_time(self) -> None:
        why = self._why_not()
        if why is not None:
            raise TransactionError(ROLLBACK_ONLY, unit=self.id, why=why)

    def _ended_before(self) -> TransactionError:
        return TransactionError(UNIT_OVER, unit=self.id, state=self._state.value)

    def _claim(self) -> None:
        with self._lock:
            if self._state is not UnitState.ACTIVE:
                raise self._ended_before()
            self._state = UnitState.ENDING

    def _over(self) -> None:
        self._coordinator.end()
        outcome = self._coordinator.outcome or Outcome.ROLLED_BACK
        for action in reversed(self._at_end):
            try:
                action(outcome)
            except Exception as error:  # noqa: BLE001 - the unit has ended, and the other actions must come
                _log.error("after the end of unit %s: %s", self.id, told(error))
        self._at_end.clear()
        self.local.clear()
        self._state = _STATES.get(outcome, UnitState.ROLLED_BACK)

    def __repr__(self) -> str:
        return f"<Unit {self.id}, {self._state.value}, {len(self.branches)} branches>"


_STATES: Final = {Outcome.COMMITTED: UnitState.COMMITTED, Outcome.UNKNOWN: UnitState.UNKNOWN}
