"""`connector test-connection`."""

from __future__ import annotations

import click

from connector.admin.output import print_result
from connector.admin.route import Route
from connector.admin.settings import AdminCommand, settings_of


@click.command(name="test-connection", cls=AdminCommand)
@click.argument("reference")
@click.option("--as", "caller", metavar="USER", help="The caller to sign on for; nobody unless given.")
@click.pass_context
def test_connection(context: click.Context, reference: str, caller: str | None) -> None:
    """Sign on and connect once for REFERENCE, on a connection of its own. Role: operator.

    The authentication data are read again first. REFERENCE is APPLICATION:REFERENCE, or a resource's global name.
    """
    result = Route.of(context).call("test-connection", {"reference": reference, "caller": caller})
    product = " ".join(str(part) for part in (result["product"], result["version"]) if part)
    text = f"{reference}: connected to {product or 'the external system'} as {result['user'] or 'its default user'}"
    print_result(result, as_json=settings_of(context).json, for_people=text)
