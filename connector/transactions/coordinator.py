"""The two phases of one unit: who is asked what, in which order, and what the outcome is.

Theory of operation
-------------------
Votes are asked for in the order of enlistment. The *deciding* branch is not asked to prepare: it commits at once, in
the place of the decision. It is the last resource where there is one, and else the last branch where all before it
have voted read-only. So:

- one branch alone commits in one phase, and nothing is written to the log;
- branches that can all prepare: the decision is the record COMMIT;
- prepared branches and a last resource: LAST_RESOURCE is written, the last resource commits, COMMIT is written, or
  ROLLBACK where it refuses. A kill between the two leaves what only the last resource knows; nothing is guessed.

Nothing is written where nothing is prepared. Before the decision whatever is raised rolls all back; after it, what a
branch raises is left to recovery, and the decision stands. In between is what nobody knows (`OutcomeUnknown`): then all
that is prepared stays prepared.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Protocol, final

from connector.errors import OutcomeUnknown, Reason, TransactionError
from connector.spi import OutcomeWitness
from connector.transactions.branch import Branch, BranchState, told
from connector.transactions.records import Record, Standing

if TYPE_CHECKING:
    from connector.transactions.decision_log import DecisionLog

COMMIT_INTERRUPTED = Reason(
    "CF-TX-010",
    "whether unit {unit} was committed on {resource} is not known: {cause}.",
    "Look there for what it did, before it is done again.",
)

CANT_PREPARE = Reason(
    "CF-TX-011",
    "unit {unit} has {resource}, which can't prepare.",
    "Have its superior commit it in one phase, or use a resource with two-phase commit.",
)

_log = logging.getLogger("connector.transactions")


class Outcome(Enum):
    """What became of a unit."""

    COMMITTED = "committed"
    ROLLED_BACK = "rolled back"
    UNKNOWN = "unknown"  # what is prepared stays so
    PREPARED = "prepared"  # an imported transaction, until its superior has decided


class Decisions(Protocol):
    """What the coordinator needs of the decision log."""

    def decide(self, record: Record) -> None:
        """See `DecisionLog.decide`."""
        ...

    def note(self, record: Record) -> None:
        """See `DecisionLog.note`."""
        ...

    def remember(self, resource: str) -> None:
        """See `DecisionLog.remember`."""
        ...


@final
class Coordinator:
    """The protocol of one unit; called by one thread at a time, whoever ends the unit. Blocks as participants do.

    Args:
        unit: The unit's identifier.
        log: The decision log.
        check: Called just before the decision; what it raises rolls the unit back.

    Attributes:
        outcome: What became of it; None before.
        last: The last resource's branch, or None.
    """

    def __init__(self, unit: str, log: Decisions | DecisionLog, check: Callable[[], None]) -> None:
        self._unit = unit
        self._log = log
        self._check = check
        self._branches: list[Branch] = []
        self._logged = False  # whether a record of the unit may be in the log
        self.outcome: Outcome | None = None
        self.last: Branch | None = None

    @property
    def branches(self) -> tuple[Branch, ...]:
        """All branches, in the order of enlistment."""
        return tuple(self._branches)

    @property
    def prepared(self) -> tuple[Branch, ...]:
        """Those that are prepared."""
        return tuple(branch for branch in self._branches if branch.state is BranchState.PREPARED)

    @property
    def left(self) -> tuple[Branch, ...]:
        """Those that are left to recovery or to an operator."""
        return tuple(branch for branch in self._branches if branch.state is BranchState.LEFT)

    def add(self, branch: Branch) -> None:
        """A branch is enlisted."""
        self._branches.append(branch)
        if not branch.two_phase:
            self.last = branch

    def vote(self, branch: Branch) -> None:
        """Phase one for one branch; the deciding one is passed over. Raises what votes no."""
        if branch is not self._deciding():
            self._log.remember(branch.resource)
            branch.vote()

    def decide(self) -> None:
        """The decision, once all have voted. Raises what rolls the unit back, and OutcomeUnknown."""
        self._check()
        prepared = self.prepared
        deciding = self._deciding()
        if deciding is not None:
            self._decide_by(deciding, prepared)
        elif prepared:
            self._write(Standing.COMMIT, prepared)
        self.outcome = Outcome.COMMITTED

    def finish(self, branch: Branch) -> None:
        """Phase two for one branch, as decided. Raises no Exception."""
        branch.commit()

    def undo(self, branch: Branch) -> None:
        """Roll back one branch, unless something was decided, or may have been. Raises no Exception."""
        if self.outcome is None or self.outcome is Outcome.ROLLED_BACK:
            branch.roll_back()
        else:
            branch.leave()

    def prepare(self, xid: str) -> None:
        """Phase one for all, and the record that keeps them prepared until the superior has decided.

        Raises what votes no, and TransactionError where one can't prepare (CF-TX-011).
        """
        if self.last is not None:
            raise TransactionError(CANT_PREPARE, unit=self._unit, resource=self.last.resource)
        for branch in self._branches:
            self._log.remember(branch.resource)
            branch.vote()
        self._check()
        prepared = self.prepared
        if not prepared:
            self.outcome = Outcome.COMMITTED
            return
        self._write(Standing.PREPARED, prepared, xid=xid)
        self.outcome = Outcome.PREPARED

    def superior_decides(self, *, commit: bool) -> None:
        """Phase two for all. Raises TransactionError where the decision could not be written: nothing was done."""
        self._write(Standing.COMMIT if commit else Standing.ROLLBACK, self.prepared)
        self.outcome = Outcome.COMMITTED if commit else Outcome.ROLLED_BACK
        for branch in self._branches:
            if commit:
                branch.commit()
            else:
                branch.roll_back()

    def end(self) -> None:
        """All is done that can be done now: the log forgets what needs no remembering. Raises nothing."""
        if self.outcome is None:
            self.outcome = Outcome.ROLLED_BACK
        for branch in self._branches:
            branch.leave()
        if not self._logged or self.outcome not in (Outcome.COMMITTED, Outcome.ROLLED_BACK):
            return
        left = tuple(branch.record for branch in self.left)
        try:
            if not left:
                self._log.note(Record(Standing.DONE, self._unit))
            elif self.outcome is Outcome.ROLLED_BACK:  # which the record of the last resource would leave open
                self._log.decide(Record(Standing.ROLLBACK, self._unit, left))
        except TransactionError as error:  # recovery finds out again
            _log.warning("the end of unit %s could not be noted: %s", self._unit, told(error))

    def _deciding(self) -> Branch | None:
        if self.last is not None:
            return self.last
        if not self._branches:
            return None
        *before, final_one = self._branches
        alone = all(branch.state is BranchState.READ_ONLY for branch in before)
        return final_one if alone and final_one.state is BranchState.WORKING else None

    def _decide_by(self, deciding: Branch, prepared: tuple[Branch, ...]) -> None:
        if prepared:
            evidence = None
            if isinstance(deciding.participant, OutcomeWitness):
                evidence = deciding.participant.evidence(deciding.id)
            self._write(Standing.LAST_RESOURCE, prepared, deciding, evidence)
        try:
            deciding.commit_at_once()
        except OutcomeUnknown:
            self._unknown(deciding)
            raise
        except BaseException as error:
            if isinstance(error, Exception):
                self._refused(prepared)
                raise  # it is rolled back, and so are the others
            self._unknown(deciding)  # interrupted, who knows where
            raise OutcomeUnknown(
                COMMIT_INTERRUPTED, unit=self._unit, resource=deciding.resource, cause=told(error)
            ) from error
        self.outcome = Outcome.COMMITTED
        if prepared:
            try:
                self._write(Standing.COMMIT, prepared)
            except TransactionError as error:
                # It is committed all the same. What can't be finished now has only the record before to go by.
                _log.error("unit %s is committed, which could not be written: %s", self._unit, told(error))

    def _refused(self, prepared: tuple[Branch, ...]) -> None:
        """The last resource has not committed, which is written before the first of the others is rolled back.

        Else a kill between them would leave some rolled back, and the rest for an operator to decide.
        """
        if not prepared:
            return
        try:
            self._write(Standing.ROLLBACK, prepared)
        except TransactionError as error:
            _log.error("unit %s is rolled back, which could not be written: %s", self._unit, told(error))

    def _unknown(self, deciding: Branch) -> None:
        self.outcome = Outcome.UNKNOWN
        deciding.state = BranchState.COMMITTED  # for all that we shall ever do about it

    def _write(
        self,
        standing: Standing,
        prepared: tuple[Branch, ...],
        last: Branch | None = None,
        evidence: str | None = None,
        xid: str | None = None,
    ) -> None:
        branches = tuple(branch.record for branch in prepared)
        record = Record(standing, self._unit, branches, last.record if last is not None else None, evidence, xid)
        try:
            self._log.decide(record)
        except OutcomeUnknown:
            self._logged = True
            if standing is Standing.COMMIT:
                self.outcome = Outcome.UNKNOWN
            raise
        self._logged = True
