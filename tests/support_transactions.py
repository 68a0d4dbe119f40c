"""What the tests of transactions share: participants that remember, resources that outlive a process, a clock."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from support_pool import FakeClock

from connector.spi import Vote
from connector.transactions.completion import PackageCompletion
from connector.transactions.service import Transactions
from connector.transactions.unit import Unit


class FakeResource:
    """One resource, as it is outside of any process: what is prepared there, what became of each branch."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.prepared: list[str] = []
        self.outcomes: dict[str, str] = {}
        self.calls: list[str] = []
        self.on_call: Callable[[str], None] = lambda _call: None

    def called(self, what: str) -> None:
        self.calls.append(what)
        self.on_call(what)

    # --- RecoverableBranches ---

    def in_doubt(self) -> list[str]:
        self.called("in_doubt")
        return list(self.prepared)

    def commit(self, branch: str) -> None:
        self.called("recover:commit")
        self.end(branch, "committed")

    def rollback(self, branch: str) -> None:
        self.called("recover:rollback")
        self.end(branch, "rolled back")

    def end(self, branch: str, outcome: str) -> None:
        if branch in self.prepared:
            self.prepared.remove(branch)
            self.outcomes[branch] = outcome


class WitnessedResource(FakeResource):
    """One whose last resource branches can be asked for afterwards."""

    def has_committed(self, branch: str, evidence: str) -> bool | None:
        self.called(f"has_committed:{evidence}")
        return self.outcomes.get(branch) == "committed"


class FakeParticipant:
    """A branch on a FakeResource, which it tells what it is asked."""

    def __init__(self, resource: FakeResource, *, two_phase: bool = True, read_only: bool = False) -> None:
        self._resource = resource
        self._two_phase = two_phase
        self._read_only = read_only

    @property
    def resource(self) -> str:
        return self._resource.name

    @property
    def two_phase(self) -> bool:
        return self._two_phase

    def prepare(self, branch: str) -> Vote:
        self._resource.called("prepare")
        if self._read_only:
            return Vote.READ_ONLY
        self._resource.prepared.append(branch)
        return Vote.PREPARED

    def commit(self, branch: str, *, one_phase: bool = False) -> None:
        self._resource.called("commit:one-phase" if one_phase else "commit")
        if one_phase:
            self._resource.outcomes[branch] = "committed"
        else:
            self._resource.end(branch, "committed")

    def rollback(self, branch: str) -> None:
        self._resource.called("rollback")
        if branch in self._resource.prepared:
            self._resource.end(branch, "rolled back")
        else:
            self._resource.outcomes[branch] = "rolled back"


class WitnessedParticipant(FakeParticipant):
    """A last resource that leaves evidence."""

    def __init__(self, resource: FakeResource) -> None:
        super().__init__(resource, two_phase=False)

    def evidence(self, branch: str) -> str | None:
        self._resource.called("evidence")
        return "xid-17"


class Refusal(Exception):
    """What a resource of the tests raises."""


def refuse(*calls: str, error: type[BaseException] = Refusal) -> Callable[[str], None]:
    """For `FakeResource.on_call`: these calls raise."""

    def on_call(call: str) -> None:
        if call in calls:
            raise error(call)

    return on_call


def transactions_in(folder: Path, clock: Any = None, name: str = "tested") -> Transactions:
    """The transactions of a container whose state is in a folder; called again, those of its next run."""
    return Transactions(name, folder, clock or FakeClock())


def suspended_unit(transactions: Transactions, timeout: float | None = None) -> Unit:
    """A unit that is in force nowhere, so that a test can't leave it behind."""
    return transactions.new_unit(timeout, PackageCompletion)
