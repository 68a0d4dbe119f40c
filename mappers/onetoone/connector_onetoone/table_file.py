"""The table's file: read again when it has changed, all at once or not at all; a wrong edit changes nothing."""

from __future__ import annotations

import logging
import os
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, TypeAlias, final

from connector.errors import Problem
from connector_onetoone.reasons import TABLE_UNREADABLE, mistake
from connector_onetoone.table import CallerTable, read_table

_log = logging.getLogger("connector.mappers")

_Stamp: TypeAlias = tuple[int, int, int, int]
# Dates of files go by ticks of some milliseconds: what was written just now may be written again within its tick.
_SETTLED_AFTER_NS: Final = 50_000_000


@dataclass(frozen=True, slots=True)
class Reading:
    """What is known of a file.

    Attributes:
        table: What was understood last; None where the file has never been right.
        revision: Counts the readings that were right and differed.
        problems: What is wrong with the file as it stands now.
        content: As it stands now; None where it can't be read.
        stamp: Its date and size before it was read; None where there is no file, or where it was too new to be sure.
    """

    table: CallerTable | None = None
    revision: int = 0
    problems: tuple[Problem, ...] = ()
    content: bytes | None = None
    stamp: _Stamp | None = None


@final
class TableFile:
    """One file. Safe to use from any thread.

    Args:
        path: Where it is.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        # Mutable, under the lock: the newest reading; one object, so that readers need no lock.
        self._reading = Reading()

    def current(self) -> Reading:
        """The newest reading. Looks at the file's date; blocks to read it where that is new. Does not raise."""
        known = self._reading
        if known.stamp is not None and known.stamp == _stamp_of(self._path):
            return known
        with self._lock:
            stamp, known = _stamp_of(self._path), self._reading
            if known.stamp is None or known.stamp != stamp:
                self._reading = self._read_again(known, stamp)
            return self._reading

    def _read_again(self, known: Reading, stamp: _Stamp | None) -> Reading:
        """The reading that follows; the file's stamp was taken before."""
        settled = stamp if stamp is not None and abs(time.time_ns() - stamp[0]) > _SETTLED_AFTER_NS else None
        file = str(self._path)
        content: bytes | None = None
        problems: tuple[Problem, ...]
        try:
            content = read = self._path.read_bytes()
        except OSError as error:
            problems = (mistake(TABLE_UNREADABLE, "(top)", "a readable file", file=file, why=type(error).__name__),)
        else:
            if read == known.content:
                return replace(known, stamp=settled)
            understood = read_table(read, file)
            if isinstance(understood, CallerTable):
                return Reading(understood, known.revision + 1, (), read, settled)
            problems = understood
        if problems != known.problems and known.table is not None:
            self._report(problems)
        return Reading(known.table, known.revision, problems, content, settled)

    def _report(self, problems: tuple[Problem, ...]) -> None:
        """Tell a wrong edit, once. Where no table was right before, nobody is mapped and each login says why."""
        for problem in problems:
            _log.warning("the table of callers is wrong, the last one that was right stays in force: %s", problem)


def _stamp_of(path: Path) -> _Stamp | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - asked at each use of a kept plan: a third of the price of Path.stat
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino)


# Mutable, under the lock: the files by path, as many as configurations name. A module is made anew for each login.
_FILES: dict[Path, TableFile] = {}
_LOCK = threading.Lock()


def table_file(path: Path) -> TableFile:
    """The one object for that file in this process."""
    found = _FILES.get(path)
    if found is None:
        with _LOCK:
            found = _FILES.setdefault(path, TableFile(path))
    return found
