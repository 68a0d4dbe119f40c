"""One participant's branch of a unit: which of its methods was called, and which may come next."""

from __future__ import annotations

import logging
from enum import Enum
from typing import final

from connector.errors import ConnectorError
from connector.spi import TransactionParticipant, Vote
from connector.transactions.records import BranchRecord

_log = logging.getLogger("connector.transactions")


class BranchState(Enum):
    """Where a branch is."""

    WORKING = "working"
    PREPARED = "prepared"
    READ_ONLY = "read-only"  # voted so: it is out
    COMMITTED = "committed"
    ROLLED_BACK = "rolled back"
    LEFT = "left"  # for recovery, or for an operator


@final
class Branch:
    """A participant with its identifier. Called by one thread at a time; blocks as the participant does.

    Attributes:
        participant: Who does the work.
        id: The branch's identifier.
        state: Where it is.
    """

    def __init__(self, participant: TransactionParticipant, identifier: str) -> None:
        self.participant = participant
        self.id = identifier
        self.state = BranchState.WORKING
        self._resource = participant.resource
        self._two_phase = participant.two_phase

    @property
    def resource(self) -> str:
        """The resource's name."""
        return self._resource

    @property
    def two_phase(self) -> bool:
        """Whether it can be prepared."""
        return self._two_phase

    @property
    def record(self) -> BranchRecord:
        """The branch as the log knows it."""
        return BranchRecord(self.id, self.resource)

    def vote(self) -> None:
        """Have it prepared. Raises what the participant raises to vote no."""
        vote = self.participant.prepare(self.id)
        self.state = BranchState.READ_ONLY if vote is Vote.READ_ONLY else BranchState.PREPARED

    def commit_at_once(self) -> None:
        """Commit without a `prepare`. Raises what the participant raises: it is rolled back, or nobody knows."""
        self.participant.commit(self.id, one_phase=True)
        self.state = BranchState.COMMITTED

    def commit(self) -> bool:
        """Commit what is prepared, as decided; False where that is left to recovery. Raises no Exception."""
        if self.state is not BranchState.PREPARED:
            return self.state is not BranchState.LEFT
        self.state = BranchState.LEFT  # until it is done, whatever interrupts it
        try:
            self.participant.commit(self.id)
        except Exception as error:  # noqa: BLE001 - the decision stands, whatever the participant raises
            _log.error("branch %s on %s could not be committed, and will be: %s", self.id, self.resource, told(error))
            return False
        self.state = BranchState.COMMITTED
        return True

    def leave(self) -> None:
        """It stays as it is, until somebody knows more."""
        if self.state is BranchState.PREPARED:
            self.state = BranchState.LEFT

    def roll_back(self) -> bool:
        """Roll back what can be; False where that is left to recovery. Raises no Exception."""
        if self.state not in (BranchState.WORKING, BranchState.PREPARED):
            return self.state is not BranchState.LEFT
        self.state = BranchState.LEFT
        try:
            self.participant.rollback(self.id)
        except Exception as error:  # noqa: BLE001 - the others must be rolled back all the same
            _log.error("branch %s on %s could not be rolled back: %s", self.id, self.resource, told(error))
            return False
        self.state = BranchState.ROLLED_BACK
        return True

    def __repr__(self) -> str:
        return f"<Branch {self.id} on {self.resource}, {self.state.value}>"


def told(error: BaseException) -> str:
    """What may be said of an error: ours with code and text, anybody else's by type, its text may hold a secret."""
    return f"{error.code}: {error.text}" if isinstance(error, ConnectorError) else type(error).__name__
