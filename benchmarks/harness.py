"""Measuring two sides in interleaved rounds, so that a busy or throttled machine hits both alike.

A round measures ours and theirs directly after each other, taking turns in who goes first. Reported are minimum, median
and maximum over the rounds, and the ratio of the medians.
"""

from __future__ import annotations

import gc
import math
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

Better = Literal["lower", "higher"]

#: One measurement: answers a figure in the comparison's unit.
Measure = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Side:
    """One side's figures over all rounds."""

    min: float
    median: float
    max: float
    unit: str

    @classmethod
    def of(cls, figures: Sequence[float], unit: str) -> Side:
        """Sum up the figures of all rounds."""
        return cls(min(figures), statistics.median(figures), max(figures), unit)


@dataclass(frozen=True, slots=True)
class Result:
    """One line of `results.json`.

    Attributes:
        name: What was measured.
        peer: Against what; `limit` for an absolute limit.
        ratio: Ours over theirs.
        better: Which direction is better.
        goal: The ratio to be reached.
        ours: Our figures.
        theirs: The peer's, or the limit.
        note: What else there is to know; may be empty.
    """

    name: str
    peer: str
    ratio: float
    better: Better
    goal: float
    ours: Side
    theirs: Side
    note: str = ""

    @property
    def met(self) -> bool:
        """Whether the goal is reached."""
        return self.ratio <= self.goal if self.better == "lower" else self.ratio >= self.goal

    def noting(self, note: str) -> Result:
        """The same with a note that was known only after measuring."""
        return replace(self, note=note)

    def to_dict(self) -> dict[str, Any]:
        """For `results.json`."""
        return asdict(self)


def compare(
    name: str,
    peer: str,
    ours: Measure,
    theirs: Measure,
    *,
    goal: float,
    unit: str,
    rounds: int,
    better: Better = "lower",
    note: str = "",
) -> Result:
    """Measure both in interleaved rounds, after one round that isn't counted."""
    figures: dict[Measure, list[float]] = {ours: [], theirs: []}
    for number in range(rounds + 1):
        for side in (ours, theirs) if number % 2 else (theirs, ours):
            figure = side()
            if number:
                figures[side].append(figure)
    mine, other = Side.of(figures[ours], unit), Side.of(figures[theirs], unit)
    return Result(name, peer, mine.median / other.median, better, goal, mine, other, note)


def against_limit(
    name: str,
    figures: Sequence[float],
    limit: float,
    *,
    unit: str,
    goal: float = 1.0,
    better: Better = "lower",
    note: str = "",
) -> Result:
    """Set figures against an absolute limit: the ratio is ours over the limit."""
    mine = Side.of(figures, unit)
    return Result(name, "limit", mine.median / limit, better, goal, mine, Side(limit, limit, limit, unit), note)


def percentile(figures: Sequence[float], share: float) -> float:
    """The nearest-rank percentile: the smallest figure that at least this share of them doesn't exceed."""
    ordered = sorted(figures)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def seconds_each(operation: Callable[[], object], count: int) -> float:
    """Seconds per call over `count` calls, without the garbage collector in between."""
    gc.collect()
    gc.disable()
    try:
        began = time.perf_counter()
        for _ in range(count):
            operation()
        return (time.perf_counter() - began) / count
    finally:
        gc.enable()


def keeping_bytecode(folder: str) -> dict[str, str]:
    """The environment for processes whose start is measured: what is compiled is kept, in `folder`, for the next one.

    As where the package is installed. An environment that forbids it (PYTHONDONTWRITEBYTECODE) would have our modules,
    which a clone has as source, compiled at each start, and a library's, which are installed compiled, not.
    """
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPYCACHEPREFIX": folder}


def process_seconds(command: Sequence[str], environment: dict[str, str] | None = None) -> float:
    """Seconds that a process takes from start to end; raises if it fails."""
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env=environment)
    return time.perf_counter() - began


def machine() -> dict[str, Any]:
    """What it was measured on."""
    return {
        "system": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "load_average": os.getloadavg()[0],
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:  # noqa: PTH123 - a pseudo file
            return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()
