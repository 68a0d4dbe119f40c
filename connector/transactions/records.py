"""What the decision log holds: records, their text, and what they come to; pure.

Presumed abort: only what can't be presumed is written. A unit without a record that is found prepared is rolled back.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

#: The number of the log's format; a log with a higher one is refused.
FORMAT: Final = 1


class Standing(Enum):
    """What is known of a unit that is not finished."""

    COMMIT = "commit"  # decided; branches that are still prepared are committed
    ROLLBACK = "rollback"  # decided by operator or superior, where else it could not be presumed
    LAST_RESOURCE = "last-resource"  # the last resource was about to commit: it alone knows
    PREPARED = "prepared"  # an imported transaction: its superior decides
    DONE = "done"  # nothing is left


@dataclass(frozen=True, slots=True)
class BranchRecord:
    """One branch.

    Attributes:
        id: The branch's identifier.
        resource: The name of the resource that has it.
    """

    id: str
    resource: str


@dataclass(frozen=True, slots=True)
class Record:
    """One line of the log.

    Attributes:
        standing: What is known.
        unit: Of which unit.
        branches: Its prepared branches.
        last: The last resource's branch, with LAST_RESOURCE.
        evidence: What the last resource can be asked by (see `connector.spi.OutcomeWitness`), where it can.
        xid: The superior's identifier of an imported transaction.
    """

    standing: Standing
    unit: str
    branches: tuple[BranchRecord, ...] = ()
    last: BranchRecord | None = None
    evidence: str | None = None
    xid: str | None = None

    @property
    def is_decided(self) -> bool:
        """Whether its branches can be finished."""
        return self.standing in (Standing.COMMIT, Standing.ROLLBACK)


class UnreadableRecord(ValueError):
    """A line that is no record: torn, or damaged."""


def encode(record: Record) -> bytes:
    """A record's line, with its checksum."""
    fields: dict[str, Any] = {"standing": record.standing.value, "unit": record.unit}
    if record.branches:
        fields["branches"] = [[branch.id, branch.resource] for branch in record.branches]
    if record.last is not None:
        fields["last"] = [record.last.id, record.last.resource]
    fields |= {name: value for name in ("evidence", "xid") if (value := getattr(record, name)) is not None}
    return line_of(fields)


def decode(fields: Mapping[str, Any]) -> Record:
    """The record that a line's fields say. Raises UnreadableRecord."""
    try:
        return Record(
            Standing(fields["standing"]),
            fields["unit"],
            tuple(BranchRecord(*branch) for branch in fields.get("branches", ())),
            BranchRecord(*fields["last"]) if "last" in fields else None,
            fields.get("evidence"),
            fields.get("xid"),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UnreadableRecord(str(error)) from error


def line_of(fields: dict[str, Any]) -> bytes:
    """A line: the checksum of the text, the text."""
    text = json.dumps(fields, ensure_ascii=True, separators=(",", ":")).encode("ascii")
    return b"%08x %s\n" % (zlib.crc32(text), text)


def fields_of(line: bytes) -> dict[str, Any]:
    """What a line says. Raises UnreadableRecord."""
    checksum, _, text = line.removesuffix(b"\n").partition(b" ")
    if not line.endswith(b"\n") or checksum != b"%08x" % zlib.crc32(text):
        raise UnreadableRecord("torn, or its checksum is wrong")
    fields = json.loads(text)
    if not isinstance(fields, dict):
        raise UnreadableRecord("not a table")
    return fields


def standing_of_all(records: Iterable[Record]) -> dict[str, Record]:
    """What is left to do, by unit: the last record of each counts, and those that are done are gone."""
    open_units: dict[str, Record] = {}
    for record in records:
        if record.standing is Standing.DONE:
            open_units.pop(record.unit, None)
        else:
            open_units[record.unit] = record
    return open_units
