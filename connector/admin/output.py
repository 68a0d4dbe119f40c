"""Output for people (tables) and for programs (`--json`): always of the same plain data."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

# C0 and C1 control characters without tab and newline: a message body could otherwise steer the reader's terminal.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def printable(text: object) -> str:
    """Text from elsewhere, with control characters made visible, as in a Python literal."""
    return _CONTROL.sub(lambda match: f"\\x{ord(match.group()):02x}", str(text))


def print_json(data: Any) -> None:
    """Print plain data as one JSON value. Only ASCII leaves, so that any terminal and any locale take it."""
    click.echo(json.dumps(data, default=str))


def print_line(text: str, *, to_errors: bool = False) -> None:
    """Print one line for people; to standard error where it belongs to a failure."""
    click.echo(printable(text), err=to_errors)


def print_table(columns: Sequence[str], rows: Iterable[Mapping[str, Any]], *, empty: str) -> None:
    """Print a table for people.

    Args:
        columns: The keys to show, which are the headings as well.
        rows: Plain data.
        empty: What to say where there are no rows.
    """
    # rich takes a tenth of a second to import, which `version` and `--json` needn't pay.
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = list(rows)
    if not shown:
        click.echo(empty)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in shown:
        # Text, not str: what stands in square brackets is not markup.
        table.add_row(*(Text(printable(_cell(row.get(column)))) for column in columns))
    # Without a terminal rich would fold at 80 columns what a program or a file is to get whole.
    Console(width=None if sys.stdout.isatty() else 240).print(table)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return ", ".join(str(item) for item in value)
    return str(value)


def print_result(data: Any, *, as_json: bool, for_people: str) -> None:
    """Print what a changing command did: the data for programs, a sentence for people."""
    if as_json:
        print_json(data)
    else:
        print_line(for_people)


def print_explanation(plain: Mapping[str, Any], *, to_errors: bool = False) -> None:
    """Print an explanation (`Explanation.to_dict`) for people: the question, the steps indented, the answer."""
    print_line(str(plain["question"]), to_errors=to_errors)
    _print_steps(plain["steps"], 1, to_errors=to_errors)
    print_line(f"=> {plain['answer']}", to_errors=to_errors)


_MARKS = {"taken": "+", "rejected": "-", "failed": "!", "note": "."}


def _print_steps(steps: Iterable[Mapping[str, Any]], depth: int, *, to_errors: bool) -> None:
    for step in steps:
        why = f": {step['why']}" if step.get("why") else ""
        mark = _MARKS.get(step["verdict"], "?")
        print_line(f"{'  ' * depth}{mark} {step['what']} ({step['verdict']}){why}", to_errors=to_errors)
        _print_steps(step.get("steps", ()), depth + 1, to_errors=to_errors)
