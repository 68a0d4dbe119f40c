"""What isn't finished: for the command line and for operators; pure but for what it is given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from connector.transactions.identifiers import unit_of
from connector.transactions.records import Record, Standing

#: What each standing means for whoever reads the list.
_MEANING: Final = {
    Standing.COMMIT: "decided to commit; branches that are still prepared are committed by recovery",
    Standing.ROLLBACK: "decided to roll back; branches that are still prepared are rolled back by recovery",
    Standing.LAST_RESOURCE: "in doubt: whether the last resource, {last}, has committed is not known; look there, then"
    " commit or roll back",
    Standing.PREPARED: "in doubt: waits for the one who sent transaction {xid}",
}


@dataclass(frozen=True, slots=True)
class Unfinished:
    """One unit that is not finished.

    Attributes:
        unit: Its identifier.
        standing: "commit", "rollback", "last-resource", "prepared" as in the log; "presumed-abort" for what the log
            knows nothing of; "running" for one of this process.
        in_doubt: Whether it waits for an operator's decision, or its superior's.
        branches: Identifier and resource of its branches.
        meaning: What that is, and what to do, in words.
        trouble: What keeps recovery from it, by branch or resource.
    """

    unit: str
    standing: str
    in_doubt: bool
    branches: tuple[tuple[str, str], ...]
    meaning: str
    trouble: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for programs."""
        return {
            "unit": self.unit,
            "standing": self.standing,
            "in_doubt": self.in_doubt,
            "branches": [{"branch": branch, "resource": resource} for branch, resource in self.branches],
            "meaning": self.meaning,
            "trouble": list(self.trouble),
        }


def unfinished(
    records: Mapping[str, Record],
    left: Mapping[str, tuple[str, str]],
    resources: Mapping[str, str],
) -> tuple[Unfinished, ...]:
    """What the log and the last looks of recovery say together.

    Args:
        records: The open units of the log that are not running.
        left: What recovery could not finish: resource and reason by branch.
        resources: The resources that recovery asks, each with why it could not be.
    """
    found = [_of_record(record, left, resources) for record in records.values()]
    presumed: dict[str, list[str]] = {}
    for branch in left:
        if unit_of(branch) not in records:
            presumed.setdefault(unit_of(branch), []).append(branch)
    for unit, branches in presumed.items():
        found.append(
            Unfinished(
                unit,
                "presumed-abort",
                in_doubt=False,
                branches=tuple((branch, left[branch][0]) for branch in branches),
                meaning="never decided, so it is rolled back by recovery",
                trouble=tuple(f"{left[branch][0]}: {left[branch][1]}" for branch in branches),
            )
        )
    return tuple(sorted(found, key=lambda one: one.unit))


def _of_record(record: Record, left: Mapping[str, tuple[str, str]], resources: Mapping[str, str]) -> Unfinished:
    branches = tuple((branch.id, branch.resource) for branch in record.branches)
    trouble = [f"{left[branch][0]}: {left[branch][1]}" for branch, _resource in branches if branch in left]
    for name in dict.fromkeys(resource for _branch, resource in branches):
        if name not in resources:
            trouble.append(f"{name}: no such resource is recovered here")
        elif resources[name]:
            trouble.append(f"{name}: {resources[name]}")
    last = record.last.resource if record.last is not None else ""
    return Unfinished(
        record.unit,
        record.standing.value,
        not record.is_decided,
        branches,
        _MEANING[record.standing].format(last=last, xid=record.xid),
        tuple(trouble),
    )
