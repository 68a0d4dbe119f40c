"""`connector test-connection`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from connector.admin.failure import Failure, RemoteFailure
from connector.admin.output import print_explanation, print_json, print_line
from connector.admin.route import Route
from connector.admin.settings import AdminCommand, settings_of
from connector.errors import ConnectorError


@click.command(name="test-connection", cls=AdminCommand)
@click.argument("reference")
@click.option("--as", "caller", metavar="USER", help="The caller to sign on for; nobody unless given.")
@click.pass_context
def test_connection(context: click.Context, reference: str, caller: str | None) -> None:
    """Sign on and connect once for REFERENCE, on a connection of its own. Role: operator.

    The authentication data are read again first. It tells product, version, the user actually at work and where the
    sign-on came from; a failure tells its causes and how far the sign-on came. REFERENCE is APPLICATION:REFERENCE, or a
    resource's global name.
    """
    as_json = settings_of(context).json
    try:
        result = Route.of(context).call("test-connection", {"reference": reference, "caller": caller})
    except (ConnectorError, RemoteFailure) as error:
        explanation = Failure.of(error).explanation
        if explanation is not None and not as_json:
            print_explanation(explanation, to_errors=True)
        raise
    if as_json:
        print_json(result)
    else:
        _print_for_people(result)


def _print_for_people(result: Mapping[str, Any]) -> None:
    product = " ".join(str(part) for part in (result["product"], result["version"]) if part)
    user = result["user"] or "its default user"
    print_line(f"{result['reference']}: connected to {product or 'the external system'} as {user}")
    asserted = f", {result['asserted']} asserted" if result["asserted"] is not None else ""
    signed_on = result["signed_on_as"] or "the factory's default user"
    print_line(f"  signed on to {result['resource']} as {signed_on} by {result['source']}{asserted}")
