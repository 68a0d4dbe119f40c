"""`connector explain`."""

from __future__ import annotations

import click

from connector.admin.output import print_explanation, print_json
from connector.admin.route import Route
from connector.admin.settings import AdminCommand, settings_of


@click.command(cls=AdminCommand)
@click.argument("reference")
@click.option("--as", "caller", metavar="USER", help="The caller to explain it for; nobody unless given.")
@click.pass_context
def explain(context: click.Context, reference: str, caller: str | None) -> None:
    """Show step by step where the sign-on of REFERENCE comes from, without connecting. Role: monitor.

    REFERENCE is APPLICATION:REFERENCE, or the global name of a resource.
    """
    found = Route.of(context).call("explain", {"reference": reference, "caller": caller})
    if settings_of(context).json:
        print_json(found)
    else:
        print_explanation(found)
