"""`connector lookup`."""

from __future__ import annotations

import click

from connector.admin.output import print_result
from connector.admin.route import Route
from connector.admin.settings import AdminCommand, settings_of


@click.command(cls=AdminCommand)
@click.argument("name")
@click.pass_context
def lookup(context: click.Context, name: str) -> None:
    """Look NAME up: a resource's global name, or APPLICATION:REFERENCE. Needs a login, and no role."""
    found = Route.of(context).call("lookup", {"reference": name})
    text = f"{found['name']}: {found['type']} {found['shown']}"
    print_result(found, as_json=settings_of(context).json, for_people=text)
