"""The decision log: what a kill must not make a container forget, in one file of its state folder.

Theory of operation
-------------------
A line a record, each with a checksum, appended and brought down to the disk (`fsync`) before anybody acts on it; of
several threads that decide at once one brings down the lines of all. The first line names format, state folder and
incarnation. At each start, and when it has grown, the file is replaced by one with the open units only, atomically.

A last line that is torn was never acted upon and is left out. A damaged line before that, or a newer format, is
refused: to guess there could commit one half of a unit and roll back the other.

A record that can't be written is taken back, and the unit may be rolled back. One that was written but could not be
brought down may survive or not: nobody can say, so such a unit is left prepared, and the log takes no further decision
until the next start has read what is there.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Final, final

from connector.errors import ConfigError, OutcomeUnknown, Reason, TransactionError
from connector.security.durable_file import replace_file
from connector.transactions.identifiers import Owner, new_folder_id
from connector.transactions.records import (
    FORMAT,
    Record,
    Standing,
    UnreadableRecord,
    decode,
    encode,
    fields_of,
    line_of,
    standing_of_all,
)

LOG_DAMAGED = Reason(
    "CF-TX-030",
    "the decision log {path} is damaged in line {line}: {why}.",
    "Put back the file from a copy of the state folder. Without one, finish the transactions that the databases show as"
    " prepared by hand (all branches of a unit alike), then remove the file.",
)
LOG_NEWER = Reason(
    "CF-TX-031",
    "the decision log {path} is of format {found}; this version knows formats up to {known}.",
    "Use the version that wrote it, or a newer one.",
)
LOG_UNUSABLE = Reason(
    "CF-TX-032",
    "the decision log {path} can't be used: {why}.",
    "See that the state folder belongs to the container's user and that its disk has room.",
)
NOT_WRITTEN = Reason(
    "CF-TX-033",
    "the decision to commit unit {unit} could not be written to {path}: {why}.",
    "The unit is rolled back. See that the disk of the state folder has room.",
)
NOT_BROUGHT_DOWN = Reason(
    "CF-TX-034",
    "whether the decision to commit unit {unit} is on the disk ({path}) is not known: {why}.",
    "Its branches stay prepared. See to the disk and start the container again, which finishes them.",
)

#: Bytes that may be appended before the file is replaced by a short one.
_COMPACT_AFTER: Final = 1 << 18


@final
class DecisionLog:
    """The log of one container, open for as long as the container runs. Safe to use from any thread.

    Reads the file, or makes it, and begins a new incarnation; blocks for the disk. The state folder's lock keeps other
    processes away.

    Args:
        path: The file.
        container: The container's name.

    Raises ConfigError: damaged, of a newer format, or not to be used.
    """

    def __init__(self, path: Path, container: str) -> None:
        self._path = path
        folder, incarnation, records, resources = _read(path)
        self.owner = Owner(container, folder or new_folder_id(), incarnation + 1)
        # The mutable state: the resources where something was ever prepared, the open units, the file, how many lines
        # were written and how many of those are known to be on the disk, bytes since the last replacement, and what has
        # made the log useless.
        self._resources = resources
        self._open = standing_of_all(records)
        self._file = -1
        self._written = 0
        self._on_disk = 0
        self._grown = 0
        self._failed: OSError | None = None
        self._writing = threading.Lock()  # guards all of it but `_on_disk`; held for a write, never for the disk
        self._bringing_down = threading.Lock()  # guards `_on_disk`; taken before `_writing` where both are
        try:
            self._replace()
        except OSError as error:
            raise ConfigError(LOG_UNUSABLE, path=path, why=_why(error)) from error

    @property
    def open_units(self) -> Mapping[str, Record]:
        """What is known of the units that are not finished; a copy of this instant."""
        with self._writing:
            return dict(self._open)

    @property
    def resources(self) -> frozenset[str]:
        """The resources where something was ever prepared: only these need be asked after a start."""
        return self._resources

    @property
    def failed(self) -> bool:
        """Whether the disk has failed under it, so that what it holds is not known before the next start."""
        return self._failed is not None

    def decide(self, record: Record) -> None:
        """Write a record and bring it down to the disk; blocks for that.

        Raises:
            TransactionError: It is certain that it is not written (CF-TX-033).
            OutcomeUnknown: Nobody knows (CF-TX-034).
        """
        with self._writing:
            number = self._append(record)
        self._bring_down(number, record.unit)

    def remember(self, resource: str) -> None:
        """Something is about to be prepared at a resource. Blocks for the disk where it is the first time ever.

        Raises as `decide`.
        """
        if resource in self._resources:
            return
        with self._writing:
            if resource in self._resources:
                number = self._written  # by another thread, which may not have brought it down yet
            else:
                number = self._append_line(line_of({"resource": resource}), f"at {resource}")
                self._resources |= {resource}
        self._bring_down(number, f"at {resource}")

    def note(self, record: Record) -> None:
        """Write a record that may be lost, as one of a unit that is done: then it is found out again. Raises nothing
        but TransactionError where it could not be written.
        """
        with self._writing:
            self._append(record)
            grown = self._grown
        if grown > _COMPACT_AFTER:
            self._compact()

    def close(self) -> None:
        """Close the file. Harmless when called twice."""
        with self._bringing_down, self._writing:
            if self._file >= 0:
                os.close(self._file)
                self._file = -1

    def _append(self, record: Record) -> int:
        number = self._append_line(encode(record), record.unit)
        if record.standing is Standing.DONE:
            self._open.pop(record.unit, None)
        else:
            self._open[record.unit] = record
        return number

    def _append_line(self, line: bytes, unit: str) -> int:
        if self._failed is not None or self._file < 0:
            why = _why(self._failed) if self._failed is not None else "the container has stopped"
            raise TransactionError(NOT_WRITTEN, unit=unit, path=self._path, why=why)
        size = os.fstat(self._file).st_size
        try:
            _write_whole(self._file, line)
        except OSError as error:
            try:
                os.ftruncate(self._file, size)
            except OSError as second:  # half a line in the middle would damage the file
                self._failed = second
            raise TransactionError(NOT_WRITTEN, unit=unit, path=self._path, why=_why(error)) from error
        self._written += 1
        self._grown += len(line)
        return self._written

    def _bring_down(self, number: int, unit: str) -> None:
        with self._bringing_down:
            if self._on_disk >= number:
                return  # another thread has brought it down along with its own
            written = self._written
            try:
                if self._failed is not None:
                    raise self._failed
                os.fsync(self._file)
            except OSError as error:
                self._failed = error
                raise OutcomeUnknown(NOT_BROUGHT_DOWN, unit=unit, path=self._path, why=_why(error)) from error
            self._on_disk = written

    def _compact(self) -> None:
        with self._bringing_down, self._writing:
            if self._failed is None and self._file >= 0 and self._grown > _COMPACT_AFTER:
                try:
                    self._replace()
                except OSError as error:
                    self._failed = error

    def _replace(self) -> None:
        owner = self.owner
        header = {
            "format": FORMAT,
            "container": owner.container,
            "folder": owner.folder,
            "incarnation": owner.incarnation,
        }
        remembered = (line_of({"resource": resource}) for resource in sorted(self._resources))
        replace_file(self._path, b"".join((line_of(header), *remembered, *map(encode, self._open.values()))))
        old, self._file = self._file, os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        if old >= 0:
            os.close(old)
        self._on_disk = self._written
        self._grown = 0

    def __repr__(self) -> str:
        return f"<DecisionLog {self._path}, incarnation {self.owner.incarnation}, {len(self._open)} open>"


def _read(path: Path) -> tuple[str, int, list[Record], frozenset[str]]:
    """Folder, incarnation, records and resources of a file; nothing, 0 and none where there is no file."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return "", 0, [], frozenset()
    except OSError as error:
        raise ConfigError(LOG_UNUSABLE, path=path, why=_why(error)) from error
    lines = content.splitlines(keepends=True)
    try:
        header = fields_of(lines[0] if lines else b"")
        found = header["format"]
        if not isinstance(found, int) or found > FORMAT:
            raise ConfigError(LOG_NEWER, path=path, found=found, known=FORMAT)
        folder, incarnation = str(header["folder"]), int(header["incarnation"])
    except (KeyError, ValueError) as error:
        raise ConfigError(LOG_DAMAGED, path=path, line=1, why=str(error)) from error
    records = []
    resources = set()
    for number, line in enumerate(lines[1:], 2):
        try:
            fields = fields_of(line)
            if "resource" in fields:
                resources.add(str(fields["resource"]))
            else:
                records.append(decode(fields))
        except UnreadableRecord as error:
            if number == len(lines) and not line.endswith(b"\n"):
                break  # torn by a kill, so never acted upon
            raise ConfigError(LOG_DAMAGED, path=path, line=number, why=str(error)) from error
    return folder, incarnation, records, frozenset(resources)


def _write_whole(descriptor: int, line: bytes) -> None:
    if os.write(descriptor, line) != len(line):
        raise OSError("the disk took a part of it only")


def _why(error: OSError) -> str:
    return error.strerror or str(error) or type(error).__name__
