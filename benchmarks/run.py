"""`python -m benchmarks.run [--quick] [--only NAME] [--strict]`: measure, print a table, write `results.json`."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.harness import Result, Side, machine

#: The entries: modules of this package with `run(*, quick) -> list[Result]`.
ENTRIES = (
    "lease",
    "async_lease",
    "async_engine",
    "fairness",
    "contention",
    "identities",
    "engine_connect",
    "trusted",
    "bus",
    "wire",
    "policy",
    "dispatch",
    "imports",
    "startup",
)

RESULTS = Path(__file__).with_name("results.json")


def main(arguments: list[str] | None = None) -> int:
    """Run the entries; answers the exit code: 1 only with `--strict` and a goal that was missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds: to see that it runs")
    parser.add_argument("--only", choices=ENTRIES, action="append", help="only this entry; may be given several times")
    parser.add_argument("--strict", action="store_true", help="exit with 1 if a goal was missed")
    options = parser.parse_args(arguments)
    results: list[Result] = []
    for name in options.only or ENTRIES:
        print(f"measuring {name} …", file=sys.stderr)
        results += importlib.import_module(f"benchmarks.{name}").run(quick=options.quick)
    console = Console() if sys.stdout.isatty() else Console(width=150)
    console.print(table(results))
    for result in results:
        if result.note:
            console.print(f"[dim]{result.name} against {result.peer}: {result.note}[/dim]")
    if options.quick or options.only:
        print("not written: results.json is the outcome of a whole run", file=sys.stderr)
    else:
        content = {"machine": machine(), "results": [result.to_dict() for result in results]}
        RESULTS.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return 1 if options.strict and not all(result.met for result in results) else 0


def table(results: list[Result]) -> Table:
    """The results for people."""
    shown = Table(title="ours against theirs: median [min … max]")
    for heading in ("what", "peer", "ours", "theirs", "ratio", "goal", ""):
        shown.add_column(heading)
    for result in results:
        sign = "≤" if result.better == "lower" else "≥"
        verdict = "[green]met[/green]" if result.met else "[red]missed[/red]"
        shown.add_row(
            result.name,
            result.peer,
            _figures(result.ours),
            _figures(result.theirs),
            f"{result.ratio:.3f}",
            f"{sign} {result.goal:g}",
            verdict,
        )
    return shown


def _figures(side: Side) -> str:
    if side.min == side.max:
        return f"{side.median:.4g} {side.unit}"
    return f"{side.median:.4g} [{side.min:.4g} … {side.max:.4g}] {side.unit}"


if __name__ == "__main__":
    raise SystemExit(main())
