"""A unit's branches as the `transaction` package's data managers; the order of the protocol is its own.

The package asks all to vote, sorted by key, and then all to finish. So the branches come in the order of enlistment,
data managers that an application has joined itself come where their keys put them, and the decision comes last.
"""

from __future__ import annotations

from typing import final

from connector.transactions.branch import Branch
from connector.transactions.coordinator import Coordinator


@final
class BranchDataManager:
    """One branch. Implements `transaction.interfaces.IDataManager`."""

    def __init__(self, coordinator: Coordinator, branch: Branch, number: int) -> None:
        self._coordinator = coordinator
        self._branch = branch
        self._number = number

    def sortKey(self) -> str:  # noqa: N802 - the package's name
        """By enlistment."""
        return f"connector:{self._number:09d}"

    def tpc_begin(self, _transaction: object) -> None:
        """Nothing to do."""

    def commit(self, _transaction: object) -> None:
        """Nothing to do."""

    def tpc_vote(self, _transaction: object) -> None:
        """Phase one."""
        self._coordinator.vote(self._branch)

    def tpc_finish(self, _transaction: object) -> None:
        """Phase two."""
        self._coordinator.finish(self._branch)

    def abort(self, _transaction: object) -> None:
        """Roll back."""
        self._coordinator.undo(self._branch)

    def tpc_abort(self, _transaction: object) -> None:
        """Roll back; the package calls it after a failed vote of any, and also where `abort` came before."""
        self._coordinator.undo(self._branch)


@final
class DecisionDataManager:
    """The decision: votes after everybody. Implements `transaction.interfaces.IDataManager`."""

    def __init__(self, coordinator: Coordinator) -> None:
        self._coordinator = coordinator

    def sortKey(self) -> str:  # noqa: N802 - the package's name
        """After all others."""
        return "\U0010ffff"

    def tpc_begin(self, _transaction: object) -> None:
        """Nothing to do."""

    def commit(self, _transaction: object) -> None:
        """Nothing to do."""

    def tpc_vote(self, _transaction: object) -> None:
        """Decide: write it down, or have the last resource commit."""
        self._coordinator.decide()

    def tpc_finish(self, _transaction: object) -> None:
        """Nothing to do."""

    def abort(self, _transaction: object) -> None:
        """Nothing to do."""

    def tpc_abort(self, _transaction: object) -> None:
        """Nothing to do."""
