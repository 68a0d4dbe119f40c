"""How a unit ends: by the `transaction` package, or, where a superior coordinates it, step by step.

The package is the transaction manager of units that begin here: applications and libraries for it can join data
managers of their own. A superior wants the two phases one by one, days apart if need be, which the package doesn't do.
"""

from __future__ import annotations

from typing import Any, Protocol, final

from connector.errors import Reason, TransactionError
from connector.transactions.branch import Branch
from connector.transactions.coordinator import Coordinator
from connector.transactions.data_managers import BranchDataManager, DecisionDataManager

PACKAGE_MISSING = Reason(
    "CF-TX-006",
    "units of work need the package transaction, which is not installed.",
    "Install it with: pip install 'connector-framework[transactions]'.",
)
NO_MANAGER = Reason(
    "CF-TX-007",
    "the imported unit {unit} has no transaction manager to join: whoever sent it coordinates it.",
    "Enlist a participant (`UnitOfWork.enlist`) instead of a data manager.",
)


class Completion(Protocol):
    """How a unit ends. Called by one thread at a time."""

    def join(self, branch: Branch) -> None:
        """A branch takes part."""
        ...

    @property
    def doomed(self) -> bool:
        """Whether somebody has said here that it can only be rolled back."""
        ...

    @property
    def manager(self) -> Any:
        """The `transaction.TransactionManager`. Raises TransactionError where there is none."""
        ...

    def commit(self) -> None:
        """Both phases. Raises what stopped it; the coordinator's outcome says what that means."""
        ...

    def roll_back(self) -> None:
        """Undo all."""
        ...


@final
class PackageCompletion:
    """A unit on a TransactionManager of its own.

    Raises TransactionError where the package is not installed (CF-TX-006).
    """

    def __init__(self, coordinator: Coordinator) -> None:
        try:
            from transaction import TransactionManager  # where it is used: the core does without
        except ModuleNotFoundError as error:
            if error.name != "transaction":
                raise
            raise TransactionError(PACKAGE_MISSING) from error
        self._coordinator = coordinator
        self._manager = TransactionManager(explicit=True)
        self._transaction = self._manager.begin()
        self._transaction.join(DecisionDataManager(coordinator))

    def join(self, branch: Branch) -> None:
        """See `Completion`."""
        number = len(self._coordinator.branches)
        self._transaction.join(BranchDataManager(self._coordinator, branch, number))

    @property
    def doomed(self) -> bool:
        """See `Completion`."""
        return bool(self._transaction.isDoomed())

    @property
    def manager(self) -> Any:
        """See `Completion`."""
        return self._manager

    def commit(self) -> None:
        """See `Completion`."""
        try:
            self._transaction.commit()
        except BaseException:
            self._transaction.abort()  # lets go of everything; each branch is undone once
            raise

    def roll_back(self) -> None:
        """See `Completion`. Raises what data managers of the application's own raise."""
        self._transaction.abort()


@final
class SteppedCompletion:
    """A unit that a superior coordinates, or that commits in one phase because the superior says so."""

    def __init__(self, coordinator: Coordinator, unit: str) -> None:
        self._coordinator = coordinator
        self._unit = unit

    def join(self, branch: Branch) -> None:
        """See `Completion`; the coordinator knows it already."""

    @property
    def doomed(self) -> bool:
        """See `Completion`; nobody can say so here."""
        return False

    @property
    def manager(self) -> Any:
        """See `Completion`."""
        raise TransactionError(NO_MANAGER, unit=self._unit)

    def commit(self) -> None:
        """See `Completion`."""
        coordinator = self._coordinator
        try:
            for branch in coordinator.branches:
                coordinator.vote(branch)
            coordinator.decide()
            for branch in coordinator.branches:
                coordinator.finish(branch)
        except BaseException:
            self.roll_back()
            raise

    def roll_back(self) -> None:
        """See `Completion`."""
        for branch in self._coordinator.branches:
            self._coordinator.undo(branch)
