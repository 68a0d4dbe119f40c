"""`connector pool`: the pools of a running container."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from connector.admin.output import print_json, print_line, print_result, print_table
from connector.admin.route import Route
from connector.admin.settings import AdminGroup, settings_of

_OVERVIEW = ("resource", "max_size", "size", "in_use", "free", "waiting", "timeouts", "created", "destroyed")
_CONTENTS = ("user", "alias", "version", "in_use", "effective_user", "reference", "doomed")


@click.group(cls=AdminGroup)
def pool() -> None:
    """Look at the connection pools of a running container, or purge one. Role: monitor (purge: operator)."""


@pool.command()
@click.argument("reference", required=False)
@click.pass_context
def show(context: click.Context, reference: str | None) -> None:
    """Show all pools, or one with its figures and connections. Role: monitor.

    REFERENCE is APPLICATION:REFERENCE, or the global name of a resource. With --json all of it is shown for each pool,
    by our names and by OpenTelemetry's.
    """
    found = Route.of(context).call("pool.show", {"reference": reference})
    if settings_of(context).json:
        print_json(found)
    elif reference is None:
        rows = [{**one["statistics"], "resource": one["resource"]} for one in found]
        print_table(_OVERVIEW, rows, empty="This container has no pools: no resource is a connection factory.")
    else:
        _print_one(found[0])


def _print_one(one: Mapping[str, Any]) -> None:
    figures = one["statistics"]
    print_line(f"pool of {one['resource']} (adapter {one['adapter']})")
    for name, value in figures.items():
        if not isinstance(value, dict):
            print_line(f"  {name}: {round(value, 3) if isinstance(value, float) else value}")
    print_table(_CONTENTS, one["connections"], empty="It has no connections now.")


@pool.command()
@click.argument("reference")
@click.option("--dry-run", is_flag=True, help="Only say what would be closed.")
@click.pass_context
def purge(context: click.Context, reference: str, dry_run: bool) -> None:
    """Close the connections of REFERENCE's pool: free ones now, those on loan when they come back. Role: operator.

    Nobody's work is interrupted, and the pool opens new ones as they are needed. The purge is in the audit log.
    """
    result = Route.of(context).call("pool.purge", {"reference": reference, "dry_run": dry_run})
    closed, on_return, resource = result["closed"], result["on_return"], result["resource"]
    if dry_run:
        text = f"{resource}: a purge would close {closed} now and {on_return} when they come back; nothing was done."
    else:
        text = f"{resource}: closed {closed}; {on_return} on loan will be closed when they come back."
    print_result(result, as_json=settings_of(context).json, for_people=text)
