"""Recovery: what is done about branches that are found prepared (FLOW-8).

Asked at each resource once it can be reached, and again for as long as something is known to be left there. What a
branch's unit comes to is decided by one pure function, `verdict`, from the log; the rest is asking and telling.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import final

from connector.errors import TransactionError
from connector.spi import OutcomeArchive, RecoverableBranches
from connector.transactions.branch import told
from connector.transactions.decision_log import DecisionLog
from connector.transactions.identifiers import unit_of
from connector.transactions.records import Record, Standing

_log = logging.getLogger("connector.transactions")


class Verdict(Enum):
    """What is done about a branch that is prepared."""

    COMMIT = "commit"
    ROLL_BACK = "roll back"
    LEAVE = "leave"  # its unit is running, or somebody else decides


def verdict(record: Record | None, *, running: bool, log_failed: bool) -> Verdict:
    """What is done about a prepared branch of ours. Pure.

    Args:
        record: What the log knows of its unit.
        running: Whether the unit is being worked in, or ended, by this process.
        log_failed: Whether what the log knows may not be what is on the disk.
    """
    if running or (log_failed and record is not None):
        return Verdict.LEAVE
    if record is None:
        return Verdict.ROLL_BACK  # presumed abort
    if record.standing is Standing.COMMIT:
        return Verdict.COMMIT
    return Verdict.ROLL_BACK if record.standing is Standing.ROLLBACK else Verdict.LEAVE


@dataclass
class _Asked:
    """One resource, and what the last look there has left."""

    branches: RecoverableBranches
    answered: bool = False
    left: dict[str, str] = field(default_factory=dict)  # branch → why it could not be finished
    trouble: str = ""  # why it could not be asked


@final
class Recovery:
    """Finishes prepared branches. Safe to use from any thread; one look at a time.

    Args:
        log: The decision log.
        running: The units of this process that have not ended, by identifier.
    """

    def __init__(self, log: DecisionLog, running: Callable[[], Mapping[str, object]]) -> None:
        self._log = log
        self._running = running
        # The mutable state: the resources by name, and of the units with a decision the branches that are known to be
        # finished. Changed under the lock, which is held while resources are asked: looks come one after the other.
        self._lock = threading.RLock()
        self._resources: dict[str, _Asked] = {}
        self._finished: dict[str, set[str]] = {}
        self._told_by_last_resources: set[str] = set()  # where branches have got a decision by one's answer

    def register(self, resource: str, branches: RecoverableBranches) -> None:
        """From now on a resource is asked when there is reason to; it is not asked here. Does not block for it."""
        with self._lock:
            # Where nothing was ever prepared there is nothing to find.
            self._resources[resource] = _Asked(branches, answered=resource not in self._log.resources)

    def recover(self, resource: str, branches: RecoverableBranches) -> None:
        """Register a resource and ask it at once; blocks for that. Raises nothing."""
        with self._lock:
            self.register(resource, branches)
            self._look_at(resource)

    def look(self, *, everywhere: bool = False) -> None:
        """Ask the resources where there is reason to; blocks for as long as they take. Raises nothing.

        Args:
            everywhere: Whether to ask also where nothing is known to be left.
        """
        with self._lock:
            for resource in list(self._resources):
                if everywhere or self._has_reason(resource):
                    self._look_at(resource)
            again, self._told_by_last_resources = self._told_by_last_resources, set()
            for resource in again & self._resources.keys():
                self._look_at(resource)

    def left_behind(self, resource: str) -> None:
        """A unit of this process could not finish a branch there: the next look asks. Does not block for the resource.

        What is not registered is not remembered.
        """
        asked = self._resources.get(resource)  # without the lock: a look that is under way may take long
        if asked is not None:
            asked.answered = False

    @property
    def resources(self) -> Mapping[str, str]:
        """The resources that are asked, each with why it could not be (empty: it could, or was not asked yet)."""
        return {name: asked.trouble for name, asked in list(self._resources.items())}

    @property
    def left(self) -> Mapping[str, tuple[str, str]]:
        """The branches that could not be finished: resource and reason of each."""
        found = list(self._resources.items())
        return {branch: (name, why) for name, asked in found for branch, why in list(asked.left.items())}

    def _has_reason(self, resource: str) -> bool:
        asked = self._resources[resource]
        if not asked.answered or asked.left:
            return True
        running = self._running()
        records = self._log.open_units.values()
        return any(record.unit not in running and _concerns(record, resource) for record in records)

    def _look_at(self, resource: str) -> None:
        asked = self._resources[resource]
        # Before the resource is asked: what is left behind from here on is asked for again.
        asked.answered = True
        try:
            found = [branch for branch in asked.branches.in_doubt() if self._log.owner.is_ours(branch)]
        except Exception as error:  # noqa: BLE001 - foreign; it is asked again
            asked.answered = False
            if asked.trouble != told(error):
                asked.trouble = told(error)
                _log.warning("%s can't be asked for prepared branches: %s", resource, asked.trouble)
            return
        asked.trouble = ""
        running = self._running()  # after the resource was asked: who has ended since has nothing running there
        self._ask_last_resource(resource, asked, running)
        records = self._log.open_units
        asked.left = {}
        for branch in found:
            why = self._finish(asked, branch, records, running)
            if why is not None:
                asked.left[branch] = why
        for record in records.values():
            if record.is_decided and record.unit not in running and not self._log.failed:
                self._note_finished(resource, record, asked)

    def _finish(
        self, asked: _Asked, branch: str, records: Mapping[str, Record], running: Mapping[str, object]
    ) -> str | None:
        """Finish one branch; answers why that could not be, None where it was or need not be."""
        unit = unit_of(branch)
        what = verdict(records.get(unit), running=unit in running, log_failed=self._log.failed)
        if what is Verdict.LEAVE:
            return None
        try:
            if what is Verdict.COMMIT:
                asked.branches.commit(branch)
            else:
                asked.branches.rollback(branch)
        except Exception as error:  # noqa: BLE001 - foreign; it is tried again
            _log.warning("branch %s: %s failed: %s", branch, what.value, told(error))
            return f"{what.value} failed: {told(error)}"
        _log.warning("branch %s, found prepared: %s done", branch, what.value)
        return None

    def _note_finished(self, resource: str, record: Record, asked: _Asked) -> None:
        finished = self._finished.setdefault(record.unit, set())
        finished.update(
            branch.id for branch in record.branches if branch.resource == resource and branch.id not in asked.left
        )
        if finished.issuperset(branch.id for branch in record.branches):
            try:
                self._log.note(Record(Standing.DONE, record.unit))
            except TransactionError as error:
                _log.warning("the end of unit %s could not be noted: %s", record.unit, told(error))
                return
            del self._finished[record.unit]

    def _ask_last_resource(self, resource: str, asked: _Asked, running: Mapping[str, object]) -> None:
        """Where a last resource can be asked what it did, the unit is decided by its answer."""
        if not isinstance(asked.branches, OutcomeArchive):
            return
        for record in self._log.open_units.values():
            last, evidence = record.last, record.evidence
            if record.standing is not Standing.LAST_RESOURCE or record.unit in running or self._log.failed:
                continue
            if last is None or evidence is None or last.resource != resource:
                continue
            try:
                committed = asked.branches.has_committed(last.id, evidence)
                if committed is not None:
                    standing = Standing.COMMIT if committed else Standing.ROLLBACK
                    self._log.decide(Record(standing, record.unit, record.branches))
                    _log.warning("unit %s: its last resource %s says %s", record.unit, resource, standing.value)
                    self._told_by_last_resources.update(branch.resource for branch in record.branches)
            except Exception as error:  # noqa: BLE001 - foreign; it is asked again
                asked.answered = False
                _log.warning("%s can't be asked what became of unit %s: %s", resource, record.unit, told(error))


def _concerns(record: Record, resource: str) -> bool:
    """Whether there is something to be done, or to be found out, about a unit at a resource."""
    if record.is_decided:
        return any(branch.resource == resource for branch in record.branches)
    return record.evidence is not None and record.last is not None and record.last.resource == resource
