"""`connector explain`."""

from __future__ import annotations

import click

from connector.admin.output import print_explanation, print_json
from connector.admin.route import Route
from connector.admin.settings import AdminCommand, settings_of


@click.command(cls=AdminCommand)
@click.argument("reference")
@click.option("--as", "caller", metavar="USER", help="The caller to explain it for; nobody unless given.")
@click.option(
    "--suppose",
    multiple=True,
    metavar="MODULE=RESULT",
    help="Take a login module's answer for given: succeeded, ignored or failed. May be repeated.",
)
@click.pass_context
def explain(context: click.Context, reference: str, caller: str | None, suppose: tuple[str, ...]) -> None:
    """Show step by step where the sign-on of REFERENCE comes from, without connecting. Role: monitor.

    REFERENCE is APPLICATION:REFERENCE, or the global name of a resource. Of a login configuration each module is shown
    with its flag, its result, whom it mapped to what, and which credential it gave for which resource; no secret.
    """
    arguments = {"reference": reference, "caller": caller, "suppose": list(suppose)}
    found = Route.of(context).call("explain", arguments)
    if settings_of(context).json:
        print_json(found)
    else:
        print_explanation(found)
