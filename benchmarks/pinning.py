"""A PostgreSQL server to measure against, it and the benchmark kept to one core, or each to one of its own."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any

from benchmarks.installed_postgresql import VARIABLE, InstalledPostgreSQL

_SERVER = Path(__file__).parents[1] / "examples" / "weather" / "weather_postgresql.py"


def throw_away_postgresql() -> Any:
    """The server of the demo, or the one that CONNECTOR_BENCH_POSTGRESQL names, as a context manager.

    Raises PostgreSQLUnavailable on entry where there is none.
    """
    named = os.environ.get(VARIABLE)
    if named:
        return InstalledPostgreSQL(Path(named))
    spec = importlib.util.spec_from_file_location("weather_postgresql", _SERVER)
    assert spec is not None
    assert spec.loader is not None
    module = ModuleType(spec.name)
    spec.loader.exec_module(module)
    return module.PostgreSQLServer()


@contextmanager
def pinned_to_cores(server: Any, *, together: bool) -> Iterator[str]:
    """Keep this process to one core, and the server's processes, with those that it will start, to the same or another.

    Together the work of both sides counts, and no other core has to be woken; apart, the round trips count.
    Answers what was done, in words. On a machine with one core they share it; where the system can't pin, nothing is.
    """
    if not hasattr(os, "sched_setaffinity"):
        yield "not pinned: this system can't"
        return
    before = os.sched_getaffinity(0)
    cores = sorted(before)
    try:
        os.sched_setaffinity(0, {cores[0]})
        other = cores[0] if together else cores[-1]
        for process in _with_children(server._process.pid):
            with suppress(ProcessLookupError):  # it has ended meanwhile
                os.sched_setaffinity(process, {other})
        yield f"client pinned to core {cores[0]}, server to core {other}"
    finally:
        os.sched_setaffinity(0, before)


def _with_children(parent: int) -> list[int]:
    found = [parent]
    for process in (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()):
        try:
            after_name = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2]
        except OSError:  # it has ended meanwhile
            continue
        if int(after_name.split()[1]) == parent:
            found.append(process)
    return found
