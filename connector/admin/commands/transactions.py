"""`connector transactions`: what is not finished, and deciding what is in doubt."""

from __future__ import annotations

from typing import Any

import click

from connector.admin.output import print_json, print_line, print_table
from connector.admin.route import Route
from connector.admin.settings import AdminGroup, settings_of


@click.group(cls=AdminGroup)
def transactions() -> None:
    """List transactions that are not finished; decide those that are in doubt. Role: monitor to list, else operator.

    Without a running container one is opened for the command: then list tells what the decision log knows, and recover
    asks the resources.
    """


@transactions.command("list")
@click.pass_context
def list_(context: click.Context) -> None:
    """List the units of work that run, wait for recovery, or are in doubt. Role: monitor."""
    _show(context, Route.of(context).call("transactions.list", {}))


@transactions.command()
@click.pass_context
def recover(context: click.Context) -> None:
    """Ask all resources now for what was left prepared, and finish what is decided. Role: operator.

    A running container does so by itself, at its start and for as long as something is left.
    """
    _show(context, Route.of(context).call("transactions.recover", {}))


@transactions.command()
@click.argument("unit")
@click.pass_context
def commit(context: click.Context, unit: str) -> None:
    """Commit UNIT, which is in doubt: its prepared branches are committed. Role: operator.

    Look at the last resource first: what it has done, the others must do. The decision is in the audit log, and can't
    be taken back.
    """
    _show(context, Route.of(context).call("transactions.commit", {"unit": unit}))


@transactions.command()
@click.argument("unit")
@click.pass_context
def rollback(context: click.Context, unit: str) -> None:
    """Roll back UNIT, which is in doubt: its prepared branches are rolled back. Role: operator.

    As for commit, look at the last resource first.
    """
    _show(context, Route.of(context).call("transactions.rollback", {"unit": unit}))


@transactions.command()
@click.argument("unit")
@click.pass_context
def forget(context: click.Context, unit: str) -> None:
    """Do no more about UNIT, for example since its resource is gone. Role: operator.

    Branches of it that turn up prepared afterwards are rolled back.
    """
    _show(context, Route.of(context).call("transactions.forget", {"unit": unit}))


def _show(context: click.Context, found: list[dict[str, Any]]) -> None:
    if settings_of(context).json:
        print_json(found)
        return
    rows = [
        {
            "unit": one["unit"],
            "standing": f"{one['standing']} (in doubt)" if one["in_doubt"] else one["standing"],
            "resources": list(dict.fromkeys(branch["resource"] for branch in one["branches"])),
            "meaning": one["meaning"],
        }
        for one in found
    ]
    print_table(("unit", "standing", "resources", "meaning"), rows, empty="Nothing is unfinished.")
    for one in found:
        for trouble in one["trouble"]:
            print_line(f"{one['unit']}: {trouble}")
